// SPDX-License-Identifier: GPL-2.0

//! `kernel::sync::Arc`, in memory that is watched as that of boxes is.

use super::{atomic::ordering::Relaxed, Refcount};
use crate::alloc::{AllocError, Flags, KBox};
use std::{ops::Deref, ptr};

/// What can be shared.
pub trait Begin {
    /// Uses each of its atomics once. Called by the thread that makes it, before others see it.
    fn begin(&self);
}

pub struct Arc<T>(*mut Shared<T>);

struct Shared<T> {
    count: Refcount,
    value: T,
}

impl<T: Begin> Arc<T> {
    pub fn new(value: T, flags: Flags) -> Result<Self, AllocError> {
        let count = Refcount::new(1);
        let shared = KBox::new(Shared { count, value }, flags)?;
        shared.count.as_atomic().load(Relaxed);
        shared.value.begin();
        Ok(Self(KBox::into_raw(shared)))
    }
}

impl<T> Arc<T> {
    pub fn ptr_eq(this: &Self, other: &Self) -> bool {
        ptr::eq(this.0, other.0)
    }

    fn shared(&self) -> &Shared<T> {
        // SAFETY: It is not freed before this is dropped.
        unsafe { &*self.0 }
    }
}

impl<T> Clone for Arc<T> {
    fn clone(&self) -> Self {
        self.shared().count.inc();
        Self(self.0)
    }
}

impl<T> Deref for Arc<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.shared().value
    }
}

impl<T> Drop for Arc<T> {
    fn drop(&mut self) {
        if !std::thread::panicking() && self.shared().count.dec_and_test() {
            // SAFETY: This was the last, and the memory comes from a box.
            drop(unsafe { KBox::from_raw(self.0) });
        }
    }
}
