// SPDX-License-Identifier: GPL-2.0

//! Upstream's own tests of uprobes, from the kernel tree that is used: what is
//! run of them, and how they are built, outside of this repository.
//!
//! The programs are built once, the module for each kernel; both are
//! kept for as long as what they are made from stays the same.

mod build;
mod copy;
mod module;
pub(crate) mod plan;

use std::{
    collections::hash_map::DefaultHasher,
    fs,
    hash::{Hash, Hasher},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::{cache, cmd::Cmd, kernel::Kernel, project::Project, ui};

/// Folder of the programs in what [`programs`] and [`module`] give.
pub(crate) const FOLDER: &str = "upstream";

/// Builds the programs, unless they are built; returns the folder that holds [`FOLDER`].
pub(crate) fn programs(project: &Project, kernel: &Kernel) -> Result<PathBuf> {
    let arch = kernel.variant.arch;
    let userland = project.userland()?;
    let _lock = project.cache.lock("upstream")?;
    let key = format!(
        "{:016x} {:016x}\n{}\n{}",
        tree_hash(&project.tree)?,
        config_hash(kernel)?,
        userland.make_arguments().join(" "),
        build::RECIPE
    );
    let inputs = build::Inputs {
        source: &project.tree,
        vmlinux: &kernel.vmlinux(),
        userland: &userland,
        toolchain: &project.toolchain,
    };
    let place = format!("upstream/programs-{arch}-{}", kernel.variant.flavour);
    project.cache.produce(&place, &key, |made| {
        let work = made.with_extension("work");
        build::programs(&inputs, &work, &made.join(FOLDER), &project.cache)
    })
}

/// Builds the module for `kernel`, unless it is built; laid out as the programs are.
pub(crate) fn module(project: &Project, kernel: &Kernel) -> Result<PathBuf> {
    let _lock = project.cache.lock("upstream")?;
    let name = kernel.variant.name();
    let key = format!("{:?}\n{}", identity(&kernel.vmlinux())?, module::RECIPE);
    project
        .cache
        .produce(&format!("upstream/module-{name}"), &key, |made| {
            let work = made.with_extension("work");
            let to = made.join(FOLDER).join("bpf");
            cache::make_dir(&to)?;
            ui::step(&format!("build upstream's bpf_testmod for {name}"), || {
                let log = project.cache.log(&format!("upstream-module-{name}"));
                module::build(&project.tree, project.make(kernel), &work, &to, &log)
            })
        })
}

/// Changes when a file that the programs are built from is another one.
fn tree_hash(tree: &Path) -> Result<u64> {
    let list = Cmd::new("find")
        .args(copy::PARTS)
        .args(["-type", "f", "-printf", r"%p %s %T@\n"])
        .dir(tree)
        .read()?;
    let mut files: Vec<&str> = list.lines().collect();
    files.sort_unstable();
    Ok(hash(&files))
}

/// Length and time of the last change.
fn identity(path: &Path) -> Result<(u64, std::time::SystemTime)> {
    let data = fs::metadata(path).with_context(|| path.display().to_string())?;
    Ok((data.len(), data.modified()?))
}

/// What the implementations' own fragments of the configuration are about.
const OF_AN_IMPLEMENTATION: [&str; 2] = ["UPROBES_RUST", "RUST_KERNEL_DOCTESTS"];

/// The BPF programs need the types that the configuration brings in. Which
/// implementation it chooses, with what unit tests, brings in none.
fn config_hash(kernel: &Kernel) -> Result<u64> {
    let path = kernel.objects.join(".config");
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let is_own = |line: &str| OF_AN_IMPLEMENTATION.iter().any(|name| line.contains(name));
    let lines = text.lines().filter(|line| !is_own(line));
    Ok(hash(&lines.collect::<Vec<_>>()))
}

fn hash(lines: &[&str]) -> u64 {
    let mut hasher = DefaultHasher::new();
    lines.hash(&mut hasher);
    hasher.finish()
}
