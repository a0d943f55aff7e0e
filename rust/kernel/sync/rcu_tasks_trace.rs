// SPDX-License-Identifier: GPL-2.0

//! Tasks Trace RCU: read-copy update whose readers may sleep and take page faults.
//!
//! Readers are cheap (a per-task nesting count and, for the outermost one, a per-CPU increment), may
//! sleep, may migrate between CPUs and may nest. They may be entered from any context in which RCU is
//! watching, which includes interrupt handlers; a section entered in an interrupt handler must be left
//! in the same handler. Updaters pay for that: [`synchronize`] takes milliseconds and sleeps.
//!
//! This module relies on `CONFIG_TASKS_TRACE_RCU`.
//!
//! C header: [`include/linux/rcupdate_trace.h`](srctree/include/linux/rcupdate_trace.h)

use crate::{
    bindings,
    types::NotThreadSafe, //
};

/// Evidence that the current task is inside a Tasks Trace RCU read-side critical section.
///
/// What a lockless search finds is valid for as long as the guard that was taken before the search
/// began, so a search should take `&'g Guard` and hand out references that live for `'g`.
///
/// The type is explicitly not [`Send`] because the section belongs to the task that entered it.
///
/// Leaking a guard is memory safe, but no later grace period of this flavour ends.
///
/// # Invariants
///
/// The task that created this guard has entered a Tasks Trace RCU read-side critical section and will
/// not leave it before the guard is dropped.
///
/// # Examples
///
/// ```
/// use kernel::sync::rcu_tasks_trace;
///
/// let outer = rcu_tasks_trace::read_lock();
/// let inner = rcu_tasks_trace::read_lock();
/// drop(outer);
/// assert!(rcu_tasks_trace::is_read_lock_held());
/// inner.unlock();
///
/// // Nothing is held any more, so that waiting for a grace period ends.
/// rcu_tasks_trace::synchronize();
/// ```
#[must_use = "if unused, the read-side critical section ends at once"]
pub struct Guard(NotThreadSafe);

impl Guard {
    /// Enters a read-side critical section and returns a guard for it.
    #[inline]
    pub fn new() -> Self {
        // SAFETY: The function may be called in every context in which Rust code of the kernel runs
        // with RCU watching, and sections nest.
        unsafe { bindings::rcu_read_lock_trace() };
        // INVARIANT: The section was entered just above.
        Self(NotThreadSafe)
    }

    /// Explicitly leaves the read-side critical section.
    #[inline]
    pub fn unlock(self) {}
}

impl Default for Guard {
    #[inline]
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Guard {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariants the section is entered, and as the guard is not `Send` this
        // is the task that did so.
        unsafe { bindings::rcu_read_unlock_trace() };
    }
}

/// Enters a Tasks Trace RCU read-side critical section.
#[inline]
pub fn read_lock() -> Guard {
    Guard::new()
}

/// Returns whether the current task may be in a Tasks Trace RCU read-side critical section.
///
/// For assertions only: without `CONFIG_DEBUG_LOCK_ALLOC` nobody keeps the record, and the answer is
/// always `true`.
#[inline]
pub fn is_read_lock_held() -> bool {
    // SAFETY: The function only reads lockdep's record of the current task.
    unsafe { bindings::rcu_read_lock_trace_held() != 0 }
}

/// Waits until all read-side critical sections that exist now have ended.
///
/// Sections that begin during the wait are not waited for.
///
/// May sleep, so it must be called from process context with nothing held that forbids it. It must not
/// be called while the current task holds a [`Guard`], nor while it holds a lock that a reader takes:
/// it would wait for itself. Lockdep reports both.
#[inline]
pub fn synchronize() {
    // SAFETY: Whatever the caller holds, the worst that the function does is not to return.
    unsafe { bindings::synchronize_rcu_tasks_trace() };
}

/// Calls `func` with `head` once all read-side critical sections that exist now have ended.
///
/// `func` is called in process context with softirqs disabled: it must be quick and must not sleep.
/// This function itself does not sleep; it may be called with interrupts disabled, but not in an NMI.
///
/// # Safety
///
/// - `head` must be valid for writes, must not be queued for a callback already, and must be left alone
///   until `func` is called with it.
/// - It must be sound to call `func` with `head` once, at any time after the grace period, on any CPU
///   and in the context described above; the code of `func` must not be unloaded before.
#[inline]
pub unsafe fn call(
    head: *mut bindings::callback_head,
    func: unsafe extern "C" fn(*mut bindings::callback_head),
) {
    // SAFETY: By the safety requirements of this function `head` is valid and ours until `func` runs,
    // and `func` may be called with it.
    unsafe { bindings::call_rcu_tasks_trace(head, Some(func)) };
}
