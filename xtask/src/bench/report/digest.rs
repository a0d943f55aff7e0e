// SPDX-License-Identifier: GPL-2.0

//! All targets at a glance: how many rows have the same one, and what they reach.
//!
//! Relies on rows for what a target reaches and what comes of it. Promises that each target of
//! each row is in one line.

use super::grid::Grid;
use crate::bench::row::{Row, Target, Verdict};

pub(super) const HEADER: [&str; 8] = [
    "meter", "arch", "target", "rows", "least", "most", "met", "missed",
];

/// The rows of one meter and architecture of which the same is asked.
struct Group<'a> {
    meter: &'a str,
    arch: &'a str,
    target: String,
    reached: Vec<f64>,
    verdicts: Vec<Verdict>,
}

pub(super) fn grid(rows: &[Row]) -> Grid {
    Grid::new(HEADER, 3..=7, lines(rows))
}

pub(super) fn lines(rows: &[Row]) -> Vec<[String; 8]> {
    groups(rows).iter().map(Group::cells).collect()
}

/// In the order in which rows first have them.
fn groups(rows: &[Row]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group> = Vec::new();
    for row in rows {
        for target in &row.targets {
            group_of(&mut groups, row, *target).add(row, *target);
        }
    }
    groups
}

fn group_of<'a, 'b>(
    groups: &'b mut Vec<Group<'a>>,
    row: &'a Row,
    target: Target,
) -> &'b mut Group<'a> {
    let target = said(target, &row.unit);
    let is_its = |group: &Group| {
        group.meter == row.meter && group.arch == row.arch && group.target == target
    };
    let index = groups.iter().position(is_its).unwrap_or_else(|| {
        groups.push(Group {
            meter: &row.meter,
            arch: &row.arch,
            target,
            reached: Vec::new(),
            verdicts: Vec::new(),
        });
        groups.len() - 1
    });
    &mut groups[index]
}

/// What is the same in the targets of a group.
fn said(target: Target, unit: &str) -> String {
    match target {
        Target::RatioAtMost(limit) => format!("{unit}: Rust / C <= {limit}"),
        Target::RatioAtLeast(limit) => format!("{unit}: Rust / C >= {limit}"),
        Target::ValueAtMost(limit) => format!("{unit}: Rust <= {limit}"),
        Target::GrowthAtMost { limit, .. } => format!("{unit}: Rust / simpler row <= {limit}"),
    }
}

impl Group<'_> {
    fn add(&mut self, row: &Row, target: Target) {
        self.reached.extend(target.reached(row));
        self.verdicts.push(target.judge(row));
    }

    fn cells(&self) -> [String; 8] {
        let figure = |choose: fn(f64, f64) -> f64| {
            let chosen = self.reached.iter().copied().reduce(choose);
            chosen.map_or("-".to_owned(), |figure| format!("{figure:.3}"))
        };
        let are = |verdict| self.verdicts.iter().filter(|is| **is == verdict).count();
        let missed = match (are(Verdict::Missed), are(Verdict::Unclear)) {
            (missed, 0) => missed.to_string(),
            (missed, unclear) => format!("{missed} ({unclear} unclear)"),
        };
        [
            self.meter.to_owned(),
            self.arch.to_owned(),
            self.target.clone(),
            self.verdicts.len().to_string(),
            figure(f64::min),
            figure(f64::max),
            are(Verdict::Met).to_string(),
            missed,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{arch::Arch, bench::row::Figure};

    fn row(c: f64, rust: f64) -> Row {
        let figure = |value| Figure { value, spread: 1.0 };
        Row::new("m", "r", Arch::X86_64, "u", [figure(c), figure(rust)])
    }

    #[test]
    fn rows_with_the_same_target_are_one_line() {
        let rows = [
            row(100.0, 80.0).target(Target::RatioAtMost(0.9)),
            row(100.0, 60.0)
                .target(Target::RatioAtMost(0.9))
                .target(Target::GrowthAtMost {
                    base: 50.0,
                    limit: 1.02,
                }),
            row(100.0, 99.0).target(Target::RatioAtMost(0.9)),
            row(100.0, 90.5).target(Target::RatioAtMost(0.9)),
            row(100.0, 1.0),
        ];
        let ratio = "u: Rust / C <= 0.9";
        let growth = "u: Rust / simpler row <= 1.02";
        let wanted = [
            [
                "m",
                "x86_64",
                ratio,
                "4",
                "0.600",
                "0.990",
                "2",
                "1 (1 unclear)",
            ],
            ["m", "x86_64", growth, "1", "1.200", "1.200", "0", "1"],
        ];
        assert_eq!(lines(&rows), wanted.map(|line| line.map(str::to_owned)));
    }
}
