// SPDX-License-Identifier: GPL-2.0

//! The timer of leases, and the owner who arms it (`lease_timer.rs`, `returns.rs`).
//!
//! Whenever there is a lease, the timer is pending or about to see it, and it comes in time.

use crate::{pending::Returns, probe::register, task::Task};
use kernel::{
    run::{explore, spawn},
    sync::srcu_fast_updown::Domain,
    time,
};

const OFFSET: i64 = 0x1000;

pub(crate) fn check() {
    explore("call", None, || calling(1));
    explore("calls", None, || calling(2));
    explore("return and call", Some(5), returning);
    explore("time", None, time_passes);
}

/// Is there a lease that no timer will see?
fn lasts(task: &Task) -> bool {
    Returns::srcu().readers() > 0 && !task.timer().is_pending()
}

/// The timer goes off as the owner calls further functions.
fn calling(more: usize) {
    let probe = register(OFFSET);
    let task = Task::new();
    task.call(1, &probe);
    task.limit_lease();
    let timer = task.clone();
    let timer = spawn(move || timer.fire());
    for level in 2..2 + more {
        task.call(level, &probe);
        task.limit_lease();
    }
    timer.join().unwrap();
    assert!(!lasts(&task), "a lease outlasts the timer");
    task.fire();
    assert_eq!(Returns::srcu().readers(), 0, "the timer misses a lease");
    (1..2 + more).rev().for_each(|level| task.ret(level));
    task.exit(probe);
}

/// The lease that the timer was armed for has ended, and another begins.
fn returning() {
    let probe = register(OFFSET);
    let task = Task::new();
    task.call(1, &probe);
    task.limit_lease();
    let timer = task.clone();
    let timer = spawn(move || {
        timer.fire();
        timer.fire();
    });
    task.ret(1);
    task.call(1, &probe);
    task.limit_lease();
    timer.join().unwrap();
    assert!(!lasts(&task), "a lease outlasts the timer");
    task.ret(1);
    task.exit(probe);
}

/// A lease ends in time, though others begin.
fn time_passes() {
    let probe = register(OFFSET);
    let task = Task::new();
    task.call(1, &probe);
    task.limit_lease();
    let due = task.timer().expires();
    assert_eq!(due, Some(time::msecs_to_jiffies(100)), "a lease has no end");
    time::pass(50);
    task.call(2, &probe);
    task.limit_lease();
    assert_eq!(task.timer().expires(), due, "a lease is prolonged");
    task.fire();
    assert_eq!(Returns::srcu().readers(), 0, "the timer misses a lease");
    task.ret(2);
    task.ret(1);
    task.exit(probe);
}
