// SPDX-License-Identifier: GPL-2.0

//! Return probes: sending a function's return through the trampoline, and what happens there.
//!
//! The stack of pending returns (`returns.rs`) mirrors the frames of the thread's stack that have
//! their return address replaced. User space does not tell when it drops frames (`longjmp()`,
//! exceptions), nor when it jumps from one function to another that then returns for both: the
//! first shows as pending returns below the stack pointer, the second as a return address that is
//! the trampoline already.

use kernel::{
    bindings,
    prelude::*,
    sync::{
        rcu_tasks_trace,
        srcu_fast_updown::Domain, //
    },
    task::CurrentTask, //
};

use crate::{
    arch::{
        self,
        Occasion,
        Regs, //
    },
    pending::Returns,
    probe::Probe,
    returns::{
        Draft,
        Hijack,
        Popped,
        Return,
        Stack, //
    },
    stats::Event,
    task::{
        self,
        Signal,
        Thread, //
    },
    trace,
    xol, //
};

/// Makes the function that the current thread has just entered return through the trampoline. May
/// sleep.
///
/// If it cannot be done the function returns where it would have, and nobody hears of it.
#[inline(always)]
pub(crate) fn hijack(thread: &Thread, probe: &Probe, regs: &Regs, draft: Draft<'_>) {
    let current = kernel::current!();
    let Some(Ok(area)) = current.mm().map(xol::area_or_create) else {
        Event::AllocFailed.note();
        return;
    };
    let mut stack = thread.returns();
    if stack.is_full() {
        report_omission(regs.ip());
        return;
    }
    let trampoline = area.trampoline();
    let Some(found) = arch::hijack_return(trampoline, regs) else {
        return;
    };
    let chained = found == trampoline;
    drop_dead(&mut stack, chained, regs);
    // The return address of a chain is in its first entry; the others found the trampoline.
    let orig_ret_vaddr = match (chained, stack.top()) {
        (false, _) => found,
        (true, Some(caller)) => caller.orig_ret_vaddr(),
        (true, None) => {
            task::warn_current("handle tail call");
            return;
        }
    };
    let hijack = Hijack {
        func: regs.ip(),
        stack: regs.sp(),
        orig_ret_vaddr,
        chained,
    };
    // The caller's Tasks Trace guard has kept the probe up to here; from now on the reader does.
    let reader = Returns::down_read();
    draft.publish(hijack, |pending| pending.lease(probe, reader));
    thread.limit_lease();
}

/// Drops the returns whose frames are gone without having returned.
fn drop_dead(stack: &mut Stack<'_>, chained: bool, regs: &Regs) {
    let occasion = if chained {
        Occasion::ChainCall
    } else {
        Occasion::Call
    };
    while let Some(top) = stack.top() {
        if arch::is_alive(top, occasion, regs) {
            return;
        }
        drop_top(stack);
    }
}

/// Out of line, because frames rarely go without having returned.
#[cold]
fn drop_top(stack: &mut Stack<'_>) {
    drop(stack.pop());
}

#[cold]
fn report_omission(func: usize) {
    Event::ReturnOmitted.note();
    trace::return_omitted(func);
    // SAFETY: The object is statically initialised in shims.c.
    let wanted = unsafe {
        bindings::___ratelimit(
            &raw mut bindings::uprobes_omission_ratelimit,
            c"uprobes".as_char_ptr(),
        )
    };
    if wanted != 0 {
        let task = kernel::current!();
        pr_info!(
            "omit uretprobe due to nestedness limit pid/tgid={}/{}\n",
            task.pid(),
            task.tgid(),
        );
    }
}

/// The current thread has reached the trampoline: sends it to where it would have returned, and
/// tells the consumers. May sleep.
///
/// A thread without pending returns has no business there, and gets `SIGILL`.
pub(crate) fn handle_trampoline(current: &CurrentTask, regs: &Regs) {
    let stack = Thread::current(current).map(Thread::returns);
    let Some(mut stack) = stack.filter(|stack| !stack.is_empty()) else {
        task::warn_current("handle uretprobe, sending SIGILL.");
        Signal::Ill.force();
        return;
    };
    // Chains whose frames are gone come first; the one that has really returned ends the loop, and
    // if there is nothing below it, it can only be that one.
    while let Some(first) = stack.top() {
        let next = below_chain(first);
        let returned = next.is_none_or(|next| arch::is_alive(next, Occasion::Ret, regs));
        let next = next.map_or(core::ptr::null(), core::ptr::from_ref);
        regs.set_ip(first.orig_ret_vaddr());
        finish_chain(&mut stack, next, returned, regs);
        if returned {
            return;
        }
    }
}

/// The first pending return that is not of the same chain as `ret`.
fn below_chain(mut ret: &Return) -> Option<&Return> {
    loop {
        let chained = ret.is_chained();
        ret = ret.below()?;
        if !chained {
            return Some(ret);
        }
    }
}

/// Takes all returns above `next` off the stack, and tells their consumers if they have happened.
///
/// Each is taken off before its consumers run, so that a stack trace made there shows the true
/// return address.
///
/// Its only caller does little else, and is not to save registers twice.
#[inline(always)]
fn finish_chain(stack: &mut Stack<'_>, next: *const Return, returned: bool, regs: &Regs) {
    while !stack.is_top(next) {
        let Some((mut ret, held)) = stack.pop() else {
            return;
        };
        Event::Return.note_if_wanted();
        if let (true, Some(probe)) = (returned, held.probe()) {
            run_consumers(&mut ret, probe, regs);
        }
    }
}

/// As above: its only caller has the registers already.
#[inline(always)]
fn run_consumers(ret: &mut Popped<'_>, probe: &Probe, regs: &Regs) {
    let Some(func) = ret.get().map(Return::func) else {
        return;
    };
    // Consumers, as opposed to the probe, are not kept by the lease.
    let guard = rcu_tasks_trace::read_lock();
    let mut position = 0;
    for consumer in probe.consumers().iter(&guard) {
        if !consumer.watches_return() {
            continue;
        }
        if !consumer.is_session() {
            consumer.returned(func, regs, None);
            continue;
        }
        // A session that was not there at entry, or did not care, is not told of the return.
        if let Some(cookie) = ret.cookie(consumer.id(), &mut position) {
            consumer.returned(func, regs, Some(cookie));
        }
    }
}
