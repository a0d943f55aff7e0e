// SPDX-License-Identifier: GPL-2.0

//! The figures as a page of the kernel's documentation, with its pictures.

use super::{Report, table};
use crate::cache;
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
    for (about, rows) in report.sections() {
        let picture = format!("{PAGE}-{}.svg", about.name);
        let svg = super::picture::draw(about.about, &rows)?;
        cache::write_atomically(&folder.join(&picture), svg.as_bytes())?;
        let line = "=".repeat(about.name.len());
        page += &format!(
            "\n{}\n{line}\n\n{}\n\n.. kernel-figure:: {picture}\n   :alt: {1}\n\n{}",
            about.name,
            about.about,
            csv(&rows)
        );
    }
    page += &format!("\n{}\n", report.summary());
    cache::write_atomically(&folder.join(format!("{PAGE}.rst")), page.as_bytes())
}

fn csv(rows: &[&super::Row]) -> String {
    let line = |cells: &[String]| {
        let quoted: Vec<String> = cells.iter().map(|cell| format!("\"{cell}\"")).collect();
        quoted.join(", ")
    };
    let header = table::HEADER.map(str::to_owned);
    let mut text = format!(".. csv-table::\n   :header: {}\n\n", line(&header));
    for row in rows {
        text += &format!("   {}\n", line(&table::cells(row)));
    }
    text
}
