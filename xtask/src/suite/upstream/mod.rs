// SPDX-License-Identifier: GPL-2.0

//! Upstream's own tests, on both implementations, compared case by case.
//!
//! One boot for each implementation runs every program of the plan, each under
//! its own time limit. A program that dies, a guest that dies, and a case that
//! does not report are failures. Only what the plan calls a race is tried again,
//! and said to have been.

mod compare;
mod output;

use std::{fs, path::Path};

use anyhow::{Context, Result};

use self::{
    compare::{Verdict, compare},
    output::Results,
};
use super::{Bench, Case, Suite, boot, kernel_log};
use crate::{
    arch::Impl,
    cache,
    guest::Job,
    ui,
    upstream::{
        self,
        plan::{Outcome, Plan},
    },
};

pub(crate) struct Upstream;

impl Suite for Upstream {
    fn name(&self) -> &'static str {
        "upstream"
    }

    fn about(&self) -> &'static str {
        "the kernel's own tests of uprobes, Rust compared with C case by case"
    }

    fn run(&self, bench: &Bench) -> Result<Vec<Case>> {
        let first = bench.impls.first().context("no implementation to test")?;
        let run = Run {
            bench,
            plan: &Plan::load(bench.project.arch, bench.flavour)?,
            programs: &upstream::programs(bench.project, &bench.kernel(*first)?)?,
        };
        let left_out = run.plan.left_out.iter();
        let mut cases: Vec<Case> = left_out
            .map(|case| {
                let name = format!("upstream: {}", case.name);
                Case::skip(name, format!("not on this architecture: {}", case.why))
            })
            .collect();
        let c = run.under(Impl::C, &mut cases)?;
        let rust = run.under(Impl::Rust, &mut cases)?;
        let compared = compare(
            &run.plan.cases(),
            c.as_ref().map(|results| &results.cases),
            rust.as_ref().map(|results| &results.cases),
        );
        let judged = compared
            .iter()
            .map(|case| case_of(case, c.as_ref(), rust.as_ref()));
        cases.extend(judged);
        Ok(cases)
    }
}

/// What both boots have in common.
struct Run<'a> {
    bench: &'a Bench<'a>,
    plan: &'a Plan,
    programs: &'a Path,
}

impl Run<'_> {
    /// Runs the plan in one boot, if `imp` is asked for; what is wrong beside
    /// the cases of the plan goes to `cases`.
    fn under(&self, imp: Impl, cases: &mut Vec<Case>) -> Result<Option<Results>> {
        if !self.bench.impls.contains(&imp) {
            return Ok(None);
        }
        let output = self.boot(imp, cases)?;
        let results = Results::read(self.plan, &output);
        for (program, ran) in results.programs.iter().filter(|(_, ran)| ran.runs > 1) {
            ui::note(&format!("{program} was run {} times ({imp})", ran.runs));
        }
        let ends = results.badly_ended(self.plan);
        cases
            .extend(ends.into_iter().map(|(program, how)| {
                Case::fail(format!("upstream: {program}: end ({imp})"), how)
            }));
        Ok(Some(results))
    }

    /// What the programs printed, for as long as the guest lived.
    fn boot(&self, imp: Impl, cases: &mut Vec<Case>) -> Result<String> {
        let project = self.bench.project;
        let list = project.cache.temp_dir()?;
        let folder = list.path().join(upstream::FOLDER);
        cache::make_dir(&folder)?;
        cache::write_atomically(&folder.join("programs"), self.plan.for_guest().as_bytes())?;
        let command = format!("sh guest/upstream.sh {}", upstream::FOLDER);
        let job = Job::new(format!("upstream-{imp}"), command)
            .folder(self.programs)
            .folder(upstream::module(project, &self.bench.kernel(imp)?)?)
            .folder(list.path())
            .limit(self.plan.limit.into());
        let log = job.log(&project.cache, project.arch, "output");
        match boot(self.bench, imp, &job) {
            Ok(ran) => {
                cases.push(kernel_log("upstream", imp, &ran));
                Ok(ran.output)
            }
            Err(error) => {
                let name = format!("upstream: guest ({imp})");
                cases.push(Case::fail(name, format!("{error:#}")));
                let printed = fs::read(log).unwrap_or_default();
                Ok(String::from_utf8_lossy(&printed).replace('\r', ""))
            }
        }
    }
}

fn case_of(case: &compare::Case, c: Option<&Results>, rust: Option<&Results>) -> Case {
    let name = format!("upstream: {}", case.name);
    let why = || case.why.clone().unwrap_or_default();
    match case.verdict {
        Verdict::Good if case.expected == Some(Outcome::Pass) => Case::pass(name),
        Verdict::Good => Case::skip(name, format!("as with C: {}", why())),
        Verdict::RustBetter => {
            ui::note(&format!(
                "{name} passes, which it does not with C: {}",
                why()
            ));
            Case::pass(name)
        }
        verdict => {
            let blamed = match verdict {
                Verdict::RustWorse | Verdict::MissingWithRust => rust,
                _ => c.or(rust),
            };
            let said = blamed
                .map(|results| results.complaints(&case.name))
                .unwrap_or_default();
            let columns = columns(case, c.is_some(), rust.is_some());
            Case::fail(name, format!("{verdict}: {columns}\n{said}"))
        }
    }
}

/// What each side gave, of those that were asked.
fn columns(case: &compare::Case, c: bool, rust: bool) -> String {
    let sides = [
        (true, "listed", case.expected),
        (c, "C", case.c),
        (rust, "Rust", case.rust),
    ];
    let shown = sides.iter().filter(|(asked, ..)| *asked);
    shown
        .map(|(_, side, gave)| match gave {
            Some(outcome) => format!("{side} {outcome}"),
            None => format!("{side} nothing"),
        })
        .collect::<Vec<_>>()
        .join(", ")
}
