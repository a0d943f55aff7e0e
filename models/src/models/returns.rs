// SPDX-License-Identifier: GPL-2.0

//! The stack of pending returns and its pool, under the eyes of perf and of the timer (`returns.rs`,
//! `pending.rs`, `lease.rs`).
//!
//! perf interrupts the owner at any step and must find a whole stack. The timer walks it on another
//! CPU and must not meet an entry that was freed, or that is used again: then it would release the
//! reader of another lease.

use crate::{probe::register, returns::expire_all, task::Task};
use kernel::{
    interrupt,
    run::{explore, spawn},
};
use std::sync::atomic::{AtomicBool, Ordering};

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

/// perf, in an interrupt of the owner.
fn walk(task: &Task) {
    let stack = task.stack();
    let levels = stack.top().into_iter();
    let levels = levels.flat_map(|top| std::iter::successors(Some(top), |ret| ret.below()));
    let levels: Vec<_> = levels.map(|ret| ret.orig_ret_vaddr()).collect();
    let whole: Vec<_> = (1..=levels.len()).rev().collect();
    assert_eq!(levels, whole, "an interrupt finds a broken stack");
}

/// The timer.
fn expire(task: &Task) {
    // SAFETY: The task lives, and there is one timer.
    unsafe { expire_all(task.utask()) };
}

/// Pushes, pops and uses the pool, interrupted before one operation. Was there so many?
fn interrupted(operation: usize) -> bool {
    let probe = register(OFFSET);
    let task = Task::new();
    let interrupt = task.clone();
    interrupt::after(operation, move || walk(&interrupt));
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
    let timer = spawn(move || expire(&timer));
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
    let timer = spawn(move || expire(&timer));
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
    let timer = spawn(move || expire(&timer));
    task.ret(2);
    task.call(2, &probe);
    task.ret(2);
    task.ret(1);
    timer.join().unwrap();
    task.exit(probe);
}
