// SPDX-License-Identifier: GPL-2.0

//! What rows are made up of: below the tables, one list for each row that says.

use super::grid::Grid;
use crate::bench::row::{Part, Row, Verdict};

/// What matters is among the first; the rest of a row is one line.
const SHOWN: usize = 40;

pub(super) const HEADER: [&str; 3] = ["where", "C", "Rust"];

/// The rows in which a reader looks for what is wrong.
pub(super) fn terminal(rows: &[&Row]) -> String {
    let missed = rows
        .iter()
        .filter(|row| row.verdict() == Some(Verdict::Missed));
    let list = |row: &Row| {
        let table = grid(&row.parts).terminal();
        format!("{} ({})\n{table}\n", row.name, row.unit)
    };
    with_parts(missed).map(list).collect()
}

pub(super) fn markdown(rows: &[&Row]) -> String {
    let list = |row: &Row| {
        let table = grid(&row.parts).markdown();
        format!(
            "\n### {} on {}: {}\n\n{table}",
            row.name, row.arch, row.unit
        )
    };
    with_parts(rows.iter()).map(list).collect()
}

fn with_parts<'a>(rows: impl Iterator<Item = &'a &'a Row>) -> impl Iterator<Item = &'a Row> {
    rows.copied().filter(|row| !row.parts.is_empty())
}

fn grid(parts: &[Part]) -> Grid {
    Grid::new(HEADER, 1..=2, lines(parts))
}

/// The first of the parts, and the sum of the others.
pub(super) fn lines(parts: &[Part]) -> Vec<[String; 3]> {
    let (shown, rest) = parts.split_at(parts.len().min(SHOWN));
    let mut lines: Vec<[String; 3]> = shown
        .iter()
        .map(|part| cells(&part.name, part.c, part.rust))
        .collect();
    if !rest.is_empty() {
        let sum = |of: fn(&Part) -> f64| rest.iter().map(of).sum();
        let others = format!("{} others", rest.len());
        lines.push(cells(&others, sum(|part| part.c), sum(|part| part.rust)));
    }
    lines
}

fn cells(name: &str, c: f64, rust: f64) -> [String; 3] {
    [name.to_owned(), format!("{c:.2}"), format!("{rust:.2}")]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_beyond_the_first_is_summed_up() {
        let part = |index: usize| Part {
            name: index.to_string(),
            c: 1.0,
            rust: 0.5,
        };
        let parts: Vec<Part> = (0..SHOWN + 3).map(part).collect();
        let text = grid(&parts).terminal();
        let last = text.lines().rev().nth(1).unwrap_or_default();
        assert!(last.contains("3 others") && last.contains("3.00") && last.contains("1.50"));
    }
}
