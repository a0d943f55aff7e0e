// SPDX-License-Identifier: GPL-2.0

//! The stack of pending returns and its pool, under the eyes of perf and of the timer (`returns.rs`,
//! `pending.rs`, `lease.rs`).
//!
//! perf interrupts the owner at any step and must find a whole stack. The timer walks it on another
//! CPU and must not meet an entry that was freed, or that is used again: then it would release the
//! reader of another lease.

use crate::{
    life::ProbeRef,
    pending::Returns,
    probe::{register, unregister},
    returns::{expire_all, Hijack, Stack},
};
use kernel::{
    alloc,
    bindings::uprobe_task,
    interrupt,
    run::{explore, spawn},
    sync::srcu_fast_updown::Domain,
};
use std::{
    rc::Rc,
    sync::atomic::{AtomicBool, Ordering},
};

const OFFSET: i64 = 0x1000;

pub(crate) fn check() {
    for operation in 0.. {
        static HAS_COME: AtomicBool = AtomicBool::new(false);
        HAS_COME.store(false, Ordering::Relaxed);
        explore("owner and interrupt", None, move || {
            HAS_COME.fetch_or(interrupted(operation), Ordering::Relaxed);
        });
        if !HAS_COME.load(Ordering::Relaxed) {
            break;
        }
    }
    explore("return and timer", Some(5), returning);
    explore("return, call and timer", Some(4), calling);
    explore("nested returns and timer", Some(3), nested);
}

#[derive(Clone)]
struct Task(Rc<uprobe_task>);

// SAFETY: All threads of a model are of one thread of the host.
unsafe impl Send for Task {}

impl Task {
    fn new() -> Self {
        let task = Self(Rc::new(uprobe_task::new()));
        // Before there are other threads.
        task.stack().is_empty();
        task.0.ri_seqcount.begin();
        task
    }

    fn stack(&self) -> Stack<'_> {
        let utask: *const uprobe_task = &*self.0;
        // SAFETY: The task is the owner's, and what others use is atomic.
        unsafe { Stack::from_raw(utask.cast_mut()) }
    }

    /// Calls a function that returns to `level`.
    fn call(&self, level: usize, probe: &ProbeRef) {
        let hijack = Hijack {
            func: 0,
            stack: 0,
            orig_ret_vaddr: level,
            chained: false,
        };
        let draft = self.stack().draft().expect("there is memory");
        draft.publish(hijack, |pending| pending.lease(probe, Returns::down_read()));
    }

    /// Returns from it.
    fn ret(&self, level: usize) {
        let (popped, held) = self.stack().pop().expect("a return is pending");
        assert!(held.probe().is_some(), "the owner gets no probe");
        assert_eq!(popped.get().map(|ret| ret.orig_ret_vaddr()), Some(level));
    }

    /// perf, in an interrupt of the owner.
    fn walk(&self) {
        let stack = self.stack();
        let levels = stack.top().into_iter();
        let levels = levels.flat_map(|top| std::iter::successors(Some(top), |ret| ret.below()));
        let levels: Vec<_> = levels.map(|ret| ret.orig_ret_vaddr()).collect();
        let whole: Vec<_> = (1..=levels.len()).rev().collect();
        assert_eq!(levels, whole, "an interrupt finds a broken stack");
    }

    /// The timer.
    fn expire(self) {
        let utask: *const uprobe_task = &*self.0;
        // SAFETY: The task lives, and there is one timer.
        unsafe { expire_all(utask.cast_mut()) };
    }

    /// The task exits.
    fn exit(self, probe: ProbeRef) {
        self.stack().clear();
        unregister(probe);
        assert_eq!(Returns::srcu().readers(), 0, "a reader is still open");
        assert_eq!(alloc::unfreed(), 0, "memory is not freed");
    }
}

/// Pushes, pops and uses the pool, interrupted before one operation. Was there so many?
fn interrupted(operation: usize) -> bool {
    let probe = register(OFFSET);
    let task = Task::new();
    let interrupt = task.clone();
    interrupt::after(operation, move || interrupt.walk());
    task.call(1, &probe);
    task.call(2, &probe);
    task.ret(2);
    task.call(2, &probe);
    task.ret(2);
    task.ret(1);
    task.call(1, &probe);
    task.ret(1);
    let has_come = interrupt::has_come();
    task.exit(probe);
    has_come
}

fn returning() {
    let probe = register(OFFSET);
    let task = Task::new();
    task.call(1, &probe);
    let timer = task.clone();
    let timer = spawn(move || timer.expire());
    task.ret(1);
    timer.join().unwrap();
    task.exit(probe);
}

/// The memory of a return is used again, if the timer does not have it.
fn calling() {
    let probe = register(OFFSET);
    let task = Task::new();
    task.call(1, &probe);
    let timer = task.clone();
    let timer = spawn(move || timer.expire());
    task.ret(1);
    task.call(1, &probe);
    task.ret(1);
    timer.join().unwrap();
    task.exit(probe);
}

fn nested() {
    let probe = register(OFFSET);
    let task = Task::new();
    task.call(1, &probe);
    task.call(2, &probe);
    let timer = task.clone();
    let timer = spawn(move || timer.expire());
    task.ret(2);
    task.call(2, &probe);
    task.ret(2);
    task.ret(1);
    timer.join().unwrap();
    task.exit(probe);
}
