// SPDX-License-Identifier: GPL-2.0

//! That no hit costs more than it did, compared with C in the same run.

use super::{Bench, Case, Suite};
use crate::{
    arch::{Flavour, Impl},
    bench::{self, record::Record},
};
use anyhow::Result;

pub(crate) struct BenchSuite;

impl Suite for BenchSuite {
    fn name(&self) -> &'static str {
        "bench"
    }

    fn about(&self) -> &'static str {
        "what a hit costs, Rust to C, is not worse than recorded"
    }

    fn run(&self, bench: &Bench) -> Result<Vec<Case>> {
        let both = [Impl::C, Impl::Rust];
        if !both.iter().all(|imp| bench.impls.contains(imp)) {
            return Ok(vec![Case::skip("bench", "compares both implementations")]);
        }
        if bench.flavour == Flavour::Debug {
            return Ok(vec![Case::skip("bench", "checkers cost more than hits")]);
        }
        let project = bench.project;
        let record = Record::read(&project.repo)?;
        if !record.covers(project.arch) {
            let why = "nothing is recorded of this architecture; see `cargo xtask bench --record`";
            return Ok(vec![Case::skip("bench", why)]);
        }
        let rows = bench::quick_rows(project)?;
        let missing = record.missing(project.arch, &rows);
        let mut cases: Vec<Case> = missing
            .iter()
            .map(|name| Case::fail(format!("bench: {name}"), "recorded, but not measured"))
            .collect();
        cases.extend(rows.iter().map(|row| {
            let name = format!("bench: {}: {}", row.meter, row.name);
            Case::of(name, record.check(row))
        }));
        Ok(cases)
    }
}
