// SPDX-License-Identifier: GPL-2.0

//! What the stress says: TAP, and in its remarks how far it is, the accounts,
//! what was done, and what was wrong.

use crate::suite::{Case, Outcome, tap};
use comfy_table::{CellAlignment, Table, presets::UTF8_FULL_CONDENSED};

const ACCOUNT: &str = "# account\t";
const DEED: &str = "# deed\t";
const PROGRESS: &str = "# progress\t";
const SEED: &str = "# seed ";
const WRONG: &str = "# wrong: ";

pub(crate) struct Output<'a>(&'a str);

/// Hits that a run that is not over has said it had.
pub(crate) fn progress(text: &str) -> u64 {
    let last = remarks(text, PROGRESS).last();
    last.and_then(|line| line.split('\t').next()?.parse().ok())
        .unwrap_or(0)
}

fn remarks<'a>(text: &'a str, kind: &str) -> impl Iterator<Item = &'a str> {
    text.lines().filter_map(move |line| line.strip_prefix(kind))
}

impl<'a> Output<'a> {
    pub(crate) fn parse(text: &'a str) -> Self {
        Self(text)
    }

    /// The seed and the number of hits asked for.
    pub(crate) fn title(&self) -> String {
        let title = remarks(self.0, SEED).next();
        title.map_or("no seed was printed".to_owned(), |text| {
            format!("seed {text}")
        })
    }

    /// The program's cases. One that fails says all that was wrong, and the seed.
    pub(crate) fn cases(&self, name: &str) -> Vec<Case> {
        let mut cases = tap::cases(name, self.0);
        for case in &mut cases {
            if let Outcome::Fail(why) = &mut case.outcome {
                *why = self.explain(why);
            }
        }
        cases
    }

    fn explain(&self, why: &str) -> String {
        let wrongs: Vec<&str> = remarks(self.0, WRONG).collect();
        let all = if wrongs.is_empty() {
            why.to_owned()
        } else {
            wrongs.join("\n")
        };
        format!("{all}\n{}", self.title())
    }

    pub(crate) fn accounts(&self) -> Table {
        let header = ["functions", "calls", "hits", "returns", "return hits"];
        self.table(&header, ACCOUNT)
    }

    pub(crate) fn deeds(&self) -> Table {
        self.table(&["meanwhile", "times"], DEED)
    }

    fn table(&self, header: &[&str], kind: &str) -> Table {
        let mut table = Table::new();
        table.load_style(UTF8_FULL_CONDENSED);
        table.set_header(header);
        for column in 1..header.len() {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        for line in remarks(self.0, kind) {
            table.add_row(line.split('\t'));
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "TAP version 13\n1..2\n# seed 7, 100 hits\n\
                        # progress\t10\t100\n# wrong: function 3: 4 hits, not 5\n\
                        # progress\t90\t100\n# account\temulated\t5\t4\t5\t5\n\
                        not ok 1 entries\nok 2 returns\n";

    #[test]
    fn the_last_progress_counts() {
        assert_eq!(progress(TEXT), 90);
        assert_eq!(progress(""), 0);
        assert_eq!(progress("# progress\t"), 0);
    }

    #[test]
    fn a_failure_says_what_was_wrong_and_the_seed() {
        let why = "function 3: 4 hits, not 5\nseed 7, 100 hits";
        assert_eq!(
            Output::parse(TEXT).cases("s"),
            [Case::fail("s: entries", why), Case::pass("s: returns")]
        );
    }

    #[test]
    fn a_program_that_dies_says_so() {
        let cases = Output::parse("1..2\n# seed 7, 1 hits\nok 1 x\n").cases("s");
        assert_eq!(
            cases[1],
            Case::fail("s", "1 results for a plan of 2\nseed 7, 1 hits")
        );
    }

    #[test]
    fn accounts_become_rows() {
        let table = Output::parse(TEXT).accounts().to_string();
        assert!(table.contains("emulated"), "{table}");
    }
}
