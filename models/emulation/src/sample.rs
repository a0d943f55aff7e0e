// SPDX-License-Identifier: GPL-2.0

//! An instruction with a state to execute it in: its memory is where there is some, mostly.

use crate::{
    decode::decode,
    insn::{Action, Address, Base, Insn, Operand},
    machine::Emulated,
    processor::Processor,
    random::Random,
    state::{Outcome, State, SCRATCH_BYTES},
};
use std::fmt;

/// At least as many as an instruction has.
pub(crate) const BYTES: usize = 16;

pub(crate) struct Sample {
    /// The instruction, and what follows it.
    pub(crate) bytes: [u8; BYTES],
    pub(crate) insn: Insn,
    pub(crate) state: State,
    /// Where in the memory something is to be found, and what.
    found: (usize, u64),
}

impl Sample {
    /// One for what the bytes begin with, if the kernel executes that.
    pub(crate) fn new(
        bytes: [u8; BYTES],
        random: &mut Random,
        processor: &Processor,
    ) -> Option<Self> {
        let insn = decode(&bytes)?;
        let ip = processor.code_start() + random.below(SCRATCH_BYTES as u64 / 2);
        let mut sample = Self {
            bytes,
            insn,
            state: State::random(random, ip),
            found: (0, random.telling()),
        };
        if let Some(at) = memory(&insn) {
            let target = target(random, processor.scratch_start());
            sample.aim(at, target);
            let offset = target.wrapping_sub(processor.scratch_start()) as usize;
            sample.found.0 = offset.min(SCRATCH_BYTES - 8);
        }
        Some(sample)
    }

    /// Changes registers, or if there are none the displacement, so that the address is the target,
    /// or a little less.
    fn aim(&mut self, at: Address, target: u64) {
        let rest = target.wrapping_sub(at.displacement as i64 as u64);
        let regs = &mut self.state.regs;
        match (at.base, at.index) {
            (Base::Reg(base), None) => regs[base as usize] = rest,
            (Base::Reg(base), Some(index)) if base == index => {
                regs[base as usize] = (rest as i64).div_euclid(1 + (1 << at.scale)) as u64;
            }
            (Base::Reg(base), Some(index)) => {
                regs[base as usize] = rest.wrapping_sub(regs[index as usize] << at.scale);
            }
            (_, Some(index)) => regs[index as usize] = (rest as i64 >> at.scale) as u64,
            (Base::Nothing, None) => self.displace(target),
            (Base::Ip, None) => {
                let next = self.state.ip + u64::from(self.insn.len);
                self.displace(target.wrapping_sub(next));
            }
        }
    }

    /// Replaces the displacement, which comes before the number that an instruction ends in.
    fn displace(&mut self, displacement: u64) {
        let opcode = self.bytes[usize::from(self.bytes[0] & 0xf0 == 0x40)];
        let number = match opcode {
            0x80 | 0x83 | 0xf6 => 1,
            0x81 | 0xc7 | 0xf7 => 4,
            _ => 0,
        };
        let end = usize::from(self.insn.len) - number;
        self.bytes[end - 4..end].copy_from_slice(&(displacement as i32).to_le_bytes());
        self.insn = decode(&self.bytes).expect("another displacement makes no difference");
    }

    /// What the processor leaves, and the memory that it found.
    pub(crate) fn on_processor(&self, processor: &mut Processor) -> (Outcome, Vec<u8>) {
        let (place, value) = self.found;
        let scratch = processor.scratch();
        scratch[place..place + 8].copy_from_slice(&value.to_le_bytes());
        let before = scratch.to_vec();
        let mut outcome = processor.run(&self.bytes, &self.state);
        outcome.state = outcome.state.compared_after(&self.insn);
        (outcome, before)
    }

    pub(crate) fn machine(&self, scratch: Vec<u8>, processor: &Processor) -> Emulated {
        Emulated::new(self.state.clone(), scratch, processor.scratch_start())
    }

    /// Does what was left here equal what the processor left?
    pub(crate) fn agrees(&self, native: &Outcome, mut here: Outcome) -> bool {
        here.state = here.state.compared_after(&self.insn);
        *native == here
    }

    /// Executes it on both.
    ///
    /// # Panics
    ///
    /// If they differ.
    pub(crate) fn check(&self, processor: &mut Processor) {
        let (native, scratch) = self.on_processor(processor);
        let here = self.machine(scratch, processor).outcome(&self.insn);
        assert!(
            self.agrees(&native, here.clone()),
            "{self:#x?}\nthe processor: {:x?} {:#x?}\nthe kernel: {:x?} {:#x?}\nmemory {}",
            native.end,
            native.state,
            here.end,
            here.state,
            if native.scratch == here.scratch {
                "is the same"
            } else {
                "differs"
            },
        );
    }
}

impl fmt::Debug for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (insn, rest) = self.bytes.split_at(usize::from(self.insn.len));
        writeln!(f, "bytes {insn:02x?}, followed by {rest:02x?}")?;
        writeln!(f, "taken for {:x?}", self.insn)?;
        write!(f, "before: {:#x?}", self.state)
    }
}

/// The memory that an instruction accesses.
fn memory(insn: &Insn) -> Option<Address> {
    let operands = match insn.action {
        Action::Move { to, from } => [to, from],
        Action::Combine { to, with, .. } => [to, with],
        Action::Nothing | Action::Point { .. } => return None,
    };
    operands.into_iter().find_map(|operand| match operand {
        Operand::Memory(at) => Some(at),
        _ => None,
    })
}

/// Mostly within the memory; or across one of its ends, or beyond; or no address at all.
fn target(random: &mut Random, start: u64) -> u64 {
    let end = start + SCRATCH_BYTES as u64;
    match random.below(32) {
        0 => start - random.below(9),
        1 | 2 => end - random.below(9),
        3 => end + random.below(1024),
        4 => 1 << 63 | random.next() >> 8,
        _ => start + random.below(SCRATCH_BYTES as u64 - 7),
    }
}
