// SPDX-License-Identifier: GPL-2.0

//! Everything a command works with, set up once: the machine, the source with
//! the overlay on it, the tool chain, the kernels and the guests.

use crate::{
    apt::Apt,
    arch::{Arch, Flavour, Impl},
    cache::Cache,
    cmd::{self, Cmd},
    guest::{self, Guest},
    host,
    kernel::{Builder, Kernel, Variant},
    overlay::Overlay,
    pins::Pins,
    source::Source,
    toolchain::Toolchain,
    userland::Userland,
    worktree,
};
use anyhow::{Result, ensure};
use std::{
    cell::RefCell,
    env,
    path::{Path, PathBuf},
};

/// The lock of the tree that kernels are built from: shared by builds.
const TREE: &str = "tree";

pub(crate) struct Project {
    pub(crate) cache: Cache,
    pub(crate) pins: Pins,
    pub(crate) repo: PathBuf,
    pub(crate) arch: Arch,
    pub(crate) toolchain: Toolchain,
    /// The source as it is without the overlay.
    pub(crate) pristine: PathBuf,
    /// The source tree with the overlay on it.
    pub(crate) tree: PathBuf,
    suffix: String,
    as_built: bool,
    /// Kernels that are known to be up to date.
    built: RefCell<Vec<Kernel>>,
    apt: Option<Apt>,
}

impl Project {
    /// Sets the machine up for `arch`, as far as that is not done.
    ///
    /// With `as_built`, kernels and the tree they came from stay as they are.
    pub(crate) fn open(arch: Arch, as_built: bool) -> Result<Self> {
        let pins = Pins::load()?;
        let cache = Cache::open()?;
        let setup = cache.lock("setup")?;
        let repo = repository()?;
        host::prepare(&cache, &pins, arch)?;
        let apt = open_apt(&cache, &pins)?;
        let toolchain = Toolchain::get(&cache, &pins, apt.as_ref())?;
        let source = Source::get(&cache, &pins, apt.as_ref())?;
        drop(setup);
        let tree = worktree::path(&cache, &source);
        if !as_built {
            let _tree = cache.lock(TREE)?;
            worktree::prepare(&cache, &source, &Overlay::load(&repo)?)?;
        }
        Ok(Self {
            cache,
            pins,
            repo,
            arch,
            toolchain,
            pristine: source.dir,
            tree,
            as_built,
            built: RefCell::default(),
            suffix: source.suffix,
            apt,
        })
    }

    /// The kernel with this implementation, built if anything changed.
    pub(crate) fn kernel(&self, imp: Impl, flavour: Flavour) -> Result<Kernel> {
        let variant = Variant::new(self.arch, imp, flavour);
        if self.as_built {
            return self.builder().built(variant);
        }
        let known = self
            .built
            .borrow()
            .iter()
            .find(|kernel| kernel.variant == variant)
            .cloned();
        if let Some(kernel) = known {
            return Ok(kernel);
        }
        let _tree = self.cache.share(TREE)?;
        let _objects = self.cache.lock(&variant.name())?;
        let kernel = self.builder().build(variant)?;
        self.built.borrow_mut().push(kernel.clone());
        Ok(kernel)
    }

    /// Compiles the kernel's Rust with clippy in the compiler's place.
    pub(crate) fn clippy(&self, imp: Impl, flavour: Flavour) -> Result<()> {
        let overlay = Overlay::load(&self.repo)?;
        let _tree = self.cache.share(TREE)?;
        let _objects = self.cache.lock("clippy")?;
        self.builder().clippy(
            Variant::new(self.arch, imp, flavour),
            &overlay.rust_folders(),
        )
    }

    /// `make` for the source tree and the object tree of a kernel.
    pub(crate) fn make(&self, kernel: &Kernel) -> Cmd {
        self.builder()
            .make(kernel.variant.arch.facts(), &kernel.objects)
    }

    pub(crate) fn guest(&self) -> Result<Guest> {
        let _lock = self.cache.lock("guest")?;
        let root = guest::root(&self.cache, &self.pins, self.apt.as_ref(), self.arch)?;
        Ok(Guest {
            cache: self.cache.clone(),
            scripts: self.repo.join("xtask/guest"),
            root,
        })
    }

    /// The compiler for programs that run in guests.
    pub(crate) fn userland(&self) -> Result<Userland<'_>> {
        let _lock = self.cache.lock("guest")?;
        Userland::get(
            &self.cache,
            &self.pins,
            self.apt.as_ref(),
            &self.toolchain,
            self.arch,
        )
    }

    fn builder(&self) -> Builder<'_> {
        Builder {
            cache: &self.cache,
            repo: &self.repo,
            toolchain: &self.toolchain,
            source: &self.tree,
            suffix: &self.suffix,
        }
    }
}

/// The unmodified source, fetched if need be, and nothing beside it.
pub(crate) fn pristine() -> Result<PathBuf> {
    let pins = Pins::load()?;
    let cache = Cache::open()?;
    let _lock = cache.lock("setup")?;
    Ok(Source::get(&cache, &pins, open_apt(&cache, &pins)?.as_ref())?.dir)
}

/// None where the system has another package manager.
fn open_apt(cache: &Cache, pins: &Pins) -> Result<Option<Apt>> {
    cmd::find("apt-get")
        .map(|_| Apt::open(cache, pins))
        .transpose()
}

/// The checkout that this tool was built from.
pub(crate) fn repository() -> Result<PathBuf> {
    let manifest = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let here = manifest
        .as_deref()
        .and_then(Path::parent)
        .map(Path::to_owned);
    let repo = here.map_or_else(env::current_dir, Ok)?;
    ensure!(
        repo.join("xtask/pins.toml").is_file(),
        "{} is not a checkout of this project; run this as `cargo xtask`",
        repo.display()
    );
    Ok(repo)
}
