// SPDX-License-Identifier: GPL-2.0

//! Meter `hits`: instructions of one hit.
//!
//! QEMU counts instructions (`-icount shift=0`): the virtual machine's clock goes
//! on by a nanosecond with each, however fast the host is. With one virtual CPU
//! that never waits while it measures, a figure depends on nothing else.

use super::{
    Meter, Stage, guests, program,
    row::{Figure, Row, Target},
};
use crate::{
    arch::{Arch, Impl},
    guest::Job,
};
use anyhow::{Context, Result, ensure};

pub(super) struct Hits;

const NAME: &str = "hits";
/// Has QEMU count instructions. While nothing runs, time goes on as outside: with `sleep=off` it
/// would leap to the next timer, and past every time limit while the host reads a disk.
pub(super) const COUNTING: [&str; 2] = ["-icount", "shift=0"];
const TIME_LIMIT: u64 = 1200;

impl Meter for Hits {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "instructions of one call of a probed function, exact, on one virtual CPU"
    }

    fn is_quick(&self) -> bool {
        true
    }

    fn measure(&self, stage: &Stage) -> Result<Vec<Row>> {
        let folder = stage.project.cache.temp_dir()?;
        program::build(stage, NAME, folder.path())?;
        let quick = if stage.quick { " quick" } else { "" };
        let lines = |imp| -> Result<Vec<Line>> {
            let job = Job::new(format!("bench-{NAME}-{imp}"), format!("./{NAME}{quick}"))
                .folder(folder.path())
                .cpus(1)
                .machine_options(&COUNTING)
                .limit(TIME_LIMIT);
            parse(&guests::run(stage, imp, &job)?)
        };
        rows(stage.project.arch, &lines(Impl::C)?, &lines(Impl::Rust)?)
    }
}

/// One line of the guest's program.
#[derive(Debug, PartialEq)]
struct Line {
    function: String,
    hook: String,
    probes: u32,
    mappings: u32,
    figure: Figure,
}

impl Line {
    fn is_base(&self) -> bool {
        self.probes == 1 && self.mappings == 1
    }

    /// The same work where nothing else is.
    fn is_base_of(&self, other: &Self) -> bool {
        self.is_base() && self.function == other.function && self.hook == other.hook
    }

    fn name(&self) -> String {
        let mut name = format!("{} {}", self.function, self.hook);
        if !self.is_base() {
            name += &format!(", {} probes, {} mappings", self.probes, self.mappings);
        }
        name
    }
}

fn parse(output: &str) -> Result<Vec<Line>> {
    output.lines().map(parse_line).collect()
}

fn parse_line(line: &str) -> Result<Line> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [function, hook, probes, mappings, value, spread] = fields[..] else {
        anyhow::bail!("not a line of hits: {line:?}");
    };
    let number = |text: &str| -> Result<f64> { text.parse().with_context(|| line.to_owned()) };
    let count = |text: &str| -> Result<u32> { text.parse().with_context(|| line.to_owned()) };
    Ok(Line {
        function: function.to_owned(),
        hook: hook.to_owned(),
        probes: count(probes)?,
        mappings: count(mappings)?,
        figure: Figure {
            value: number(value)?,
            spread: number(spread)?,
        },
    })
}

fn rows(arch: Arch, c: &[Line], rust: &[Line]) -> Result<Vec<Row>> {
    ensure!(
        c.iter().map(Line::name).eq(rust.iter().map(Line::name)),
        "C and Rust gave different rows"
    );
    let row = |(c, line): (&Line, &Line)| {
        let row = Row::new(
            NAME,
            line.name(),
            arch,
            "instructions",
            [c.figure, line.figure],
        )
        .target(Target::RatioAtMost(limit(line)));
        match rust.iter().find(|base| base.is_base_of(line)) {
            Some(base) if !line.is_base() => row.target(Target::GrowthAtMost {
                base: base.figure.value,
                limit: GROWTH,
            }),
            _ => row,
        }
    };
    Ok(c.iter().zip(rust).map(row).collect())
}

/// With many probes and mappings, to one of each.
const GROWTH: f64 = 1.02;

/// The most that Rust may take of what C takes.
fn limit(line: &Line) -> f64 {
    let returns = line.hook.starts_with("uretprobe") || line.hook.starts_with("session");
    match line.function.as_str() {
        _ if returns => 0.90,
        "nop10" => 0.85,
        _ => 0.87,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "nop\tuprobe perf\t1\t1\t100.000\t0.500\n\
                          nop\tuprobe perf\t50000\t1\t102.000\t0.000\n";

    #[test]
    fn lines_become_rows_with_targets() {
        let lines = parse(OUTPUT).unwrap();
        assert_eq!(
            lines[0].figure,
            Figure {
                value: 100.0,
                spread: 0.5
            }
        );
        let rows = rows(Arch::X86_64, &lines, &lines).unwrap();
        assert_eq!(rows[0].name, "nop uprobe perf");
        assert_eq!(rows[0].targets, [Target::RatioAtMost(0.87)]);
        let growth = Target::GrowthAtMost {
            base: 100.0,
            limit: GROWTH,
        };
        assert_eq!(rows[1].targets[1], growth);
    }

    #[test]
    fn rows_that_differ_are_refused() {
        let lines = parse(OUTPUT).unwrap();
        assert!(rows(Arch::X86_64, &lines, &lines[..1]).is_err());
        assert!(parse("nop\tuprobe\n").is_err());
    }
}
