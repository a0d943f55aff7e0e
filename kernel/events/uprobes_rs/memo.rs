// SPDX-License-Identifier: GPL-2.0

//! What a thread remembers of the places where it is hit: the probes there, and the slots that hold
//! their instructions.
//!
//! It is several times as large as all else that a thread carries. Many threads are hit once or
//! twice in their lives, and a process may have thousands of them; so there is none before the third
//! hit, and none if there is no memory at hand.

use core::{
    cell::{
        Cell,
        OnceCell, //
    },
    ptr::NonNull, //
};

use kernel::{
    alloc::flags::__GFP_NOWARN,
    prelude::*, //
};

use crate::{
    cache::Cache,
    probe::Probe,
    slots::Hints, //
};

/// What a thread remembers.
pub(crate) struct Memo {
    pub(crate) probes: Cache<NonNull<Probe>>,
    pub(crate) slots: Hints,
}

/// So often it is done without after the first hit, before which there is no thread to remember.
const PATIENCE: u8 = 1;

/// A thread's memory, or how often it would have been of use.
pub(crate) struct Place {
    memo: OnceCell<KBox<Memo>>,
    missed: Cell<u8>,
}

impl Place {
    pub(crate) const fn new() -> Self {
        Self {
            memo: OnceCell::new(),
            missed: Cell::new(0),
        }
    }

    /// What is remembered, if anything.
    #[inline]
    pub(crate) fn get(&self) -> Option<&Memo> {
        self.memo.get().map(|memo| &**memo)
    }

    /// The same for somebody who would remember something, from the second time on. Does not sleep.
    #[inline]
    pub(crate) fn wanted(&self) -> Option<&Memo> {
        match self.memo.get() {
            Some(memo) => Some(memo),
            None => self.begin(),
        }
    }

    #[cold]
    fn begin(&self) -> Option<&Memo> {
        let missed = self.missed.get();
        if missed < PATIENCE {
            self.missed.set(missed + 1);
            return None;
        }
        let new = Memo {
            probes: Cache::new(),
            slots: Hints::new(),
        };
        let new = KBox::new(new, GFP_NOWAIT | __GFP_NOWARN).ok()?;
        // Only this thread fills the cell, and it was empty.
        Some(self.memo.get_or_init(|| new))
    }
}
