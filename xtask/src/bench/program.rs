// SPDX-License-Identifier: GPL-2.0

//! Builds the programs that meters run in guests, from `xtask/guest/bench`.

use super::Stage;
use crate::ui;
use anyhow::Result;
use std::path::Path;

const FOLDER: &str = "xtask/guest/bench";

/// Builds `name` from `name.c` and what the programs share, into `folder`.
///
/// The kernel's own headers say what it can do; the host's may be older.
pub(crate) fn build(stage: &Stage, name: &str, folder: &Path) -> Result<()> {
    let project = stage.project;
    let arch = project.arch;
    let sources = project.repo.join(FOLDER);
    let own = sources.join(arch.facts().name);
    let userland = project.userland()?;
    ui::step(&format!("build the guest's {name}"), || {
        userland
            .clang()
            .args(["-std=gnu11", "-O2", "-g", "-Wall", "-static"])
            .args(["-DCROWD_MAX=50000", "-DCROWD_STRIDE=4"])
            .arg("-I")
            .arg(&own)
            .arg("-I")
            .arg(project.tree.join("tools/include/uapi"))
            .arg("-o")
            .arg(folder.join(name))
            .arg(sources.join(format!("{name}.c")))
            .arg(sources.join("probes.c"))
            .arg(own.join("functions.S"))
            .run(&project.cache.log(&format!("bench-{name}-build")))
    })
}
