// SPDX-License-Identifier: GPL-2.0

//! The timer of a thread: lets none of its leases last.
//!
//! It runs once after a lease has found it not pending, and ends all leases that it finds. A lease
//! that finds it pending leaves it alone, and may end sooner than others: so a thread with frequent
//! hits neither moves its timer each time, nor puts the end off for ever.
//!
//! ```text
//!     owner                            timer
//!     link a return that is leased     not pending any more
//!     full barrier                     full barrier
//!     is the timer pending?            which returns are there?
//! ```
//!
//! Whichever comes second sees the other: either the owner arms the timer anew, or the timer finds
//! the return. Its part, `expire_all()`, is in `returns.rs`.
//!
//! Relies on C's timers: one does not run twice at the same time, is not pending when it runs, and
//! sees what was done before it was armed. Promises that a lease that was followed by [`limit`] ends
//! at the latest [`LEASE_MS`] after it began, or as soon as a timer comes.

use kernel::{
    bindings,
    container_of,
    sync::{
        atomic::ordering::Full,
        barrier::smp_mb, //
    },
    time::msecs_to_jiffies, //
};

use crate::returns;

/// After this many milliseconds pending returns stop to be leases.
const LEASE_MS: u32 = 100;

/// Makes sure that a lease which has just been linked does not last. Owner only.
///
/// # Safety
///
/// `utask` must be valid, and its timer set up with [`on_timer`].
#[inline]
pub(crate) unsafe fn limit(utask: *mut bindings::uprobe_task) {
    // Either this sees that the timer has gone off, or the timer sees the lease. Pairs with the
    // barrier in `returns::expire_all()`.
    smp_mb(Full);
    // SAFETY: By the function's contract.
    unsafe {
        let timer = &raw mut (*utask).ri_timer;
        if !bindings::timer_pending(timer) {
            let delay = msecs_to_jiffies(LEASE_MS);
            bindings::mod_timer(timer, bindings::get_jiffies().wrapping_add(delay));
        }
    }
}

/// Ends the leases of a thread. Softirq, on any CPU.
///
/// # Safety
///
/// Called by C, for the timer of a `struct uprobe_task` that is valid until its timer is deleted.
pub(crate) unsafe extern "C" fn on_timer(timer: *mut bindings::timer_list) {
    // SAFETY: By the function's contract.
    let utask = unsafe { container_of!(timer, bindings::uprobe_task, ri_timer) };
    // SAFETY: By the function's contract, and because a timer does not run twice at the same time.
    unsafe { returns::expire_all(utask) };
}
