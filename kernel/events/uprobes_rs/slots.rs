// SPDX-License-Identifier: GPL-2.0

//! The book-keeping of out-of-line slots: which slot holds which instruction, and who is in it.
//!
//! A slot belongs to an instruction's bytes, not to a probe or a thread. Once filled it does not
//! change, so that any thread of the process may execute it, at any time, for any probe with the
//! same bytes. A thread that has been in a slot goes back there without writing anything that
//! another CPU reads or writes; it only announces, in a cell of its own, where it is.
//!
//! A slot is taken back only when there are no free ones left, by somebody who holds the area's
//! lock (`xol.rs`), and only while nobody is in it:
//!
//! ```text
//!     thread                          reclaimer
//!     announce the slot               declare the slot empty
//!     full barrier                    full barrier
//!     does it hold my instruction?    is anybody in it?
//! ```
//!
//! Whichever comes second sees the other: either the thread finds the slot empty and looks
//! elsewhere, or the reclaimer finds the thread and lets the slot be. This file relies on atomics
//! only, and has no `unsafe`.

use kernel::sync::{
    atomic::{
        ordering::{
            Acquire,
            Full,
            Relaxed,
            Release, //
        },
        Atomic, //
    },
    barrier::smp_mb,
};

use crate::arch::{
    Ixol,
    Word, //
};

/// A slot of an area: counted from 1, through all blocks. Slot 0 of the first block is the return
/// trampoline, which nobody asks for by number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SlotId(u32);

impl SlotId {
    pub(crate) fn new(index: usize) -> Self {
        Self(index as u32)
    }

    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a slot holds.
pub(crate) struct Record {
    live: Atomic<u32>,
    words: [Atomic<Word>; WORDS],
}

const WORDS: usize = crate::arch::IXOL_BYTES / size_of::<Word>();

impl Record {
    pub(crate) const fn empty() -> Self {
        Self {
            live: Atomic::new(0),
            words: [const { Atomic::new(0) }; WORDS],
        }
    }

    /// Does the slot hold this instruction?
    ///
    /// Without the area's lock the answer is true for a moment only, unless the caller has
    /// announced itself.
    #[inline]
    pub(crate) fn holds(&self, ixol: &Ixol) -> bool {
        // Acquire: the words, and the code in the page, are those that were published.
        self.live.load(Acquire) != 0
            && self
                .words
                .iter()
                .zip(ixol.iter())
                .all(|(word, wanted)| word.load(Relaxed) == *wanted)
    }

    /// Says that the slot's code has been written. The area's lock must be held.
    pub(crate) fn publish(&self, ixol: &Ixol) {
        for (word, value) in self.words.iter().zip(ixol.iter()) {
            word.store(*value, Relaxed);
        }
        // Release: pairs with `holds()`.
        self.live.store(1, Release);
    }

    /// Takes the slot back if nobody is in it. The area's lock must be held.
    pub(crate) fn reclaim<'a>(
        &self,
        slot: SlotId,
        mut steppers: impl Iterator<Item = &'a Stepper>,
    ) -> bool {
        self.live.store(0, Relaxed);
        // Pairs with the barrier in `Stepper::enter()`.
        smp_mb(Full);
        if steppers.any(|stepper| stepper.is_in(slot)) {
            self.live.store(1, Release);
            return false;
        }
        true
    }
}

/// Where a thread is. One for each thread that steps; written by it alone, at each step, and thus
/// on a cache line of its own: with the count that `Arc` puts before it, it fills one.
#[repr(C)]
pub(crate) struct Stepper {
    /// The slot's number, or 0.
    slot: Atomic<u32>,
    _rest: [u32; STEPPER_WORDS - 2],
}

/// The size of a cache line in words.
const STEPPER_WORDS: usize = 64 / size_of::<u32>();

impl Stepper {
    pub(crate) const fn new() -> Self {
        Self {
            slot: Atomic::new(0),
            _rest: [0; STEPPER_WORDS - 2],
        }
    }

    /// Goes into a slot, if it holds the wanted instruction; it will until [`Self::leave`].
    #[inline]
    #[must_use]
    pub(crate) fn enter(&self, slot: SlotId, record: &Record, ixol: &Ixol) -> bool {
        self.slot.store(slot.0, Relaxed);
        // Pairs with the barrier in `Record::reclaim()`.
        smp_mb(Full);
        if record.holds(ixol) {
            return true;
        }
        self.leave();
        false
    }

    /// Goes out of the slot.
    #[inline]
    pub(crate) fn leave(&self) {
        // Release: the thread has done with the slot's bytes. Pairs with `is_in()`.
        self.slot.store(0, Release);
    }

    fn is_in(&self, slot: SlotId) -> bool {
        self.slot.load(Acquire) == slot.0
    }
}

/// How many addresses a thread remembers slots of.
const HINTS: usize = 64;

/// A thread's memory of which slot it used for which address. A hint may be wrong: what counts is
/// what the slot's record says.
pub(crate) struct Hints([core::cell::Cell<u16>; HINTS]);

impl Hints {
    pub(crate) const fn new() -> Self {
        Self([const { core::cell::Cell::new(0) }; HINTS])
    }

    #[inline]
    fn place(vaddr: usize) -> usize {
        // Functions begin at multiples of 16, mostly.
        vaddr / 16 % HINTS
    }

    /// The slot that was used for `vaddr`, or for another address with the same place.
    #[inline]
    pub(crate) fn get(&self, vaddr: usize) -> Option<SlotId> {
        match self.0[Self::place(vaddr)].get() {
            0 => None,
            slot => Some(SlotId(u32::from(slot))),
        }
    }

    pub(crate) fn set(&self, vaddr: usize, slot: SlotId) {
        self.0[Self::place(vaddr)].set(slot.0 as u16);
    }
}

#[cfg(CONFIG_UPROBES_RUST_KUNIT_TEST)]
#[kernel::macros::kunit_tests(uprobes_slots)]
mod tests {
    use super::*;

    const SLOT: SlotId = SlotId(7);

    #[test]
    fn an_empty_slot_holds_nothing() {
        let record = Record::empty();
        assert!(!record.holds(&Ixol::from_number(0)));
    }

    #[test]
    fn a_published_slot_holds_its_instruction_only() {
        let record = Record::empty();
        record.publish(&Ixol::from_number(0xcc));
        assert!(record.holds(&Ixol::from_number(0xcc)));
        assert!(!record.holds(&Ixol::from_number(0xcd)));
    }

    #[test]
    fn nobody_enters_a_slot_with_another_instruction() {
        let record = Record::empty();
        record.publish(&Ixol::from_number(1));
        let stepper = Stepper::new();
        assert!(!stepper.enter(SLOT, &record, &Ixol::from_number(2)));
        assert!(!stepper.is_in(SLOT));
        assert!(stepper.enter(SLOT, &record, &Ixol::from_number(1)));
        assert!(stepper.is_in(SLOT));
    }

    #[test]
    fn a_slot_is_not_taken_from_under_a_thread() {
        let record = Record::empty();
        let ixol = Ixol::from_number(1);
        record.publish(&ixol);
        let stepper = Stepper::new();
        assert!(stepper.enter(SLOT, &record, &ixol));
        assert!(!record.reclaim(SLOT, core::iter::once(&stepper)));
        assert!(record.holds(&ixol));
        stepper.leave();
        assert!(record.reclaim(SLOT, core::iter::once(&stepper)));
        assert!(!record.holds(&ixol));
    }

    #[test]
    fn hints_remember_the_last_slot_of_an_address() {
        let hints = Hints::new();
        assert!(hints.get(0x401000).is_none());
        hints.set(0x401000, SLOT);
        assert_eq!(hints.get(0x401000), Some(SLOT));
        hints.set(0x401000, SlotId(8));
        assert_eq!(hints.get(0x401000), Some(SlotId(8)));
    }
}
