// SPDX-License-Identifier: GPL-2.0

//! Instructions that the kernel executes itself, in place of a thread that was stopped before them.
//!
//! Most functions begin with one of a few simple instructions: a move, a load, a comparison, room
//! made on the stack. What these do is easily done, while to send the thread to a slot for it costs
//! a second trap. An [`Insn`] changes general registers and flags, and reads or writes memory once
//! at most. What changes memory in place is none, because the processor does that in one piece; nor
//! is what jumps or calls, which C emulates.
//!
//! `decode.rs` makes them from bytes, `execute.rs` says what they do. The names are the processor
//! manual's. Nothing here has `unsafe`, so that all of it runs on the host, too, where it is compared
//! with the processor.

/// A general register, in the order in which instructions number them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Reg {
    Ax,
    Cx,
    Dx,
    Bx,
    Sp,
    Bp,
    Si,
    Di,
    R8,
    R9,
    R10,
    R11,
    R12,
    R13,
    R14,
    R15,
}

impl Reg {
    /// All of them, in order.
    pub(crate) const ALL: [Reg; 16] = [
        Reg::Ax,
        Reg::Cx,
        Reg::Dx,
        Reg::Bx,
        Reg::Sp,
        Reg::Bp,
        Reg::Si,
        Reg::Di,
        Reg::R8,
        Reg::R9,
        Reg::R10,
        Reg::R11,
        Reg::R12,
        Reg::R13,
        Reg::R14,
        Reg::R15,
    ];

    /// From the number that an instruction gives it, of four bits.
    pub(crate) fn new(number: u8) -> Self {
        Self::ALL[usize::from(number & 15)]
    }
}

/// How much of a register or of memory an instruction is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    Byte,
    Long,
    Quad,
}

/// What an address is relative to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Base {
    Nothing,
    /// The next instruction.
    Ip,
    Reg(Reg),
}

/// An address as an instruction spells it: a base, a scaled index, and a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) base: Base,
    pub(crate) index: Option<Reg>,
    /// By how many bits the index is shifted.
    pub(crate) scale: u8,
    pub(crate) displacement: i32,
}

/// Something that an instruction reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operand {
    Reg(Reg),
    Memory(Address),
    /// Sign-extended to the size of the operation.
    Immediate(i32),
}

/// What two numbers are combined to. All set the flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alu {
    Add,
    Or,
    And,
    Sub,
    Xor,
    /// Subtracts for the flags alone.
    Cmp,
    /// Combines bits for the flags alone.
    Test,
}

impl Alu {
    /// From the three bits that most encodings have for it. Additions with carry are not worth it.
    pub(crate) fn new(bits: u8) -> Option<Self> {
        match bits & 7 {
            0 => Some(Alu::Add),
            1 => Some(Alu::Or),
            4 => Some(Alu::And),
            5 => Some(Alu::Sub),
            6 => Some(Alu::Xor),
            7 => Some(Alu::Cmp),
            _ => None,
        }
    }

    /// Is the result kept?
    pub(crate) fn has_result(self) -> bool {
        !matches!(self, Alu::Cmp | Alu::Test)
    }
}

/// What an instruction does with its operands. Memory is at most one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// `endbr64`.
    Nothing,
    /// `mov`.
    Move {
        to: Operand,
        from: Operand,
    },
    /// `lea`.
    Point {
        to: Reg,
        at: Address,
    },
    Combine {
        by: Alu,
        to: Operand,
        with: Operand,
    },
}

/// An instruction that the kernel executes itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Insn {
    pub(crate) action: Action,
    pub(crate) size: Size,
    /// The length in bytes.
    pub(crate) len: u8,
}
