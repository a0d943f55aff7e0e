// SPDX-License-Identifier: GPL-2.0

//! Meter `contention`: how often a hit writes a cache line that other CPUs write.
//!
//! Which lines CPUs share, and how often they write them, does not depend on
//! when the host runs which of them. What such a line costs does, and is not
//! measured here.

use super::{Course, Laps, Run, Turns, pair, symbols::Places};
use crate::{
    arch::Impl,
    bench::{
        Meter, Stage,
        row::{Part, Row, Target},
    },
};
use anyhow::{Result, ensure};
use hit_book::{Mode, Section};
use std::collections::BTreeMap;

pub(in crate::bench) struct Contention;

const NAME: &str = "contention";
const fn course(cpus: u32, turns: Turns) -> Course {
    Course {
        mode: Mode::Lines,
        cpus,
        turns,
        rounds: 3,
        calls: 300,
        functions: &[],
    }
}

const WHOLE: [Course; 4] = [
    course(2, Turns::Counted),
    course(4, Turns::Counted),
    course(8, Turns::Counted),
    course(4, Turns::Parallel),
];

/// A function that is emulated, and one of each architecture that is stepped.
const QUICK: [Course; 1] = [Course {
    rounds: 2,
    calls: 100,
    functions: &["nop", "imul", "add"],
    ..course(4, Turns::Counted)
}];

impl Meter for Contention {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "writes to cache lines that two CPUs or more write, per call of a probed function on all CPUs"
    }

    fn is_quick(&self) -> bool {
        true
    }

    fn measure(&self, stage: &Stage) -> Result<Vec<Row>> {
        let courses = if stage.quick { &QUICK[..] } else { &WHOLE };
        let mut rows = Vec::new();
        for course in courses {
            let runs = [course.run(stage, Impl::C)?, course.run(stage, Impl::Rust)?];
            rows.extend(compare(stage, course, &runs)?);
        }
        // C is known to, so that a meter that sees nothing cannot pass for one that finds nothing.
        let seen = rows.iter().any(|row| row.c.value > 0.0);
        ensure!(seen, "no write to a contended line was seen");
        Ok(rows)
    }
}

fn compare(stage: &Stage, course: &Course, [c, rust]: &[Run; 2]) -> Result<Vec<Row>> {
    let places = [writers(stage, c)?, writers(stage, rust)?];
    let row = |(of_c, of_rust): (&Laps, &Laps)| {
        let figures = [of_c, of_rust].map(|laps| laps.per_hit(Section::contended_writes));
        let name = format!("{}, {}", of_c.name, machine(course));
        let mut row = Row::new(NAME, name, stage.project.arch, "writes", figures)
            .target(Target::ValueAtMost(0.0));
        row.parts = Part::pair(lines(c, &places[0], of_c), lines(rust, &places[1], of_rust));
        row
    };
    Ok(pair(c, rust)?.map(row).collect())
}

fn machine(course: &Course) -> String {
    match course.turns {
        Turns::Counted => format!("{} CPUs", course.cpus),
        Turns::Parallel => format!("{} CPUs at once", course.cpus),
    }
}

fn writers(stage: &Stage, run: &Run) -> Result<Places> {
    let sections = run.laps.iter().flat_map(|laps| &laps.rounds);
    let lines = sections.flat_map(|section| &section.contended);
    let pcs = lines.flat_map(|line| &line.writers).map(|spot| spot.pc);
    run.symbols.places(stage.project, &pcs.collect())
}

/// Contended writes per hit, by what is written and what writes it.
fn lines(run: &Run, places: &Places, laps: &Laps) -> BTreeMap<String, f64> {
    let mut lines = BTreeMap::new();
    for line in laps.rounds.iter().flat_map(|section| &section.contended) {
        let what = run.symbols.data(line.address);
        for spot in &line.writers {
            let by = &places[&spot.pc];
            let name = format!("{what}, by {} ({}:{})", by.function, by.file, by.line);
            *lines.entry(name).or_insert(0.0) += spot.count as f64 / laps.hits() as f64;
        }
    }
    lines
}
