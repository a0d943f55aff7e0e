// SPDX-License-Identifier: GPL-2.0

//! A short run of the stress, and one with mistakes made on purpose, of which
//! the accounts have to notice every one.

use super::{Bench, Case, Outcome, Suite, boot, kernel_log, tap};
use crate::{
    arch::Impl,
    guest::Job,
    stress::{self, Order, output::Output},
};
use anyhow::Result;
use std::path::Path;

/// Half a minute under emulation, with all that happens beside the hits.
const HITS: u64 = 40_000;

/// Enough for each mistake to be made.
const HITS_WITH_MISTAKES: u64 = 10_000;

/// Comes between the outputs of the two.
const MARK: &str = "=== mistakes\n";

pub(crate) struct Stress;

impl Suite for Stress {
    fn name(&self) -> &'static str {
        "stress"
    }

    fn about(&self) -> &'static str {
        "every hit accounted for while everything changes"
    }

    fn run(&self, bench: &Bench) -> Result<Vec<Case>> {
        let folder = bench.project.cache.temp_dir()?;
        stress::build(bench.project, folder.path())?;
        let mut cases = Vec::new();
        for imp in bench.impls {
            cases.extend(run(bench, *imp, folder.path())?);
        }
        Ok(cases)
    }
}

fn run(bench: &Bench, imp: Impl, folder: &Path) -> Result<Vec<Case>> {
    let order = Order {
        hits: HITS,
        seed: None,
    };
    let command = format!(
        "{}\nprintf '{}'\n./stress --mistakes --hits {HITS_WITH_MISTAKES}",
        order.command(),
        MARK.escape_default()
    );
    let job = Job::new(format!("stress-{imp}"), command)
        .folder(folder)
        .cpus(cpus(imp))
        .limit(order.limit());
    let ran = boot(bench, imp, &job)?;
    let (sound, mistaken) = ran.output.split_once(MARK).unwrap_or((&ran.output, ""));
    let mut cases = Output::parse(sound).cases(&format!("stress ({imp})"));
    cases.extend(noticed(&format!("mistake noticed ({imp})"), mistaken));
    cases.push(kernel_log("stress", imp, &ran));
    Ok(cases)
}

/// C rewrites slots that another processor has executed, and QEMU before 8.1 goes on executing
/// what was there, now and then.
fn cpus(imp: Impl) -> u32 {
    match imp {
        Impl::C => 1,
        Impl::Rust => 2,
    }
}

/// The cases of a program whose cases all have to fail.
fn noticed(name: &str, output: &str) -> Vec<Case> {
    let turned = |case: Case| match case.outcome {
        Outcome::Fail(_) if is_result(&case, name) => Case::pass(case.name),
        Outcome::Pass => Case::fail(case.name, "the mistake was not noticed"),
        _ => case,
    };
    tap::cases(name, output).into_iter().map(turned).collect()
}

/// Unlike what the reader of the protocol has to say about the program.
fn is_result(case: &Case, program: &str) -> bool {
    case.name != program
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_has_to_be_noticed() {
        let cases = noticed("m", "1..3\nnot ok 1 a\nok 2 b\n");
        assert_eq!(
            cases,
            [
                Case::pass("m: a"),
                Case::fail("m: b", "the mistake was not noticed"),
                Case::fail("m", "2 results for a plan of 3"),
            ]
        );
    }
}
