// SPDX-License-Identifier: GPL-2.0

//! Meter `throughput`: upstream's `bench trig-*`, hits per second.
//!
//! Guests of both implementations take turns, so that the host is as fast for one as for the
//! other. Where its code and data lie makes a guest faster or slower for as long as it lives, so
//! several are booted of each.

use super::{
    Meter, Stage,
    guests::Pair,
    row::{Row, Target},
};
use crate::{
    arch::{Arch, Impl},
    guest::Job,
    upstream,
};
use anyhow::{Context, Result, ensure};

pub(super) struct Throughput;

const NAME: &str = "throughput";
const ROUNDS: usize = 3;
const HOOKS: [&str; 4] = ["uprobe", "uretprobe", "uprobe-multi", "uretprobe-multi"];

impl Meter for Throughput {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "upstream's bench trig-*, one thread, hits per second"
    }

    fn measure(&self, stage: &Stage) -> Result<Vec<Row>> {
        let kernel = stage.kernel(Impl::C)?;
        let programs = upstream::programs(stage.project, &kernel)?;
        let job = |imp| {
            Job::new(format!("bench-{NAME}-{imp}"), command(stage.project.arch))
                .folder(&programs)
                .limit(900)
        };
        let mut pair = Pair::default();
        for _ in 0..if stage.quick { 1 } else { ROUNDS } {
            pair.run(stage, job, parse)?;
        }
        let figures = pair.figures()?;
        let row = |(name, figures): (String, _)| {
            let target = Target::RatioAtLeast(least(stage.project.arch, &name));
            Row::new(NAME, name, stage.project.arch, "M hits/s", figures)
                .more_is_better()
                .target(target)
        };
        Ok(figures.into_iter().map(row).collect())
    }
}

/// What upstream's program has for an architecture.
fn first_instructions(arch: Arch) -> &'static [&'static str] {
    match arch {
        Arch::X86_64 => &["nop", "push", "ret", "nop10"],
        Arch::Arm64 => &["nop", "push", "ret"],
    }
}

/// A shell's command that names each row before its output.
fn command(arch: Arch) -> String {
    let mut command = String::new();
    for first in first_instructions(arch) {
        for hook in HOOKS {
            let name = format!("trig-{hook}-{first}");
            command += &format!(
                "echo row {name}; ./{}/bpf/bench -w1 -d4 -p1 -a {name} || exit 1\n",
                upstream::FOLDER
            );
        }
    }
    command
}

/// The rows that one guest gave, each second of them.
fn parse(output: &str) -> Result<Vec<(String, Vec<f64>)>> {
    let mut rows: Vec<(String, Vec<f64>)> = Vec::new();
    for line in output.lines() {
        if let Some(name) = line.strip_prefix("row ") {
            rows.push((name.to_owned(), Vec::new()));
        }
        let Some((_, rest)) = line.split_once("hits ") else {
            continue;
        };
        // The first second is for warming up.
        let counts = line.starts_with("Iter") && !line.starts_with("Iter   0");
        if let (true, Some((_, values))) = (counts, rows.last_mut()) {
            let (number, _) = rest.split_once("M/s").context(line.to_owned())?;
            values.push(number.trim().parse().context(line.to_owned())?);
        }
    }
    let silent = rows.iter().find(|(_, values)| values.is_empty());
    ensure!(silent.is_none(), "no hits in {silent:?}");
    Ok(rows)
}

/// The least that Rust may reach of what C reaches. x86_64 steps `ret`, arm64 emulates it.
fn least(arch: Arch, name: &str) -> f64 {
    let stepped = arch == Arch::X86_64 && name.ends_with("-ret");
    if stepped { 1.5 } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_of_each_row_are_read() {
        let output = "row trig-uprobe-nop\nSetting up benchmark 'trig-uprobe-nop'...\n\
            Iter   0 ( 17.3us): hits    0.707M/s (  0.707M/prod), drops    0.000M/s\n\
            Iter   1 (-1.1us): hits    0.700M/s (  0.700M/prod), drops    0.000M/s\n\
            Summary: hits    0.705 ± 0.003M/s (  0.705M/prod), drops    0.000 ± 0.000M/s\n";
        let rows = parse(output).unwrap();
        assert_eq!(rows, [("trig-uprobe-nop".to_owned(), vec![0.700])]);
        assert!(parse("row trig-uprobe-nop\nfailed\n").is_err());
    }
}
