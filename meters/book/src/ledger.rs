// SPDX-License-Identifier: GPL-2.0

//! One virtual CPU's book of one row.
//!
//! A lap is what is booked, or not, as a whole: the guest program makes a lap of
//! each hit. One into which an interrupt fell is thrown away, because what the
//! kernel did in it was not for the hit alone. So a timer's tick or another
//! processor's call changes how many hits are counted, never what one costs.

use std::{collections::HashMap, mem};

/// Of what processors exchange, on both architectures.
pub const LINE_BYTES: u64 = 64;

/// One instruction's access of memory, by the kernel.
#[derive(Clone, Copy, Debug)]
pub struct Access {
    /// The line's number: its physical address by [`LINE_BYTES`].
    pub line: u64,
    /// Where the kernel sees it.
    pub address: u64,
    /// The instruction.
    pub pc: u64,
    pub store: bool,
}

#[derive(Debug, Default)]
enum Lap {
    #[default]
    None,
    Open,
    Disturbed,
}

/// What one virtual CPU did with a line.
#[derive(Debug)]
pub(crate) struct Touched {
    pub(crate) address: u64,
    /// Instruction -> how often it wrote.
    pub(crate) writes: HashMap<u64, u64>,
}

#[derive(Debug, Default)]
pub struct Ledger {
    lap: Lap,
    /// What this lap will be booked with.
    accesses: Vec<Access>,
    executed: Vec<u64>,
    /// What earlier laps were.
    pub(crate) hits: u64,
    pub(crate) disturbed: u64,
    pub(crate) lines: HashMap<u64, Touched>,
    /// Instruction -> how often it was executed.
    pub(crate) instructions: HashMap<u64, u64>,
}

impl Ledger {
    /// Ends the lap, if there is one, and begins another.
    pub fn lap(&mut self) {
        self.rest();
        self.lap = Lap::Open;
    }

    /// Ends the lap, if there is one.
    pub fn rest(&mut self) {
        match mem::take(&mut self.lap) {
            Lap::None => {}
            Lap::Open => self.book(),
            Lap::Disturbed => self.disturbed += 1,
        }
        self.accesses.clear();
        self.executed.clear();
    }

    /// An interrupt has come.
    pub fn disturb(&mut self) {
        if self.is_open() {
            self.lap = Lap::Disturbed;
        }
    }

    /// Whether anything that comes now may be booked.
    pub fn is_open(&self) -> bool {
        matches!(self.lap, Lap::Open)
    }

    pub fn access(&mut self, access: Access) {
        if self.is_open() {
            self.accesses.push(access);
        }
    }

    /// The kernel executes the instruction at `pc`.
    pub fn execute(&mut self, pc: u64) {
        if self.is_open() {
            self.executed.push(pc);
        }
    }

    fn book(&mut self) {
        self.hits += 1;
        for access in self.accesses.drain(..) {
            let line = self.lines.entry(access.line).or_insert(Touched {
                address: access.address,
                writes: HashMap::new(),
            });
            if access.store {
                *line.writes.entry(access.pc).or_default() += 1;
            }
        }
        for pc in self.executed.drain(..) {
            *self.instructions.entry(pc).or_default() += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(line: u64) -> Access {
        Access {
            line,
            address: line * LINE_BYTES,
            pc: 1,
            store: true,
        }
    }

    #[test]
    fn nothing_is_booked_outside_of_laps() {
        let mut ledger = Ledger::default();
        ledger.access(store(1));
        ledger.execute(1);
        ledger.rest();
        ledger.lap();
        ledger.rest();
        ledger.access(store(1));
        ledger.rest();
        assert_eq!((ledger.hits, ledger.disturbed), (1, 0));
        assert!(ledger.lines.is_empty() && ledger.instructions.is_empty());
    }

    #[test]
    fn a_disturbed_lap_is_counted_and_not_booked() {
        let mut ledger = Ledger::default();
        ledger.disturb();
        ledger.lap();
        ledger.access(store(1));
        ledger.disturb();
        ledger.access(store(2));
        ledger.lap();
        ledger.access(store(3));
        ledger.execute(7);
        ledger.rest();
        assert_eq!((ledger.hits, ledger.disturbed), (1, 1));
        assert_eq!(ledger.lines.keys().collect::<Vec<_>>(), [&3]);
        assert_eq!(ledger.instructions[&7], 1);
    }
}
