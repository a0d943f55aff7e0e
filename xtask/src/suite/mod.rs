// SPDX-License-Identifier: GPL-2.0

//! What `cargo xtask test` runs: suites of cases, one module each.
//!
//! A suite says what it found and decides nothing about the others. One that
//! cannot be run at all is an error of its own and counts as a failed case, so
//! that nothing left out can pass for something tested.

use crate::{
    arch::{Flavour, Impl},
    guest::{Guest, Job, Ran},
    kernel::Kernel,
    project::Project,
};
use anyhow::{Result, bail};

mod all;
mod arch_room;
mod bench;
mod clippy;
mod compile_fail;
mod host;
mod image;
mod kunit;
mod models;
mod overlay;
pub(crate) mod runner;
mod selftests;
mod stress;
pub(crate) mod tap;
mod trace;
pub(crate) mod upstream;

pub(crate) use all::all;

pub(crate) trait Suite {
    /// What the user calls it on the command line.
    fn name(&self) -> &'static str;

    /// One line for the list of suites.
    fn about(&self) -> &'static str;

    /// Whether it has to run on each architecture; else it runs once.
    fn per_arch(&self) -> bool {
        true
    }

    fn run(&self, bench: &Bench) -> Result<Vec<Case>>;
}

/// What suites work with.
pub(crate) struct Bench<'a> {
    pub(crate) project: &'a Project,
    /// The implementations that are compared, usually both.
    pub(crate) impls: &'a [Impl],
    /// How their kernels are built.
    pub(crate) flavour: Flavour,
}

impl Bench<'_> {
    pub(crate) fn kernel(&self, imp: Impl) -> Result<Kernel> {
        self.project.kernel(imp, self.flavour)
    }

    pub(crate) fn guest(&self) -> Result<Guest> {
        self.project.guest()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) outcome: Outcome,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Pass,
    /// Says what went wrong.
    Fail(String),
    /// Says what was missing.
    Skip(String),
}

impl Case {
    pub(crate) fn pass(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            outcome: Outcome::Pass,
        }
    }

    pub(crate) fn fail(name: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            outcome: Outcome::Fail(why.into()),
        }
    }

    pub(crate) fn skip(name: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            outcome: Outcome::Skip(why.into()),
        }
    }

    /// Passes if `result` does.
    pub(crate) fn of(name: impl Into<String>, result: Result<()>) -> Self {
        match result {
            Ok(()) => Self::pass(name),
            Err(error) => Self::fail(name, format!("{error:#}")),
        }
    }
}

/// The case that a guest's kernel had nothing to complain about, and ran the
/// implementation that it was built with.
pub(crate) fn kernel_log(name: &str, imp: Impl, ran: &Ran) -> Case {
    Case::of(format!("{name}: kernel log ({imp})"), check_log(imp, ran))
}

pub(crate) fn check_log(imp: Impl, ran: &Ran) -> Result<()> {
    let complaints = ran.complaints();
    if !complaints.is_empty() {
        bail!("{}", complaints.join("\n"));
    }
    check_impl(imp, &ran.console)
}

/// The Rust implementation announces itself at boot; the C one does not.
pub(crate) fn check_impl(imp: Impl, console: &str) -> Result<()> {
    let said = console.contains("implementation: rust");
    if said != (imp == Impl::Rust) {
        bail!("the kernel built with the {imp} implementation does not run it");
    }
    Ok(())
}

/// Runs one command in a guest under `imp`.
pub(crate) fn boot(bench: &Bench, imp: Impl, job: &Job) -> Result<Ran> {
    let kernel = bench.kernel(imp)?;
    let guest = bench.guest()?;
    let title = format!("{} in the guest ({imp} {})", job.name, bench.project.arch);
    crate::ui::step(&title, || guest.run(&kernel, job))
}
