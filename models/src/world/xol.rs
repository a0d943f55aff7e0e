// SPDX-License-Identifier: GPL-2.0

//! In place of `xol.rs`: an area whose slots are not in memory that a process can execute.
//!
//! The bytes in them are not atomic. loom complains if they are written while somebody may execute
//! them, and if somebody executes them who may not have seen them written. A slot's address is its
//! number.

use crate::{
    arch::Ixol,
    blocks::Blocks,
    book::{Book, Slots},
    slots::{Record, SlotId, Stepper},
};
use kernel::{
    prelude::*,
    sync::{Arc, Begin, Mutex},
};
use loom::{cell::UnsafeCell, thread};
use std::array;

/// What the process lets happen.
pub(crate) trait Process: 'static {
    /// Is there memory for a block?
    fn add_block() -> Result {
        Ok(())
    }

    /// A thread waits for a slot.
    fn wait() -> Result {
        thread::yield_now();
        Ok(())
    }
}

pub(crate) struct Block<const SLOTS: usize> {
    records: [Record; SLOTS],
    code: [UnsafeCell<u32>; SLOTS],
}

// SAFETY: All threads of a model are of one thread of the host.
unsafe impl<const SLOTS: usize> Send for Block<SLOTS> {}
// SAFETY: As above.
unsafe impl<const SLOTS: usize> Sync for Block<SLOTS> {}

impl<const SLOTS: usize> Block<SLOTS> {
    fn new() -> Result<KVBox<Self>> {
        let block = Self {
            records: array::from_fn(|_| Record::empty()),
            code: array::from_fn(|_| UnsafeCell::new(0)),
        };
        // Before anybody else sees it. The words are made by who fills the slot.
        block.records.iter().for_each(|record| {
            record.holds(&Ixol::from_number(0));
        });
        Ok(KVBox::new(block, GFP_KERNEL)?)
    }

    fn code(&self, slot: SlotId) -> &UnsafeCell<u32> {
        &self.code[slot.index() % SLOTS]
    }
}

/// An area of at most `MAX` blocks with so many `SLOTS` in each, of which one is the trampoline.
pub(crate) struct Area<P: Process, const SLOTS: usize, const MAX: usize> {
    blocks: Blocks<Block<SLOTS>, MAX>,
    book: Mutex<Book>,
    _process: std::marker::PhantomData<P>,
}

impl<P: Process, const SLOTS: usize, const MAX: usize> Area<P, SLOTS, MAX> {
    pub(crate) fn new() -> Arc<Self> {
        let area = Self {
            blocks: Blocks::new(),
            book: Mutex::new(Book::new()),
            _process: std::marker::PhantomData,
        };
        area.blocks.set(0, Block::new().expect("there is memory"));
        Arc::new(area, GFP_KERNEL).expect("there is memory")
    }

    /// A thread that is in a slot executes it.
    pub(crate) fn execute(&self, slot: usize) -> u32 {
        let slot = SlotId::new(slot);
        let (block, _) = self.slot(slot).expect("the slot is there");
        // SAFETY: loom sees to it.
        block.code(slot).with(|code| unsafe { *code })
    }

    /// How many slots hold an instruction?
    pub(crate) fn count(&self, ixol: &Ixol) -> usize {
        self.records().filter(|record| record.holds(ixol)).count()
    }
}

impl<P: Process, const SLOTS: usize, const MAX: usize> Slots for Area<P, SLOTS, MAX> {
    type Block = Block<SLOTS>;
    type Mm = ();

    const PER_BLOCK: usize = SLOTS;
    const MAX_BLOCKS: usize = MAX;

    fn book(&self) -> &Mutex<Book> {
        &self.book
    }

    fn slot(&self, slot: SlotId) -> Option<(&Block<SLOTS>, &Record)> {
        let block = self.blocks.get(slot.index() / SLOTS)?;
        let record = block.records.get(slot.index() % SLOTS)?;
        Some((block, record))
    }

    fn records(&self) -> impl Iterator<Item = &Record> {
        self.blocks.iter().flat_map(|block| block.records.iter())
    }

    fn vaddr(_block: &Block<SLOTS>, slot: SlotId) -> usize {
        slot.index()
    }

    fn write(block: &Block<SLOTS>, slot: SlotId, ixol: &Ixol) {
        assert!(slot.index() != 0, "the trampoline is overwritten");
        // SAFETY: loom sees to it.
        block.code(slot).with_mut(|code| unsafe { *code = ixol[0] });
    }

    fn add_block(&self, _mm: &(), index: usize) -> Result {
        P::add_block()?;
        assert!(index < MAX, "there are too many blocks");
        self.blocks.set(index, Block::new()?);
        Ok(())
    }

    fn wait() -> Result {
        P::wait()
    }
}

impl<P: Process, const SLOTS: usize, const MAX: usize> Begin for Area<P, SLOTS, MAX> {
    fn begin(&self) {
        for index in 0..MAX {
            self.blocks.get(index);
        }
    }
}

impl Begin for Stepper {
    fn begin(&self) {
        self.leave();
    }
}
