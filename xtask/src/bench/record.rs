// SPDX-License-Identifier: GPL-2.0

//! The figures that the test command compares with, kept in the repository.
//!
//! What is kept is the ratio to C: it hardly moves with the compiler, and not at
//! all with the machine.

use super::row::{Better, Row};
use crate::{arch::Arch, cache};
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// By architecture, meter and name.
#[derive(Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Record(BTreeMap<String, BTreeMap<String, BTreeMap<String, Entry>>>);

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(from = "[f64; 2]", into = "[f64; 2]")]
struct Entry {
    /// See [`Row::score`].
    score: f64,
    spread: f64,
}

impl From<[f64; 2]> for Entry {
    fn from([score, spread]: [f64; 2]) -> Self {
        Self { score, spread }
    }
}

impl From<Entry> for [f64; 2] {
    fn from(entry: Entry) -> Self {
        [entry.score, entry.spread]
    }
}

/// What code that does the same moves a ratio by, when it is compiled anew.
const LEAST_SPREAD: f64 = 0.004;

const HEAD: &str = "# SPDX-License-Identifier: GPL-2.0\n\
    # Of each quick row of `cargo xtask bench`: Rust to C (or the Rust figure where C is 0), and by\n\
    # how much it may get worse before `cargo xtask test bench` fails. Written by\n\
    # `cargo xtask bench --record`.\n\n";

fn path(repo: &Path) -> PathBuf {
    repo.join("xtask/bench-record.toml")
}

/// Makes `rows` all that is recorded of `arch`.
pub(crate) fn write(repo: &Path, arch: Arch, rows: &[Row]) -> Result<()> {
    let mut record = Record::read(repo)?;
    record.0.remove(&arch.to_string());
    for row in rows {
        record.add(row);
    }
    let text = HEAD.to_owned() + &toml::to_string(&record)?;
    cache::write_atomically(&path(repo), text.as_bytes())
}

impl Record {
    /// Whether anything is recorded of `arch`.
    pub(crate) fn covers(&self, arch: Arch) -> bool {
        self.0.contains_key(&arch.to_string())
    }

    pub(crate) fn read(repo: &Path) -> Result<Self> {
        let path = path(repo);
        if !path.exists() {
            return Ok(Self::default());
        }
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        toml::from_str(&text).with_context(|| path.display().to_string())
    }

    fn add(&mut self, row: &Row) {
        let rounded = |value: f64| (value * 10000.0).round() / 10000.0;
        let entry = Entry {
            score: rounded(row.score()),
            spread: rounded(row.ratio_spread().unwrap_or_default().max(LEAST_SPREAD)),
        };
        let meters = self.0.entry(row.arch.clone()).or_default();
        let names = meters.entry(row.meter.clone()).or_default();
        names.insert(row.name.clone(), entry);
    }

    /// Fails if `row` is worse than it was, or was never recorded.
    pub(crate) fn check(&self, row: &Row) -> Result<()> {
        let entry = self
            .0
            .get(&row.arch)
            .and_then(|meters| meters.get(&row.meter))
            .and_then(|names| names.get(&row.name))
            .context("not recorded; see `cargo xtask bench --record`")?;
        let worse = match row.better {
            Better::Less => row.score() - entry.score,
            Better::More => entry.score - row.score(),
        };
        ensure!(
            worse <= entry.spread,
            "{:.4}, recorded is {} within {}",
            row.score(),
            entry.score,
            entry.spread
        );
        Ok(())
    }

    /// Recorded rows of `arch` that are not among `rows`.
    pub(crate) fn missing(&self, arch: Arch, rows: &[Row]) -> Vec<String> {
        let meters = self.0.get(&arch.to_string()).into_iter().flatten();
        let names = meters.flat_map(|(meter, names)| names.keys().map(move |name| (meter, name)));
        let is_missing = |(meter, name): &(&String, &String)| {
            !rows
                .iter()
                .any(|row| row.meter == **meter && row.name == **name)
        };
        names
            .filter(is_missing)
            .map(|(meter, name)| format!("{meter}: {name}"))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::row::Figure;

    fn row(name: &str, c: f64, rust: f64) -> Row {
        let figure = |value| Figure { value, spread: 0.0 };
        Row::new("m", name, Arch::X86_64, "u", [figure(c), figure(rust)])
    }

    fn recorded(rows: &[Row]) -> Record {
        let repo = tempfile::tempdir().unwrap();
        fs::create_dir(repo.path().join("xtask")).unwrap();
        write(repo.path(), Arch::X86_64, rows).unwrap();
        Record::read(repo.path()).unwrap()
    }

    #[test]
    fn what_got_worse_fails() {
        let record = recorded(&[row("a", 1000.0, 900.0), row("none", 0.0, 0.0)]);
        assert!(record.check(&row("a", 1000.0, 903.0)).is_ok());
        assert!(record.check(&row("a", 1000.0, 800.0)).is_ok());
        assert!(record.check(&row("a", 1000.0, 905.0)).is_err());
        assert!(record.check(&row("a", 990.0, 900.0)).is_err());
        assert!(record.check(&row("none", 0.0, 0.0)).is_ok());
        assert!(record.check(&row("none", 0.0, 1.0)).is_err());
    }

    #[test]
    fn more_can_be_better() {
        let record = recorded(&[row("a", 10.0, 10.0).more_is_better()]);
        assert!(record.check(&row("a", 10.0, 12.0).more_is_better()).is_ok());
        assert!(record.check(&row("a", 10.0, 9.0).more_is_better()).is_err());
    }

    #[test]
    fn nothing_may_be_left_out() {
        let record = recorded(&[row("a", 1.0, 1.0)]);
        assert!(record.check(&row("b", 1.0, 1.0)).is_err());
        assert_eq!(record.missing(Arch::X86_64, &[]), ["m: a"]);
        assert!(
            record
                .missing(Arch::X86_64, &[row("a", 1.0, 1.0)])
                .is_empty()
        );
        assert!(record.missing(Arch::Arm64, &[]).is_empty());
    }
}
