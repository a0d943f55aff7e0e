// SPDX-License-Identifier: GPL-2.0

//! The machine that the kernel's files execute instructions on: a state, and one page of memory.

use crate::{
    execute::{execute, Machine},
    insn::{Insn, Reg, Size},
    state::{End, Outcome, State, SCRATCH_BYTES},
};
use std::cell::RefCell;

pub(crate) struct Emulated {
    state: RefCell<State>,
    scratch: RefCell<Vec<u8>>,
    /// Where the memory begins.
    start: u64,
}

impl Emulated {
    pub(crate) fn new(state: State, scratch: Vec<u8>, start: u64) -> Self {
        Self {
            state: RefCell::new(state),
            scratch: RefCell::new(scratch),
            start,
        }
    }

    /// What is left by an instruction that is executed here.
    pub(crate) fn outcome(self, insn: &Insn) -> Outcome {
        let end = execute(insn, &self);
        self.ended(end)
    }

    pub(crate) fn ended(self, end: Option<()>) -> Outcome {
        Outcome {
            end: end.map_or(End::Missing, |()| End::Executed),
            state: self.state.into_inner(),
            scratch: self.scratch.into_inner(),
        }
    }

    /// Where in the memory all of what is at an address is, if it is there.
    fn place(&self, address: u64, size: Size) -> Option<usize> {
        let offset = usize::try_from(address.wrapping_sub(self.start)).ok()?;
        let end = offset.checked_add(bytes(size))?;
        (end <= SCRATCH_BYTES).then_some(offset)
    }
}

pub(crate) fn bytes(size: Size) -> usize {
    match size {
        Size::Byte => 1,
        Size::Long => 4,
        Size::Quad => 8,
    }
}

impl Machine for Emulated {
    fn get(&self, reg: Reg) -> u64 {
        self.state.borrow().regs[reg as usize]
    }

    fn set(&self, reg: Reg, value: u64) {
        self.state.borrow_mut().regs[reg as usize] = value;
    }

    fn ip(&self) -> u64 {
        self.state.borrow().ip
    }

    fn set_ip(&self, ip: u64) {
        self.state.borrow_mut().ip = ip;
    }

    fn flags(&self) -> u64 {
        self.state.borrow().flags
    }

    fn set_flags(&self, flags: u64) {
        self.state.borrow_mut().flags = flags;
    }

    fn load(&self, address: u64, size: Size) -> Option<u64> {
        let place = self.place(address, size)?;
        let mut value = [0; 8];
        value[..bytes(size)].copy_from_slice(&self.scratch.borrow()[place..][..bytes(size)]);
        Some(u64::from_le_bytes(value))
    }

    fn store(&self, address: u64, size: Size, value: u64) -> Option<()> {
        let place = self.place(address, size)?;
        self.scratch.borrow_mut()[place..][..bytes(size)]
            .copy_from_slice(&value.to_le_bytes()[..bytes(size)]);
        Some(())
    }
}
