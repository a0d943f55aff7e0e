// SPDX-License-Identifier: GPL-2.0

//! Which checks there are, and what becomes of them.
//!
//! Each check is a process of its own: a model that goes wrong may take down the process that it runs
//! in, and what it says has to be kept apart from the others.

use crate::{models, mutants};
use anyhow::{bail, ensure, Context, Result};
use std::{
    env,
    process::{Command, ExitCode},
    sync::Mutex,
    thread,
};

/// A mutation, and how its model must fail.
pub(crate) struct Mutant {
    /// The model and the change.
    pub(crate) name: &'static str,
    /// Why there is none, if the kernel's file has changed so that the mutation does not fit.
    pub(crate) check: Result<fn(), &'static str>,
    /// What the model says at its end.
    pub(crate) says: &'static str,
}

struct Check {
    name: &'static str,
    check: Result<fn(), &'static str>,
    /// None if it must pass.
    says: Option<&'static str>,
}

fn checks() -> Vec<Check> {
    let models = models::ALL.iter().map(|(name, check)| Check {
        name,
        check: Ok(*check),
        says: None,
    });
    let mutants = mutants::ALL.iter().map(|mutant| Check {
        name: mutant.name,
        check: mutant.check,
        says: Some(mutant.says),
    });
    models.chain(mutants).collect()
}

/// Checks one in this process.
pub(crate) fn here(name: &str) -> ExitCode {
    let Some(check) = checks().into_iter().find(|check| check.name == name) else {
        eprintln!("there is no model or mutation {name}");
        return ExitCode::FAILURE;
    };
    match check.check {
        Ok(check) => check(),
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// Checks all whose names begin like one of `names`, as many at a time as there are CPUs.
pub(crate) fn all(names: &[String], only_list: bool) -> ExitCode {
    let mut wanted = checks();
    wanted
        .retain(|check| names.is_empty() || names.iter().any(|name| check.name.starts_with(name)));
    if only_list {
        wanted.iter().for_each(|check| println!("{}", check.name));
        return ExitCode::SUCCESS;
    }
    let total = wanted.len();
    let failed = Mutex::new(0);
    let queue = Mutex::new(wanted.into_iter());
    let worker = || {
        while let Some(check) = next(&queue) {
            let result = run(&check);
            let mut failed = failed.lock().expect("no worker panics");
            match result {
                Ok(()) => println!("test {} ... ok", check.name),
                Err(error) => {
                    *failed += 1;
                    println!("test {} ... FAILED\n{error:#}\n", check.name);
                }
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, Into::into) {
            scope.spawn(worker);
        }
    });
    let failed = failed.into_inner().expect("no worker panics");
    println!("{} passed, {failed} failed", total - failed);
    if failed == 0 && total > 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn next(queue: &Mutex<std::vec::IntoIter<Check>>) -> Option<Check> {
    queue.lock().expect("no worker panics").next()
}

fn run(check: &Check) -> Result<()> {
    if let Err(why) = check.check {
        bail!("{why}");
    }
    let output = Command::new(env::current_exe()?)
        .args(["--here", check.name])
        .env("RUST_BACKTRACE", "0")
        .output()
        .context("cannot be started")?;
    let said = String::from_utf8_lossy(&output.stderr);
    match check.says {
        None => ensure!(output.status.success(), "{said}"),
        Some(wanted) => {
            ensure!(!output.status.success(), "the model survives the mutation");
            ensure!(
                said.contains(wanted),
                "it does not say {wanted:?}, but\n{said}"
            );
        }
    }
    Ok(())
}
