// SPDX-License-Identifier: GPL-2.0

//! In place of `arch.rs`: instructions of one word.

use std::ops::Deref;

pub(crate) type Word = u32;

pub(crate) const IXOL_BYTES: usize = size_of::<Word>();

/// An instruction as it is executed out of line.
#[derive(Clone, Copy)]
pub(crate) struct Ixol([u32; 1]);

impl Ixol {
    pub(crate) const fn from_number(number: u32) -> Self {
        Self([number])
    }
}

impl Deref for Ixol {
    type Target = [u32];

    fn deref(&self) -> &[u32] {
        &self.0
    }
}
