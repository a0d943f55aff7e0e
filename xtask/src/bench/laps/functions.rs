// SPDX-License-Identifier: GPL-2.0

//! Meter `functions`: instructions of a hit, by the kernel's functions.
//!
//! An instruction that was inlined counts for the function whose source it is
//! from, unless that is in a header or a library, which are everywhere.

use super::{Course, Laps, Run, Turns, pair, symbols::Places};
use crate::{
    arch::{Arch, Impl},
    bench::{
        Meter, Stage,
        row::{Figure, Part, Row},
    },
};
use anyhow::Result;
use hit_book::{Mode, Section, Spot};
use std::collections::BTreeMap;

pub(in crate::bench) struct Functions;

const NAME: &str = "functions";

/// Where the two implementations are: what is in no other file is theirs.
const OURS: &str = "kernel/events/uprobes";

const COURSE: Course = Course {
    mode: Mode::Instructions,
    cpus: 1,
    turns: Turns::Counted,
    rounds: 3,
    calls: 100,
    functions: &[],
};

impl Meter for Functions {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "the kernel's instructions of a hit, of all functions and of those of the implementation"
    }

    fn measure(&self, stage: &Stage) -> Result<Vec<Row>> {
        let course = if stage.quick {
            Course {
                functions: &["nop"],
                ..COURSE
            }
        } else {
            COURSE
        };
        let c = Counted::of(stage, course.run(stage, Impl::C)?)?;
        let rust = Counted::of(stage, course.run(stage, Impl::Rust)?)?;
        let pairs = pair(&c.run, &rust.run)?;
        let rows = |(of_c, of_rust)| rows(stage.project.arch, [(&c, of_c), (&rust, of_rust)]);
        Ok(pairs.flat_map(rows).collect())
    }
}

/// A run, and the functions of its instructions.
struct Counted {
    run: Run,
    places: Places,
}

impl Counted {
    fn of(stage: &Stage, run: Run) -> Result<Self> {
        let sections = run.laps.iter().flat_map(|laps| &laps.rounds);
        let pcs = sections.flat_map(|section| &section.instructions);
        let pcs = pcs.map(|spot| spot.pc).collect();
        let places = run.symbols.places(stage.project, &pcs)?;
        Ok(Self { run, places })
    }

    /// Instructions of a hit, all of them and those of the implementation.
    fn figures(&self, laps: &Laps) -> [Figure; 2] {
        let ours = |spot: &Spot| self.places[&spot.pc].file.starts_with(OURS);
        [
            laps.per_hit(|section| sum(section, |_| true)),
            laps.per_hit(|section| sum(section, ours)),
        ]
    }

    /// Instructions per hit by function.
    fn functions(&self, laps: &Laps) -> BTreeMap<String, f64> {
        let mut functions = BTreeMap::new();
        for spot in laps.rounds.iter().flat_map(|section| &section.instructions) {
            let place = &self.places[&spot.pc];
            let name = match place.file.as_str() {
                "" => place.function.clone(),
                file => format!("{} ({file})", place.function),
            };
            *functions.entry(name).or_insert(0.0) += spot.count as f64 / laps.hits() as f64;
        }
        functions
    }
}

fn sum(section: &Section, wanted: impl Fn(&Spot) -> bool) -> u64 {
    let spots = section.instructions.iter().filter(|spot| wanted(spot));
    spots.map(|spot| spot.count).sum()
}

/// A row for all functions, with the functions as its parts, and one for ours.
fn rows(arch: Arch, [(c, of_c), (rust, of_rust)]: [(&Counted, &Laps); 2]) -> [Row; 2] {
    let ([all_c, ours_c], [all_rust, ours_rust]) = (c.figures(of_c), rust.figures(of_rust));
    let row = |of: &str, figures| {
        let name = format!("{}, {of}", of_c.name);
        Row::new(NAME, name, arch, "instructions", figures)
    };
    let mut all = row("all functions", [all_c, all_rust]);
    all.parts = Part::pair(c.functions(of_c), rust.functions(of_rust));
    [all, row("the implementation's", [ours_c, ours_rust])]
}
