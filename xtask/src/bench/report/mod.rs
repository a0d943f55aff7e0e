// SPDX-License-Identifier: GPL-2.0

//! What a run found, in forms for different readers: a table for a terminal and
//! for documentation, JSON for programs, a picture for those in a hurry.

mod digest;
mod document;
mod grid;
mod parts;
mod picture;
mod setting;
mod table;

use super::{
    Meter, Stage,
    row::{Row, Verdict},
};
use crate::cache;
use anyhow::{Context, Result};
use serde::Serialize;
use std::path::Path;

#[derive(Serialize)]
pub(crate) struct Report {
    /// What the figures hold for: versions, configuration, machine.
    setting: Vec<setting::Fact>,
    meters: Vec<About>,
    rows: Vec<Row>,
}

#[derive(Serialize)]
struct About {
    name: &'static str,
    about: &'static str,
}

impl About {
    fn of(meter: &dyn Meter) -> Self {
        Self {
            name: meter.name(),
            about: meter.about(),
        }
    }
}

impl Report {
    pub(crate) fn new(stages: &[Stage], meters: &[Box<dyn Meter>], rows: Vec<Row>) -> Result<Self> {
        Ok(Self {
            setting: setting::facts(stages)?,
            meters: meters
                .iter()
                .map(|meter| About::of(meter.as_ref()))
                .collect(),
            rows,
        })
    }

    /// Rows with this verdict.
    pub(crate) fn count(&self, verdict: Verdict) -> usize {
        let has = |row: &&Row| row.verdict() == Some(verdict);
        self.rows.iter().filter(has).count()
    }

    /// All of it, for a terminal.
    pub(crate) fn terminal(&self) -> String {
        let sections = self.sections().map(|(about, rows)| {
            format!(
                "{}: {}\n{}\n{}",
                about.name,
                about.about,
                table::grid(&rows).terminal(),
                parts::terminal(&rows)
            )
        });
        format!(
            "{}\n{}\n{}",
            sections.collect::<String>(),
            digest::grid(&self.rows).terminal(),
            self.summary()
        )
    }

    /// Writes `report.md`, `report.json` and a picture of each meter into `out`.
    pub(crate) fn write(&self, out: &Path) -> Result<()> {
        let write =
            |name: &str, text: &str| cache::write_atomically(&out.join(name), text.as_bytes());
        write("report.md", &self.markdown())?;
        write("report.json", &serde_json::to_string_pretty(self)?)?;
        for (about, rows) in self.sections() {
            let name = format!("{}.svg", about.name);
            write(
                &name,
                &picture::draw(about.about, &rows).context(name.clone())?,
            )?;
        }
        Ok(())
    }

    /// Writes it into the repository's documentation.
    pub(crate) fn document(&self, repo: &Path) -> Result<()> {
        document::write(self, repo)
    }

    fn markdown(&self) -> String {
        let setting = self
            .setting
            .iter()
            .map(|fact| format!("- {}: {}\n", fact.what, fact.is));
        let sections = self.sections().map(|(about, rows)| {
            format!(
                "\n## {}\n\n{}\n\n![{}]({0}.svg)\n\n{}{}",
                about.name,
                about.about,
                about.about,
                table::grid(&rows).markdown(),
                parts::markdown(&rows)
            )
        });
        format!(
            "# Uprobes in Rust compared with C\n\n{}\n{}\n{}\n{}",
            setting.collect::<String>(),
            digest::grid(&self.rows).markdown(),
            self.summary(),
            sections.collect::<String>()
        )
    }

    fn sections(&self) -> impl Iterator<Item = (&About, Vec<&Row>)> {
        self.meters.iter().filter_map(|about| {
            let rows: Vec<&Row> = self
                .rows
                .iter()
                .filter(|row| row.meter == about.name)
                .collect();
            (!rows.is_empty()).then_some((about, rows))
        })
    }

    fn summary(&self) -> String {
        format!(
            "{} rows; of the targets, {} are met, {} missed, {} missed by less than the spread",
            self.rows.len(),
            self.count(Verdict::Met),
            self.count(Verdict::Missed),
            self.count(Verdict::Unclear)
        )
    }
}

/// With as many places as tell values of this size apart.
fn number(value: f64) -> String {
    let places = match value.abs() {
        size if size >= 1000.0 => 0,
        size if size >= 10.0 => 1,
        _ => 3,
    };
    format!("{value:.places$}")
}
