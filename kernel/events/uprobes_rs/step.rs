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
//! (A thread that comes back while it is still `Running` has met a breakpoint in its slot: user
//! space has mapped something else there. It is put back, and told by a signal.)
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
    alloc::AllocError,
    bindings,
    prelude::*,
    task::CurrentTask, //
};

use crate::{
    arch::{
        self,
        Insn,
        InsnCopy,
        Ixol,
        Regs, //
    },
    kit::Kit,
    task::{
        self,
        Errand,
        Signal,
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
    /// Where the instruction is. A thread that escaped from its slot may be in handlers meanwhile,
    /// by a system call; those of perf and ftrace use the task's own field, and leave an address of
    /// the kernel there.
    vaddr: Cell<usize>,
    signal_denied: Cell<bool>,
    insn: InsnCopy,
}

impl Step {
    pub(crate) fn new() -> Self {
        Self {
            phase: Cell::new(Phase::Idle),
            vaddr: Cell::new(0),
            signal_denied: Cell::new(false),
            insn: InsnCopy::empty(),
        }
    }

    /// Is the thread in a slot, or on its way from it?
    #[inline]
    fn is_active(&self) -> bool {
        self.phase.get() != Phase::Idle
    }
}

/// A thread that is going to step, with the instruction taken along.
///
/// # Invariants
///
/// The kit is the thread's; its `insn` is a copy of an analysed instruction, and its phase is
/// [`Phase::Idle`].
pub(crate) struct Prepared<'t> {
    thread: &'t Thread,
    kit: &'t Kit,
    /// What the slot has to hold.
    ixol: Ixol,
}

/// Takes along what the step needs of a probe. The probe may go afterwards. May sleep.
#[inline]
pub(crate) fn prepare<'t>(thread: &'t Thread, insn: &Insn) -> Result<Prepared<'t>, AllocError> {
    let kit = thread.kit_for_a_step()?;
    // SAFETY: The thread is not stepping: `hit::resume()` takes one that is to `finish()`, and the
    // system calls that are hits do not prepare a step.
    unsafe { kit.step.insn.set(insn) };
    // INVARIANT: The copy was just made, and the thread is not stepping.
    Ok(Prepared {
        thread,
        kit,
        ixol: insn.ixol(),
    })
}

impl Prepared<'_> {
    /// Sends the current thread to a slot with the instruction that it hit at `vaddr`. May sleep,
    /// for as long as other threads occupy all slots.
    ///
    /// # Errors
    ///
    /// `ENOMEM` and what [`crate::xol::AreaMember::enter`] says; the thread then stays where it is.
    #[inline]
    pub(crate) fn begin(self, regs: &Regs, vaddr: usize) -> Result {
        let Self { thread, kit, ixol } = self;
        let slot = kit.slots.enter(&kit.hints, vaddr, &ixol)?;
        kit.step.vaddr.set(vaddr);
        thread.set_step_vaddr(vaddr);
        thread.set_slot(slot);
        // SAFETY: By the type's invariants.
        let insn = unsafe { kit.step.insn.get() };
        if let Err(error) = insn.before_step(regs) {
            kit.slots.leave();
            return Err(error);
        }
        // INVARIANT: The copy is in place.
        kit.step.phase.set(Phase::Running);
        Ok(())
    }
}

/// The kit of the current thread, if it is in a slot, or on its way from it.
#[inline]
pub(crate) fn active(thread: &Thread) -> Option<&Kit> {
    thread.kit().filter(|kit| kit.step.is_active())
}

/// Where the instruction is that the current thread executes in a slot, if it does.
pub(crate) fn active_vaddr(thread: &Thread) -> Option<usize> {
    active(thread).map(|kit| kit.step.vaddr.get())
}

/// Hears of a single-step trap of the current thread; false if it is not ours. Interrupts may be off.
pub(crate) fn complete(thread: &Thread) -> bool {
    let Some(Kit { step, .. }) = active(thread) else {
        return false;
    };
    step.phase.set(Phase::Completed);
    true
}

/// Brings the current thread back from its slot, and lets waiting signals through. May sleep.
#[inline(never)]
pub(crate) fn finish(thread: &Thread, regs: &Regs) {
    let Some(kit) = thread.kit() else {
        return;
    };
    let step = &kit.step;
    let phase = step.phase.replace(Phase::Idle);
    thread.set_step_vaddr(step.vaddr.get());
    // SAFETY: The step was active, so by the type's invariants the copy is one.
    let insn = unsafe { step.insn.get() };
    if phase == Phase::Completed {
        if insn.after_step(regs).is_err() {
            task::warn_current("execute the probed insn, sending SIGILL.");
            Signal::Ill.force();
        }
    } else {
        insn.abort_step(regs);
        // A breakpoint where the slot was: the process has put other memory in its place.
        if phase == Phase::Running {
            Signal::Trap.force();
        }
    }
    kit.slots.leave();
    if step.signal_denied.get() {
        step.signal_denied.set(false);
        Errand::Signals.set();
    }
    if kit.is_for_a_step() {
        // SAFETY: The kit is not used from here on, and no caller has it.
        unsafe { thread.give_back_kit() };
    }
}

/// Must signals wait, because the current thread is stepping?
///
/// If it is the instruction in the slot that has raised one, or the task is being killed, the step
/// is given up, and the signal is delivered at the original instruction: a core dump and a handler
/// of `SIGSEGV` have to see that.
pub(crate) fn defer_signals(current: &CurrentTask, thread: &Thread) -> bool {
    let Some(Kit { step, .. }) = active(thread) else {
        return false;
    };
    // SAFETY: The current task is valid.
    if unsafe { bindings::task_sigpending(current.as_ptr()) } {
        step.signal_denied.set(true);
        Errand::Signals.clear();
        // SAFETY: As above.
        let killed = unsafe { bindings::__fatal_signal_pending(current.as_ptr()) };
        if killed || arch::step_trapped(current) {
            step.phase.set(Phase::Trapped);
            Errand::Uprobe.set();
        }
    }
    true
}
