// SPDX-License-Identifier: GPL-2.0

//! The figures as a page of the kernel's documentation, with its pictures.

use super::{About, Report, digest, parts, picture, table};
use crate::{bench::row::Row, cache};
use anyhow::Result;
use std::path::Path;

const FOLDER: &str = "Documentation/trace";
const PAGE: &str = "uprobes-rust-figures";

const HEAD: &str = ".. SPDX-License-Identifier: GPL-2.0\n\
    .. Written by `cargo xtask bench --document`.\n\n\
    :orphan:\n\n\
    =========================\n\
    Uprobes in Rust: figures\n\
    =========================\n\n\
    What the meters found; Documentation/trace/uprobes-rust-performance.rst says what\n\
    they measure and how.\n\n";

/// Writes the page and its pictures into the repository.
pub(super) fn write(report: &Report, repo: &Path) -> Result<()> {
    let folder = repo.join(FOLDER);
    let mut page = HEAD.to_owned();
    for fact in &report.setting {
        page += &format!(":{}: {}\n", fact.what, fact.is);
    }
    page += &glance(report);
    for (about, rows) in report.sections() {
        let picture = format!("{PAGE}-{}.svg", about.name);
        let svg = picture::draw(about.about, &rows)?;
        cache::write_atomically(&folder.join(&picture), svg.as_bytes())?;
        page += &section(about, &rows, &picture);
    }
    cache::write_atomically(&folder.join(format!("{PAGE}.rst")), page.as_bytes())
}

fn glance(report: &Report) -> String {
    format!(
        "\nAt a glance\n===========\n\n\
         Of each target, what the rows that have it reach, from the least to the most:\n\n\
         {}\n{}\n",
        csv(digest::HEADER, digest::lines(&report.rows).into_iter()),
        report.summary()
    )
}

fn section(about: &About, rows: &[&Row], picture: &str) -> String {
    let cells = rows.iter().map(|row| table::cells(row));
    let mut text = format!(
        "\n{}\n{}\n\n{}\n\n.. kernel-figure:: {picture}\n   :alt: {2}\n\n{}",
        about.name,
        "=".repeat(about.name.len()),
        about.about,
        csv(table::HEADER, cells)
    );
    // The other rows have much the same parts; a run of one's own shows them all.
    if let Some(row) = rows.iter().find(|row| !row.parts.is_empty()) {
        let lines = parts::lines(&row.parts).into_iter();
        text += &format!(
            "\n{} on {}, {}:\n\n{}",
            row.name,
            row.arch,
            row.unit,
            csv(parts::HEADER, lines)
        );
    }
    text
}

fn csv<const N: usize>(header: [&str; N], lines: impl Iterator<Item = [String; N]>) -> String {
    let quoted = |cells: [String; N]| cells.map(|cell| format!("\"{cell}\"")).join(", ");
    let mut text = format!(
        ".. csv-table::\n   :header: {}\n\n",
        quoted(header.map(str::to_owned))
    );
    for cells in lines {
        text += &format!("   {}\n", quoted(cells));
    }
    text
}
