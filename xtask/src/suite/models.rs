// SPDX-License-Identifier: GPL-2.0

//! Models of the kernel's files, in all orders of their steps, and mutations that
//! they must notice.

use super::{
    Bench, Case, Outcome, Suite,
    host::{cargo, libtest},
};
use crate::ui;
use anyhow::Result;
use std::fs;

pub(crate) struct Models;

impl Suite for Models {
    fn name(&self) -> &'static str {
        "models"
    }

    fn about(&self) -> &'static str {
        "models of leases, returns, slots and their book, the tree and the cache, and their mutations"
    }

    fn per_arch(&self) -> bool {
        false
    }

    fn run(&self, bench: &Bench) -> Result<Vec<Case>> {
        let log = bench.project.cache.log("models");
        let run = || {
            let result = cargo(&bench.project.repo, &["run", "--package", "models"]).run(&log);
            let cases = libtest(&fs::read_to_string(&log)?, "models");
            // Failed models are among the cases; anything else that fails is an error.
            let told = cases
                .iter()
                .any(|case| matches!(case.outcome, Outcome::Fail(_)));
            if told {
                Ok(cases)
            } else {
                result.map(|()| cases)
            }
        };
        ui::step("models", run)
    }
}
