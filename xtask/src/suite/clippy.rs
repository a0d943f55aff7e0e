// SPDX-License-Identifier: GPL-2.0

//! The kernel's Rust under clippy, without a warning.
//!
//! In an object tree of its own: clippy takes the compiler's place, and what it
//! compiles is not meant to be booted.

use super::{Bench, Case, Suite};
use crate::arch::{Flavour, Impl};
use anyhow::Result;

pub(crate) struct Clippy;

impl Suite for Clippy {
    fn name(&self) -> &'static str {
        "clippy"
    }

    fn about(&self) -> &'static str {
        "the kernel's Rust builds under CLIPPY=1 without a warning"
    }

    /// All but a few lines is the same everywhere, and the time is better spent on tests. With
    /// `--arch`, it is that architecture's.
    fn per_arch(&self) -> bool {
        false
    }

    fn run(&self, bench: &Bench) -> Result<Vec<Case>> {
        Ok(vec![Case::of(
            "CLIPPY=1",
            bench.project.clippy(Impl::Rust, Flavour::Release),
        )])
    }
}
