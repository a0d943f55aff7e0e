// SPDX-License-Identifier: GPL-2.0

//! The comparison notices what may be wrong with an instruction's execution.

use crate::{
    encode,
    execute::{execute, Machine},
    insn::{Reg, Size},
    machine::Emulated,
    processor::Processor,
    random::Random,
    sample::{Sample, BYTES},
    state::ARITHMETIC,
};

const INSTRUCTIONS: u64 = 2000;

/// One bit that is wrong, wherever it is written or read.
#[derive(Clone, Copy, Debug)]
enum Mistake {
    Flag(u64),
    Register(u64),
    Ip,
    Loaded,
    Stored,
    /// What is not there is there.
    Found,
}

/// A machine that makes a mistake.
struct Mistaken {
    machine: Emulated,
    mistake: Mistake,
}

impl Machine for Mistaken {
    fn get(&self, reg: Reg) -> u64 {
        self.machine.get(reg)
    }

    fn set(&self, reg: Reg, value: u64) {
        let wrong = match self.mistake {
            Mistake::Register(bit) => bit,
            _ => 0,
        };
        self.machine.set(reg, value ^ wrong);
    }

    fn ip(&self) -> u64 {
        self.machine.ip()
    }

    fn set_ip(&self, ip: u64) {
        self.machine
            .set_ip(ip + u64::from(matches!(self.mistake, Mistake::Ip)));
    }

    fn flags(&self) -> u64 {
        self.machine.flags()
    }

    fn set_flags(&self, flags: u64) {
        let wrong = match self.mistake {
            Mistake::Flag(bit) => bit,
            _ => 0,
        };
        self.machine.set_flags(flags ^ wrong);
    }

    fn load(&self, address: u64, size: Size) -> Option<u64> {
        let value = self.machine.load(address, size);
        match self.mistake {
            Mistake::Loaded => value.map(|value| value ^ 1),
            Mistake::Found => value.or(Some(0)),
            _ => value,
        }
    }

    fn store(&self, address: u64, size: Size, value: u64) -> Option<()> {
        let wrong = u64::from(matches!(self.mistake, Mistake::Stored));
        self.machine.store(address, size, value ^ wrong)
    }
}

#[test]
fn each_mistake_is_noticed() {
    let mut processor = Processor::new();
    let flags = ARITHMETIC.into_iter().map(Mistake::Flag);
    let registers = [1, 1 << 31, 1 << 63].map(Mistake::Register);
    let others = [
        Mistake::Ip,
        Mistake::Loaded,
        Mistake::Stored,
        Mistake::Found,
    ];
    let mut unnoticed: Vec<_> = flags.chain(registers).chain(others).collect();
    for seed in 0..INSTRUCTIONS {
        let mut random = Random::new(seed);
        let mut bytes = [0; BYTES];
        let encoded = encode::random(&mut random).bytes;
        bytes[..encoded.len()].copy_from_slice(&encoded);
        let Some(sample) = Sample::new(bytes, &mut random, &processor) else {
            continue;
        };
        let (native, scratch) = sample.on_processor(&mut processor);
        unnoticed.retain(|&mistake| {
            let mistaken = Mistaken {
                machine: sample.machine(scratch.clone(), &processor),
                mistake,
            };
            let end = execute(&sample.insn, &mistaken);
            sample.agrees(&native, mistaken.machine.ended(end))
        });
    }
    assert!(unnoticed.is_empty(), "{unnoticed:x?}");
}
