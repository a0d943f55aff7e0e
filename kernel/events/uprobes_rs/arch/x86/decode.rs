// SPDX-License-Identifier: GPL-2.0

//! From the bytes of an instruction to an [`Insn`], if it is one.
//!
//! The encodings are those of 64-bit mode, of operations on 32 and 64 bits and comparisons of bytes
//! in memory, without prefixes other than REX, and `endbr64`. Whatever else the bytes are is left to C,
//! which emulates `nop`, `push` and relative branches, and to the processor. That they are an
//! instruction at all is for C to find out.

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

/// For which the processor looks at the target of an indirect jump, and does nothing.
const ENDBR64: [u8; 4] = [0xf3, 0x0f, 0x1e, 0xfa];

/// The four bits that a REX prefix begins with, and the meaning of the others.
const REX: u8 = 0x40;
const REX_WIDE: u8 = 8;
const REX_REG: u8 = 4;
const REX_INDEX: u8 = 2;
const REX_BASE: u8 = 1;

/// The instruction that `bytes` begin with, if it is one that the kernel executes.
pub(crate) fn decode(bytes: &[u8]) -> Option<Insn> {
    let mut decoder = Decoder {
        bytes,
        read: 0,
        rex: 0,
    };
    let (action, size) = decoder.insn()?;
    Some(Insn {
        action,
        size,
        len: decoder.read as u8,
    })
}

/// The first byte of an instruction that is no prefix.
pub(crate) fn opcode(bytes: &[u8]) -> Option<u8> {
    let is_prefix = |byte: &u8| {
        matches!(
            byte,
            0x26 | 0x2e | 0x36 | 0x3e | 0x40..=0x4f | 0x64..=0x67 | 0xf0 | 0xf2 | 0xf3
        )
    };
    bytes.iter().copied().find(|byte| !is_prefix(byte))
}

/// Reads an instruction from its first byte to its last.
struct Decoder<'a> {
    bytes: &'a [u8],
    read: usize,
    /// The REX prefix, or 0.
    rex: u8,
}

impl Decoder<'_> {
    fn insn(&mut self) -> Option<(Action, Size)> {
        if self.bytes.starts_with(&ENDBR64) {
            self.read = ENDBR64.len();
            return Some((Action::Nothing, Size::Long));
        }
        let mut opcode = self.byte()?;
        if opcode & 0xf0 == REX {
            self.rex = opcode;
            opcode = self.byte()?;
        }
        match opcode {
            0x80 | 0xf6 => Some((self.compare_byte(opcode)?, Size::Byte)),
            _ if self.rex & REX_WIDE != 0 => Some((self.action(opcode, Size::Quad)?, Size::Quad)),
            _ => Some((self.action(opcode, Size::Long)?, Size::Long)),
        }
    }

    fn action(&mut self, opcode: u8, size: Size) -> Option<Action> {
        match opcode {
            0x00..=0x3f => self.combination(opcode),
            0x81 | 0x83 => {
                let (number, to) = self.group()?;
                let with = if opcode == 0x81 {
                    self.number()?
                } else {
                    self.short_number()?
                };
                combine(Alu::new(number)?, to, with)
            }
            0x85 => {
                let (reg, to) = self.operands()?;
                combine(Alu::Test, to, reg)
            }
            0x89 => {
                let (from, to) = self.operands()?;
                Some(Action::Move { to, from })
            }
            0x8b => {
                let (to, from) = self.operands()?;
                Some(Action::Move { to, from })
            }
            0x8d => match self.operands()? {
                (Operand::Reg(to), Operand::Memory(at)) => Some(Action::Point { to, at }),
                _ => None,
            },
            0xa9 => combine(Alu::Test, Operand::Reg(Reg::Ax), self.number()?),
            // With 64 bits it has a number of 64.
            0xb8..=0xbf if size == Size::Long => Some(Action::Move {
                to: Operand::Reg(self.reg(opcode, REX_BASE)),
                from: self.number()?,
            }),
            0xc7 => match self.group()? {
                (0, to) => Some(Action::Move {
                    to,
                    from: self.number()?,
                }),
                _ => None,
            },
            0xf7 => match self.group()? {
                (0, to) => combine(Alu::Test, to, self.number()?),
                _ => None,
            },
            _ => None,
        }
    }

    /// Opcodes below 0x40, of which each eight combine in one way.
    fn combination(&mut self, opcode: u8) -> Option<Action> {
        let by = Alu::new(opcode >> 3)?;
        match opcode & 7 {
            1 => {
                let (with, to) = self.operands()?;
                combine(by, to, with)
            }
            3 => {
                let (to, with) = self.operands()?;
                combine(by, to, with)
            }
            5 => combine(by, Operand::Reg(Reg::Ax), self.number()?),
            _ => None,
        }
    }

    /// Comparisons of a byte in memory with a number. Registers of a byte are not just parts of
    /// others with the same number.
    fn compare_byte(&mut self, opcode: u8) -> Option<Action> {
        let by = match (opcode, self.group()?) {
            (0x80, (7, Operand::Memory(at))) => (Alu::Cmp, at),
            (0xf6, (0, Operand::Memory(at))) => (Alu::Test, at),
            _ => return None,
        };
        combine(by.0, Operand::Memory(by.1), self.short_number()?)
    }

    /// A register, and a register or memory.
    fn operands(&mut self) -> Option<(Operand, Operand)> {
        let byte = self.byte()?;
        let reg = self.reg(byte >> 3, REX_REG);
        Some((Operand::Reg(reg), self.place(byte)?))
    }

    /// A number that tells instructions with the same opcode apart, and a register or memory.
    fn group(&mut self) -> Option<(u8, Operand)> {
        let byte = self.byte()?;
        Some((byte >> 3 & 7, self.place(byte)?))
    }

    /// The register or memory that a ModRM byte names.
    fn place(&mut self, modrm: u8) -> Option<Operand> {
        let mode = modrm >> 6;
        if mode == 3 {
            return Some(Operand::Reg(self.reg(modrm, REX_BASE)));
        }
        let (mut base, index, scale) = match modrm & 7 {
            4 => self.scaled()?,
            _ => (Base::Reg(self.reg(modrm, REX_BASE)), None, 0),
        };
        let displacement = match (mode, base) {
            // In this mode, what would be `bp` or `r13` is none; without an index the address is
            // relative to the instruction.
            (0, Base::Reg(Reg::Bp | Reg::R13)) => {
                base = if modrm & 7 == 4 {
                    Base::Nothing
                } else {
                    Base::Ip
                };
                self.imm32()?
            }
            (0, _) => 0,
            (1, _) => self.imm8()?,
            _ => self.imm32()?,
        };
        Some(Operand::Memory(Address {
            base,
            index,
            scale,
            displacement,
        }))
    }

    /// Base, index and scale of a SIB byte. `sp` as an index stands for none.
    fn scaled(&mut self) -> Option<(Base, Option<Reg>, u8)> {
        let byte = self.byte()?;
        let index = self.reg(byte >> 3, REX_INDEX);
        let base = Base::Reg(self.reg(byte, REX_BASE));
        Some((base, (index != Reg::Sp).then_some(index), byte >> 6))
    }

    /// A register, of which three bits are the lowest of `bits` and the fourth is in the prefix.
    fn reg(&self, bits: u8, high: u8) -> Reg {
        Reg::new(bits & 7 | if self.rex & high != 0 { 8 } else { 0 })
    }

    fn number(&mut self) -> Option<Operand> {
        self.imm32().map(Operand::Immediate)
    }

    fn short_number(&mut self) -> Option<Operand> {
        self.imm8().map(Operand::Immediate)
    }

    fn imm32(&mut self) -> Option<i32> {
        Some(i32::from_le_bytes(self.take()?))
    }

    fn imm8(&mut self) -> Option<i32> {
        Some(i32::from(self.byte()? as i8))
    }

    fn byte(&mut self) -> Option<u8> {
        let [byte] = self.take()?;
        Some(byte)
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let bytes = self.bytes.get(self.read..)?.first_chunk()?;
        self.read += N;
        Some(*bytes)
    }
}

/// Combines, unless that would change memory in place.
fn combine(by: Alu, to: Operand, with: Operand) -> Option<Action> {
    match to {
        Operand::Memory(_) if by.has_result() => None,
        _ => Some(Action::Combine { by, to, with }),
    }
}

#[cfg(CONFIG_UPROBES_RUST_KUNIT_TEST)]
#[kernel::macros::kunit_tests(uprobes_x86_decode)]
mod tests {
    use super::*;

    fn at(base: Base, displacement: i32) -> Address {
        Address {
            base,
            index: None,
            scale: 0,
            displacement,
        }
    }

    fn decodes(bytes: &[u8], action: Action, size: Size) -> bool {
        let mut followed = [0xcc; 16];
        followed[..bytes.len()].copy_from_slice(bytes);
        let wanted = Insn {
            action,
            size,
            len: bytes.len() as u8,
        };
        // As much as there is of it is enough, and one byte less is not.
        decode(&followed) == Some(wanted)
            && decode(bytes) == Some(wanted)
            && decode(&bytes[..bytes.len() - 1]).is_none_or(|insn| insn != wanted)
    }

    #[test]
    fn the_target_of_a_jump_does_nothing() {
        assert!(decodes(&ENDBR64, Action::Nothing, Size::Long));
    }

    #[test]
    fn prefixes_are_no_opcodes() {
        assert_eq!(opcode(&[0x55]), Some(0x55));
        assert_eq!(opcode(&[0x41, 0x57]), Some(0x57));
        assert_eq!(opcode(&[0x66, 0xf3, 0x48, 0x89, 0xc0]), Some(0x89));
        assert_eq!(opcode(&[0x66; 16]), None);
    }

    #[test]
    fn moves_know_their_direction() {
        let (ax, r8) = (Operand::Reg(Reg::Ax), Operand::Reg(Reg::R8));
        let to_ax = Action::Move { to: ax, from: r8 };
        let to_r8 = Action::Move { to: r8, from: ax };
        assert!(decodes(&[0x4c, 0x89, 0xc0], to_ax, Size::Quad));
        assert!(decodes(&[0x49, 0x89, 0xc0], to_r8, Size::Quad));
        assert!(decodes(&[0x44, 0x8b, 0xc0], to_r8, Size::Long));
    }

    #[test]
    fn addresses_have_up_to_four_parts() {
        let to = Reg::Cx;
        let lea = |at| Action::Point { to, at };
        let scaled = Address {
            base: Base::Reg(Reg::R13),
            index: Some(Reg::R12),
            scale: 3,
            displacement: -1,
        };
        let index_only = Address {
            base: Base::Nothing,
            index: Some(Reg::Dx),
            scale: 1,
            displacement: 16,
        };
        let size = Size::Quad;
        assert!(decodes(&[0x4b, 0x8d, 0x4c, 0xe5, 0xff], lea(scaled), size));
        let bytes = [0x48, 0x8d, 0x0c, 0x55, 16, 0, 0, 0];
        assert!(decodes(&bytes, lea(index_only), size));
        let bytes = [0x48, 0x8d, 0x0d, 16, 0, 0, 0];
        assert!(decodes(&bytes, lea(at(Base::Ip, 16)), size));
        let stack = at(Base::Reg(Reg::Sp), 8);
        assert!(decodes(&[0x48, 0x8d, 0x4c, 0x24, 8], lea(stack), size));
    }

    #[test]
    fn memory_is_not_changed_in_place() {
        // add, sub and xor of a register, and of a number, to memory
        assert_eq!(decode(&[0x01, 0x07]), None);
        assert_eq!(decode(&[0x48, 0x29, 0x07]), None);
        assert_eq!(decode(&[0x83, 0x37, 1]), None);
        let to = Operand::Memory(at(Base::Reg(Reg::Di), 0));
        let with = Operand::Immediate(1);
        let by = Alu::Cmp;
        let compare = Action::Combine { by, to, with };
        assert!(decodes(&[0x83, 0x3f, 1], compare, Size::Long));
        assert!(decodes(&[0x80, 0x3f, 1], compare, Size::Byte));
    }

    #[test]
    fn what_is_not_worth_it_is_left_alone() {
        let others: [&[u8]; 11] = [
            &[0x90],                               // nop, which C emulates
            &[0x55],                               // push %rbp, likewise
            &[0x66, 0x89, 0xc0],                   // mov %ax, %ax
            &[0x64, 0x48, 0x8b, 0x00],             // mov %fs:(%rax), %rax
            &[0x67, 0x8b, 0x00],                   // mov (%eax), %eax
            &[0xf0, 0x01, 0x07],                   // lock add %eax, (%rdi)
            &[0x41, 0x90],                         // xchg %eax, %r8d
            &[0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0], // movabs $0, %rax
            &[0x88, 0xc0],                         // mov %al, %al
            &[0x8d, 0xc0],                         // lea of a register, which is none
            &[0x11, 0xc0],                         // adc %eax, %eax
        ];
        for other in others {
            assert_eq!(decode(other), None);
        }
    }
}
