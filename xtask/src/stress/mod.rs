// SPDX-License-Identifier: GPL-2.0

//! `cargo xtask stress`: the stress with accounting, for as many hits as are
//! asked for, in a guest.
//!
//! The program is `tools/testing/selftests/uprobes/stress`; it says itself what
//! was wrong. Here it is built, started, watched and shown.

pub(crate) mod output;

use crate::{
    arch::{Flavour, Impl},
    cmd::Cmd,
    guest::{Job, Ran},
    project::Project,
    suite::{self, Case, Outcome},
    ui,
};
use anyhow::Result;
use output::Output;
use std::{fs, path::Path};

const FOLDER: &str = "tools/testing/selftests/uprobes/stress";

/// What is to be done.
pub(crate) struct Order {
    pub(crate) hits: u64,
    /// As the program likes if there is none.
    pub(crate) seed: Option<u64>,
}

impl Order {
    pub(crate) fn command(&self) -> String {
        let seed = self.seed.map(|seed| format!(" --seed {seed}"));
        format!("./stress --hits {}{}", self.hits, seed.unwrap_or_default())
    }

    /// Seconds that are more than enough, on a slow machine with a slow kernel.
    pub(crate) fn limit(&self) -> u64 {
        600 + self.hits / 300
    }
}

/// Runs and shows it; whether nothing was wrong.
pub(crate) fn run(project: &Project, imp: Impl, flavour: Flavour, order: &Order) -> Result<bool> {
    let kernel = project.kernel(imp, flavour)?;
    let guest = project.guest()?;
    let folder = project.cache.temp_dir()?;
    build(project, folder.path())?;
    let job = Job::new(format!("stress-{imp}-{flavour}"), order.command())
        .folder(folder.path())
        .limit(order.limit());
    let log = job.log(&project.cache, project.arch, "output");
    let title = format!("{} hits ({})", order.hits, kernel.variant.name());
    let ran = ui::progress(
        &title,
        order.hits,
        || hits_so_far(&log),
        || guest.run(&kernel, &job),
    )?;
    Ok(show(imp, &ran))
}

/// Builds the program into `folder`.
pub(crate) fn build(project: &Project, folder: &Path) -> Result<()> {
    let make = Cmd::new("make")
        .arg("-C")
        .arg(project.tree.join(FOLDER))
        .arg(format!("OUTPUT={}", folder.display()))
        .args(project.userland()?.make_arguments())
        .arg("all");
    let log = project.cache.log("stress-build");
    ui::step("build the stress", || make.run(&log))
}

fn hits_so_far(log: &Path) -> u64 {
    // It is not there before the guest has begun.
    let text = fs::read(log).unwrap_or_default();
    output::progress(&String::from_utf8_lossy(&text))
}

fn show(imp: Impl, ran: &Ran) -> bool {
    let output = Output::parse(&ran.output);
    println!("{}\n{}", output.accounts(), output.deeds());
    let mut cases = output.cases("stress");
    cases.push(suite::kernel_log("stress", imp, ran));
    for case in &cases {
        println!("{}", suite::runner::line(case));
    }
    println!("{}", output.title());
    !cases
        .iter()
        .any(|case: &Case| matches!(case.outcome, Outcome::Fail(_)))
}
