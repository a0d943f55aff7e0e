// SPDX-License-Identifier: GPL-2.0

//! Configures and builds kernels, each in an object tree of its own.
//!
//! The two implementations of one architecture and flavour differ in one
//! option: the second tree begins as a copy of the first, and `make` rebuilds
//! what the option changes.

use crate::{
    arch::{Arch, Facts, Flavour, Impl},
    cache::{self, Cache, Stamp},
    cmd::Cmd,
    kconfig,
    toolchain::Toolchain,
    ui,
};
use anyhow::{Context, Result, ensure};
use std::{
    fs,
    path::{Path, PathBuf},
    thread,
};

/// A kernel to build, or built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Variant {
    pub(crate) arch: Arch,
    pub(crate) imp: Impl,
    pub(crate) flavour: Flavour,
}

#[derive(Clone, Debug)]
pub(crate) struct Kernel {
    pub(crate) variant: Variant,
    /// The object tree.
    pub(crate) objects: PathBuf,
}

impl Kernel {
    pub(crate) fn image(&self) -> PathBuf {
        self.objects.join(self.variant.arch.facts().image)
    }

    pub(crate) fn vmlinux(&self) -> PathBuf {
        self.objects.join("vmlinux")
    }
}

impl Variant {
    pub(crate) fn new(arch: Arch, imp: Impl, flavour: Flavour) -> Self {
        Self { arch, imp, flavour }
    }

    pub(crate) fn name(&self) -> String {
        format!("{}-{}-{}", self.arch, self.imp, self.flavour)
    }

    fn sibling(&self) -> Self {
        let imp = match self.imp {
            Impl::C => Impl::Rust,
            Impl::Rust => Impl::C,
        };
        Self { imp, ..*self }
    }
}

/// Builds from one source tree, with one tool chain.
pub(crate) struct Builder<'a> {
    pub(crate) cache: &'a Cache,
    pub(crate) repo: &'a Path,
    pub(crate) toolchain: &'a Toolchain,
    /// The tree with the overlay on it, and what tells it from others.
    pub(crate) source: &'a Path,
    pub(crate) suffix: &'a str,
}

impl Builder<'_> {
    pub(crate) fn build(&self, variant: Variant) -> Result<Kernel> {
        let name = variant.name();
        let objects = self.objects(variant);
        let built = Stamp::of(&objects);
        if !objects.exists() {
            self.begin_with_sibling(variant, &objects)?;
        }
        built.clear()?;
        cache::make_dir(&objects)?;
        self.configure(variant, &objects)?;
        let facts = variant.arch.facts();
        ui::step(&format!("build the kernel {name}"), || {
            self.make(facts, &objects)
                .arg(jobs())
                .args([facts.image_target, "modules"])
                .run(&self.cache.log(&format!("kernel-{name}")))
        })?;
        built.write(&name)?;
        Ok(Kernel { variant, objects })
    }

    /// Compiles the Rust of the common crates and of `folders` with clippy; a
    /// warning is an error, so that a second run finds it too.
    pub(crate) fn clippy(&self, variant: Variant, folders: &[PathBuf]) -> Result<()> {
        let objects = self
            .cache
            .path(format!("build/{}-clippy{}", variant.name(), self.suffix));
        cache::make_dir(&objects)?;
        self.configure(variant, &objects)?;
        let targets = folders
            .iter()
            .map(|folder| format!("{}/", folder.display()));
        ui::step("build the kernel's Rust with clippy", || {
            self.make(variant.arch.facts(), &objects)
                .args([&jobs(), "CLIPPY=1", "KRUSTFLAGS=-Dwarnings", "prepare"])
                .args(targets)
                .run(&self.cache.log("kernel-clippy"))
        })
    }

    /// The kernel that the last build left, whatever has changed since.
    pub(crate) fn built(&self, variant: Variant) -> Result<Kernel> {
        let objects = self.objects(variant);
        let kernel = Kernel { variant, objects };
        let image = kernel.image();
        ensure!(
            image.is_file(),
            "no kernel has been built yet: {}",
            image.display()
        );
        Ok(kernel)
    }

    /// `make` for this source and object tree; targets are the caller's.
    pub(crate) fn make(&self, facts: &Facts, objects: &Path) -> Cmd {
        let library = format!("/usr/lib/{}/lib", self.toolchain.llvm_tool("llvm"));
        Cmd::new("make")
            .arg("-C")
            .arg(self.source)
            .arg(format!("O={}", objects.display()))
            .args(self.toolchain.make_arguments(facts))
            // The same source gives the same kernel, whoever builds it and when.
            .env("KBUILD_BUILD_TIMESTAMP", "1970-01-01")
            .env("KBUILD_BUILD_USER", "uprobes-rs")
            .env("KBUILD_BUILD_HOST", "uprobes-rs")
            .env("LIBCLANG_PATH", library)
    }

    pub(crate) fn objects(&self, variant: Variant) -> PathBuf {
        self.cache
            .path(format!("build/{}{}", variant.name(), self.suffix))
    }

    /// Takes over what the other implementation's build left, if that was complete.
    fn begin_with_sibling(&self, variant: Variant, objects: &Path) -> Result<()> {
        let sibling = self.objects(variant.sibling());
        if !Stamp::of(&sibling).exists() {
            return Ok(());
        }
        let temp = self.cache.temp_dir()?;
        let copy = temp.path().join("objects");
        ui::step(
            &format!("begin {} with {}", variant.name(), variant.sibling().name()),
            || {
                Cmd::new("cp")
                    .args(["-a", "--reflink=auto"])
                    .arg(&sibling)
                    .arg(&copy)
                    .run(&self.cache.log("copy-objects"))
            },
        )?;
        // Another run may have begun to build there meanwhile.
        if !Stamp::of(&sibling).exists() {
            return Ok(());
        }
        move_records(&copy.join("tools"), &sibling, objects)?;
        fs::rename(&copy, objects).with_context(|| objects.display().to_string())
    }

    /// Writes `.config` if what it is made from has changed, and checks it.
    fn configure(&self, variant: Variant, objects: &Path) -> Result<()> {
        let Variant { arch, imp, flavour } = variant;
        let wanted = kconfig::fragments(self.repo, arch, imp, flavour)?;
        let config = objects.join(".config");
        let log = self.cache.log(&format!("config-{}", variant.name()));
        let stamp = Stamp::of(&objects.join("fragments"));
        if !stamp.is(&wanted) || !config.is_file() {
            stamp.clear()?;
            self.make(arch.facts(), objects)
                .arg("tinyconfig")
                .run(&log)?;
            let text = read(&config)? + &wanted;
            cache::write_atomically(&config, text.as_bytes())?;
        }
        // The tree may have new symbols, whatever the fragments say.
        self.make(arch.facts(), objects)
            .arg("olddefconfig")
            .run(&log)?;
        kconfig::check(&wanted, &read(&config)?)?;
        stamp.write(&wanted)
    }
}

/// Corrects what `make` has recorded about the host tools in a copied tree: they are built with
/// absolute paths, and if one of them had to be built again, so would everything that it checks.
fn move_records(folder: &Path, from: &Path, to: &Path) -> Result<()> {
    let (from, to) = (from.display().to_string(), to.display().to_string());
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            move_records(&path, from.as_ref(), to.as_ref())?;
        } else if path
            .extension()
            .is_some_and(|end| end == "cmd" || end == "d")
        {
            let record = read(&path)?;
            if record.contains(&from) {
                fs::write(&path, record.replace(&from, &to))
                    .with_context(|| path.display().to_string())?;
            }
        }
    }
    Ok(())
}

fn jobs() -> String {
    format!(
        "-j{}",
        thread::available_parallelism().map_or(1, |count| count.get())
    )
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| path.display().to_string())
}
