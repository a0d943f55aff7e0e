// SPDX-License-Identifier: GPL-2.0

//! Tracepoints for what is rare; `include/trace/events/uprobes_rs.h` says what each means.

use kernel::{
    bindings,
    ffi::{
        c_int,
        c_uint,
        c_ulong, //
    },
};

kernel::declare_trace! {
    /// # Safety
    ///
    /// None.
    unsafe fn uprobe_return_omitted(func: c_ulong);

    /// # Safety
    ///
    /// None.
    unsafe fn uprobe_lease_expired(func: c_ulong, kept: bool);

    /// # Safety
    ///
    /// None.
    unsafe fn uprobe_slot_reclaimed(slot: c_uint);

    /// # Safety
    ///
    /// None.
    unsafe fn uprobe_restore_failed(
        dev: bindings::dev_t,
        ino: u64,
        offset: bindings::loff_t,
        error: c_int,
    );
}

/// Any context.
pub(crate) fn return_omitted(func: usize) {
    // SAFETY: Values only.
    unsafe { uprobe_return_omitted(func) }
}

/// Any context.
pub(crate) fn lease_expired(func: usize, kept: bool) {
    // SAFETY: Values only.
    unsafe { uprobe_lease_expired(func, kept) }
}

/// Any context.
pub(crate) fn slot_reclaimed(slot: usize) {
    // SAFETY: Values only.
    unsafe { uprobe_slot_reclaimed(slot as c_uint) }
}

/// Any context.
pub(crate) fn restore_failed(device: bindings::dev_t, ino: u64, offset: i64, errno: c_int) {
    // SAFETY: Values only.
    unsafe { uprobe_restore_failed(device, ino, offset, errno) }
}
