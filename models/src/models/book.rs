// SPDX-License-Identifier: GPL-2.0

//! The book of an area: threads that join, step, make room for each other, and exit (`book.rs`,
//! `blocks.rs`, `slots.rs`). What a thread does with its memory of slots is what `xol.rs` does.
//!
//! No slot is rewritten under a thread that may fetch from it, no thread executes another
//! instruction than its own, and none waits while a slot is free.

use crate::{
    arch::Ixol,
    book::{Membership, Slots},
    slots::{Hints, SlotId},
    xol::{Area, Process},
};
use kernel::{
    alloc,
    prelude::*,
    run::{explore, spawn},
    sync::Arc,
};
use loom::thread;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

const FIRST: u32 = 0x90;
const SECOND: u32 = 0xcc;
const THIRD: u32 = 0x55;
/// Where all of them are: at different times, as probes come and go.
const VADDR: usize = 0x401000;

pub(crate) fn check() {
    explore("a slot that is not free", None, occupied);
    explore("no memory for a block", None, no_memory);
    explore("a block is added", Some(4), block_is_added);
    explore("killed", None, killed);
    explore("one instruction", Some(4), one_instruction);
    explore("a thread exits", Some(2), || exit(false));
    explore("the first thread exits", Some(2), || exit(true));
    explore("one slot, remembered", Some(3), remembered);
    explore("one slot", Some(3), one_slot);
}

/// A thread that steps.
struct Thread<P: Process, const SLOTS: usize, const MAX: usize> {
    area: Arc<Area<P, SLOTS, MAX>>,
    membership: Membership<Area<P, SLOTS, MAX>>,
    hints: Hints,
}

impl<P: Process, const SLOTS: usize, const MAX: usize> Thread<P, SLOTS, MAX> {
    fn join(area: &Arc<Area<P, SLOTS, MAX>>) -> Self {
        Self {
            area: area.clone(),
            membership: Membership::join(area.clone()).expect("there is memory"),
            hints: Hints::new(),
        }
    }

    /// Goes into a slot, by memory if that is right.
    fn enter(&self, instruction: u32) -> Result<usize> {
        let ixol = Ixol::from_number(instruction);
        let hint = self.hints.get(VADDR);
        if let Some(slot) = hint.and_then(|slot| self.membership.enter(slot, &ixol)) {
            return Ok(slot);
        }
        let (slot, address) = self.membership.enter_any(&(), &ixol)?;
        self.hints.set(VADDR, slot);
        Ok(address)
    }

    fn step(&self, instruction: u32) {
        let slot = self.enter(instruction).expect("the thread gets a slot");
        self.finish(slot, instruction);
    }

    fn finish(&self, slot: usize, instruction: u32) {
        let executed = self.area.execute(slot);
        assert_eq!(executed, instruction, "another instruction is executed");
        self.membership.leave();
    }
}

/// Threads may wait as long as others step.
struct Crowd;

static MAY_WAIT: AtomicBool = AtomicBool::new(true);

impl Process for Crowd {
    fn wait() -> Result {
        assert!(MAY_WAIT.load(Relaxed), "a thread waits for nobody");
        thread::yield_now();
        Ok(())
    }
}

/// There are slots enough.
struct Few;

impl Process for Few {
    fn wait() -> Result {
        panic!("a thread waits though a slot is free");
    }
}

/// The others are through: whoever comes now gets a slot at once. Then all exit.
fn end<P: Process, const SLOTS: usize, const MAX: usize>(area: Arc<Area<P, SLOTS, MAX>>) {
    MAY_WAIT.store(false, Relaxed);
    Thread::join(&area).step(THIRD);
    let before = alloc::unfreed();
    drop(Thread::join(&area));
    assert_eq!(alloc::unfreed(), before, "a thread is listed for ever");
    let (_, trampoline) = area.slot(SlotId::new(0)).expect("it is there");
    assert!(
        !trampoline.holds(&Ixol::from_number(0)),
        "the trampoline is taken for a slot"
    );
    drop(area);
    assert_eq!(alloc::unfreed(), 0, "memory is not freed");
}

/// Two threads with an instruction each, and a slot for one.
fn one_slot() {
    MAY_WAIT.store(true, Relaxed);
    let area = Area::<Crowd, 2, 1>::new();
    let other = area.clone();
    let other = spawn(move || Thread::join(&other).step(SECOND));
    Thread::join(&area).step(FIRST);
    other.join().unwrap();
    end(area);
}

/// The same, and one of them comes back.
fn remembered() {
    MAY_WAIT.store(true, Relaxed);
    let area = Area::<Crowd, 2, 1>::new();
    let thread = Thread::join(&area);
    thread.step(FIRST);
    let other = area.clone();
    let other = spawn(move || Thread::join(&other).step(SECOND));
    thread.step(FIRST);
    other.join().unwrap();
    drop(thread);
    end(area);
}

/// Two threads with the same instruction, new to both.
fn one_instruction() {
    let area = Area::<Few, 4, 1>::new();
    let other = area.clone();
    let other = spawn(move || Thread::join(&other).step(FIRST));
    Thread::join(&area).step(FIRST);
    other.join().unwrap();
    let slots = area.count(&Ixol::from_number(FIRST));
    assert_eq!(slots, 1, "an instruction has two slots");
    end(area);
}

/// The first block has room for one of two instructions.
fn block_is_added() {
    let area = Area::<Few, 2, 2>::new();
    let other = area.clone();
    let other = spawn(move || Thread::join(&other).step(FIRST));
    let thread = Thread::join(&area);
    thread.step(SECOND);
    thread.step(FIRST);
    other.join().unwrap();
    drop(thread);
    end(area);
}

/// A thread leaves its slot and exits while another steps, and a third one wants the slot.
fn exit(is_first: bool) {
    MAY_WAIT.store(true, Relaxed);
    let area = Area::<Crowd, 2, 1>::new();
    let [one, two, third] = [(); 3].map(|()| Thread::join(&area));
    let (exiting, stepping) = if is_first { (one, two) } else { (two, one) };
    stepping.step(FIRST);
    let slot = exiting.enter(FIRST).expect("the thread gets a slot");
    let exiting = spawn(move || exiting.finish(slot, FIRST));
    let stepping = spawn(move || stepping.step(FIRST));
    third.step(SECOND);
    exiting.join().unwrap();
    stepping.join().unwrap();
    drop(third);
    end(area);
}

/// A thread stays in its slot: the other one is used for all else.
fn occupied() {
    let area = Area::<Few, 3, 1>::new();
    let [staying, thread] = [Thread::join(&area), Thread::join(&area)];
    let slot = staying.enter(FIRST).expect("the thread gets a slot");
    for instruction in [SECOND, THIRD, SECOND] {
        thread.step(instruction);
        assert_eq!(area.execute(slot), FIRST, "another instruction is executed");
    }
    drop([staying, thread]);
    end(area);
}

/// The slots that there are have to do.
fn no_memory() {
    struct Poor;

    impl Process for Poor {
        fn add_block() -> Result {
            Err(ENOMEM)
        }
    }

    let area = Area::<Poor, 2, 2>::new();
    let thread = Thread::join(&area);
    for instruction in [FIRST, SECOND, FIRST] {
        thread.step(instruction);
    }
    drop(thread);
    end(area);
}

/// Neither waiting for memory nor for a slot keeps a thread from being killed.
fn killed() {
    struct Dying;

    impl Process for Dying {
        fn add_block() -> Result {
            Err(EINTR)
        }

        fn wait() -> Result {
            Err(EINTR)
        }
    }

    let area = Area::<Dying, 2, 2>::new();
    let [staying, thread] = [Thread::join(&area), Thread::join(&area)];
    staying.step(FIRST);
    assert_eq!(thread.enter(SECOND), Err(EINTR), "the task is not killed");

    let area = Area::<Dying, 2, 1>::new();
    let [staying, thread] = [Thread::join(&area), Thread::join(&area)];
    staying.enter(FIRST).expect("the thread gets a slot");
    assert_eq!(thread.enter(SECOND), Err(EINTR), "the task is not killed");
}
