// SPDX-License-Identifier: GPL-2.0

//! Runs suites one after the other, on each architecture, and says what came of it.

use super::{Bench, Case, Outcome, Suite};
use crate::arch::Arch;
use anyhow::{Result, bail};
use comfy_table::{CellAlignment, Table, presets::UTF8_FULL_CONDENSED};
use std::time::{Duration, Instant};

struct Report {
    suite: &'static str,
    /// None for a suite that is not about one.
    arch: Option<Arch>,
    cases: Vec<Case>,
    took: Duration,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    passed: usize,
    failed: usize,
    skipped: usize,
}

/// Those of `suites` that are named, or all.
pub(crate) fn select(suites: Vec<Box<dyn Suite>>, names: &[String]) -> Result<Vec<Box<dyn Suite>>> {
    let known: Vec<&str> = suites.iter().map(|suite| suite.name()).collect();
    if let Some(name) = names.iter().find(|name| !known.contains(&name.as_str())) {
        bail!("no suite is called {name}; there are: {}", known.join(", "));
    }
    let wanted =
        |suite: &dyn Suite| names.is_empty() || names.iter().any(|name| name == suite.name());
    Ok(suites
        .into_iter()
        .filter(|suite| wanted(suite.as_ref()))
        .collect())
}

/// Runs them all on each of `benches`; whether nothing failed.
pub(crate) fn run(suites: &[Box<dyn Suite>], benches: &[Bench]) -> bool {
    let reports: Vec<Report> = suites
        .iter()
        .flat_map(|suite| on_each(suite.as_ref(), benches))
        .collect();
    println!("{}", table(&reports));
    let total = count(reports.iter().flat_map(|report| &report.cases));
    println!(
        "{} passed, {} failed, {} skipped",
        total.passed, total.failed, total.skipped
    );
    total.failed == 0 && total.passed > 0
}

fn on_each(suite: &dyn Suite, benches: &[Bench]) -> Vec<Report> {
    let times = if suite.per_arch() { benches.len() } else { 1 };
    benches
        .iter()
        .take(times)
        .map(|bench| report(suite, bench))
        .collect()
}

fn report(suite: &dyn Suite, bench: &Bench) -> Report {
    let arch = suite.per_arch().then_some(bench.project.arch);
    let on = arch.map_or(String::new(), |arch| format!(" on {arch}"));
    println!("\n== {}{on}: {}", suite.name(), suite.about());
    let begun = Instant::now();
    let cases = match suite.run(bench) {
        Ok(cases) if cases.is_empty() => vec![Case::fail(suite.name(), "no case ran")],
        Ok(cases) => cases,
        Err(error) => vec![Case::fail(suite.name(), format!("{error:#}"))],
    };
    for case in &cases {
        println!("{}", line(case));
    }
    Report {
        suite: suite.name(),
        arch,
        cases,
        took: begun.elapsed(),
    }
}

pub(crate) fn line(case: &Case) -> String {
    let name = &case.name;
    match &case.outcome {
        Outcome::Pass => format!("  pass  {name}"),
        Outcome::Skip(why) => format!("  skip  {name} ({why})"),
        Outcome::Fail(why) => format!(
            "  FAIL  {name}\n        {}",
            why.replace('\n', "\n        ")
        ),
    }
}

fn count<'a>(cases: impl IntoIterator<Item = &'a Case>) -> Count {
    let mut count = Count::default();
    for case in cases {
        match case.outcome {
            Outcome::Pass => count.passed += 1,
            Outcome::Fail(_) => count.failed += 1,
            Outcome::Skip(_) => count.skipped += 1,
        }
    }
    count
}

fn table(reports: &[Report]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header([
        "suite",
        "architecture",
        "passed",
        "failed",
        "skipped",
        "seconds",
    ]);
    for column in 2..6 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for report in reports {
        let count = count(&report.cases);
        table.add_row([
            report.suite.to_owned(),
            report.arch.map_or(String::new(), |arch| arch.to_string()),
            count.passed.to_string(),
            count.failed.to_string(),
            count.skipped.to_string(),
            report.took.as_secs().to_string(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Named(&'static str);

    impl Suite for Named {
        fn name(&self) -> &'static str {
            self.0
        }

        fn about(&self) -> &'static str {
            ""
        }

        fn run(&self, _: &Bench) -> Result<Vec<Case>> {
            Ok(Vec::new())
        }
    }

    fn suites() -> Vec<Box<dyn Suite>> {
        vec![Box::new(Named("a")), Box::new(Named("b"))]
    }

    #[test]
    fn all_suites_run_unless_some_are_named() {
        assert_eq!(select(suites(), &[]).unwrap().len(), 2);
        let named = select(suites(), &["b".to_owned()]).unwrap();
        assert_eq!(
            named.iter().map(|suite| suite.name()).collect::<Vec<_>>(),
            ["b"]
        );
    }

    #[test]
    fn a_suite_that_does_not_exist_is_an_error() {
        let error = select(suites(), &["c".to_owned()])
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains("a, b"), "{error}");
    }

    #[test]
    fn outcomes_are_counted() {
        let cases = [
            Case::pass("x"),
            Case::fail("y", "z"),
            Case::skip("w", "v"),
            Case::pass("u"),
        ];
        assert_eq!(
            count(&cases),
            Count {
                passed: 2,
                failed: 1,
                skipped: 1
            }
        );
    }
}
