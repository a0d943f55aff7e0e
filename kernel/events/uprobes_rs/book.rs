// SPDX-License-Identifier: GPL-2.0

//! The book of an area: which of its slots have been filled, who steps in them, and which slot an
//! instruction gets that has none.
//!
//! ```text
//!   one that was never filled ──► one of a new block ──► one that is taken from an instruction
//!                        none left          no more blocks, or no memory
//! ```
//!
//! All of this is done with the area's lock held. A thread that finds its instruction in a slot
//! does not take it, nor does it write anything that others read.
//!
//! Relies on `slots.rs` for who may be in which slot, and on [`Slots`] for the memory (`xol.rs`).
//! Promises that a slot is written only while it holds nothing and nobody is in it, that no
//! instruction has two slots, and that a thread waits only if it has found somebody in every slot.
//! Has no `unsafe`.

use kernel::{
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    }, //
};

use crate::{
    arch::Ixol,
    slots::{
        Record,
        SlotId,
        Stepper, //
    },
    stats::Event,
    trace, //
};

/// An area, as its book sees it.
pub(crate) trait Slots {
    /// What slots are in.
    type Block;
    /// What a block is added to.
    type Mm: ?Sized;

    /// How many slots a block has.
    const PER_BLOCK: usize;
    /// How many blocks there may be.
    const MAX_BLOCKS: usize;

    /// The book, and with it the area's lock.
    fn book(&self) -> &Mutex<Book>;

    /// Where a slot is and what it holds, if there is its block.
    fn slot(&self, slot: SlotId) -> Option<(&Self::Block, &Record)>;

    /// What the slots hold, from the first on.
    fn records(&self) -> impl Iterator<Item = &Record>;

    /// The address at which a slot is executed.
    fn vaddr(block: &Self::Block, slot: SlotId) -> usize;

    /// Writes an instruction to a slot that holds nothing. The area's lock must be held.
    fn write(block: &Self::Block, slot: SlotId, ixol: &Ixol);

    /// Adds a block, behind those that there are. The area's lock must be held. May sleep.
    ///
    /// # Errors
    ///
    /// `EINTR` if the task is being killed, and others.
    fn add_block(&self, mm: &Self::Mm, index: usize) -> Result;

    /// Waits a moment for a thread to leave its slot.
    ///
    /// # Errors
    ///
    /// `EINTR` if the task is being killed.
    fn wait() -> Result;
}

/// What changes under an area's lock.
pub(crate) struct Book {
    /// How many blocks there are.
    blocks: usize,
    /// How many slots have ever been filled, the trampoline's included.
    filled: usize,
    /// Where the search for a slot to take back goes on.
    hand: usize,
    steppers: KVVec<Arc<Stepper>>,
}

impl Book {
    /// The book of an area with one block and nothing in it but the trampoline, in slot 0.
    pub(crate) fn new() -> Self {
        Self {
            blocks: 1,
            filled: 1,
            hand: 1,
            steppers: KVVec::new(),
        }
    }

    /// How many slots have ever been filled with an instruction.
    pub(crate) fn filled(&self) -> usize {
        self.filled - 1
    }

    /// Lists a thread that is going to step.
    fn join(&mut self, stepper: Arc<Stepper>) -> Result {
        self.steppers.push(stepper, GFP_KERNEL)?;
        Ok(())
    }

    /// Strikes a thread off the list.
    fn resign(&mut self, stepper: &Arc<Stepper>) {
        let steppers = &mut self.steppers;
        // From behind: most who go have just come.
        let place = steppers
            .iter()
            .rposition(|other| Arc::ptr_eq(other, stepper));
        if let Some(place) = place {
            let last = steppers.len() - 1;
            steppers.swap(place, last);
            drop(steppers.pop());
        }
    }

    /// Finds a slot for a new instruction.
    fn vacate<A: Slots>(&mut self, area: &A, mm: &A::Mm) -> Result<SlotId> {
        if self.filled == self.blocks * A::PER_BLOCK && self.blocks < A::MAX_BLOCKS {
            match area.add_block(mm, self.blocks) {
                Ok(()) => self.blocks += 1,
                Err(EINTR) => return Err(EINTR),
                // If there is no memory for another block, the slots there are have to do.
                Err(_) => {}
            }
        }
        if self.filled < self.blocks * A::PER_BLOCK {
            self.filled += 1;
            return Ok(SlotId::new(self.filled - 1));
        }
        self.reclaim(area)
    }

    /// Takes a slot from an instruction that nobody executes at the moment.
    fn reclaim<A: Slots>(&mut self, area: &A) -> Result<SlotId> {
        for _ in 0..self.filled {
            let slot = SlotId::new(self.hand);
            self.hand = if self.hand + 1 < self.filled {
                self.hand + 1
            } else {
                1
            };
            if let Some((_, record)) = area.slot(slot) {
                if record.reclaim(slot, self.steppers.iter().map(|stepper| &**stepper)) {
                    Event::SlotReclaimed.note();
                    trace::slot_reclaimed(slot.index());
                    return Ok(slot);
                }
            }
        }
        Err(EBUSY)
    }
}

/// A thread's part in the area of its process.
pub(crate) struct Membership<A: Slots> {
    area: Arc<A>,
    stepper: Arc<Stepper>,
}

impl<A: Slots> Membership<A> {
    /// May sleep.
    pub(crate) fn join(area: Arc<A>) -> Result<Self> {
        let stepper = Arc::new(Stepper::new(), GFP_KERNEL)?;
        area.book().lock().join(stepper.clone())?;
        Ok(Self { area, stepper })
    }

    /// Goes into `slot`, if it holds the instruction; returns its address.
    #[inline]
    pub(crate) fn enter(&self, slot: SlotId, ixol: &Ixol) -> Option<usize> {
        let (block, record) = self.area.slot(slot)?;
        self.stepper
            .enter(slot, record, ixol)
            .then(|| A::vaddr(block, slot))
    }

    /// Goes into a slot with the instruction, which may have to be filled; returns slot and
    /// address. May sleep, for as long as there are threads in all slots.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `EINTR` if the task is being killed.
    pub(crate) fn enter_any(&self, mm: &A::Mm, ixol: &Ixol) -> Result<(SlotId, usize)> {
        loop {
            let slot = match self.search(ixol) {
                Some(slot) => slot,
                None => match self.fill(mm, ixol) {
                    Err(EBUSY) => {
                        A::wait()?;
                        continue;
                    }
                    filled => filled?,
                },
            };
            if let Some(address) = self.enter(slot, ixol) {
                return Ok((slot, address));
            }
        }
    }

    /// Goes out of the slot.
    #[inline]
    pub(crate) fn leave(&self) {
        self.stepper.leave();
    }

    /// Finds a slot that holds the instruction, without a lock.
    fn search(&self, ixol: &Ixol) -> Option<SlotId> {
        let index = self.area.records().position(|record| record.holds(ixol))?;
        Some(SlotId::new(index))
    }

    /// Fills a slot with the instruction, and goes into it. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `EBUSY` if threads are in all slots; `EINTR` if the task is being killed.
    fn fill(&self, mm: &A::Mm, ixol: &Ixol) -> Result<SlotId> {
        let area = &*self.area;
        let mut book = area.book().lock();
        // Somebody may have been faster.
        let slot = match self.search(ixol) {
            Some(slot) => slot,
            None => {
                let slot = book.vacate(area, mm)?;
                let (block, record) = area.slot(slot).ok_or(ENOMEM)?;
                A::write(block, slot, ixol);
                record.publish(ixol);
                Event::SlotFilled.note();
                slot
            }
        };
        // The lock keeps the slot as it is until the thread has announced itself.
        self.enter(slot, ixol).ok_or(EBUSY)?;
        Ok(slot)
    }
}

impl<A: Slots> Drop for Membership<A> {
    fn drop(&mut self) {
        self.area.book().lock().resign(&self.stepper);
    }
}
