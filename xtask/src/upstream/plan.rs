// SPDX-License-Identifier: GPL-2.0

//! What is run of upstream's tests, and what each of their cases gives on the
//! C implementation: the typed form of `xtask/upstream.toml`.
//!
//! The file is about all architectures; a [`Plan`] is what it says of one. What
//! upstream has for another one only is left out by name, with the reason.
//!
//! The file is compiled in, so a plan that does not parse is caught by the
//! unit test below and not in the middle of a run.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::arch::{Arch, Flavour};

/// The list as it stands in the repository.
const PLAN: &str = include_str!("../../upstream.toml");

/// Lockdep makes the slowest of the programs so much slower.
const DEBUG_SLOWDOWN: u32 = 5;

/// The case of a program that is one case as a whole.
pub(crate) const WHOLE: &str = "whole";

/// `program/case`, or the program alone where it is the case.
pub(crate) fn full_name(program: &str, case: &str) -> String {
    if case == WHOLE {
        program.to_owned()
    } else {
        format!("{program}/{case}")
    }
}

/// What one case gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    Pass,
    Fail,
    Skip,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Skip => "skip",
        })
    }
}

/// How a program says what its cases gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Format {
    /// `#12/3  test/subtest:OK`
    TestProgs,
    /// TAP of the kselftest harness, a line for each case
    Tap,
    /// TAP with one line; the program is the case
    SingleTap,
    /// A benchmark: it passes if it counted hits
    Bench,
}

/// What the C implementation gives in one case.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(crate) enum Expected {
    Plain(Outcome),
    Explained {
        #[serde(default = "pass")]
        result: Outcome,
        /// The architecture that has this result, where others pass.
        on: Option<Arch>,
        /// The architecture that has this case, where others do not.
        only: Option<Arch>,
        why: String,
    },
}

fn pass() -> Outcome {
    Outcome::Pass
}

impl Expected {
    pub(crate) fn outcome(&self) -> Outcome {
        match self {
            Self::Plain(outcome) => *outcome,
            Self::Explained { result, .. } => *result,
        }
    }

    /// What it says of `arch`: nothing if that does not have the case.
    fn of(self, arch: Arch) -> Option<Self> {
        match self {
            Self::Explained {
                only: Some(only), ..
            } => (only == arch).then_some(Self::Plain(Outcome::Pass)),
            Self::Explained { on: Some(on), .. } if on != arch => Some(Self::Plain(Outcome::Pass)),
            everywhere => Some(everywhere),
        }
    }

    pub(crate) fn why(&self) -> Option<&str> {
        match self {
            Self::Plain(_) => None,
            Self::Explained { why, .. } => Some(why),
        }
    }
}

/// One command to run in the guest.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Program {
    pub(crate) name: String,
    /// Folder of the programs it runs in: one of those [`super::stage`] makes.
    pub(crate) folder: String,
    pub(crate) run: String,
    pub(crate) format: Format,
    /// Seconds, in a guest without hardware virtualisation.
    pub(crate) limit: u32,
    /// The architecture that it is for, if it is not for all, and what of it is special.
    only: Option<Arch>,
    why: Option<String>,
    /// How often it is run if it fails; more than once only for what is a race.
    #[serde(default = "once")]
    pub(crate) tries: u32,
    /// Left out where the program is one case and passes.
    #[serde(default = "one_pass")]
    pub(crate) cases: BTreeMap<String, Expected>,
}

fn once() -> u32 {
    1
}

fn one_pass() -> BTreeMap<String, Expected> {
    BTreeMap::from([(WHOLE.to_owned(), Expected::Plain(Outcome::Pass))])
}

/// Everything that is run, in order.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Plan {
    /// Seconds after which the whole run is lost, whatever it still does.
    pub(crate) limit: u32,
    #[serde(rename = "program")]
    pub(crate) programs: Vec<Program>,
    /// What another architecture has only.
    #[serde(skip)]
    pub(crate) left_out: Vec<LeftOut>,
}

/// A program or a case that is not for the plan's architecture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LeftOut {
    pub(crate) name: String,
    pub(crate) why: String,
}

impl Plan {
    /// The list for this architecture, with time limits for a kernel of this flavour.
    pub(crate) fn load(arch: Arch, flavour: Flavour) -> Result<Self> {
        let mut plan = Self::parse(PLAN).context("xtask/upstream.toml")?;
        plan.keep(arch);
        if flavour == Flavour::Debug {
            plan.limit *= DEBUG_SLOWDOWN;
            for program in &mut plan.programs {
                program.limit *= DEBUG_SLOWDOWN;
            }
        }
        Ok(plan)
    }

    pub(crate) fn parse(text: &str) -> Result<Self> {
        let plan: Self = toml::from_str(text)?;
        for program in &plan.programs {
            program.check()?;
        }
        Ok(plan)
    }

    /// Leaves out what is not for this architecture.
    fn keep(&mut self, arch: Arch) {
        for program in std::mem::take(&mut self.programs) {
            if program.only.is_some_and(|only| only != arch) {
                self.left_out.push(LeftOut {
                    name: program.name,
                    why: program.why.unwrap_or_default(),
                });
            } else {
                let program = self.keep_cases(program, arch);
                self.programs.push(program);
            }
        }
    }

    fn keep_cases(&mut self, mut program: Program, arch: Arch) -> Program {
        for (case, expected) in std::mem::take(&mut program.cases) {
            let why = expected.why().unwrap_or_default().to_owned();
            if let Some(expected) = expected.of(arch) {
                program.cases.insert(case, expected);
            } else {
                let name = full_name(&program.name, &case);
                self.left_out.push(LeftOut { name, why });
            }
        }
        program
    }

    /// Every case's full name and what C gives in it.
    pub(crate) fn cases(&self) -> BTreeMap<String, Expected> {
        let of = |p: &Program| {
            let name = p.name.clone();
            p.cases
                .clone()
                .into_iter()
                .map(move |(case, expected)| (full_name(&name, &case), expected))
        };
        self.programs.iter().flat_map(of).collect()
    }

    /// The list the guest's script reads.
    pub(crate) fn for_guest(&self) -> String {
        self.programs
            .iter()
            .map(|p| {
                let (name, folder, limit, tries, run) =
                    (&p.name, &p.folder, p.limit, p.tries, &p.run);
                format!("{name}\t{folder}\t{limit}\t{tries}\t{run}\n")
            })
            .collect()
    }
}

impl Program {
    fn check(&self) -> Result<()> {
        ensure!(!self.cases.is_empty(), "{} has no case", self.name);
        ensure!(
            self.only.is_none() || self.why.is_some(),
            "{} is not for all architectures, and no reason is given",
            self.name,
        );
        for (case, expected) in &self.cases {
            ensure!(
                expected.outcome() == Outcome::Pass || expected.why().is_some(),
                "{}: {case} does not pass with C, and no reason is given",
                self.name,
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    #[test]
    fn the_list_in_the_repository_is_sound() {
        for arch in Arch::value_variants() {
            let plan = Plan::load(*arch, Flavour::Release).unwrap();
            let mut names: Vec<_> = plan.programs.iter().map(|p| &p.name).collect();
            names.sort();
            names.dedup();
            assert_eq!(names.len(), plan.programs.len());
        }
    }

    const PROGRAM: &str =
        "limit = 1\n[[program]]\nname = 'p'\nfolder = 'f'\nrun = 'r'\nformat = 'tap'\nlimit = 1\n";

    #[test]
    fn a_failure_needs_a_reason() {
        assert!(Plan::parse(&format!("{PROGRAM}only = 'arm64'\n")).is_err());
        assert!(Plan::parse(&format!("{PROGRAM}[program.cases]\na = 'fail'\n")).is_err());
        let why = "a = { result = 'fail', why = 'because' }\n";
        assert!(Plan::parse(&format!("{PROGRAM}[program.cases]\n{why}")).is_ok());
    }

    #[test]
    fn each_architecture_has_its_own_plan() {
        let cases = "[program.cases]\na = 'pass'\nb = { only = 'x86_64', why = 'B' }\n\
                     c = { result = 'skip', on = 'arm64', why = 'C' }\n";
        let plan = |arch| {
            let mut plan = Plan::parse(&format!("{PROGRAM}{cases}")).unwrap();
            plan.keep(arch);
            plan
        };
        let (x86, arm) = (plan(Arch::X86_64), plan(Arch::Arm64));
        let of = |plan: &Plan, case: &str| plan.cases().get(case).map(Expected::outcome);
        assert!(x86.left_out.is_empty());
        assert_eq!(of(&x86, "p/b"), Some(Outcome::Pass));
        assert_eq!(of(&x86, "p/c"), Some(Outcome::Pass));
        assert_eq!(arm.left_out[0].name, "p/b");
        assert_eq!(of(&arm, "p/b"), None);
        assert_eq!(of(&arm, "p/c"), Some(Outcome::Skip));
    }
}
