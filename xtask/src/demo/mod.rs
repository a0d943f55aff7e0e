// SPDX-License-Identifier: GPL-2.0

//! `cargo xtask run`: real tools trace real programs under a kernel of ours.
//!
//! The guest's scripts (`xtask/guest/demo`) show the tools at work and leave
//! the number of hits of each probe. What is missing or wrong fails the run.

mod table;

use crate::{
    arch::{Flavour, Impl},
    cache,
    guest::{Guest, Job, Ran},
    kernel::Kernel,
    project::Project,
    suite, ui, upstream,
};
use anyhow::{Context, Result};
use std::{fs, path::Path};

const TIME_LIMIT: u64 = 500;

/// Whether everything was there that had to be.
pub(crate) fn run(project: &Project, imp: Impl, flavour: Flavour) -> Result<bool> {
    let kernel = project.kernel(imp, flavour)?;
    let guest = project.guest()?;
    let ran = trace(project, &guest, &kernel, true)?;
    let hits = hits(&ran)?;
    println!("\n{}", table::render(&hits, imp));
    let mut good = ran.status == 0;
    for problem in problems(&hits, &ran, imp) {
        eprintln!("wrong: {problem}");
        good = false;
    }
    Ok(good)
}

/// Runs the demonstrations in a guest.
pub(crate) fn trace(project: &Project, guest: &Guest, kernel: &Kernel, show: bool) -> Result<Ran> {
    let programs = upstream::programs(project, kernel)?;
    let own = project.cache.temp_dir()?;
    build_traced(project, own.path())?;
    let mut job = Job::new("run", "sh guest/demo/all.sh")
        .folder(programs)
        .folder(own.path())
        .limit(TIME_LIMIT);
    job.show = show;
    let title = format!("boot {} and trace", kernel.variant.name());
    ui::step(&title, || guest.run(kernel, &job))
}

pub(crate) fn hits(ran: &Ran) -> Result<Vec<table::Hits>> {
    let path = ran.results.path().join("results/hits");
    let text = fs::read_to_string(&path).context("no demonstration got as far as a hit")?;
    table::parse(&text)
}

/// What a run that shows everything does not have.
pub(crate) fn problems(hits: &[table::Hits], ran: &Ran, imp: Impl) -> Vec<String> {
    let mut problems = table::problems(hits);
    problems.extend(
        ran.complaints()
            .into_iter()
            .map(|line| format!("kernel log: {line}")),
    );
    problems.extend(
        suite::check_impl(imp, &ran.console)
            .err()
            .map(|error| error.to_string()),
    );
    problems
}

/// The program whose calls can be counted.
fn build_traced(project: &Project, folder: &Path) -> Result<()> {
    cache::make_dir(folder)?;
    project
        .userland()?
        .clang()
        .args(["-O2", "-g", "-o"])
        .arg(folder.join("traced"))
        .arg(project.repo.join("xtask/guest/demo/traced.c"))
        .run(&project.cache.log("traced"))
}
