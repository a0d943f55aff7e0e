// SPDX-License-Identifier: GPL-2.0

//! Rows as a table, for a terminal or as Markdown.

use super::number;
use crate::bench::row::{Row, Target, Verdict};
use comfy_table::{
    CellAlignment, Table,
    presets::{ASCII_MARKDOWN, UTF8_FULL_CONDENSED},
};

pub(super) const HEADER: [&str; 9] = [
    "what", "arch", "unit", "C", "Rust", "Rust / C", "spread", "target", "",
];

pub(super) fn terminal(rows: &[&Row]) -> String {
    let mut table = table(rows);
    table.load_style(UTF8_FULL_CONDENSED);
    table.to_string()
}

pub(super) fn markdown(rows: &[&Row]) -> String {
    let mut table = table(rows);
    table.load_style(ASCII_MARKDOWN);
    format!("{table}\n")
}

fn table(rows: &[&Row]) -> Table {
    let mut table = Table::new();
    table.set_header(HEADER);
    for index in 3..=6 {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for row in rows {
        table.add_row(cells(row));
    }
    table
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
