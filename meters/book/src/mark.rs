// SPDX-License-Identifier: GPL-2.0

//! The instructions by which a guest program says what it is about to do.
//!
//! Each is a no-op that no compiler emits, on every architecture. A C program
//! gets them from `xtask/guest/hits/marks.h`, which says the same numbers.

/// What a guest program has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// From now on the plugin has to watch; until here the guest runs at full speed.
    Watch,
    /// A new row; no virtual CPU is in a lap.
    Section,
    /// This virtual CPU begins a lap, and ends the one that it was in.
    Lap,
    /// This virtual CPU ends its lap and begins none.
    Rest,
    /// The last section is over: time to write down what was found.
    Finish,
}

/// `nopl disp32(%rax)`, whose displacement is the magic number and a mark.
const X86_64: [u8; 6] = [0x0f, 0x1f, 0x80, 0, 0x4d, 0x52];
const X86_64_LAST: u8 = 0x55;

/// `movz xzr, #imm16`, whose immediate is the magic number and a mark.
const ARM64: u32 = 0xd280_001f;
const ARM64_MAGIC: u32 = 0x5500;

impl Mark {
    /// The mark that an instruction of any architecture is, if it is one.
    pub fn decode(instruction: &[u8]) -> Option<Self> {
        let [a, b, c, number, e, f, last] = *instruction else {
            let word = u32::from_le_bytes(instruction.try_into().ok()?);
            return Self::of_arm64(word);
        };
        let magic = [a, b, c, 0, e, f] == X86_64 && last == X86_64_LAST;
        if magic { Self::of(number) } else { None }
    }

    fn of_arm64(word: u32) -> Option<Self> {
        let immediate = word >> 5 & 0xffff;
        let magic = word & !(0xffff << 5) == ARM64 && immediate & 0xff00 == ARM64_MAGIC;
        if magic {
            Self::of(u8::try_from(immediate & 0xff).ok()?)
        } else {
            None
        }
    }

    fn of(number: u8) -> Option<Self> {
        let marks = [
            Self::Watch,
            Self::Section,
            Self::Lap,
            Self::Rest,
            Self::Finish,
        ];
        marks.get(usize::from(number)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_each_architecture_are_known() {
        let x86 = [0x0f, 0x1f, 0x80, 2, 0x4d, 0x52, 0x55];
        assert_eq!(Mark::decode(&x86), Some(Mark::Lap));
        let arm64 = (0xd280_001fu32 | 0x5504 << 5).to_le_bytes();
        assert_eq!(Mark::decode(&arm64), Some(Mark::Finish));
    }

    #[test]
    fn other_instructions_are_not_marks() {
        let nop = [0x0f, 0x1f, 0x80, 0, 0, 0, 0];
        assert_eq!(Mark::decode(&nop), None);
        let unknown = [0x0f, 0x1f, 0x80, 5, 0x4d, 0x52, 0x55];
        assert_eq!(Mark::decode(&unknown), None);
        assert_eq!(Mark::decode(&[0x1f, 0x20, 0x03, 0xd5]), None);
        assert_eq!(Mark::decode(&0xd280_0000u32.to_le_bytes()), None);
        assert_eq!(Mark::decode(&[0x90]), None);
    }
}
