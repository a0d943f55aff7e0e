// SPDX-License-Identifier: GPL-2.0

//! The registers of a thread that was hit.

use super::arch;
use crate::{
    bindings,
    types::Opaque, //
};

/// The user registers of the thread that was hit: C's `struct pt_regs`, for reading.
///
/// Belongs to the current thread, and to the call of the consumer that it was given to. Nothing here
/// sleeps or touches user memory. Values are as wide as the kernel's registers, also for a 32-bit
/// program.
///
/// # Invariants
///
/// Points to the user registers of the current task, which nobody else changes while the reference
/// exists.
#[repr(transparent)]
pub struct Registers(Opaque<bindings::pt_regs>);

impl Registers {
    /// # Safety
    ///
    /// `regs` must point to the user registers of the current task, which must stay as they are
    /// during `'a`.
    #[inline]
    pub(super) unsafe fn from_raw<'a>(regs: *mut bindings::pt_regs) -> &'a Self {
        // CAST: `Self` is a transparent wrapper.
        // INVARIANT: By the function's contract.
        // SAFETY: By the function's contract.
        unsafe { &*regs.cast() }
    }

    #[inline]
    pub(super) fn as_ptr(&self) -> *mut bindings::pt_regs {
        self.0.get()
    }

    /// The address of the instruction that the thread executes next: at an entry, of the probed one; at
    /// a return, of the one that is returned to.
    #[inline]
    pub fn instruction_pointer(&self) -> usize {
        // SAFETY: Valid by the type invariants.
        unsafe { bindings::instruction_pointer(self.as_ptr()) }
    }

    /// The stack pointer.
    #[inline]
    pub fn stack_pointer(&self) -> usize {
        // SAFETY: Valid by the type invariants.
        unsafe { bindings::user_stack_pointer(self.as_ptr()) }
    }

    /// The argument number `index` of the function that is being entered, counted from 0.
    ///
    /// Means something at the first instruction of a function only, and for arguments that are
    /// integers or pointers, with nothing but such before them.
    ///
    /// [`None`] if the calling convention has it elsewhere than in a register: from the seventh argument
    /// on x86_64, from the ninth on arm64; for 32-bit programs, from the first on x86_64 and from the
    /// fifth on arm64.
    #[inline]
    pub fn argument(&self, index: usize) -> Option<usize> {
        arch::argument(self, index)
    }

    /// What the function that has just returned, returned: an integer or a pointer.
    ///
    /// Means something at a return only.
    #[inline]
    pub fn return_value(&self) -> usize {
        // SAFETY: Valid by the type invariants.
        unsafe { bindings::regs_return_value(self.as_ptr()) }
    }
}
