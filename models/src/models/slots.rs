// SPDX-License-Identifier: GPL-2.0

//! Out-of-line slots: two threads that step, and somebody who takes their slot back (`slots.rs`).
//!
//! The bytes of the slot are not atomic here. loom complains if they are written while somebody may
//! execute them, and if somebody executes them who may not have seen them written.

use crate::{
    arch::Ixol,
    slots::{Record, SlotId, Stepper},
};
use kernel::run::{explore, spawn};
use loom::cell::UnsafeCell;
use std::rc::Rc;

const MINE: u32 = 0x90;
const OTHER: u32 = 0xcc;

pub(crate) fn check() {
    explore("one thread", Some(5), || one_thread_steps(2));
    explore("two threads", Some(4), || two_threads_step(MINE));
    explore("two threads, one of them misled", Some(4), || {
        two_threads_step(OTHER)
    });
}

/// An area with one slot.
struct Area {
    slot: SlotId,
    record: Record,
    code: UnsafeCell<u32>,
    steppers: [Stepper; 2],
}

#[derive(Clone)]
struct Shared(Rc<Area>);

// SAFETY: All threads of a model are of one thread of the host.
unsafe impl Send for Shared {}

impl Shared {
    /// With the instruction `MINE`, and nobody in it.
    fn new() -> Self {
        let area = Area {
            slot: SlotId::new(1),
            record: Record::empty(),
            code: UnsafeCell::new(0),
            steppers: [Stepper::new(), Stepper::new()],
        };
        area.fill(MINE);
        area.steppers.iter().for_each(Stepper::leave);
        Self(Rc::new(area))
    }
}

impl Area {
    fn fill(&self, instruction: u32) {
        // SAFETY: loom sees to it.
        self.code.with_mut(|code| unsafe { *code = instruction });
        self.record.publish(&Ixol::from_number(instruction));
    }

    /// Steps over an instruction, if the slot has it; says whether it has.
    fn step(&self, thread: usize, instruction: u32) -> bool {
        let stepper = &self.steppers[thread];
        if !stepper.enter(self.slot, &self.record, &Ixol::from_number(instruction)) {
            return false;
        }
        // SAFETY: loom sees to it.
        let executed = self.code.with(|code| unsafe { *code });
        assert_eq!(executed, instruction, "another instruction is executed");
        stepper.leave();
        true
    }

    /// Takes the slot from one instruction for another, if nobody is in it, and says whether it has.
    /// With the area's lock held.
    fn take(&self, from: u32, to: u32) -> bool {
        let is_free = self.record.reclaim(self.slot, self.steppers.iter());
        if is_free {
            self.fill(to);
        } else {
            let ixol = Ixol::from_number(from);
            assert!(self.record.holds(&ixol), "the slot is lost");
        }
        is_free
    }
}

/// A thread steps again and again while the slot gets another instruction, and then its own again.
fn one_thread_steps(times: usize) {
    let area = Shared::new();
    let stepping = area.clone();
    let stepping = spawn(move || {
        for _ in 0..times {
            stepping.0.step(0, MINE);
        }
    });
    let is_mine = !area.0.take(MINE, OTHER) || area.0.take(OTHER, MINE);
    stepping.join().unwrap();
    let instruction = if is_mine { MINE } else { OTHER };
    assert!(area.0.step(0, instruction), "the slot is lost");
}

/// Another one believes that the slot has `hint`. It may be wrong: the probe at its address was
/// unregistered, and another instruction is probed there.
fn two_threads_step(hint: u32) {
    let area = Shared::new();
    let [first, second] = [area.clone(), area.clone()];
    let first = spawn(move || first.0.step(0, MINE));
    let second = spawn(move || second.0.step(1, hint));
    area.0.take(MINE, OTHER);
    first.join().unwrap();
    second.join().unwrap();
}
