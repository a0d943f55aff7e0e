// SPDX-License-Identifier: GPL-2.0

//! Searches in the tree of probes while it is changed (`tree.rs`, `life.rs`).
//!
//! A probe that is registered from the beginning to the end of a search is found, whatever is moved
//! meanwhile; and what is found is neither garbage nor freed.

use crate::{
    life::ProbeRef,
    probe::{key, register, unregister, Probe},
    tree,
};
use kernel::{
    alloc,
    run::{explore, spawn},
    sync::{
        atomic::{
            ordering::{Acquire, Release},
            Atomic,
        },
        rcu_tasks_trace,
    },
};
use std::sync::Arc;

const LOW: i64 = 0x10;
const MIDDLE: i64 = 0x20;
const HIGH: i64 = 0x30;
const HIGHEST: i64 = 0x40;

pub(crate) fn check() {
    explore("search during an insertion", None, || {
        search_while_inserting(HIGH)
    });
    explore("search for what is being inserted", Some(4), || {
        search_while_inserting(MIDDLE)
    });
    explore("search during a removal", Some(4), || {
        search_while_removing(HIGH)
    });
    explore(
        "range query during an insertion",
        Some(4),
        ask_while_inserting,
    );
    explore("walk", None, walk);
    explore("walk during an insertion", Some(2), walk_while_inserting);
    explore("search after an insertion", None, search_after_inserting);
    explore("two registrations", None, register_twice);
    explore("a dying probe is replaced", Some(4), replace);
    explore("search, insertion and removal", Some(2), all_at_once);
}

/// Looks for a probe as a hit does, and uses it.
fn search(offset: i64) -> bool {
    let guard = rcu_tasks_trace::read_lock();
    tree::find(key(offset), &guard).is_some_and(|probe| {
        assert!(probe.key() == key(offset), "another probe is found");
        true
    })
}

fn lowest() -> Option<i64> {
    let guard = rcu_tasks_trace::read_lock();
    let inode = key(0).inode;
    tree::first_in(inode, LOW, HIGHEST, &guard).map(|probe| probe.key().offset)
}

/// The offsets of all probes, as a new mapping finds them.
fn all() -> Vec<i64> {
    let guard = rcu_tasks_trace::read_lock();
    let mut found = [None; 8];
    let count = tree::some_in(key(0).inode, LOW, HIGHEST, &mut found, &guard);
    found[..count]
        .iter()
        .flatten()
        .map(|probe| probe.key().offset)
        .collect()
}

fn unregister_all(probes: impl IntoIterator<Item = ProbeRef>) {
    probes.into_iter().for_each(unregister);
    assert!(tree::is_empty(), "the tree is not empty");
    assert_eq!(alloc::unfreed(), 0, "a probe is not freed");
}

/// The new probe moves between the two others, and to the top.
fn search_while_inserting(offset: i64) {
    let there = [LOW, HIGH].map(register);
    let inserting = spawn(|| register(MIDDLE));
    let is_found = search(offset);
    assert!(is_found || offset == MIDDLE, "a probe is missed");
    let new = inserting.join().unwrap();
    assert!(search(offset), "a probe is missed for ever");
    unregister_all(there.into_iter().chain([new]));
}

/// The probe at the top goes, and one from below takes its place.
fn search_while_removing(offset: i64) {
    let there = [LOW, HIGHEST, HIGH].map(register);
    let [low, highest, high] = there;
    // `HIGH` is at the top now. With another at the bottom the next highest is not its child.
    let middle = register(MIDDLE);
    let top = [&low, &middle, &high, &highest]
        .into_iter()
        .find(|probe| is_top(probe));
    assert!(top.is_some_and(|top| top.key() == key(HIGH)));
    let removing = spawn(move || unregister(high));
    for offset in [MIDDLE, HIGHEST] {
        assert!(search(offset), "a probe is missed");
    }
    search(offset);
    removing.join().unwrap();
    assert!(!search(offset), "a probe is found that is not registered");
    unregister_all([low, middle, highest]);
}

fn is_top(probe: &Probe) -> bool {
    use kernel::sync::atomic::ordering::Relaxed;
    std::ptr::eq(crate::links::root().load(Relaxed), &probe.node)
}

fn ask_while_inserting() {
    let there = [LOW, HIGH].map(register);
    let inserting = spawn(|| register(MIDDLE));
    assert_eq!(lowest(), Some(LOW), "a query is misled");
    let new = inserting.join().unwrap();
    unregister_all(there.into_iter().chain([new]));
}

/// Some are below others on the right, and to the left of what is there.
fn walk() {
    let there = [LOW, HIGH, MIDDLE, MIDDLE - 1, MIDDLE - 2].map(register);
    let sorted = [LOW, MIDDLE - 2, MIDDLE - 1, MIDDLE, HIGH];
    assert_eq!(all(), sorted, "a walk is out of order");
    unregister_all(there);
}

/// The new probe comes to the top: nothing that stays is left out, and nothing comes twice.
fn walk_while_inserting() {
    let there = [LOW, HIGH].map(register);
    let inserting = spawn(|| register(MIDDLE));
    let seen = all();
    assert!(
        seen == [LOW, HIGH] || seen == [LOW, MIDDLE, HIGH],
        "a walk is misled"
    );
    let new = inserting.join().unwrap();
    unregister_all(there.into_iter().chain([new]));
}

/// Whoever knows that a registration has ended finds its probe.
fn search_after_inserting() {
    let is_done = Arc::new(Atomic::new(false));
    is_done.load(Acquire);
    let there = [LOW, HIGH].map(register);
    let told = is_done.clone();
    let inserting = spawn(move || {
        let probe = register(MIDDLE);
        told.store(true, Release);
        probe
    });
    if is_done.load(Acquire) {
        assert!(search(MIDDLE), "a probe is missed");
    }
    let new = inserting.join().unwrap();
    unregister_all(there.into_iter().chain([new]));
}

/// Two registrations of the same instruction share a probe.
fn register_twice() {
    let other = spawn(|| register(LOW));
    let one = register(LOW);
    let other = other.join().unwrap();
    assert!(std::ptr::eq(&*one, &*other), "there are two probes");
    unregister(one);
    assert!(search(LOW), "a probe is missed");
    unregister_all([other]);
}

/// A probe is registered anew as its last registration goes.
fn replace() {
    let old = register(LOW);
    let registering = spawn(|| register(LOW));
    unregister(old);
    let new = registering.join().unwrap();
    assert!(search(LOW), "a probe is missed for ever");
    unregister_all([new]);
}

fn all_at_once() {
    let [low, high] = [LOW, HIGH].map(register);
    let inserting = spawn(|| register(MIDDLE));
    let removing = spawn(move || unregister(low));
    assert!(search(HIGH), "a probe is missed");
    search(LOW);
    removing.join().unwrap();
    let middle = inserting.join().unwrap();
    unregister_all([middle, high]);
}
