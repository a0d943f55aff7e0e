// SPDX-License-Identifier: GPL-2.0

//! The answers of architectures that have nothing of their own to say.

use kernel::bindings;

use crate::arch::Regs;

/// Are there too few registers that keep their values in a call for what a hit may need?
pub(crate) const FEW_REGISTERS: bool = false;

/// Where the breakpoint is whose trap left these registers.
#[inline]
pub(super) fn breakpoint(regs: &Regs) -> usize {
    // SAFETY: The registers are valid.
    unsafe { bindings::uprobe_get_swbp_addr(regs.as_ptr()) }
}

/// Is it of any use to call `arch_uprobe_optimize()`? Not where that does nothing.
///
/// # Safety
///
/// None; where there is an answer, the instruction must have been analysed.
#[inline]
pub(super) unsafe fn may_optimize(_auprobe: *mut bindings::arch_uprobe) -> bool {
    false
}

/// Copies what a step looks at.
///
/// # Safety
///
/// Both must be valid; the source must have been analysed, and the copy not be in use.
#[inline]
pub(super) unsafe fn copy_for_step(
    from: *const bindings::arch_uprobe,
    to: *mut bindings::arch_uprobe,
) {
    // SAFETY: By the function's contract.
    unsafe { to.write(from.read()) }
}

/// May C emulate the instruction for one thread and not for another? It only looks at the instruction.
pub(super) fn depends_on_thread(_insn: &[u8]) -> bool {
    false
}

/// What instructions are compared by: the size of one, where all have the same.
pub(crate) type Word = u32;

/// An instruction that can be executed here: there is none.
#[derive(Clone, Copy)]
pub(crate) enum Emulation {}

impl Emulation {
    pub(crate) fn of(_bytes: &[u8]) -> Option<Self> {
        None
    }

    pub(crate) fn run(&self, _regs: &Regs) -> bool {
        match *self {}
    }
}
