// SPDX-License-Identifier: GPL-2.0

//! The blocks of an area: boxes that are added one by one, while others look without a lock.
//!
//! Relies on the area's lock for who adds. Promises that a block which is found is filled in, stays
//! what it is, and is freed with the rest.

use core::ptr;

use kernel::{
    prelude::*,
    sync::atomic::{
        ordering::{
            Acquire,
            Release, //
        },
        Atomic, //
    }, //
};

/// The blocks of an area, from the first on.
///
/// # Invariants
///
/// Each pointer is null, or comes from a box that this owns; once set it does not change.
pub(crate) struct Blocks<B: Send + Sync, const MAX: usize>([Atomic<*mut B>; MAX]);

impl<B: Send + Sync, const MAX: usize> Blocks<B, MAX> {
    pub(crate) fn new() -> Self {
        Self([const { Atomic::new(ptr::null_mut()) }; MAX])
    }

    #[inline]
    pub(crate) fn get(&self, index: usize) -> Option<&B> {
        // Acquire: pairs with `set()`.
        //
        // SAFETY: By the type's invariants the block lives as long as `self`.
        unsafe { self.0.get(index)?.load(Acquire).as_ref() }
    }

    /// Adds a block; the place must be free, and the area's lock held or the area be new.
    pub(crate) fn set(&self, index: usize, block: KVBox<B>) {
        // Release: who finds the block finds it filled in.
        // INVARIANT: The block is owned from now on.
        self.0[index].store(KVBox::into_raw(block), Release);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &B> {
        (0..MAX).map_while(|index| self.get(index))
    }
}

impl<B: Send + Sync, const MAX: usize> Drop for Blocks<B, MAX> {
    fn drop(&mut self) {
        for block in &mut self.0 {
            let block = *block.get_mut();
            if !block.is_null() {
                // SAFETY: By the type's invariants the block is a box of ours.
                drop(unsafe { KVBox::from_raw(block) });
            }
        }
    }
}
