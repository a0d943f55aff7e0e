// SPDX-License-Identifier: GPL-2.0

//! `kernel::sync::Refcount`, which panics where the kernel's saturates and warns.

use super::atomic::{
    ordering::{Relaxed, Release},
    Atomic,
};
use crate::sync::barrier::smp_rmb;

#[repr(transparent)]
pub struct Refcount(Atomic<i32>);

impl Refcount {
    pub const fn new(value: i32) -> Self {
        Self(Atomic::new(value))
    }

    pub fn as_atomic(&self) -> &Atomic<i32> {
        &self.0
    }

    pub fn inc(&self) {
        let old = self.0.fetch_add(1, Relaxed);
        assert!(old > 0, "a count is raised from zero");
    }

    pub fn dec_and_test(&self) -> bool {
        let old = self.0.fetch_sub(1, Release);
        assert!(old > 0, "a count falls below zero");
        // Acquire, as far as it says that this was the last.
        if old == 1 {
            smp_rmb();
        }
        old == 1
    }
}
