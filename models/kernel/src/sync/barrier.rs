// SPDX-License-Identifier: GPL-2.0

//! `kernel::sync::barrier`.
//!
//! `smp_wmb()` orders stores, and a release fence loads before stores as well; `smp_rmb()` loads, and
//! an acquire fence stores after loads as well. There are no weaker ones.

use crate::interrupt;
use loom::sync::atomic::{
    fence,
    Ordering::{Acquire, Release, SeqCst},
};

pub use crate::sync::atomic::ordering::Full;

pub fn smp_mb(_: Full) {
    interrupt::point();
    fence(SeqCst);
}

pub(crate) fn smp_wmb() {
    fence(Release);
}

pub(crate) fn smp_rmb() {
    fence(Acquire);
}
