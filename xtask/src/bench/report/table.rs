// SPDX-License-Identifier: GPL-2.0

//! Rows as a table: figures, ratio, targets and what comes of them.

use super::{grid::Grid, number};
use crate::bench::row::{Row, Target, Verdict};

pub(super) const HEADER: [&str; 9] = [
    "what", "arch", "unit", "C", "Rust", "Rust / C", "spread", "target", "",
];

pub(super) fn grid(rows: &[&Row]) -> Grid {
    Grid::new(HEADER, 3..=6, rows.iter().map(|row| cells(row)))
}

pub(super) fn cells(row: &Row) -> [String; 9] {
    let ratio = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.3}"));
    let targets: Vec<String> = row.targets.iter().map(|target| said(*target)).collect();
    let verdict = match row.verdict() {
        None => "",
        Some(Verdict::Met) => "met",
        Some(Verdict::Unclear) => "unclear",
        Some(Verdict::Missed) => "MISSED",
    };
    [
        row.name.clone(),
        row.arch.clone(),
        row.unit.clone(),
        number(row.c.value),
        number(row.rust.value),
        ratio(row.ratio()),
        ratio(row.ratio_spread()),
        targets.join(", "),
        verdict.to_owned(),
    ]
}

pub(super) fn said(target: Target) -> String {
    match target {
        Target::RatioAtMost(limit) => format!("<= {limit}"),
        Target::RatioAtLeast(limit) => format!(">= {limit}"),
        Target::ValueAtMost(limit) => format!("Rust <= {limit}"),
        Target::GrowthAtMost { base, limit } => format!("Rust <= {limit} x {}", number(base)),
    }
}
