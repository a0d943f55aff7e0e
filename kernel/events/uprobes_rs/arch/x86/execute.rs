// SPDX-License-Identifier: GPL-2.0

//! What an [`Insn`] does to a [`Machine`].
//!
//! An instruction is executed as a whole or, if its memory cannot be had at the moment, not at all;
//! the processor then does it, faults, and so on. Where the manual leaves a flag undefined, it is
//! cleared.

use super::insn::{
    Action,
    Address,
    Alu,
    Base,
    Insn,
    Operand,
    Reg,
    Size, //
};

/// What instructions are executed on: the registers of a thread, and its memory.
pub(crate) trait Machine {
    fn get(&self, reg: Reg) -> u64;
    fn set(&self, reg: Reg, value: u64);
    fn ip(&self) -> u64;
    fn set_ip(&self, ip: u64);
    fn flags(&self) -> u64;
    fn set_flags(&self, flags: u64);
    /// Reads memory in one piece, if that can be done at once.
    fn load(&self, address: u64, size: Size) -> Option<u64>;
    /// Writes memory in one piece, if that can be done at once.
    fn store(&self, address: u64, size: Size, value: u64) -> Option<()>;
}

impl Size {
    const fn bits(self) -> u32 {
        match self {
            Size::Byte => 8,
            Size::Long => 32,
            Size::Quad => 64,
        }
    }

    /// The lowest bits of `value`, as many as there are.
    const fn of(self, value: u64) -> u64 {
        value & (u64::MAX >> (64 - self.bits()))
    }

    /// The highest of these bits, as 0 or 1.
    const fn sign(self, value: u64) -> u64 {
        value >> (self.bits() - 1) & 1
    }
}

/// Executes the instruction that the machine is at, and goes on to the next one. If nothing is
/// returned then nothing has changed.
#[inline]
pub(crate) fn execute(insn: &Insn, machine: &impl Machine) -> Option<()> {
    let next = machine.ip().wrapping_add(u64::from(insn.len));
    let context = Context {
        machine,
        size: insn.size,
        next,
    };
    if !matches!(insn.action, Action::Nothing) {
        context.act(&insn.action)?;
    }
    machine.set_ip(next);
    Some(())
}

/// One instruction on its machine.
struct Context<'a, M> {
    machine: &'a M,
    size: Size,
    /// The address of the next instruction.
    next: u64,
}

impl<M: Machine> Context<'_, M> {
    /// Out of line, because there are many cases of which a hit meets one.
    #[inline(never)]
    fn act(&self, action: &Action) -> Option<()> {
        match action {
            Action::Nothing => {}
            Action::Move { to, from } => self.write(to, self.read(from)?)?,
            Action::Point { to, at } => self.set(*to, self.address(at)),
            Action::Combine { by, to, with } => self.combine(*by, to, with)?,
        }
        Some(())
    }

    #[inline]
    fn address(&self, at: &Address) -> u64 {
        let base = match at.base {
            Base::Nothing => 0,
            Base::Ip => self.next,
            Base::Reg(reg) => self.machine.get(reg),
        };
        let index = match at.index {
            None => 0,
            Some(reg) => self.machine.get(reg).wrapping_shl(u32::from(at.scale)),
        };
        base.wrapping_add(index)
            .wrapping_add(i64::from(at.displacement) as u64)
    }

    #[inline]
    fn read(&self, operand: &Operand) -> Option<u64> {
        match operand {
            Operand::Reg(reg) => Some(self.size.of(self.machine.get(*reg))),
            Operand::Memory(at) => self.machine.load(self.address(at), self.size),
            Operand::Immediate(number) => Some(self.size.of(i64::from(*number) as u64)),
        }
    }

    #[inline]
    fn write(&self, operand: &Operand, value: u64) -> Option<()> {
        match operand {
            Operand::Reg(reg) => self.set(*reg, value),
            Operand::Memory(at) => self.machine.store(self.address(at), self.size, value)?,
            // There is no such instruction.
            Operand::Immediate(_) => return None,
        }
        Some(())
    }

    /// A register of which only half is written gets zeroes for the other.
    #[inline]
    fn set(&self, reg: Reg, value: u64) {
        self.machine.set(reg, self.size.of(value));
    }

    fn combine(&self, by: Alu, to: &Operand, with: &Operand) -> Option<()> {
        let (result, flags) = by.apply(self.read(to)?, self.read(with)?, self.size);
        if by.has_result() {
            self.write(to, result)?;
        }
        self.machine
            .set_flags(self.machine.flags() & !Flag::ALL | flags);
        Some(())
    }
}

/// The flags that combinations set, by their places.
#[derive(Clone, Copy)]
#[repr(u8)]
enum Flag {
    Carry = 0,
    Parity = 2,
    /// The carry out of the lowest four bits.
    Adjust = 4,
    Zero = 6,
    Sign = 7,
    Overflow = 11,
}

impl Flag {
    const ALL: u64 = Flag::Carry.at(1)
        | Flag::Parity.at(1)
        | Flag::Adjust.at(1)
        | Flag::Zero.at(1)
        | Flag::Sign.at(1)
        | Flag::Overflow.at(1);

    const fn at(self, bit: u64) -> u64 {
        bit << self as u8
    }
}

impl Alu {
    /// The result of `a` with `b`, and the flags that it sets.
    fn apply(self, a: u64, b: u64, size: Size) -> (u64, u64) {
        let (result, carries) = match self {
            Alu::Add => {
                let sum = size.of(a.wrapping_add(b));
                (
                    sum,
                    carries(sum < a, a ^ b ^ sum, (a ^ sum) & (b ^ sum), size),
                )
            }
            Alu::Sub | Alu::Cmp => {
                let rest = size.of(a.wrapping_sub(b));
                (
                    rest,
                    carries(a < b, a ^ b ^ rest, (a ^ b) & (a ^ rest), size),
                )
            }
            Alu::And | Alu::Test => (a & b, 0),
            Alu::Or => (a | b, 0),
            Alu::Xor => (a ^ b, 0),
        };
        let parity = (result as u8).count_ones() & 1 ^ 1;
        let flags = Flag::Parity.at(u64::from(parity))
            | Flag::Zero.at(u64::from(result == 0))
            | Flag::Sign.at(size.sign(result));
        (result, flags | carries)
    }
}

/// The flags of an addition or subtraction: whether there is a carry out of all bits, the carries
/// into each bit, and a number that is negative if the sign is not what it should be.
fn carries(carry: bool, into: u64, overflow: u64, size: Size) -> u64 {
    Flag::Carry.at(u64::from(carry))
        | Flag::Adjust.at(into >> 4 & 1)
        | Flag::Overflow.at(size.sign(overflow))
}

#[cfg(CONFIG_UPROBES_RUST_KUNIT_TEST)]
#[kernel::macros::kunit_tests(uprobes_x86_execute)]
mod tests {
    use super::*;
    use core::cell::Cell;

    const CARRY: u64 = Flag::Carry.at(1);
    const PARITY: u64 = Flag::Parity.at(1);
    const ADJUST: u64 = Flag::Adjust.at(1);
    const ZERO: u64 = Flag::Zero.at(1);
    const SIGN: u64 = Flag::Sign.at(1);
    const OVERFLOW: u64 = Flag::Overflow.at(1);

    /// Sixteen registers, flags, and one word of memory at [`Toy::WORD`], or none.
    struct Toy {
        regs: [Cell<u64>; 16],
        ip: Cell<u64>,
        flags: Cell<u64>,
        word: Option<Cell<u64>>,
    }

    impl Toy {
        const WORD: u64 = 0x1000;

        fn new(word: Option<u64>) -> Self {
            Self {
                regs: [const { Cell::new(0) }; 16],
                ip: Cell::new(0x401000),
                flags: Cell::new(0),
                word: word.map(Cell::new),
            }
        }

        fn word(&self, address: u64) -> Option<&Cell<u64>> {
            self.word.as_ref().filter(|_| address == Self::WORD)
        }
    }

    impl Machine for Toy {
        fn get(&self, reg: Reg) -> u64 {
            self.regs[reg as usize].get()
        }

        fn set(&self, reg: Reg, value: u64) {
            self.regs[reg as usize].set(value);
        }

        fn ip(&self) -> u64 {
            self.ip.get()
        }

        fn set_ip(&self, ip: u64) {
            self.ip.set(ip);
        }

        fn flags(&self) -> u64 {
            self.flags.get()
        }

        fn set_flags(&self, flags: u64) {
            self.flags.set(flags);
        }

        fn load(&self, address: u64, size: Size) -> Option<u64> {
            Some(size.of(self.word(address)?.get()))
        }

        fn store(&self, address: u64, size: Size, value: u64) -> Option<()> {
            self.word(address)?.set(size.of(value));
            Some(())
        }
    }

    fn insn(action: Action, size: Size) -> Insn {
        Insn {
            action,
            size,
            len: 4,
        }
    }

    const MEMORY: Operand = Operand::Memory(Address {
        base: Base::Reg(Reg::Di),
        index: None,
        scale: 0,
        displacement: 0,
    });

    #[test]
    fn half_a_register_clears_the_other_half() {
        let toy = Toy::new(None);
        toy.set(Reg::Ax, u64::MAX);
        let (to, from) = (Operand::Reg(Reg::Bx), Operand::Reg(Reg::Ax));
        assert!(execute(&insn(Action::Move { to, from }, Size::Long), &toy).is_some());
        assert_eq!(toy.get(Reg::Bx), 0xffff_ffff);
        assert!(execute(&insn(Action::Move { to, from }, Size::Quad), &toy).is_some());
        assert_eq!(toy.get(Reg::Bx), u64::MAX);
        assert_eq!(toy.ip(), 0x401008);
    }

    #[test]
    fn addresses_are_relative_to_the_next_instruction() {
        let toy = Toy::new(None);
        toy.set(Reg::Cx, 3);
        let at = Address {
            base: Base::Ip,
            index: Some(Reg::Cx),
            scale: 2,
            displacement: -4,
        };
        let to = Reg::Ax;
        assert!(execute(&insn(Action::Point { to, at }, Size::Quad), &toy).is_some());
        assert_eq!(toy.get(Reg::Ax), 0x401000 + 4 + 12 - 4);
    }

    #[test]
    fn memory_that_cannot_be_had_changes_nothing() {
        let toy = Toy::new(None);
        toy.set(Reg::Di, Toy::WORD);
        toy.set(Reg::Ax, 7);
        let ax = Operand::Reg(Reg::Ax);
        let by = Alu::Cmp;
        for action in [
            Action::Move {
                to: ax,
                from: MEMORY,
            },
            Action::Move {
                to: MEMORY,
                from: ax,
            },
            Action::Combine {
                by,
                to: ax,
                with: MEMORY,
            },
        ] {
            assert!(execute(&insn(action, Size::Quad), &toy).is_none());
        }
        assert_eq!(toy.get(Reg::Ax), 7);
        assert_eq!(toy.ip(), 0x401000);
        assert_eq!(toy.flags(), 0);
    }

    #[test]
    fn memory_is_read_and_written() {
        let toy = Toy::new(Some(5));
        toy.set(Reg::Di, Toy::WORD);
        let ax = Operand::Reg(Reg::Ax);
        let load = Action::Move {
            to: ax,
            from: MEMORY,
        };
        let store = Action::Move {
            to: MEMORY,
            from: Operand::Immediate(-1),
        };
        assert!(execute(&insn(load, Size::Quad), &toy).is_some());
        assert_eq!(toy.get(Reg::Ax), 5);
        assert!(execute(&insn(store, Size::Long), &toy).is_some());
        assert_eq!(toy.word.as_ref().map(Cell::get), Some(0xffff_ffff));
    }

    #[test]
    fn sums_set_flags() {
        let add = |a, b| Alu::Add.apply(a, b, Size::Long);
        assert_eq!(add(1, 2), (3, PARITY));
        assert_eq!(add(0xffff_ffff, 1), (0, CARRY | PARITY | ADJUST | ZERO));
        assert_eq!(
            add(0x7fff_ffff, 1),
            (0x8000_0000, PARITY | ADJUST | SIGN | OVERFLOW)
        );
        assert_eq!(
            add(0x8000_0000, 0x8000_0000).1,
            CARRY | PARITY | ZERO | OVERFLOW
        );
    }

    #[test]
    fn differences_set_flags() {
        let sub = |a, b| Alu::Sub.apply(a, b, Size::Quad);
        assert_eq!(sub(5, 5), (0, PARITY | ZERO));
        assert_eq!(sub(0, 1), (u64::MAX, CARRY | PARITY | ADJUST | SIGN));
        assert_eq!(sub(1 << 63, 1), ((1 << 63) - 1, PARITY | ADJUST | OVERFLOW));
        assert_eq!(
            Alu::Cmp.apply(0x10, 0x20, Size::Byte),
            (0xf0, CARRY | PARITY | SIGN)
        );
    }

    #[test]
    fn combinations_of_bits_have_no_carries() {
        assert_eq!(Alu::And.apply(6, 3, Size::Long), (2, 0));
        assert_eq!(Alu::Or.apply(6, 3, Size::Long), (7, 0));
        assert_eq!(Alu::Xor.apply(6, 6, Size::Long), (0, PARITY | ZERO));
        assert_eq!(
            Alu::Test.apply(1 << 31, 1 << 31, Size::Long).1,
            PARITY | SIGN
        );
    }

    #[test]
    fn comparisons_keep_their_operands_and_other_flags() {
        let toy = Toy::new(None);
        toy.set(Reg::Ax, 9);
        toy.set_flags(0x202 | CARRY);
        let action = Action::Combine {
            by: Alu::Cmp,
            to: Operand::Reg(Reg::Ax),
            with: Operand::Immediate(9),
        };
        assert!(execute(&insn(action, Size::Long), &toy).is_some());
        assert_eq!(toy.get(Reg::Ax), 9);
        assert_eq!(toy.flags(), 0x202 | PARITY | ZERO);
    }
}
