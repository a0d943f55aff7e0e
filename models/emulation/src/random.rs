// SPDX-License-Identifier: GPL-2.0

//! Numbers that are random enough, and the same each time.

/// SplitMix64.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn byte(&mut self) -> u8 {
        (self.next() >> 56) as u8
    }

    /// Less than `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub(crate) fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    pub(crate) fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }

    /// A number where carries, signs and zeroes are made more often than by any number.
    pub(crate) fn telling(&mut self) -> u64 {
        const NUMBERS: [u64; 12] = [
            0,
            1,
            u64::MAX,
            0x0f,
            0x7f,
            0x80,
            0x7fff_ffff,
            0x8000_0000,
            0xffff_ffff,
            0x1_0000_0000,
            i64::MAX as u64,
            i64::MIN as u64,
        ];
        match self.below(4) {
            0 => self.one_of(&NUMBERS),
            1 => self
                .one_of(&NUMBERS)
                .wrapping_add(self.below(5))
                .wrapping_sub(2),
            2 => self.below(256),
            _ => self.next(),
        }
    }
}
