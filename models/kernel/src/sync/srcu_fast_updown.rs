// SPDX-License-Identifier: GPL-2.0

//! `kernel::sync::srcu_fast_updown`. Readers have a number each, so that one that is released in
//! place of another does not go unnoticed.

#![allow(non_camel_case_types, reason = "C's names")]

use super::grace;
use crate::bindings::callback_head;
use std::{marker::PhantomData, mem::ManuallyDrop};

pub struct srcu_ctr(());

pub struct srcu_struct(grace::Domain);

impl srcu_struct {
    pub(crate) const fn new() -> Self {
        Self(grace::Domain::new())
    }

    pub(crate) fn begin(&self) {
        self.0.begin();
    }
}

#[repr(transparent)]
pub struct SrcuFastUpdown(srcu_struct);

impl SrcuFastUpdown {
    /// # Safety
    ///
    /// `domain` must be static.
    pub const unsafe fn from_raw(domain: *mut srcu_struct) -> &'static Self {
        // SAFETY: By the function's contract; the types are the same.
        unsafe { &*domain.cast() }
    }

    /// # Safety
    ///
    /// It must be sound to call `func` with `head`, once, after the grace period.
    pub unsafe fn call(
        &self,
        head: *mut callback_head,
        func: unsafe extern "C" fn(*mut callback_head),
    ) {
        // SAFETY: By the function's contract.
        self.0 .0.call(move || unsafe { func(head) });
    }

    /// How many readers have not been released.
    pub fn readers(&self) -> usize {
        self.0 .0.readers()
    }
}

/// # Safety
///
/// Always the same domain.
pub unsafe trait Domain: Sized + 'static {
    fn srcu() -> &'static SrcuFastUpdown;

    fn down_read() -> Reader<Self> {
        Reader {
            number: Self::srcu().0 .0.enter(),
            _domain: PhantomData,
        }
    }
}

pub struct Reader<D: Domain> {
    number: usize,
    _domain: PhantomData<fn() -> D>,
}

impl<D: Domain> Reader<D> {
    pub fn into_raw(self) -> *mut srcu_ctr {
        ManuallyDrop::new(self).number as *mut srcu_ctr
    }

    /// # Safety
    ///
    /// `cookie` must come from [`Self::into_raw`], once.
    pub unsafe fn from_raw(cookie: *mut srcu_ctr) -> Self {
        Self {
            number: cookie as usize,
            _domain: PhantomData,
        }
    }
}

impl<D: Domain> Drop for Reader<D> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            D::srcu().0 .0.leave(self.number);
        }
    }
}
