// SPDX-License-Identifier: GPL-2.0

//! `kernel::types`.

use std::{cell::UnsafeCell, mem::MaybeUninit};

/// A value that is looked at through pointers only.
#[repr(transparent)]
pub struct Opaque<T>(UnsafeCell<MaybeUninit<T>>);

impl<T> Opaque<T> {
    pub const fn zeroed() -> Self {
        Self(UnsafeCell::new(MaybeUninit::zeroed()))
    }

    pub const fn get(&self) -> *mut T {
        self.0.get().cast()
    }
}
