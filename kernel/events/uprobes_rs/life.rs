// SPDX-License-Identifier: GPL-2.0

//! How a probe is kept, and how it ends.
//!
//! ```text
//!  find_or_insert() ──► counted references: registrations, stable returns, whoever is at work
//!                             │ the last one is dropped, in any context
//!                             ▼
//!                       a work item takes the probe out of the tree
//!                             │ a Tasks Trace grace period: no hit has it in its hands
//!                             ▼
//!                       an SRCU grace period: all leases of it have ended
//!                             ▼
//!                       an RCU grace period: nobody is looking at one that has
//!                             ▼
//!                       freed
//! ```
//!
//! The order of the first two matters: a hit that found the probe before it was taken out
//! may begin a lease until the end of its Tasks Trace critical section, however late.
//!
//! Knows nothing of what a probe is beside this: models/ checks the file on the host.

use core::{
    mem::ManuallyDrop,
    ops::Deref,
    pin::Pin,
    ptr::NonNull, //
};

use kernel::{
    bindings,
    container_of,
    prelude::*,
    sync::{
        atomic::{
            ordering::{
                Acquire,
                Relaxed,
                Release, //
            },
            Atomic, //
        },
        rcu_tasks_trace,
        srcu_fast_updown::Domain,
        Refcount, //
    },
    types::Opaque, //
};

use crate::{
    pending::Returns,
    probe::Probe,
    refctr,
    tree, //
};

/// What the memory for deferred release is used for, one after the other.
#[expect(dead_code, reason = "C uses the fields, through pointers to the whole")]
union Retirement {
    work: ManuallyDrop<bindings::work_struct>,
    rcu: ManuallyDrop<bindings::callback_head>,
}

/// The part of a probe that decides how long the whole lives.
pub(crate) struct Life {
    /// Counted references. Zero is final.
    count: Refcount,
    /// How many registrations there are.
    registrations: Atomic<i32>,
    /// How many of them are over, with breakpoints left behind.
    leaked: Atomic<i32>,
    /// Is the probe in the tree? Changed under the tree's lock.
    linked: Atomic<bool>,
    retirement: Opaque<Retirement>,
}

impl Life {
    /// Has one counted reference, for one registration.
    pub(crate) fn new() -> Self {
        Self {
            count: Refcount::new(1),
            registrations: Atomic::new(1),
            leaked: Atomic::new(0),
            linked: Atomic::new(false),
            retirement: Opaque::zeroed(),
        }
    }
}

impl Probe {
    /// A counted reference, unless the last one has gone.
    #[inline]
    pub(crate) fn try_get(&self) -> Option<ProbeRef> {
        let count = self.life.count.as_atomic().as_ptr().cast();
        // SAFETY: `count` is the `refcount_t` inside of the probe's count.
        if !unsafe { bindings::refcount_inc_not_zero(count) } {
            return None;
        }
        // INVARIANT: The count was raised, from a value that was not zero.
        Some(ProbeRef(NonNull::from(self)))
    }

    /// Has it been registered, and not unregistered as often?
    #[inline]
    pub(crate) fn is_registered(&self) -> bool {
        self.life.registrations.load(Relaxed) > 0
    }

    /// One more registration uses it. Told by the tree, under its lock.
    pub(crate) fn add_registration(&self) {
        self.life.registrations.add(1, Relaxed);
    }

    /// Does a registration keep the inode? One that has left breakpoints behind does not.
    pub(crate) fn keeps_inode(&self) -> bool {
        self.life.registrations.load(Relaxed) > self.life.leaked.load(Relaxed)
    }

    /// A registration is over, but counts on: it has left breakpoints behind, which somebody may hit.
    pub(crate) fn leak_registration(&self) {
        self.life.leaked.add(1, Relaxed);
    }

    /// One registration less, whose breakpoints have been removed.
    pub(crate) fn drop_registration(&self) {
        self.life.registrations.fetch_sub(1, Relaxed);
    }

    /// Who sees it out of the tree may begin the grace periods that end its life.
    pub(crate) fn is_linked(&self) -> bool {
        // Pairs with the release in `set_linked()`.
        self.life.linked.load(Acquire)
    }

    /// Told by the tree, under its lock.
    pub(crate) fn set_linked(&self, linked: bool) {
        self.life.linked.store(linked, Release);
    }
}

/// A counted reference to a probe. May be dropped in any context.
///
/// # Invariants
///
/// Owns one of the probe's count, which is therefore not zero.
pub(crate) struct ProbeRef(NonNull<Probe>);

// SAFETY: `Probe` is `Sync`, and the count is atomic.
unsafe impl Send for ProbeRef {}
// SAFETY: As above.
unsafe impl Sync for ProbeRef {}

impl ProbeRef {
    /// Gives the reference to somebody who keeps a pointer only.
    #[inline]
    pub(crate) fn into_raw(self) -> NonNull<Probe> {
        ManuallyDrop::new(self).0
    }

    /// Takes the reference back.
    ///
    /// # Safety
    ///
    /// `probe` must come from [`Self::into_raw`], once for each call, or be new.
    #[inline]
    pub(crate) unsafe fn from_raw(probe: NonNull<Probe>) -> Self {
        // INVARIANT: By the function's contract.
        Self(probe)
    }
}

impl Clone for ProbeRef {
    fn clone(&self) -> Self {
        self.life.count.inc();
        // INVARIANT: The count was raised.
        Self(self.0)
    }
}

impl Deref for ProbeRef {
    type Target = Probe;

    #[inline]
    fn deref(&self) -> &Probe {
        // SAFETY: By the type's invariants the probe is alive.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for ProbeRef {
    fn drop(&mut self) {
        if self.life.count.dec_and_test() {
            // SAFETY: That was the last reference, and none can be made any more.
            unsafe { retire(self.0) };
        }
    }
}

/// Starts the end of a probe. Any context.
///
/// # Safety
///
/// The probe's count must have just become zero.
unsafe fn retire(probe: NonNull<Probe>) {
    // SAFETY: The probe is not freed before the work item has run, and its memory for retirement
    // is not used by anybody else, because the count becomes zero once.
    unsafe {
        let work = (*probe.as_ptr()).life.retirement.get().cast();
        bindings::init_and_schedule_work(work, Some(unlink));
    }
}

/// Finds the probe that a [`Retirement`] is part of.
///
/// # Safety
///
/// `retirement` must point to the field of a live probe.
unsafe fn retiring<T>(retirement: *mut T) -> NonNull<Probe> {
    let retirement = retirement.cast::<Opaque<Retirement>>();
    // SAFETY: By the function's contract.
    unsafe { NonNull::new_unchecked(container_of!(retirement, Probe, life.retirement)) }
}

/// Second: nothing new can find the probe.
///
/// # Safety
///
/// Called with the work item that [`retire`] has queued.
unsafe extern "C" fn unlink(work: *mut bindings::work_struct) {
    // SAFETY: `retire()` queued the work item of a probe.
    let probe = unsafe { retiring(work) };
    // SAFETY: It is not freed before `free()`, to which this function leads.
    let this = unsafe { probe.as_ref() };
    tree::remove(this);
    refctr::forget_probe(this);
    // SAFETY: The work item is done with, so the memory is free for the next stage.
    unsafe { rcu_tasks_trace::call(this.life.retirement.get().cast(), after_hits) };
}

/// Third: no hit has it in its hands, so no lease can begin any more.
///
/// # Safety
///
/// Called with the head that the stage before has queued.
unsafe extern "C" fn after_hits(rcu: *mut bindings::callback_head) {
    // SAFETY: This head's grace period has passed, so it can be used for the next.
    unsafe { Returns::srcu().call(rcu, after_leases) };
}

/// Fourth: all leases of it have ended, but somebody may have seen one just before.
///
/// # Safety
///
/// Called with the head that the stage before has queued.
unsafe extern "C" fn after_leases(rcu: *mut bindings::callback_head) {
    // SAFETY: As above.
    unsafe { bindings::call_rcu(rcu, Some(free)) };
}

/// Fifth: nobody has it in his hands.
///
/// # Safety
///
/// Called with the head that the stage before has queued.
unsafe extern "C" fn free(rcu: *mut bindings::callback_head) {
    // SAFETY: `unlink()` started with the field of a probe.
    let probe = unsafe { retiring(rcu) };
    // SAFETY: The probe was a box until `Newcomer::into_ref()`, and nobody can reach it any more.
    drop(unsafe { Pin::new_unchecked(KBox::from_raw(probe.as_ptr())) });
}
