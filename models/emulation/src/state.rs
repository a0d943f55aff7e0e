// SPDX-License-Identifier: GPL-2.0

//! What an instruction finds, and what it leaves behind.

use crate::{
    insn::{Action, Alu, Insn, Reg},
    random::Random,
};

/// Bytes that instructions may read and write.
pub(crate) const SCRATCH_BYTES: usize = 4096;

/// The flags that instructions of arithmetic set.
pub(crate) const ARITHMETIC: [u64; 6] = [1 << 0, 1 << 2, ADJUST, 1 << 6, 1 << 7, 1 << 11];
const ADJUST: u64 = 1 << 4;
/// Always set.
const RESERVED: u64 = 1 << 1;
pub(crate) const TRAP: u64 = 1 << 8;
const INTERRUPTS: u64 = 1 << 9;
const DIRECTION: u64 = 1 << 10;
/// Set by a fault, so that what faulted does not stop at a hardware breakpoint once more.
const RESUME: u64 = 1 << 16;

/// General registers as instructions number them, flags, and the address of the next instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct State {
    pub(crate) regs: [u64; Reg::ALL.len()],
    pub(crate) flags: u64,
    pub(crate) ip: u64,
}

impl State {
    /// Any state at an instruction.
    pub(crate) fn random(random: &mut Random, ip: u64) -> Self {
        let mut regs = [0; Reg::ALL.len()];
        for i in 0..regs.len() {
            // Two that are equal compare otherwise than two that are not.
            regs[i] = if i > 0 && random.one_in(3) {
                regs[random.below(i as u64) as usize]
            } else {
                random.telling()
            };
        }
        let set = random.next() & (ARITHMETIC.iter().sum::<u64>() | DIRECTION);
        Self {
            regs,
            flags: RESERVED | INTERRUPTS | set,
            ip,
        }
    }

    /// Leaves out what does not belong to the program, and what the manual leaves undefined.
    pub(crate) fn compared_after(mut self, insn: &Insn) -> Self {
        self.flags &= !(TRAP | RESUME);
        if let Action::Combine {
            by: Alu::And | Alu::Or | Alu::Xor | Alu::Test,
            ..
        } = insn.action
        {
            self.flags &= !ADJUST;
        }
        self
    }
}

/// How an attempt to execute an instruction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Executed,
    /// Its memory is not there.
    Missing,
    /// It is something else than it was taken for. By which signal the processor says so.
    Refused(i32),
}

/// An end, and what is there then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) end: End,
    pub(crate) state: State,
    pub(crate) scratch: Vec<u8>,
}
