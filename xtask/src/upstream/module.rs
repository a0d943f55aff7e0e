// SPDX-License-Identifier: GPL-2.0

//! Builds `bpf_testmod.ko`, which registers probes from a module.
//!
//! A module belongs to one kernel: it is built for each implementation.

use std::{fs, path::Path};

use anyhow::{Context, Result};

use crate::{cache, cmd::Cmd};

const FROM: &str = "tools/testing/selftests/bpf/test_kmods";
const FILES: [&str; 4] = [
    "bpf_testmod.c",
    "bpf_testmod.h",
    "bpf_testmod-events.h",
    "bpf_testmod_kfunc.h",
];
const MODULE: &str = "bpf_testmod.ko";

/// The recipe's own part of the key that a build is stamped with.
pub(super) const RECIPE: &str = include_str!("module.rs");

/// Taken before upstream's makefile, which builds four more modules.
const KBUILD: &str = "obj-m := bpf_testmod.o\nCFLAGS_bpf_testmod.o := -I$(src)\n";

/// Builds the module in `work` and puts it into the folder `to`.
///
/// `make` is the command line that the kernel itself was built with.
pub(super) fn build(source: &Path, make: Cmd, work: &Path, to: &Path, log: &Path) -> Result<()> {
    cache::make_dir(work)?;
    for file in FILES {
        let from = source.join(FROM).join(file);
        fs::copy(&from, work.join(file)).with_context(|| from.display().to_string())?;
    }
    fs::write(work.join("Kbuild"), KBUILD).with_context(|| work.display().to_string())?;
    make.arg(format!("M={}", work.display()))
        .arg("modules")
        .run(log)?;
    fs::copy(work.join(MODULE), to.join(MODULE)).context("the build made no module")?;
    Ok(())
}
