// SPDX-License-Identifier: GPL-2.0

//! `kernel::time`, and C's timers.
//!
//! Time passes when a model says so, and a timer goes off when a model lets it. A base's lock orders
//! what C's orders: arming a timer, and its being taken off the base before its function is called.
//! Whether it is pending is asked without the lock.

#![allow(non_camel_case_types, reason = "C's names")]

use crate::{
    run::PerRun,
    sync::{
        atomic::{ordering::Relaxed, Atomic},
        Mutex,
    },
};
use std::cell::Cell;

/// There are a thousand jiffies in a second.
pub fn msecs_to_jiffies(msecs: u32) -> usize {
    msecs as usize
}

static JIFFIES: PerRun<Cell<usize>> = PerRun::new();

pub(crate) fn jiffies() -> usize {
    JIFFIES.get().get()
}

pub fn pass(jiffies: usize) {
    let now = JIFFIES.get();
    now.set(now.get() + jiffies);
}

/// A timer, with a base of its own.
pub struct timer_list {
    base: Mutex<()>,
    pending: Atomic<bool>,
    expires: Cell<usize>,
}

impl timer_list {
    pub(crate) fn new() -> Self {
        let timer = Self {
            base: Mutex::new(()),
            pending: Atomic::new(false),
            expires: Cell::new(0),
        };
        // Before there are other threads.
        timer.is_pending();
        timer
    }

    pub fn is_pending(&self) -> bool {
        self.pending.load(Relaxed)
    }

    /// When it goes off, if it is pending.
    pub fn expires(&self) -> Option<usize> {
        self.is_pending().then(|| self.expires.get())
    }

    pub(crate) fn arm(&self, expires: usize) {
        let _base = self.base.lock();
        self.expires.set(expires);
        self.pending.store(true, Relaxed);
    }

    /// Takes it off its base; says whether it was there.
    fn detach(&self) -> bool {
        let _base = self.base.lock();
        let was_pending = self.is_pending();
        if was_pending {
            self.pending.store(false, Relaxed);
        }
        was_pending
    }
}

/// Goes off, if it is pending. At most one thread does this.
///
/// # Safety
///
/// `timer` must be valid, and it must be sound to call `func` with it.
pub unsafe fn fire(timer: *mut timer_list, func: unsafe extern "C" fn(*mut timer_list)) {
    // SAFETY: By the function's contract.
    unsafe {
        if (*timer).detach() {
            func(timer);
        }
    }
}
