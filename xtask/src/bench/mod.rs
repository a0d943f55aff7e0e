// SPDX-License-Identifier: GPL-2.0

//! `cargo xtask bench`: the same work on the C and the Rust implementation, in
//! one run, as a table, as JSON and as a picture.
//!
//! A meter measures one thing and gives rows; it knows nothing of reports. Both
//! kernels come from the same tree and differ in one option.

mod guests;
mod hits;
mod laps;
mod program;
pub(crate) mod record;
mod report;
pub(crate) mod row;
mod scale;
mod throughput;

use crate::{
    arch::{Flavour, Impl},
    kernel::Kernel,
    project::Project,
};
use anyhow::{Result, bail};
pub(crate) use report::Report;
use row::Row;

/// Measures one kind of thing on both implementations.
pub(crate) trait Meter {
    /// What the user calls it on the command line.
    fn name(&self) -> &'static str;

    /// One line for the reader of the report.
    fn about(&self) -> &'static str;

    /// Whether the test command runs it too: it is short, and the same figures
    /// come on every machine.
    fn is_quick(&self) -> bool {
        false
    }

    fn measure(&self, stage: &Stage) -> Result<Vec<Row>>;
}

/// What meters work with.
pub(crate) struct Stage<'a> {
    pub(crate) project: &'a Project,
    /// Only what is needed to see that nothing got worse.
    pub(crate) quick: bool,
}

impl Stage<'_> {
    pub(crate) fn kernel(&self, imp: Impl) -> Result<Kernel> {
        self.project.kernel(imp, Flavour::Release)
    }
}

fn meters() -> Vec<Box<dyn Meter>> {
    vec![
        Box::new(hits::Hits),
        Box::new(laps::Functions),
        Box::new(laps::Contention),
        Box::new(throughput::Throughput),
        Box::new(scale::Scale),
        Box::new(scale::Attach),
    ]
}

/// What the test command measures.
pub(crate) fn quick_rows(project: &Project) -> Result<Vec<Row>> {
    let stage = Stage {
        project,
        quick: true,
    };
    let quick = meters().into_iter().filter(|meter| meter.is_quick());
    let rows: Vec<Vec<Row>> = quick
        .map(|meter| meter.measure(&stage))
        .collect::<Result<_>>()?;
    Ok(rows.concat())
}

/// Those that are named, or all.
fn select(names: &[String]) -> Result<Vec<Box<dyn Meter>>> {
    let all = meters();
    let known: Vec<&str> = all.iter().map(|meter| meter.name()).collect();
    if let Some(name) = names.iter().find(|name| !known.contains(&name.as_str())) {
        bail!("no meter is called {name}; there are: {}", known.join(", "));
    }
    let wanted =
        |meter: &dyn Meter| names.is_empty() || names.iter().any(|name| name == meter.name());
    Ok(all
        .into_iter()
        .filter(|meter| wanted(meter.as_ref()))
        .collect())
}

/// Measures what is named, or everything.
pub(crate) fn run(stages: &[Stage], names: &[String]) -> Result<Report> {
    let meters = select(names)?;
    let mut rows = Vec::new();
    for stage in stages {
        for meter in &meters {
            rows.extend(meter.measure(stage)?);
        }
    }
    Report::new(stages, &meters, rows)
}
