// SPDX-License-Identifier: GPL-2.0

//! What a thread needs to step, and what it remembers of the places where it is hit: the probes
//! there, and the slots that hold their instructions.
//!
//! It is several times as large as what C has for a thread. Many threads are hit once in their
//! lives, and a process may have thousands of them; so a thread has a kit from its second hit on,
//! and for its first as long as it takes to step.
//!
//! Relies on `task.rs` for who has it: its thread alone, until that gives it back. Promises that one to
//! keep is had without sleeping, and that neither is missed: without one to keep a hit is looked up
//! anew, and without one to step with the instruction is tried again. Has no `unsafe`.

use core::ptr::NonNull;

use kernel::{
    alloc::{
        flags::__GFP_NOWARN,
        AllocError,
        Flags, //
    },
    prelude::*, //
};

use crate::{
    cache::Cache,
    probe::Probe,
    slots::Hints,
    step::Step,
    xol::AreaMember, //
};

/// How long a thread has a kit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Term {
    /// Until it has made one step. If it cannot, then until it has made another.
    Step,
    /// As long as it has anything.
    Life,
}

/// What a thread needs to step, and what it remembers.
pub(crate) struct Kit {
    pub(crate) step: Step,
    /// The probes that it has found lately.
    pub(crate) probes: Cache<NonNull<Probe>>,
    /// Its part in the slots of its process.
    pub(crate) slots: AreaMember,
    /// The slots that it has been in lately.
    pub(crate) hints: Hints,
    term: Term,
}

impl Kit {
    /// One to remember something in. Does not sleep.
    pub(crate) fn to_keep() -> Result<KBox<Self>, AllocError> {
        Self::new(Term::Life, GFP_NOWAIT | __GFP_NOWARN)
    }

    /// One for a step. May sleep.
    pub(crate) fn for_a_step() -> Result<KBox<Self>, AllocError> {
        Self::new(Term::Step, GFP_KERNEL)
    }

    fn new(term: Term, flags: Flags) -> Result<KBox<Self>, AllocError> {
        let kit = Self {
            step: Step::new(),
            probes: Cache::new(),
            slots: AreaMember::new(),
            hints: Hints::new(),
            term,
        };
        KBox::new(kit, flags)
    }

    /// Is it to be given back after the step?
    #[inline]
    pub(crate) fn is_for_a_step(&self) -> bool {
        self.term == Term::Step
    }
}
