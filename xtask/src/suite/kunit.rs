// SPDX-License-Identifier: GPL-2.0

//! Unit tests inside the kernel, run at boot because the command line asks.

use super::{Bench, Case, Suite, boot, kernel_log, tap};
use crate::{arch::Impl, guest::Job};
use anyhow::Result;

/// All of this project's KUnit suites are called so.
const FILTER: &str = "*uprobes*";

pub(crate) struct Kunit;

impl Suite for Kunit {
    fn name(&self) -> &'static str {
        "kunit"
    }

    fn about(&self) -> &'static str {
        "unit tests inside the kernel"
    }

    fn run(&self, bench: &Bench) -> Result<Vec<Case>> {
        if !bench.impls.contains(&Impl::Rust) {
            return Ok(vec![Case::skip("kunit", "the C implementation has none")]);
        }
        let options = format!("kunit.enable=1 kunit.autorun=1 kunit.filter_glob={FILTER}");
        let job = Job::new("kunit", "true")
            .kernel_options(&options)
            .limit(120);
        let ran = boot(bench, Impl::Rust, &job)?;
        let mut cases = tap::cases("kunit", &tap::from_kernel_log(&ran.console));
        cases.push(kernel_log("kunit", Impl::Rust, &ran));
        Ok(cases)
    }
}
