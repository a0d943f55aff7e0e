// SPDX-License-Identifier: GPL-2.0

//! The compilers, as arguments of the kernel's `make`.
//!
//! rustc is the one that runs this tool. Its library source comes from the
//! distribution, which packages the same version; bindgen is built from source.

use crate::{apt::Apt, arch::Facts, cache::Cache, cmd::Cmd, pins::Pins, ui};
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};

pub(crate) struct Toolchain {
    llvm: u32,
    sysroot: PathBuf,
    bindgen: PathBuf,
    library: PathBuf,
}

impl Toolchain {
    pub(crate) fn get(cache: &Cache, pins: &Pins, apt: Option<&Apt>) -> Result<Self> {
        let sysroot = Cmd::new("rustc").args(["--print", "sysroot"]).read()?;
        let sysroot = PathBuf::from(sysroot.trim());
        for program in ["rustfmt", "clippy-driver"] {
            let file = sysroot.join("bin").join(program);
            ensure!(
                file.is_file(),
                "this Rust has no {program}: rustup component add it"
            );
        }
        Ok(Self {
            llvm: pins.llvm.major,
            library: library(cache, pins, apt, &sysroot)?,
            bindgen: bindgen(cache, pins)?,
            sysroot,
        })
    }

    pub(crate) fn make_arguments(&self, facts: &Facts) -> Vec<String> {
        let tool = |name: &str| self.sysroot.join("bin").join(name).display().to_string();
        vec![
            format!("ARCH={}", facts.kernel_arch),
            format!("LLVM=-{}", self.llvm),
            format!("RUSTC={}", tool("rustc")),
            format!("RUSTDOC={}", tool("rustdoc")),
            format!("CLIPPY_DRIVER={}", tool("clippy-driver")),
            format!("RUSTFMT={}", tool("rustfmt")),
            format!("HOSTRUSTC={}", tool("rustc")),
            format!("BINDGEN={}", self.bindgen.display()),
            format!("RUST_LIB_SRC={}", self.library.display()),
        ]
    }

    /// Name of an LLVM tool of the right version, as `clang-22`.
    pub(crate) fn llvm_tool(&self, name: &str) -> String {
        format!("{name}-{}", self.llvm)
    }

    pub(crate) fn rustfmt(&self) -> PathBuf {
        self.sysroot.join("bin/rustfmt")
    }
}

const LIBRARY: &str = "dl/rust-src";

fn library(cache: &Cache, pins: &Pins, apt: Option<&Apt>, sysroot: &Path) -> Result<PathBuf> {
    let own = sysroot.join("lib/rustlib/src/rust/library");
    if own.join("core").is_dir() {
        return Ok(own);
    }
    let rust = &pins.rust;
    let root = cache.produce(LIBRARY, &rust.src_package_version, |made| {
        ui::step(
            &format!("fetch the library source of Rust {}", rust.version),
            || {
                let apt = apt.context("no apt here; try `rustup component add rust-src`")?;
                apt.unpack(&rust.src_package, &rust.src_package_version, made)
            },
        )
    })?;
    Ok(root.join(format!("usr/src/rustc-{}/library", rust.version)))
}

fn bindgen(cache: &Cache, pins: &Pins) -> Result<PathBuf> {
    let version = &pins.rust.bindgen;
    let key = format!("bindgen {version}, Rust {}", pins.rust.version);
    let root = cache.produce("tools", &key, |made| {
        ui::step(&format!("build bindgen {version}"), || {
            Cmd::new("cargo")
                .args([
                    "install",
                    "--locked",
                    "--version",
                    version,
                    "bindgen-cli",
                    "--root",
                ])
                .arg(made)
                .run(&cache.log("bindgen"))
        })
    })?;
    Ok(root.join("bin/bindgen"))
}
