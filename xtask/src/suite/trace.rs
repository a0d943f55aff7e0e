// SPDX-License-Identifier: GPL-2.0

//! What `cargo xtask run` shows, as a test: real tools count what they must.

use super::{Bench, Case, Suite};
use crate::{arch::Flavour, demo};
use anyhow::{Result, bail};

pub(crate) struct Trace;

impl Suite for Trace {
    fn name(&self) -> &'static str {
        "trace"
    }

    fn about(&self) -> &'static str {
        "perf, bpftrace, bpftool and upstream's bench count what they must"
    }

    fn run(&self, bench: &Bench) -> Result<Vec<Case>> {
        let guest = bench.guest()?;
        let mut cases = Vec::new();
        for imp in bench.impls {
            let kernel = bench.project.kernel(*imp, Flavour::Release)?;
            let ran = demo::trace(bench.project, &guest, &kernel, false)?;
            let problems = demo::problems(&demo::hits(&ran)?, &ran, *imp);
            let result = if problems.is_empty() {
                Ok(())
            } else {
                bail_with(&problems)
            };
            cases.push(Case::of(format!("real tools ({imp})"), result));
        }
        Ok(cases)
    }
}

fn bail_with(problems: &[String]) -> Result<()> {
    bail!("{}", problems.join("\n"))
}
