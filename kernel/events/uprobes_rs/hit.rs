// SPDX-License-Identifier: GPL-2.0

//! A trap: finding the probe, running its consumers, and getting the thread past the instruction.
//!
//! Runs in the hit thread on its way back to user space, with interrupts on; may sleep. The probe
//! found is kept by a Tasks Trace guard, which lasts until the consumers have run and the
//! instruction was emulated or taken along; nothing is counted, and nothing shared is written.

use kernel::{
    alloc::AllocError,
    mm::MmWithUser,
    sync::rcu_tasks_trace,
    task::CurrentTask, //
};

use crate::{
    arch::{
        self,
        Regs, //
    },
    attach,
    consumer::{
        Consumer,
        Iter,
        Verdict,
        Verdicts, //
    },
    lookup::{
        self,
        Miss, //
    },
    mm::{
        Flag,
        Flags, //
    },
    probe::{
        Analysed,
        Probe, //
    },
    stats::Event,
    step,
    task::{
        MaybeThread,
        Signal,
        Thread, //
    },
    uretprobe,
    xol, //
};

/// Could a breakpoint trap of the current task be ours? Interrupts may be off.
#[inline]
pub(crate) fn expects_breakpoint(current: &CurrentTask, regs: &Regs) -> bool {
    let Some(mm) = current.mm() else {
        return false;
    };
    // Without a breakpoint there may still be hijacked returns, to a trampoline with one.
    mm.has(Flag::HasUprobes)
        || Thread::current(current).is_some_and(|thread| !thread.returns().is_empty())
        || lookup::has_lost_breakpoint(mm, regs.breakpoint())
}

/// Handles what the notifiers have announced: a breakpoint, or the end of a step.
///
/// Both are out of line, so that neither saves the registers that only the other needs.
#[inline]
pub(crate) fn resume(current: &CurrentTask, regs: &Regs) {
    match Thread::current(current) {
        Some(thread) if step::active(thread).is_some() => step::finish(thread, regs),
        _ => {
            if let Some(mm) = current.mm() {
                handle_breakpoint(current, mm, regs);
            }
        }
    }
}

#[inline(never)]
fn handle_breakpoint(current: &CurrentTask, mm: &MmWithUser, regs: &Regs) {
    let vaddr = regs.breakpoint();
    if xol::area(mm).is_some_and(|area| area.trampoline() == vaddr) {
        uretprobe::handle_trampoline(current, regs);
        return;
    }
    // If the step cannot be begun, the thread stays where it is, and hits the breakpoint again. C may
    // have moved it in an attempt to emulate a call.
    if let Some(step) = handle_probe_at(current, mm, regs, vaddr) {
        if step.begin(regs, vaddr).is_err() {
            regs.set_ip(vaddr);
        }
    }
}

/// Finds the probe and runs its consumers, under a guard that does not last longer than that: to
/// step, a thread may have to wait for others, and nobody shall have to wait for it.
fn handle_probe_at<'t>(
    current: &'t CurrentTask,
    mm: &MmWithUser,
    regs: &Regs,
    vaddr: usize,
) -> Option<step::Prepared<'t>> {
    let guard = rcu_tasks_trace::read_lock();
    let thread = MaybeThread::current(current);
    match lookup::find(thread.kit(), mm, vaddr, &guard) {
        Ok(probe) => {
            // In advance: the consumers shall see it, and may change it.
            regs.set_ip(vaddr);
            return handle_probe(thread.or_new().ok()?, probe, regs, vaddr, &guard);
        }
        Err(Miss::Foreign) => Signal::Trap.force(),
        // Whatever is there now is executed, or faults.
        Err(Miss::Stale) => regs.set_ip(vaddr),
    }
    None
}

/// Runs the consumers, then the instruction if it can be emulated; returns what is needed to step
/// it if it cannot. If something is in the way, the thread stays before the instruction and hits
/// the breakpoint, if there still is one, again.
#[inline]
fn handle_probe<'t>(
    thread: &'t Thread,
    probe: &Probe,
    regs: &Regs,
    vaddr: usize,
    guard: &rcu_tasks_trace::Guard,
) -> Option<step::Prepared<'t>> {
    // The breakpoint may be that of a predecessor, and this probe not be analysed yet.
    let probe = probe.analysed()?;
    let insn = probe.insn();
    run_consumers(thread, probe, regs, guard);
    insn.optimize(vaddr);
    // A consumer that has sent the thread elsewhere does not want the instruction executed.
    if regs.ip() != vaddr {
        return None;
    }
    if probe.emulate(regs) {
        return None;
    }
    Event::Step.note_if_wanted();
    match step::prepare(thread, insn) {
        Ok(step) => Some(step),
        Err(AllocError) => {
            Event::AllocFailed.note();
            // C may have moved it, see `handle_breakpoint()`.
            regs.set_ip(vaddr);
            None
        }
    }
}

/// Handles a hit that came by a system call, from code that the architecture put in place of the
/// breakpoint and that gets past the instruction itself. May sleep.
pub(crate) fn handle_syscall(current: &CurrentTask, regs: &Regs, vaddr: usize) {
    let Some(mm) = current.mm() else {
        return;
    };
    let guard = rcu_tasks_trace::read_lock();
    let thread = MaybeThread::current(current);
    let Ok(probe) = lookup::find(thread.kit(), mm, vaddr, &guard) else {
        return;
    };
    let (Some(probe), Ok(thread)) = (probe.analysed(), thread.or_new()) else {
        return;
    };
    run_consumers(thread, probe, regs, &guard);
}

/// A consumer that wants to hear of the return, and its cookie.
type Watcher<'g> = (&'g Consumer, u64);

/// Inlined into both of its callers, which have saved the registers that it needs.
#[inline(always)]
fn run_consumers(
    thread: &Thread,
    probe: Analysed<'_>,
    regs: &Regs,
    guard: &rcu_tasks_trace::Guard,
) {
    let mut consumers = probe.consumers().iter(guard);
    let mut verdicts = Verdicts::NONE;
    thread.set_handled(Some(probe.insn()));
    if let Some(watcher) = next_watcher(&mut consumers, regs, &mut verdicts) {
        if arch::FEW_REGISTERS {
            watch_return_apart(thread, &probe, regs, watcher, consumers);
        } else {
            watch_return(thread, &probe, regs, watcher, consumers);
        }
        return;
    }
    thread.set_handled(None);
    if verdicts.all_refuse() {
        remove_here(&probe);
    }
}

/// Runs consumers up to the next that wants to hear of the return.
#[inline(always)]
fn next_watcher<'g>(
    consumers: &mut Iter<'g>,
    regs: &Regs,
    verdicts: &mut Verdicts,
) -> Option<Watcher<'g>> {
    for consumer in consumers {
        let mut cookie = 0;
        let verdict = consumer.entered(regs, &mut cookie);
        if verdict == Verdict::Keep && consumer.watches_return() {
            return Some((consumer, cookie));
        }
        verdicts.add(verdict);
    }
    None
}

/// [`watch_return`] out of line, so that hits without returns do not keep registers for it.
#[inline(never)]
fn watch_return_apart(
    thread: &Thread,
    probe: &Probe,
    regs: &Regs,
    first: Watcher<'_>,
    rest: Iter<'_>,
) {
    watch_return(thread, probe, regs, first, rest);
}

/// Runs the rest of the consumers, and has the current function return through the trampoline. May
/// sleep.
#[inline(always)]
fn watch_return(
    thread: &Thread,
    probe: &Probe,
    regs: &Regs,
    first: Watcher<'_>,
    mut rest: Iter<'_>,
) {
    let mut draft = thread.returns().draft();
    let mut watcher = Some(first);
    while let Some((consumer, cookie)) = watcher {
        if consumer.is_session() {
            draft = draft.and_then(|draft| draft.with_cookie(consumer.id(), cookie));
        }
        // The first has kept the breakpoint, whatever the others say.
        let mut verdicts = Verdicts::NONE;
        watcher = next_watcher(&mut rest, regs, &mut verdicts);
    }
    // Before the return address is changed: perf looks for one at the top of the stack while an
    // instruction is being handled.
    thread.set_handled(None);
    match draft {
        Ok(draft) => uretprobe::hijack(thread, probe, regs, draft),
        Err(AllocError) => Event::AllocFailed.note(),
    }
}

/// Takes the breakpoint out of the current address space, if no consumer's filter wants it there.
#[cold]
fn remove_here(probe: &Probe) {
    let current = kernel::current!();
    let Some(mm) = current.mm() else {
        return;
    };
    // Who registers here while this one is kept gets it; a probe that came after it would lose its
    // breakpoint here.
    let Some(_kept) = probe.try_get() else {
        return;
    };
    let _registration = probe.registration().read();
    if !attach::is_wanted(probe, mm) {
        // If it fails, the breakpoint is hit again, and removed then.
        let _ = attach::unapply(probe, mm);
    }
}
