// SPDX-License-Identifier: GPL-2.0

//! A thread's memory of probes that it has found (`cache.rs`, `tree.rs`, `life.rs`).
//!
//! A thread hits addresses again and again, while probes go and mappings change. It never uses a probe
//! that was freed, nor one that is not at the address any more. What it does with the cache is what
//! `lookup.rs` does.

use crate::{
    cache::{Cache, Moment},
    probe::{key, register, unregister, Probe},
    tree,
};
use kernel::{
    alloc,
    bindings::seqcount_t,
    run::{explore, spawn},
    sync::{
        atomic::{ordering::Relaxed, Atomic},
        rcu_tasks_trace::{self, Guard},
        seqcount::{SeqCount, Sequence},
    },
};
use std::{ptr::NonNull, rc::Rc};

const HERE: usize = 0x401000;
/// In another place of the cache than `HERE`.
const THERE: usize = 0x401010;
/// In the same place.
const AGAIN: usize = 0x501000;

/// In code that the architecture has mapped.
const TRAMPOLINE: usize = 0x7fff_2000;

const OLD: i64 = 0x1000;
const NEW: i64 = 0x2000;

pub(crate) fn check() {
    explore("unregistration", Some(4), unregistration);
    explore("unregistration, with a return pending", Some(4), kept);
    explore("unregistration, other addresses", Some(3), other_addresses);
    explore("unregistration and registration", Some(3), registration);
    explore("mappings change", None, mappings_change);
    explore("a trampoline goes", None, trampoline_goes);
}

/// An address space with one mapping, of a page that two addresses are in.
struct Mm {
    seq: seqcount_t,
    /// What `HERE` is in the file; `THERE` is behind.
    offset: Atomic<i32>,
}

#[derive(Clone)]
struct Shared(Rc<Mm>);

// SAFETY: All threads of a model are of one thread of the host.
unsafe impl Send for Shared {}

impl Shared {
    fn new() -> Self {
        let mm = Mm {
            seq: seqcount_t::new(),
            offset: Atomic::new(OLD as i32),
        };
        mm.seq.begin();
        mm.offset.load(Relaxed);
        Self(Rc::new(mm))
    }

    /// What `mmap_lock_speculate_*()` look at.
    fn seq(&self) -> &SeqCount {
        // SAFETY: The count lives as long as the address space.
        unsafe { SeqCount::from_raw((&raw const self.0.seq).cast_mut()) }
    }

    /// Maps another part of the file, with the lock for writing.
    fn remap(&self, offset: i64) {
        // SAFETY: There is one who writes.
        let _changing = unsafe { self.seq().raw_write_begin() };
        self.0.offset.store(offset as i32, Relaxed);
    }
}

struct Thread {
    mm: Shared,
    cache: Cache<NonNull<Probe>>,
}

impl Thread {
    fn new(mm: &Shared) -> Self {
        Self {
            mm: mm.clone(),
            cache: Cache::new(),
        }
    }

    /// Hits an address; returns the offset of the probe that is found.
    fn hit(&self, vaddr: usize) -> Option<i64> {
        let guard = rcu_tasks_trace::read_lock();
        // Mappings that are being changed are looked at under a lock, without the cache.
        let start = self.mm.seq().try_begin()?;
        let now = Moment {
            mappings: start.value(),
            removals: tree::removals(&guard),
            time: 1,
        };
        let probe = self
            .recall(vaddr, &now, &guard)
            .or_else(|| self.search(vaddr, start, &now, &guard))?;
        let offset = probe.key().offset;
        if now.mappings == 2 {
            assert!(offset != OLD, "a probe is found where it is not mapped");
        }
        Some(offset)
    }

    /// Asks whether `TRAMPOLINE` is code of the architecture's, which is mapped as long as the file is
    /// at `OLD`.
    fn is_in_trampoline(&self) -> bool {
        let guard = rcu_tasks_trace::read_lock();
        let Some(start) = self.mm.seq().try_begin() else {
            return false;
        };
        let now = Moment {
            mappings: start.value(),
            removals: tree::removals(&guard),
            time: 1,
        };
        let is_recalled = self.cache.recall_trampoline(TRAMPOLINE, &now);
        assert!(
            !(is_recalled && now.mappings == 2),
            "a trampoline outlives its mapping"
        );
        if is_recalled {
            return true;
        }
        let is_mapped = i64::from(self.mm.0.offset.load(Relaxed)) == OLD;
        if is_mapped && !self.mm.seq().retry(start) {
            self.cache.remember_trampoline(TRAMPOLINE, &now);
        }
        is_mapped
    }

    fn recall<'g>(&self, vaddr: usize, now: &Moment, _guard: &'g Guard) -> Option<&'g Probe> {
        let probe = self.cache.recall(vaddr, now)?;
        // SAFETY: This is what is to be shown.
        let probe = unsafe { probe.as_ref() };
        probe.is_registered().then_some(probe)
    }

    fn search<'g>(
        &self,
        vaddr: usize,
        start: Sequence,
        now: &Moment,
        guard: &'g Guard,
    ) -> Option<&'g Probe> {
        let offset = i64::from(self.mm.0.offset.load(Relaxed)) + (vaddr - HERE) as i64;
        let probe = tree::find(key(offset), guard)?;
        if self.mm.seq().retry(start) {
            return None;
        }
        self.cache.remember(vaddr, now, NonNull::from(probe));
        Some(probe)
    }
}

/// A probe goes while a thread hits it.
fn unregistration() {
    begin();
    let probe = register(OLD);
    let thread = Thread::new(&Shared::new());
    thread.hit(HERE);
    let going = spawn(move || unregister(probe));
    thread.hit(HERE);
    thread.hit(HERE);
    going.join().unwrap();
    assert_eq!(thread.hit(HERE), None, "an unregistered probe is found");
    assert_eq!(alloc::unfreed(), 0, "a probe is not freed");
}

/// The same, while a pending return keeps it.
fn kept() {
    begin();
    let probe = register(OLD);
    let held = probe.clone();
    let thread = Thread::new(&Shared::new());
    thread.hit(HERE);
    let going = spawn(move || unregister(probe));
    thread.hit(HERE);
    going.join().unwrap();
    assert_eq!(thread.hit(HERE), None, "an unregistered probe is found");
    drop(held);
    assert_eq!(alloc::unfreed(), 0, "a probe is not freed");
}

/// What the thread remembers of another address is brought up to date meanwhile.
fn other_addresses() {
    begin();
    let probe = register(OLD);
    let stays = register(OLD + (THERE - HERE) as i64);
    let thread = Thread::new(&Shared::new());
    thread.hit(HERE);
    let going = spawn(move || unregister(probe));
    assert!(thread.hit(THERE).is_some(), "a probe is missed");
    thread.hit(HERE);
    assert_eq!(
        thread.hit(AGAIN),
        None,
        "a probe is found at another address"
    );
    going.join().unwrap();
    unregister(stays);
}

/// It comes back, and is another.
fn registration() {
    begin();
    let old = register(OLD);
    let thread = Thread::new(&Shared::new());
    thread.hit(HERE);
    let replacing = spawn(move || {
        unregister(old);
        register(OLD)
    });
    thread.hit(HERE);
    let new = replacing.join().unwrap();
    assert_eq!(thread.hit(HERE), Some(OLD), "a probe is missed for ever");
    unregister(new);
    assert_eq!(thread.hit(HERE), None, "an unregistered probe is found");
}

/// Another part of the file is mapped at the address.
fn mappings_change() {
    begin();
    let [old, new] = [OLD, NEW].map(register);
    let mm = Shared::new();
    let thread = Thread::new(&mm);
    thread.hit(HERE);
    let remapping = spawn(move || mm.remap(NEW));
    thread.hit(HERE);
    thread.hit(HERE);
    remapping.join().unwrap();
    assert_eq!(thread.hit(HERE), Some(NEW), "a probe is missed for ever");
    unregister(old);
    unregister(new);
}

/// A trampoline is mapped no more, and what the thread remembers beside it is brought up to date.
fn trampoline_goes() {
    begin();
    let [old, new] = [OLD, NEW].map(register);
    let mm = Shared::new();
    let thread = Thread::new(&mm);
    assert!(thread.is_in_trampoline(), "a trampoline is missed");
    let unmapping = spawn(move || mm.remap(NEW));
    thread.is_in_trampoline();
    thread.hit(HERE);
    unmapping.join().unwrap();
    thread.hit(HERE);
    assert!(!thread.is_in_trampoline());
    unregister(old);
    unregister(new);
}

/// The count of removals is made before there are other threads.
fn begin() {
    tree::removals(&rcu_tasks_trace::read_lock());
}
