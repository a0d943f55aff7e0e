// SPDX-License-Identifier: GPL-2.0

//! A pending return's hold on its probe.
//!
//! [`Pending`] has the layout of C's `struct hprobe`. The state word in it (`lease.rs`) decides who
//! owns what; here its verdicts become values that release what they own when they are dropped:
//! an SRCU reader, a counted reference, or nothing.

use core::ptr::NonNull;

use kernel::{
    bindings,
    sync::{
        atomic::{
            ordering::Relaxed,
            Atomic, //
        },
        rcu,
        srcu_fast_updown::{
            Domain,
            Reader,
            SrcuFastUpdown, //
        },
    },
};

use crate::{
    lease::{
        State,
        Successor,
        Word, //
    },
    life::ProbeRef,
    probe::Probe,
};

/// The SRCU domain that keeps leased probes.
pub(crate) struct Returns;

// SAFETY: Always the same static instance, initialised in shims.c.
unsafe impl Domain for Returns {
    #[inline]
    fn srcu() -> &'static SrcuFastUpdown {
        // SAFETY: `uprobes_srcu` is static and statically initialised.
        unsafe { SrcuFastUpdown::from_raw(&raw mut bindings::uprobes_srcu) }
    }
}

/// A hold on a probe that other CPUs may change from leased to something else.
///
/// # Invariants
///
/// - [`State::Leased`]: `reader` is an open reader, opened while `probe` was certain to be alive.
/// - [`State::Stable`]: `probe` has one count that belongs to this.
/// - `reader` and `probe` change only while nobody else can see this.
#[repr(C)]
pub(crate) struct Pending {
    word: Word,
    reader: Atomic<*mut bindings::srcu_ctr>,
    probe: Atomic<*mut Probe>,
}

/// What the owner of a pending return took out of it.
pub(crate) enum Held {
    /// The probe lives until the reader is released. It may have been unregistered.
    Leased {
        probe: NonNull<Probe>,
        _reader: Reader<Returns>,
    },
    /// The probe is counted.
    Stable(ProbeRef),
    /// The last registration went while the return was pending.
    Nothing,
}

impl Held {
    /// The probe, alive for as long as this is.
    #[inline]
    pub(crate) fn probe(&self) -> Option<&Probe> {
        match self {
            // SAFETY: The open reader keeps the probe from being freed.
            Held::Leased { probe, .. } => Some(unsafe { probe.as_ref() }),
            Held::Stable(probe) => Some(probe),
            Held::Nothing => None,
        }
    }
}

impl Pending {
    /// Holds nothing yet.
    pub(crate) const fn new() -> Self {
        Self {
            word: Word::new(State::Consumed),
            reader: Atomic::new(core::ptr::null_mut()),
            probe: Atomic::new(core::ptr::null_mut()),
        }
    }

    /// Begins a lease. Nobody else may see `self` yet.
    #[inline]
    pub(crate) fn lease(&self, probe: &Probe, reader: Reader<Returns>) {
        self.probe
            .store(core::ptr::from_ref(probe).cast_mut(), Relaxed);
        // INVARIANT: The reader was opened while the caller had `probe`.
        self.reader.store(reader.into_raw(), Relaxed);
        self.word.reset(State::Leased);
    }

    /// Begins with a counted probe, or with none. Nobody else may see `self` yet.
    pub(crate) fn settle(&self, probe: Option<ProbeRef>) {
        match probe {
            Some(probe) => {
                // INVARIANT: The count that `probe` owned is ours.
                self.probe.store(probe.into_raw().as_ptr(), Relaxed);
                self.word.reset(State::Stable);
            }
            None => self.word.reset(State::Gone),
        }
    }

    /// Takes what is held. Owner only.
    #[inline]
    pub(crate) fn consume(&self) -> Held {
        let state = self.word.consume();
        if !matches!(state, State::Leased | State::Stable) {
            return Held::Nothing;
        }
        // SAFETY: In both states `probe` was stored, and is not null.
        let probe = unsafe { NonNull::new_unchecked(self.probe.load(Relaxed)) };
        if state == State::Stable {
            // SAFETY: By the type's invariants there is a count, and the word gave it to us.
            return Held::Stable(unsafe { ProbeRef::from_raw(probe) });
        }
        // SAFETY: By the type's invariants the reader is open, and the word gave it to us.
        let _reader = unsafe { Reader::from_raw(self.reader.load(Relaxed)) };
        Held::Leased { probe, _reader }
    }

    /// Ends the lease, if it is one; returns the state that it is in then, if it was this that ended
    /// it. Any context.
    pub(crate) fn expire(&self, rcu: &rcu::Guard) -> Option<Successor> {
        if self.word.peek() != State::Leased {
            return None;
        }
        self.end_lease(rcu, |_| None).0
    }

    /// Ends the lease, if it is one, and returns a reference of the caller's own to the probe if
    /// it is not dying. Owner only.
    pub(crate) fn expire_for_copy(&self) -> Option<ProbeRef> {
        let rcu = rcu::read_lock();
        match self.word.peek() {
            State::Leased => self.end_lease(&rcu, |probe| Some(probe.clone())).1,
            // SAFETY: The probe is counted, and only the owner, who is the caller, can take the
            // count away.
            State::Stable => unsafe { self.probe() }.try_get(),
            State::Gone | State::Consumed => None,
        }
    }

    /// # Safety
    ///
    /// The probe must not have been freed: it is counted, or the state has been seen to be leased
    /// under an RCU guard that still lives.
    unsafe fn probe(&self) -> &Probe {
        // SAFETY: By the function's contract.
        unsafe { &*self.probe.load(Relaxed) }
    }

    /// Ends a lease that has been seen to be one under `rcu`; `share` says what the caller gets of
    /// a probe that could be counted. Returns what the lease was replaced by, unless somebody else
    /// was faster, and the caller's share.
    ///
    /// The owner may end it at any moment, and with it the reader that keeps the probe. But that
    /// reader was open under the guard, so the SRCU grace period that waited for it ended under it
    /// too or later, and the RCU one that follows waits for the guard: see `life.rs`.
    fn end_lease(
        &self,
        _rcu: &rcu::Guard,
        share: impl FnOnce(&ProbeRef) -> Option<ProbeRef>,
    ) -> (Option<Successor>, Option<ProbeRef>) {
        // Read before the word changes: afterwards the owner may begin anew.
        let reader = self.reader.load(Relaxed);
        // SAFETY: The callers have seen the lease under the guard.
        let counted = unsafe { self.probe() }.try_get();
        let shared = counted.as_ref().and_then(share);
        let successor = match counted {
            Some(_) => Successor::Stable,
            None => Successor::Gone,
        };
        let has_won = self.word.end(successor);
        if has_won {
            // INVARIANT: The count now belongs to the stable state.
            core::mem::forget(counted);
            // SAFETY: The word gave the reader to us.
            drop(unsafe { Reader::<Returns>::from_raw(reader) });
        }
        (has_won.then_some(successor), shared)
    }
}
