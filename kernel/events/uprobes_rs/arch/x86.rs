// SPDX-License-Identifier: GPL-2.0

//! What is asked of x86's part of an instruction without a call.

use kernel::{
    bindings,
    sync::atomic::{
        ordering::Relaxed,
        Atomic, //
    }, //
};

use crate::arch::Regs;

const CAN_OPTIMIZE: usize = 1 << bindings::ARCH_UPROBE_FLAG_CAN_OPTIMIZE;
const OPTIMIZE_FAIL: usize = 1 << bindings::ARCH_UPROBE_FLAG_OPTIMIZE_FAIL;

/// Where the breakpoint is whose trap left these registers: before the next instruction.
#[inline]
pub(super) fn breakpoint(regs: &Regs) -> usize {
    regs.ip().wrapping_sub(bindings::UPROBES_SWBP_INSN_SIZE)
}

/// Is it of any use to call `arch_uprobe_optimize()`? It asks itself, but late, and for most
/// instructions in vain.
///
/// # Safety
///
/// `auprobe` must be valid, and the instruction have been analysed.
#[inline]
pub(super) unsafe fn may_optimize(auprobe: *mut bindings::arch_uprobe) -> bool {
    // SAFETY: Valid by the function's contract; bits of it are set atomically.
    let flags = unsafe { Atomic::from_ptr(&raw mut (*auprobe).flags) }.load(Relaxed);
    flags & (CAN_OPTIMIZE | OPTIMIZE_FAIL) == CAN_OPTIMIZE
}
