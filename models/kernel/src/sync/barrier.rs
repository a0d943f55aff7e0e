// SPDX-License-Identifier: GPL-2.0

//! `kernel::sync::barrier`.
//!
//! `smp_wmb()` orders stores, and a release fence loads before stores as well; `smp_rmb()` loads, and
//! an acquire fence stores after loads as well. There are no weaker ones.

use crate::{
    interrupt,
    run::{self, PerRun},
};
use loom::sync::atomic::{
    fence, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release, SeqCst},
};

pub use crate::sync::atomic::ordering::Full;

pub fn smp_mb(_: Full) {
    interrupt::point();
    full();
}

/// Shows loom that the order of full barriers matters: it leaves out orders that differ in nothing
/// else. So each leaves a trace in the same place, which nobody reads.
static TRACE: PerRun<AtomicUsize> = PerRun::new();

pub(crate) fn begin() {
    TRACE.get();
}

pub(crate) fn full() {
    if run::thread().is_some() {
        TRACE.get().store(0, Relaxed);
    }
    fence(SeqCst);
}

pub(crate) fn smp_wmb() {
    fence(Release);
}

pub(crate) fn smp_rmb() {
    fence(Acquire);
}
