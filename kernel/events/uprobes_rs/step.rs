// SPDX-License-Identifier: GPL-2.0

//! Executing a probed instruction out of line, in a slot.
//!
//! ```text
//!           begin()              single-step trap
//!   Idle ───────────► Running ────────────────────► Completed ──┐
//!    ▲                   │                                      │ finish()
//!    │                   │ the instruction raised a signal, or  │
//!    │                   ▼ the task is being killed             │
//!    │                Trapped ──────────────────────────────────┤
//!    └──────────────────────────────────────────────────────────┘
//! ```
//!
//! A thread may stay in its slot for as long as user space likes. It does not need the probe for
//! that: it takes a copy of the architecture's part of the instruction along, which is all that
//! finishing the step looks at. So nothing keeps the probe, nothing has to be released, and the
//! probe may go while the thread is in the slot. What keeps the slot is in `slots.rs`.
//!
//! While a thread is stepping, signals wait: a handler would be entered with an address of the
//! slot as the place to return to.

use core::cell::Cell;

use kernel::{
    bindings,
    mm::MmWithUser,
    prelude::*,
    task::CurrentTask, //
};

use crate::{
    arch::{
        self,
        Insn,
        InsnCopy,
        Regs, //
    },
    task::{
        self,
        Thread, //
    }, //
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Idle,
    Running,
    Completed,
    Trapped,
}

/// A thread's step, if it is making one.
///
/// # Invariants
///
/// Unless the phase is [`Phase::Idle`], `insn` is a copy of an analysed instruction.
pub(crate) struct Step {
    phase: Cell<Phase>,
    signal_denied: Cell<bool>,
    insn: InsnCopy,
}

impl Step {
    pub(crate) fn new() -> Self {
        Self {
            phase: Cell::new(Phase::Idle),
            signal_denied: Cell::new(false),
            insn: InsnCopy::empty(),
        }
    }

    /// Is the thread in a slot, or on its way from it?
    #[inline]
    pub(crate) fn is_active(&self) -> bool {
        self.phase.get() != Phase::Idle
    }

    /// Hears of a single-step trap; false if it is not ours. Interrupts are off.
    pub(crate) fn complete(&self) -> bool {
        if !self.is_active() {
            return false;
        }
        self.phase.set(Phase::Completed);
        true
    }
}

/// Sends the current thread to a slot with the instruction that it hit at `vaddr`. May sleep.
///
/// # Errors
///
/// `ENOMEM` and what [`crate::xol::SlotCache::enter`] says; the thread then stays where it is.
pub(crate) fn begin(
    thread: &Thread,
    mm: &MmWithUser,
    insn: &Insn,
    regs: &Regs,
    vaddr: usize,
) -> Result {
    let slot = thread.slots().enter(mm, vaddr, &insn.ixol())?;
    thread.set_step(vaddr, slot);
    let step = thread.step();
    // SAFETY: The thread was not stepping, or it could not have hit a breakpoint.
    unsafe { step.insn.set(insn) };
    // SAFETY: The instruction was just copied.
    if let Err(error) = unsafe { step.insn.get() }.before_step(regs) {
        leave(thread);
        return Err(error);
    }
    // INVARIANT: The copy is in place.
    step.phase.set(Phase::Running);
    Ok(())
}

/// Brings a thread back from its slot, and lets waiting signals through.
pub(crate) fn finish(thread: &Thread, regs: &Regs) {
    let step = thread.step();
    // SAFETY: The step is active, so by the type's invariants the copy is one.
    let insn = unsafe { step.insn.get() };
    let result = match step.phase.get() {
        Phase::Completed => insn.after_step(regs),
        Phase::Trapped => {
            insn.abort_step(regs);
            Ok(())
        }
        Phase::Idle | Phase::Running => {
            kernel::warn_on!(true);
            Ok(())
        }
    };
    step.phase.set(Phase::Idle);
    leave(thread);
    if step.signal_denied.take() {
        // SAFETY: The flag is one of the current task's.
        unsafe { bindings::set_thread_flag(bindings::TIF_SIGPENDING as _) };
    }
    if result.is_err() {
        task::warn_current("execute the probed insn, sending SIGILL.");
        // SAFETY: Sends a signal to the current task.
        unsafe { bindings::force_sig(bindings::SIGILL as _) };
    }
}

fn leave(thread: &Thread) {
    let vaddr = thread.step_vaddr();
    thread.set_step(vaddr, 0);
    thread.slots().leave();
}

/// Must signals wait, because the current thread is stepping? Called with the signal lock held.
///
/// If it is the instruction in the slot that has raised one, or the task is being killed, the step
/// is given up, and the signal is delivered at the original instruction: a core dump and a handler
/// of `SIGSEGV` have to see that.
pub(crate) fn defer_signals(current: &CurrentTask, thread: &Thread) -> bool {
    let step = thread.step();
    if !step.is_active() {
        return false;
    }
    kernel::warn_on!(step.phase.get() != Phase::Running);
    // SAFETY: All of these concern the current task.
    unsafe {
        if bindings::task_sigpending(current.as_ptr()) {
            step.signal_denied.set(true);
            bindings::clear_thread_flag(bindings::TIF_SIGPENDING as _);
            if bindings::__fatal_signal_pending(current.as_ptr()) || arch::step_trapped(current) {
                step.phase.set(Phase::Trapped);
                bindings::set_thread_flag(bindings::TIF_UPROBE as _);
            }
        }
    }
    true
}
