// SPDX-License-Identifier: GPL-2.0

//! A thread's memory of where it has found probes lately, and of where the architecture has put code
//! that calls the kernel in place of a breakpoint.
//!
//! A thread mostly hits the same few addresses. What it finds at one stays true while two things
//! stand still: the mappings of its address space, and the probes. For the first there is the
//! sequence of `mmap_lock`. For the second it is enough to count the probes that were removed: one
//! that is added has a key of its own, so that it makes nothing untrue which was found before.
//! Reading both costs nothing in the usual case, in which nobody writes them.
//!
//! The sequence has 32 bits, and user space can make it come round: that takes at least
//! 2^31 rounds of `mmap_lock`. So nothing is believed for longer than [`MAX_AGE`], in which nobody
//! gets that far. The count has 64 bits, and does not come round.
//!
//! A cache belongs to one thread in one address space; exec ends it with the thread's other state.
//! This file has no `unsafe`: what an entry is worth follows from [`Moment`], and is said where the
//! entry is used, in `lookup.rs`.

use core::cell::Cell;

use kernel::sync::atomic::{
    ordering::{
        Acquire,
        Release, //
    },
    Atomic, //
};

/// Counts the probes that have been taken out of the tree.
pub(crate) struct Removals(Atomic<u64>);

impl Removals {
    pub(crate) const fn new() -> Self {
        Self(Atomic::new(0))
    }

    /// One more. Told after the probe cannot be found any more, and before the grace period that
    /// ends its life.
    pub(crate) fn add(&self) {
        // Release: who sees this count does not find the probe. Pairs with `count()`.
        self.0.fetch_add(1, Release);
    }

    /// To be asked before a search whose result is to be remembered, and when it is recalled, each
    /// time within the critical section in which the result is used.
    #[inline]
    pub(crate) fn count(&self) -> u64 {
        // Acquire: pairs with `add()`.
        self.0.load(Acquire)
    }
}

/// The state of everything that a search depends on.
#[derive(Clone, Copy)]
pub(crate) struct Moment {
    /// The sequence of the address space's mappings; even.
    pub(crate) mappings: u32,
    /// How many probes have been removed.
    pub(crate) removals: u64,
    /// The time in jiffies.
    pub(crate) time: usize,
}

/// Nothing is remembered for longer, in jiffies: between one and ten seconds, whatever the length
/// of a jiffy.
const MAX_AGE: usize = 1000;

/// How many addresses are remembered.
const PLACES: usize = 16;

struct Entry<T> {
    vaddr: Cell<usize>,
    found: Cell<Option<T>>,
}

impl<T: Copy> Entry<T> {
    const fn empty() -> Self {
        Self {
            vaddr: Cell::new(0),
            found: Cell::new(None),
        }
    }
}

/// What a thread has found at which address.
pub(crate) struct Cache<T> {
    /// The count of removals, and the sequence of the mappings, that all entries go by.
    removals: Cell<u64>,
    mappings: Cell<u32>,
    /// The time before which no entry was made.
    since: Cell<usize>,
    entries: [Entry<T>; PLACES],
    /// An address in code that the architecture has put into the address space, or 0.
    trampoline: Cell<usize>,
}

impl<T: Copy> Cache<T> {
    pub(crate) const fn new() -> Self {
        Self {
            removals: Cell::new(0),
            mappings: Cell::new(0),
            since: Cell::new(0),
            entries: [const { Entry::empty() }; PLACES],
            trampoline: Cell::new(0),
        }
    }

    #[inline]
    fn entry(&self, vaddr: usize) -> &Entry<T> {
        // Functions begin at multiples of 16, mostly.
        &self.entries[vaddr / 16 % PLACES]
    }

    #[inline]
    fn is_of(&self, now: &Moment) -> bool {
        self.removals.get() == now.removals
            && self.mappings.get() == now.mappings
            && now.time.wrapping_sub(self.since.get()) < MAX_AGE
    }

    /// What was found at `vaddr`, if a search would find the same at this moment.
    #[inline]
    pub(crate) fn recall(&self, vaddr: usize, now: &Moment) -> Option<T> {
        let entry = self.entry(vaddr);
        if entry.vaddr.get() == vaddr && self.is_of(now) {
            entry.found.get()
        } else {
            None
        }
    }

    /// Remembers what a search that began at `then` has found.
    pub(crate) fn remember(&self, vaddr: usize, then: &Moment, found: T) {
        self.begin(then);
        let entry = self.entry(vaddr);
        entry.vaddr.set(vaddr);
        entry.found.set(Some(found));
    }

    /// Would a look at the mappings find `ip` in the architecture's code at this moment?
    #[inline]
    pub(crate) fn recall_trampoline(&self, ip: usize, now: &Moment) -> bool {
        ip != 0 && self.trampoline.get() == ip && self.is_of(now)
    }

    /// Remembers that a look at the mappings that began at `then` has found `ip` in the
    /// architecture's code.
    pub(crate) fn remember_trampoline(&self, ip: usize, then: &Moment) {
        self.begin(then);
        self.trampoline.set(ip);
    }

    /// Forgets what is not of this moment.
    fn begin(&self, now: &Moment) {
        if self.is_of(now) {
            return;
        }
        for entry in &self.entries {
            entry.found.set(None);
        }
        self.trampoline.set(0);
        self.removals.set(now.removals);
        self.mappings.set(now.mappings);
        self.since.set(now.time);
    }
}

#[cfg(CONFIG_UPROBES_RUST_KUNIT_TEST)]
#[kernel::macros::kunit_tests(uprobes_cache)]
mod tests {
    use super::*;

    const THEN: Moment = Moment {
        mappings: 4,
        removals: 7,
        time: 100_000,
    };

    fn cache_with(vaddr: usize) -> Cache<u32> {
        let cache = Cache::new();
        cache.remember(vaddr, &THEN, 1);
        cache
    }

    #[test]
    fn an_empty_cache_recalls_nothing() {
        let cache = Cache::<u32>::new();
        let never = Moment {
            mappings: 0,
            removals: 0,
            time: 0,
        };
        assert_eq!(cache.recall(0, &never), None);
    }

    #[test]
    fn what_was_found_is_recalled_where_it_was_found() {
        let cache = cache_with(0x401000);
        assert_eq!(cache.recall(0x401000, &THEN), Some(1));
        assert_eq!(cache.recall(0x401000 + 1, &THEN), None);
        assert_eq!(cache.recall(0x402000, &THEN), None);
    }

    #[test]
    fn changed_mappings_end_it() {
        let cache = cache_with(0x401000);
        let now = Moment {
            mappings: THEN.mappings + 2,
            ..THEN
        };
        assert_eq!(cache.recall(0x401000, &now), None);
    }

    #[test]
    fn a_removed_probe_ends_it() {
        let cache = cache_with(0x401000);
        let now = Moment {
            removals: THEN.removals + 1,
            ..THEN
        };
        assert_eq!(cache.recall(0x401000, &now), None);
        // Also for addresses that nothing is remembered of afterwards.
        cache.remember(0x402010, &now, 2);
        assert_eq!(cache.recall(0x402010, &now), Some(2));
        assert_eq!(cache.recall(0x401000, &now), None);
    }

    #[test]
    fn age_ends_it_even_if_nothing_changes() {
        let cache = cache_with(0x401000);
        let old = Moment {
            time: THEN.time + MAX_AGE - 1,
            ..THEN
        };
        assert_eq!(cache.recall(0x401000, &old), Some(1));
        // What is added does not make the rest younger.
        cache.remember(0x402010, &old, 2);
        let too_old = Moment {
            time: THEN.time + MAX_AGE,
            ..THEN
        };
        assert_eq!(cache.recall(0x401000, &too_old), None);
        cache.remember(0x402010, &too_old, 2);
        assert_eq!(cache.recall(0x401000, &too_old), None);
    }

    #[test]
    fn a_trampoline_is_recalled_as_long_as_nothing_changes() {
        let cache = cache_with(0x401000);
        assert!(!cache.recall_trampoline(0x7fff_2000, &THEN));
        assert!(!cache.recall_trampoline(0, &THEN));
        cache.remember_trampoline(0x7fff_2000, &THEN);
        assert!(cache.recall_trampoline(0x7fff_2000, &THEN));
        assert!(!cache.recall_trampoline(0x7fff_2001, &THEN));
        assert_eq!(cache.recall(0x401000, &THEN), Some(1));
        let now = Moment {
            mappings: THEN.mappings + 2,
            ..THEN
        };
        assert!(!cache.recall_trampoline(0x7fff_2000, &now));
    }

    #[test]
    fn a_trampoline_does_not_outlive_what_is_remembered_after_it() {
        let cache = cache_with(0x401000);
        cache.remember_trampoline(0x7fff_2000, &THEN);
        let now = Moment {
            mappings: THEN.mappings + 2,
            ..THEN
        };
        cache.remember(0x401000, &now, 2);
        assert!(!cache.recall_trampoline(0x7fff_2000, &now));
    }

    #[test]
    fn an_empty_cache_recalls_no_trampoline() {
        let never = Moment {
            mappings: 0,
            removals: 0,
            time: 0,
        };
        assert!(!Cache::<u32>::new().recall_trampoline(0x7fff_2000, &never));
    }
}
