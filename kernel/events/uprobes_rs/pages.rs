// SPDX-License-Identifier: GPL-2.0

//! The pages of an area: boxes that are added one by one, while others look without a lock.
//!
//! Relies on the area's lock for who adds. Promises that a page which is found is filled in, stays
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

/// The pages of an area, from the first on.
///
/// # Invariants
///
/// Each pointer is null, or comes from a box that this owns; once set it does not change.
pub(crate) struct Pages<P: Send + Sync, const MAX: usize>([Atomic<*mut P>; MAX]);

impl<P: Send + Sync, const MAX: usize> Pages<P, MAX> {
    pub(crate) fn new() -> Self {
        Self([const { Atomic::new(ptr::null_mut()) }; MAX])
    }

    #[inline]
    pub(crate) fn get(&self, index: usize) -> Option<&P> {
        // Acquire: pairs with `set()`.
        //
        // SAFETY: By the type's invariants the page lives as long as `self`.
        unsafe { self.0.get(index)?.load(Acquire).as_ref() }
    }

    /// Adds a page; the place must be free, and the area's lock held or the area be new.
    pub(crate) fn set(&self, index: usize, page: KVBox<P>) {
        // Release: who finds the page finds it filled in.
        // INVARIANT: The page is owned from now on.
        self.0[index].store(KVBox::into_raw(page), Release);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &P> {
        (0..MAX).map_while(|index| self.get(index))
    }
}

impl<P: Send + Sync, const MAX: usize> Drop for Pages<P, MAX> {
    fn drop(&mut self) {
        for page in &mut self.0 {
            let page = *page.get_mut();
            if !page.is_null() {
                // SAFETY: By the type's invariants the page is a box of ours.
                drop(unsafe { KVBox::from_raw(page) });
            }
        }
    }
}
