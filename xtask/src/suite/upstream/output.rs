// SPDX-License-Identifier: GPL-2.0

//! What the guest printed, taken apart: the output of each program between its
//! frames, and in it the result of each case.
//!
//! Relies on the frames of `xtask/guest/upstream.sh`. A program that was ended
//! before it could report loses its cases, which the comparison then misses;
//! nothing here makes up a result.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;

use crate::{
    suite,
    upstream::plan::{Format, Outcome, Plan, Program, WHOLE, full_name},
};

/// What one program printed and how it ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ran {
    pub(crate) output: String,
    /// None if the guest ended before the program did.
    pub(crate) status: Option<i32>,
    pub(crate) seconds: u32,
    /// How often it ran; the rest is about the last time.
    pub(crate) runs: u32,
}

/// The results of one boot.
#[derive(Clone, Debug, Default)]
pub(crate) struct Results {
    pub(crate) programs: BTreeMap<String, Ran>,
    /// Named `program/case`.
    pub(crate) cases: BTreeMap<String, Outcome>,
}

impl Results {
    /// Reads everything the guest's script printed.
    pub(crate) fn read(plan: &Plan, text: &str) -> Self {
        let programs = frames(text);
        let mut cases = BTreeMap::new();
        for program in &plan.programs {
            let Some(ran) = programs.get(&program.name) else {
                continue;
            };
            for (case, outcome) in outcomes(program, &ran.output) {
                cases.insert(full_name(&program.name, &case), outcome);
            }
        }
        Self { programs, cases }
    }

    /// Programs that did not end as their cases would have it, and how.
    pub(crate) fn badly_ended(&self, plan: &Plan) -> Vec<(String, String)> {
        let of_plan = plan.programs.iter().map(|program| &program.name);
        of_plan
            .filter_map(|name| Some((name.clone(), self.bad_end(name)?)))
            .collect()
    }

    fn bad_end(&self, name: &str) -> Option<String> {
        let Some(ran) = self.programs.get(name) else {
            return Some("was not run".to_owned());
        };
        let failed = self
            .of_program(name)
            .any(|outcome| outcome == Outcome::Fail);
        match ran.status {
            Some(0) => None,
            Some(124 | 137) => Some(format!("did not end within {} s", ran.seconds)),
            Some(_) if failed => None,
            Some(status) => Some(format!("ended with {status}\n{}", ran.complaints())),
            None => Some(format!("never ended\n{}", ran.complaints())),
        }
    }

    fn of_program<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Outcome> + 'a {
        let ours = move |case: &str| program_of(case, name);
        self.cases
            .iter()
            .filter(move |(case, _)| ours(case))
            .map(|(_, outcome)| *outcome)
    }

    /// What the program of a case said about what went wrong.
    pub(crate) fn complaints(&self, case: &str) -> String {
        let program = self
            .programs
            .iter()
            .find(|(name, _)| program_of(case, name));
        program.map(|(_, ran)| ran.complaints()).unwrap_or_default()
    }
}

fn program_of(case: &str, program: &str) -> bool {
    case.strip_prefix(program)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// More lines of a program than this say no more.
const COMPLAINTS: usize = 12;

impl Ran {
    /// The lines about failures, or else the last ones.
    fn complaints(&self) -> String {
        static LINE: LazyLock<Regex> = LazyLock::new(|| {
            Regex::new(r":FAIL|^not ok|Expected|(?i)\berror\b|\bfailed\b|segfault|WATCHDOG")
                .expect("a literal")
        });
        let telling: Vec<&str> = self
            .output
            .lines()
            .filter(|line| LINE.is_match(line))
            .collect();
        let all: Vec<&str> = self
            .output
            .lines()
            .filter(|line| !line.is_empty())
            .collect();
        let chosen = if telling.is_empty() {
            &all[all.len().saturating_sub(COMPLAINTS)..]
        } else {
            &telling[..telling.len().min(COMPLAINTS)]
        };
        chosen.iter().map(|line| format!("  {line}\n")).collect()
    }
}

fn frames(text: &str) -> BTreeMap<String, Ran> {
    let mut programs = BTreeMap::new();
    let mut current: Option<(String, Ran)> = None;
    for line in text.lines() {
        let line = line.trim_end_matches('\r');
        if let Some(name) = line.strip_prefix("@@ begin ") {
            programs.extend(current.take());
            let before = programs.get(name).map_or(0, |ran: &Ran| ran.runs);
            let ran = Ran {
                runs: before + 1,
                ..Ran::default()
            };
            current = Some((name.to_owned(), ran));
        } else if let Some(end) = line.strip_prefix("@@ end ") {
            if let Some((name, mut ran)) = current.take() {
                let mut words = end.split(' ').skip(1);
                ran.status = words.next().and_then(|w| w.parse().ok());
                ran.seconds = words.next().and_then(|w| w.parse().ok()).unwrap_or(0);
                programs.insert(name, ran);
            }
        } else if let Some((_, ran)) = &mut current {
            ran.output.push_str(line);
            ran.output.push('\n');
        }
    }
    programs.extend(current);
    programs
}

fn outcomes(program: &Program, output: &str) -> BTreeMap<String, Outcome> {
    match program.format {
        Format::TestProgs => test_progs(output),
        Format::Tap => tap(&program.name, output),
        Format::SingleTap => single(&program.name, output),
        Format::Bench => bench(output),
    }
}

/// `#12/3   usdt/basic:OK` is a case; so is `#12   task_pt_regs:OK` where the
/// test has no sub-tests. The summary repeats what failed, with the same result.
fn test_progs(output: &str) -> BTreeMap<String, Outcome> {
    static LINE: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"^#\d+(/\d+)? +([^/\s]+)(?:/(.+))?:(OK|FAIL|SKIP)\b").expect("a literal")
    });
    let mut subtests = BTreeMap::new();
    let mut tests = BTreeMap::new();
    for found in output.lines().filter_map(|line| LINE.captures(line)) {
        let outcome = match &found[4] {
            "OK" => Outcome::Pass,
            "FAIL" => Outcome::Fail,
            _ => Outcome::Skip,
        };
        match found.get(3) {
            Some(case) => subtests.insert(case.as_str().to_owned(), outcome),
            None => tests.insert(WHOLE.to_owned(), outcome),
        };
    }
    // The test's own line says no more than those of its sub-tests, unless
    // it failed outside of them.
    let told = subtests.values().any(|o| *o == Outcome::Fail);
    if subtests.is_empty() || (!told && tests.get(WHOLE) == Some(&Outcome::Fail)) {
        subtests.extend(tests);
    }
    subtests
}

/// A plan that was not fulfilled is a failure of the program as a whole.
fn tap(program: &str, output: &str) -> BTreeMap<String, Outcome> {
    let title = |name: &str| {
        let rest = name.strip_prefix(program)?.strip_prefix(": ")?;
        Some(rest.to_owned())
    };
    let outcome = |outcome: &suite::Outcome| match outcome {
        suite::Outcome::Pass => Outcome::Pass,
        suite::Outcome::Fail(_) => Outcome::Fail,
        suite::Outcome::Skip(_) => Outcome::Skip,
    };
    suite::tap::cases(program, output)
        .iter()
        .map(|case| {
            let name = title(&case.name).unwrap_or_else(|| WHOLE.to_owned());
            (name, outcome(&case.outcome))
        })
        .collect()
}

/// The one case is the program, whatever it calls it.
fn single(program: &str, output: &str) -> BTreeMap<String, Outcome> {
    let cases = tap(program, output);
    match cases.len() {
        1 => cases.into_values().map(|o| (WHOLE.to_owned(), o)).collect(),
        _ => BTreeMap::new(),
    }
}

/// `Summary: hits    0.640 ± 0.001M/s ...`
fn bench(output: &str) -> BTreeMap<String, Outcome> {
    static LINE: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"^Summary: hits +([0-9.]+)").expect("a literal"));
    let hits = output
        .lines()
        .filter_map(|line| LINE.captures(line)?[1].parse::<f64>().ok())
        .next_back();
    hits.map(|hits| {
        if hits > 0.0 {
            Outcome::Pass
        } else {
            Outcome::Fail
        }
    })
    .map(|outcome| (WHOLE.to_owned(), outcome))
    .into_iter()
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_split_and_a_lost_end_is_seen() {
        let ran = frames("x\n@@ begin a\none\n\n@@ end a 3 12\n@@ begin b\ntwo\n");
        assert_eq!(ran["a"].status, Some(3));
        assert_eq!(ran["a"].seconds, 12);
        assert_eq!(ran["a"].output, "one\n\n");
        assert_eq!(ran["b"].status, None);
        let ran = frames("@@ begin a\none\n@@ end a 1 2\n@@ begin a\ntwo\n@@ end a 0 3\n");
        assert_eq!((ran["a"].runs, ran["a"].status), (2, Some(0)));
        assert_eq!(ran["a"].output, "two\n");
    }

    #[test]
    fn an_end_that_the_cases_do_not_explain_is_bad() {
        let head = "[[program]]\nfolder = 'f'\nrun = 'r'\nformat = 'tap'\nlimit = 1\n";
        let plan =
            Plan::parse(&format!("limit = 9\n{head}name = 'p'\n{head}name = 'q'\n")).unwrap();
        let bad = |text: &str| Results::read(&plan, text).badly_ended(&plan);
        let q = "@@ begin q\n1..1\nok 1 a\n@@ end q 0 1\n";
        assert!(bad(&format!("@@ begin p\n1..1\nok 1 a\n@@ end p 0 1\n{q}")).is_empty());
        assert!(bad(&format!("@@ begin p\n1..1\nnot ok 1 a\n@@ end p 1 1\n{q}")).is_empty());
        assert!(
            bad(&format!("@@ begin p\n1..1\nok 1 a\n@@ end p 139 1\n{q}"))[0]
                .1
                .contains("139")
        );
        assert!(
            bad(&format!("@@ begin p\n1..1\nok 1 a\n@@ end p 124 9\n{q}"))[0]
                .1
                .contains("9 s")
        );
        assert_eq!(bad(q), [("p".to_owned(), "was not run".to_owned())]);
    }

    #[test]
    fn test_progs_lines() {
        let text = "#1/1    usdt/basic:OK\n#1/2    usdt/other:FAIL\n#1      usdt:FAIL\n\
                    All error logs:\n#1/2    usdt/other:FAIL\nSummary: 0/1 PASSED";
        let got = test_progs(text);
        assert_eq!(got.len(), 2);
        assert_eq!(got["basic"], Outcome::Pass);
        assert_eq!(got["other"], Outcome::Fail);
        assert_eq!(test_progs("#7  task_pt_regs:OK\n")[WHOLE], Outcome::Pass);
        assert_eq!(
            test_progs("#7/1 a/b:SKIP\n#7  a:OK (SKIP: 1/2)\n")["b"],
            Outcome::Skip
        );
    }

    #[test]
    fn a_test_that_fails_outside_its_subtests_is_a_case() {
        let got = test_progs("#1/1  usdt/basic:OK\n#1  usdt:FAIL\n");
        assert_eq!(got[WHOLE], Outcome::Fail);
    }

    #[test]
    fn tap_lines() {
        let text = "TAP version 13\n1..3\n#  RUN  a.b ...\nok 1 a.b\nnot ok 2 a.c\n\
                    ok 3 a.d # SKIP no file\n# Totals: pass:1";
        let got = tap("p", text);
        assert_eq!(got["a.b"], Outcome::Pass);
        assert_eq!(got["a.c"], Outcome::Fail);
        assert_eq!(got["a.d"], Outcome::Skip);
        assert_eq!(tap("p", "1..2\nok 1 a\n")[WHOLE], Outcome::Fail);
        assert_eq!(single("p", "1..1\nok 1 one\n")[WHOLE], Outcome::Pass);
        assert!(single("p", "1..2\nok 1 one\nok 2 two\n").is_empty());
    }

    #[test]
    fn a_benchmark_without_hits_fails() {
        assert_eq!(
            bench("Summary: hits    0.640 ± 0.0M/s")[WHOLE],
            Outcome::Pass
        );
        assert_eq!(
            bench("Summary: hits    0.000 ± 0.0M/s")[WHOLE],
            Outcome::Fail
        );
        assert!(bench("Setting up benchmark\n").is_empty());
    }
}
