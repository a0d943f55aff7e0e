// SPDX-License-Identifier: GPL-2.0

//! Meters `scale` and `attach`: what many probes cost those who attach them, and
//! those who do not hit them.
//!
//! `scale` counts instructions, which is exact and leaves out what is waited
//! for; `attach` is about the time that a user waits, on an ordinary guest.

use super::{
    Meter, Stage,
    guests::{Pair, Values},
    hits::COUNTING,
    program,
    row::{Row, Target},
};
use crate::guest::Job;
use anyhow::{Context, Result};

/// Instructions to attach, detach, exec, fork and map, and bytes of memory.
pub(super) struct Scale;

/// Time to attach and to detach.
pub(super) struct Attach;

const PROGRAMS: [&str; 3] = ["attach", "latency", "memory"];
const ROUNDS: usize = 3;

/// Where a process has its mappings decides how many page tables a fork copies, which is some
/// hundredths of what it executes.
const SAME_LAYOUT: &str = "echo 0 > /proc/sys/kernel/randomize_va_space";

impl Meter for Scale {
    fn name(&self) -> &'static str {
        "scale"
    }

    fn about(&self) -> &'static str {
        "many probes: instructions to attach, detach, exec, fork and map; bytes of memory"
    }

    fn measure(&self, stage: &Stage) -> Result<Vec<Row>> {
        let job = |job: Job| job.cpus(1).machine_options(&COUNTING);
        let command = format!("{SAME_LAYOUT} && ./attach cpu && ./latency && ./memory");
        measure(stage, self.name(), &command, job, 1)
    }
}

impl Meter for Attach {
    fn name(&self) -> &'static str {
        "attach"
    }

    fn about(&self) -> &'static str {
        "time to attach and to detach, per probe"
    }

    fn measure(&self, stage: &Stage) -> Result<Vec<Row>> {
        measure(stage, self.name(), "./attach time", |job| job, ROUNDS)
    }
}

fn measure(
    stage: &Stage,
    meter: &str,
    command: &str,
    machine: impl Fn(Job) -> Job,
    rounds: usize,
) -> Result<Vec<Row>> {
    let folder = stage.project.cache.temp_dir()?;
    for name in PROGRAMS {
        program::build(stage, name, folder.path())?;
    }
    let mut pair = Pair::default();
    for _ in 0..rounds {
        let job = |imp| {
            let job = Job::new(format!("bench-{meter}-{imp}"), command).limit(900);
            machine(job.folder(folder.path()))
        };
        pair.run(stage, job, parse)?;
    }
    let row = |(name, figures): (String, _)| {
        let (name, unit) = name.rsplit_once('\t').context("a row has a unit")?;
        let row = Row::new(meter, name, stage.project.arch, unit, figures);
        Ok(row.target(Target::RatioAtMost(limit(unit))))
    };
    pair.figures()?.into_iter().map(row).collect()
}

/// Lines of name, unit and values; the unit stays with the name.
fn parse(output: &str) -> Result<Values> {
    let line = |line: &str| {
        let (row, values) = line.rsplit_once('\t').context(line.to_owned())?;
        let value = |text: &str| text.parse().context(line.to_owned());
        let values: Result<Vec<f64>> = values.split(' ').map(value).collect();
        Ok((row.to_owned(), values?))
    };
    output.lines().map(line).collect()
}

/// The most that Rust may take of what C takes.
fn limit(unit: &str) -> f64 {
    if unit == "bytes" { 1.1 } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_a_name_a_unit_and_values() {
        let rows = parse("fork, 1 probes\tinstructions\t3 1.5\n").unwrap();
        let name = "fork, 1 probes\tinstructions".to_owned();
        assert_eq!(rows, [(name, vec![3.0, 1.5])]);
        assert!(parse("no figures\n").is_err());
        assert!(parse("a\tb\tc\n").is_err());
    }
}
