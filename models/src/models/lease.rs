// SPDX-License-Identifier: GPL-2.0

//! The lease of a pending return, and the end of its probe (`lease.rs`, `pending.rs`, `life.rs`).
//!
//! What goes wrong shows as a reader that is open at the end or released twice, as a count that is
//! raised from zero or falls below it, and as memory that is used after it was freed or not freed.

use crate::{
    pending::{Held, Pending, Returns},
    probe::{key, register, unregister, Probe},
    tree,
};
use kernel::{
    alloc,
    run::{explore, spawn},
    sync::{rcu, rcu_tasks_trace, srcu_fast_updown::Domain},
};
use std::rc::Rc;

const OFFSET: i64 = 0x1000;

pub(crate) fn check() {
    explore("return and timer", None, || nobody_unregisters(false));
    explore("fork, return and timer", Some(3), || {
        nobody_unregisters(true)
    });
    explore(
        "late lease and unregistration",
        None,
        lease_begins_as_the_probe_dies,
    );
    explore("return, timer and unregistration", Some(3), || {
        owner_and_timer_as_the_probe_dies(false)
    });
    explore("fork, return, timer and unregistration", Some(2), || {
        owner_and_timer_as_the_probe_dies(true)
    });
}

/// What threads of a model share. It is not freed before the run is over.
#[derive(Clone)]
struct Shared(Rc<Pending>);

// SAFETY: All threads of a model are of one thread of the host.
unsafe impl Send for Shared {}

impl Shared {
    /// A lease of a new probe, as a hit leaves it behind.
    fn lease(probe: &Probe) -> Self {
        let pending = Pending::new();
        pending.lease(probe, Returns::down_read());
        Self(Rc::new(pending))
    }

    /// The timer.
    fn expire(self) {
        let rcu = rcu::read_lock();
        self.0.expire(&rcu);
    }
}

/// Does what a handler does with the probe that it is called for.
fn handle(probe: &Probe) {
    assert!(probe.key() == key(OFFSET));
    probe.is_registered();
}

/// The probe lives. Whoever comes first, the owner is left with something that keeps it.
fn nobody_unregisters(forks: bool) {
    let probe = register(OFFSET);
    let pending = Shared::lease(&probe);
    let timer = pending.clone();
    let timer = spawn(move || timer.expire());
    own(&pending.0, forks, true);
    timer.join().unwrap();
    unregister(probe);
    nothing_is_left();
}

/// The last registration goes while the return is pending.
fn owner_and_timer_as_the_probe_dies(forks: bool) {
    let probe = register(OFFSET);
    let pending = Shared::lease(&probe);
    let timer = pending.clone();
    let timer = spawn(move || timer.expire());
    let unregistration = spawn(move || unregister(probe));
    own(&pending.0, forks, false);
    timer.join().unwrap();
    unregistration.join().unwrap();
    nothing_is_left();
}

/// The owner: may fork, and then returns.
fn own(pending: &Pending, forks: bool, is_kept: bool) {
    let copy = if forks {
        let copy = pending.expire_for_copy();
        if is_kept {
            assert!(copy.is_some(), "the child gets no probe");
        }
        copy
    } else {
        None
    };
    let held = pending.consume();
    assert!(
        matches!(pending.consume(), Held::Nothing),
        "it is consumed twice"
    );
    match &held {
        Held::Nothing => assert!(!is_kept, "the owner gets no probe"),
        held => handle(held.probe().expect("it has one")),
    }
    if let Some(probe) = &copy {
        handle(probe);
    }
}

/// A hit has found the probe, and begins a lease after the probe was taken out of the tree.
fn lease_begins_as_the_probe_dies() {
    let probe = register(OFFSET);
    let hit = spawn(|| {
        let guard = rcu_tasks_trace::read_lock();
        let Some(probe) = tree::find(key(OFFSET), &guard) else {
            return;
        };
        let pending = Shared::lease(probe);
        drop(guard);
        if let Some(probe) = pending.0.consume().probe() {
            handle(probe);
        }
    });
    unregister(probe);
    hit.join().unwrap();
    nothing_is_left();
}

fn nothing_is_left() {
    assert_eq!(Returns::srcu().readers(), 0, "a reader is still open");
    assert_eq!(alloc::unfreed(), 0, "a probe is not freed");
    let guard = rcu_tasks_trace::read_lock();
    assert!(tree::find(key(OFFSET), &guard).is_none());
}
