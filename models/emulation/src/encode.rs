// SPDX-License-Identifier: GPL-2.0

//! The way back: an instruction of those that the kernel executes, and its bytes.
//!
//! Written from the processor's manual, not from `decode.rs`, which has to understand it.

use crate::{
    insn::{Action, Address, Alu, Base, Insn, Operand, Reg, Size},
    random::Random,
};

const WIDE: u8 = 8;

/// An instruction, and what it has to be taken for.
pub(crate) struct Encoded {
    pub(crate) bytes: Vec<u8>,
    pub(crate) insn: Insn,
}

/// The opcode, and what is known before operands are chosen.
enum Form {
    Endbr,
    /// `opcode + register`, number.
    MoveNumber,
    /// `opcode /0`, number.
    PutNumber,
    Put,
    Take,
    Point,
    /// Combines to what ModRM names.
    Combine(Alu),
    /// Combines to a register.
    CombineBack(Alu),
    CombineAx(Alu),
    CombineNumber(Alu),
    CombineShort(Alu),
    CompareByte(Alu),
}

const KEPT: [Alu; 5] = [Alu::Add, Alu::Or, Alu::And, Alu::Sub, Alu::Xor];

impl Form {
    fn random(random: &mut Random) -> Self {
        let mut any = KEPT.to_vec();
        any.push(Alu::Cmp);
        let with_digit = random.one_of(&any);
        any.push(Alu::Test);
        let any = random.one_of(&any);
        match random.below(20) {
            0 => Form::Endbr,
            1 | 2 => Form::MoveNumber,
            3 => Form::PutNumber,
            4 | 5 => Form::Put,
            6 | 7 => Form::Take,
            8 | 9 => Form::Point,
            10 | 11 => Form::Combine(any),
            12 | 13 => Form::CombineBack(with_digit),
            14 => Form::CombineAx(any),
            15 | 16 => Form::CombineNumber(any),
            17 | 18 => Form::CombineShort(with_digit),
            _ => Form::CompareByte(random.one_of(&[Alu::Cmp, Alu::Test])),
        }
    }
}

/// The three bits that most encodings have for it.
fn digit(alu: Alu) -> u8 {
    match alu {
        Alu::Add | Alu::Test => 0,
        Alu::Or => 1,
        Alu::And => 4,
        Alu::Sub => 5,
        Alu::Xor => 6,
        Alu::Cmp => 7,
    }
}

/// Any instruction in any of its encodings.
pub(crate) fn random(random: &mut Random) -> Encoded {
    let form = Form::random(random);
    let mut parts = Parts {
        rex: random.one_of(&[0, WIDE]),
        random,
        bytes: Vec::new(),
    };
    let (action, size) = parts.insn(form);
    let bytes = parts.finish(action);
    let len = bytes.len() as u8;
    Encoded {
        bytes,
        insn: Insn { action, size, len },
    }
}

/// What an instruction is put together from.
struct Parts<'a> {
    random: &'a mut Random,
    rex: u8,
    /// What comes after the prefix.
    bytes: Vec<u8>,
}

impl Parts<'_> {
    fn insn(&mut self, form: Form) -> (Action, Size) {
        let action = match form {
            Form::Endbr => self.without_prefix(&[0xf3, 0x0f, 0x1e, 0xfa]),
            Form::MoveNumber => self.move_number(),
            Form::CompareByte(by) => {
                self.bytes.push(if by == Alu::Cmp { 0x80 } else { 0xf6 });
                let to = self.memory(digit(by));
                let with = self.short_number();
                return (Action::Combine { by, to, with }, Size::Byte);
            }
            Form::PutNumber | Form::Put | Form::Take | Form::Point => self.movement(form),
            _ => self.combination(form),
        };
        let is_wide = self.rex & WIDE != 0;
        (action, if is_wide { Size::Quad } else { Size::Long })
    }

    fn without_prefix(&mut self, bytes: &[u8]) -> Action {
        self.rex = 0;
        self.bytes.extend(bytes);
        Action::Nothing
    }

    fn move_number(&mut self) -> Action {
        let reg = self.random.byte() & 15;
        self.bytes.push(0xb8 + (reg & 7));
        self.rex = reg >> 3;
        Action::Move {
            to: Operand::Reg(Reg::ALL[usize::from(reg)]),
            from: self.number(),
        }
    }

    fn movement(&mut self, form: Form) -> Action {
        match form {
            Form::PutNumber => {
                self.bytes.push(0xc7);
                let to = self.place(0);
                let from = self.number();
                Action::Move { to, from }
            }
            Form::Put => {
                self.bytes.push(0x89);
                let (reg, place) = self.reg_and_place();
                Action::Move {
                    to: place,
                    from: Operand::Reg(reg),
                }
            }
            Form::Take => {
                self.bytes.push(0x8b);
                let (reg, place) = self.reg_and_place();
                Action::Move {
                    to: Operand::Reg(reg),
                    from: place,
                }
            }
            _ => {
                self.bytes.push(0x8d);
                let to = self.any_reg();
                match self.memory(to as u8) {
                    Operand::Memory(at) => Action::Point { to, at },
                    _ => unreachable!(),
                }
            }
        }
    }

    fn combination(&mut self, form: Form) -> Action {
        let (by, to, with) = match form {
            Form::Combine(by) => {
                self.bytes.push(match by {
                    Alu::Test => 0x85,
                    _ => digit(by) << 3 | 1,
                });
                let reg = self.any_reg();
                let to = self.place_of(by, reg as u8);
                (by, to, Operand::Reg(reg))
            }
            Form::CombineBack(by) => {
                self.bytes.push(digit(by) << 3 | 3);
                let (reg, place) = self.reg_and_place();
                (by, Operand::Reg(reg), place)
            }
            Form::CombineAx(by) => {
                self.bytes.push(match by {
                    Alu::Test => 0xa9,
                    _ => digit(by) << 3 | 5,
                });
                (by, Operand::Reg(Reg::Ax), self.number())
            }
            Form::CombineNumber(by) => {
                self.bytes.push(if by == Alu::Test { 0xf7 } else { 0x81 });
                (by, self.place_of(by, digit(by)), self.number())
            }
            Form::CombineShort(by) => {
                self.bytes.push(0x83);
                (by, self.place_of(by, digit(by)), self.short_number())
            }
            _ => unreachable!(),
        };
        Action::Combine { by, to, with }
    }

    fn any_reg(&mut self) -> Reg {
        self.random.one_of(&Reg::ALL)
    }

    fn reg_and_place(&mut self) -> (Reg, Operand) {
        let reg = self.any_reg();
        (reg, self.place(reg as u8))
    }

    /// A register or memory, unless it is changed: then a register.
    fn place_of(&mut self, by: Alu, field: u8) -> Operand {
        if KEPT.contains(&by) {
            self.reg_place(field)
        } else {
            self.place(field)
        }
    }

    fn place(&mut self, field: u8) -> Operand {
        if self.random.one_in(3) {
            self.reg_place(field)
        } else {
            self.memory(field)
        }
    }

    /// ModRM with a register or digit in one field, and a register in the other.
    fn reg_place(&mut self, field: u8) -> Operand {
        let reg = self.any_reg();
        self.modrm(3, field, reg as u8);
        Operand::Reg(reg)
    }

    fn modrm(&mut self, mode: u8, field: u8, place: u8) {
        self.rex |= (field >> 3) << 2 | place >> 3;
        self.bytes.push(mode << 6 | (field & 7) << 3 | place & 7);
    }

    /// ModRM with a register or digit in one field, and what else names any memory.
    fn memory(&mut self, field: u8) -> Operand {
        let base = match self.random.below(8) {
            0 => Base::Nothing,
            1 => Base::Ip,
            _ => Base::Reg(self.any_reg()),
        };
        let displacement = match self.random.below(4) {
            0 => 0,
            1 => i32::from(self.random.byte() as i8),
            _ => self.random.next() as i32,
        };
        let mut at = Address {
            base,
            index: None,
            scale: 0,
            displacement,
        };
        let Base::Reg(reg) = base else {
            if base == Base::Ip {
                self.modrm(0, field, 5);
            } else {
                self.modrm(0, field, 4);
                self.sib(&mut at, 5);
            }
            self.bytes.extend(displacement.to_le_bytes());
            return Operand::Memory(at);
        };
        let mode = self.mode(reg, displacement);
        if reg as u8 & 7 == Reg::Sp as u8 || self.random.one_in(2) {
            self.modrm(mode, field, 4);
            self.sib(&mut at, reg as u8);
        } else {
            self.modrm(mode, field, reg as u8);
        }
        match mode {
            0 => {}
            1 => self.bytes.push(displacement as u8),
            _ => self.bytes.extend(displacement.to_le_bytes()),
        }
        Operand::Memory(at)
    }

    /// One that has room for the displacement.
    fn mode(&mut self, base: Reg, displacement: i32) -> u8 {
        let least = match i8::try_from(displacement) {
            Ok(0) if base as u8 & 7 != Reg::Bp as u8 => 0,
            Ok(_) => 1,
            Err(_) => 2,
        };
        least + self.random.below(3 - u64::from(least)) as u8
    }

    fn sib(&mut self, at: &mut Address, base: u8) {
        let index = self.any_reg();
        at.index = (index != Reg::Sp).then_some(index);
        at.scale = self.random.byte() & 3;
        self.rex |= (index as u8 >> 3) << 1 | base >> 3;
        self.bytes
            .push(at.scale << 6 | (index as u8 & 7) << 3 | base & 7);
    }

    fn number(&mut self) -> Operand {
        let number = self.random.telling() as i32;
        self.bytes.extend(number.to_le_bytes());
        Operand::Immediate(number)
    }

    fn short_number(&mut self) -> Operand {
        let number = self.random.telling() as i8;
        self.bytes.push(number as u8);
        Operand::Immediate(i32::from(number))
    }

    /// With a prefix if it is needed, and sometimes if it is not.
    fn finish(self, action: Action) -> Vec<u8> {
        let mut bytes = self.bytes;
        if self.rex != 0 || action != Action::Nothing && self.random.one_in(8) {
            bytes.insert(0, 0x40 | self.rex);
        }
        bytes
    }
}
