// SPDX-License-Identifier: GPL-2.0

//! Unit tests inside the kernel, run at boot because the command line asks.

use super::{Bench, Case, Suite, boot, kernel_log, tap};
use crate::{
    arch::{Flavour, Impl},
    guest::Job,
};
use anyhow::Result;

/// What runs, a boot for each: KUnit takes one pattern for suites and cases.
fn runs(flavour: Flavour) -> [(&'static str, &'static str); 2] {
    [
        // All of this project's suites are called so.
        ("kunit", "*uprobes*"),
        // The examples in the documentation of the kernel crate are one suite. Those in `error.rs`
        // have the kernel complain, on purpose.
        (
            "doctests",
            match flavour {
                Flavour::Release => "rust_doctests_kernel.rust_doctest_kernel_[!e]*",
                // Those in `time/hrtimer.rs` have timers on the stack, which the debug kernel
                // wants to be told of.
                Flavour::Debug => "rust_doctests_kernel.rust_doctest_kernel_[!et]*",
            },
        ),
    ]
}

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
        let mut cases = Vec::new();
        for (name, filter) in runs(bench.flavour) {
            let options = format!("kunit.enable=1 kunit.autorun=1 kunit.filter_glob={filter}");
            let job = Job::new(name, "true").kernel_options(&options).limit(120);
            let ran = boot(bench, Impl::Rust, &job)?;
            cases.extend(tap::cases(name, &tap::from_kernel_log(&ran.console)));
            cases.push(kernel_log(name, Impl::Rust, &ran));
        }
        Ok(cases)
    }
}
