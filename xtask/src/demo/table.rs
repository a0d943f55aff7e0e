// SPDX-License-Identifier: GPL-2.0

//! The hits that the guest counted, judged and shown.

use crate::arch::Impl;
use anyhow::{Context, Result};
use comfy_table::{CellAlignment, Table, presets::UTF8_FULL_CONDENSED};

/// What every run has to show; a demonstration that died leaves a gap.
const EXPECTED: [(&str, &str); 9] = [
    ("libc malloc in ls", "perf record"),
    ("return of work()", "perf record"),
    ("libc malloc in ls", "bpftrace uprobe"),
    ("its returns", "bpftrace uretprobe"),
    ("link for stage_*", "bpftool"),
    ("stage_1 to stage_4", "uprobe.multi"),
    ("traced:tick", "bpftrace usdt"),
    ("semaphore found raised", "traced"),
    ("uprobe on a nop", "upstream's bench"),
];

/// One traced thing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Hits {
    what: String,
    tool: String,
    count: u64,
    least: Option<u64>,
    most: Option<u64>,
}

impl Hits {
    fn is_sound(&self) -> bool {
        self.least.is_none_or(|least| self.count >= least)
            && self.most.is_none_or(|most| self.count <= most)
    }

    fn wanted(&self) -> String {
        match (self.least, self.most) {
            (Some(least), Some(most)) if least == most => format!("exactly {least}"),
            (Some(least), _) => format!("at least {least}"),
            (None, Some(most)) => format!("at most {most}"),
            (None, None) => "any".to_owned(),
        }
    }
}

pub(crate) fn parse(text: &str) -> Result<Vec<Hits>> {
    text.lines().map(parse_line).collect()
}

fn parse_line(line: &str) -> Result<Hits> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [what, tool, count, least, most] = fields[..] else {
        anyhow::bail!("not a line of hits: {line:?}");
    };
    let number = |text: &str| {
        text.parse()
            .with_context(|| format!("not a number in {line:?}"))
    };
    let bound = |text| {
        if text == "-" {
            Ok(None)
        } else {
            number(text).map(Some)
        }
    };
    Ok(Hits {
        what: what.to_owned(),
        tool: tool.to_owned(),
        count: number(count)?,
        least: bound(least)?,
        most: bound(most)?,
    })
}

pub(crate) fn problems(hits: &[Hits]) -> Vec<String> {
    let missing = EXPECTED.iter().filter(|(what, tool)| {
        !hits
            .iter()
            .any(|hit| hit.what == *what && hit.tool == *tool)
    });
    let missing = missing.map(|(what, tool)| format!("{what}: nothing from {tool}"));
    let wrong = hits.iter().filter(|hit| !hit.is_sound());
    let wrong = wrong.map(|hit| {
        format!(
            "{} ({}): {} hits, not {}",
            hit.what,
            hit.tool,
            hit.count,
            hit.wanted()
        )
    });
    missing.chain(wrong).collect()
}

pub(crate) fn render(hits: &[Hits], imp: Impl) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header(["what", "tool", "hits", "must be", "uprobes in", ""]);
    if let Some(column) = table.column_mut(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    for hit in hits {
        let verdict = if hit.is_sound() { "ok" } else { "WRONG" };
        table.add_row([
            hit.what.clone(),
            hit.tool.clone(),
            hit.count.to_string(),
            hit.wanted(),
            imp.to_string(),
            verdict.to_owned(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Hits> {
        let line = |(what, tool): &(&str, &str)| format!("{what}\t{tool}\t5\t5\t5\n");
        parse(&EXPECTED.iter().map(line).collect::<String>()).unwrap()
    }

    #[test]
    fn a_run_with_everything_has_no_problem() {
        assert!(problems(&all()).is_empty());
    }

    #[test]
    fn a_demonstration_that_died_is_a_problem() {
        let mut hits = all();
        hits.remove(4);
        assert_eq!(problems(&hits), ["link for stage_*: nothing from bpftool"]);
    }

    #[test]
    fn too_few_and_too_many_hits_are_problems() {
        let hits = parse("a\tb\t4\t5\t5\nc\td\t6\t5\t5\ne\tf\t0\t1\t-\ng\th\t9\t1\t-\n").unwrap();
        let sound: Vec<bool> = hits.iter().map(Hits::is_sound).collect();
        assert_eq!(sound, [false, false, false, true]);
    }

    #[test]
    fn a_broken_line_is_an_error() {
        assert!(parse("a\tb\tmany\t1\t-\n").is_err());
        assert!(parse("a\tb\n").is_err());
    }
}
