// SPDX-License-Identifier: GPL-2.0

//! `kernel::alloc`, which watches what is freed.
//!
//! Freed memory keeps its address until the run is over, with its content dropped: an atomic in it
//! complains of whoever still uses it (`sync/atomic.rs`). So no address is seen twice in a run, other
//! than by what the modelled code itself uses again. Memory is never short.

use crate::run::PerRun;
use std::{
    collections::BTreeMap,
    ops::{Deref, DerefMut},
};

#[derive(Clone, Copy, Debug)]
pub struct AllocError;

#[derive(Clone, Copy)]
pub struct Flags(());

pub mod flags {
    pub const GFP_KERNEL: super::Flags = super::Flags(());
}

#[derive(Default)]
struct Heap(BTreeMap<usize, Allocation>);

struct Allocation {
    is_freed: bool,
    drop: unsafe fn(usize),
    release: unsafe fn(usize),
}

static HEAP: PerRun<Heap> = PerRun::new();

impl Drop for Heap {
    fn drop(&mut self) {
        for (address, allocation) in &self.0 {
            // SAFETY: The run in which it was used is over.
            unsafe { (allocation.release)(*address) };
        }
    }
}

pub(crate) fn begin() {
    HEAP.get();
}

/// How many objects have not been freed.
pub fn unfreed() -> usize {
    HEAP.access(|heap| heap.0.values().filter(|object| !object.is_freed).count())
}

/// Frees what [`KBox::into_raw`] has returned.
///
/// # Safety
///
/// `address` must not be used any more.
pub(crate) unsafe fn free(address: usize) {
    let drop = HEAP.access(|heap| {
        let object = heap.0.get_mut(&address);
        let object = object.expect("memory is freed that was never allocated");
        assert!(!object.is_freed, "memory is freed twice");
        object.is_freed = true;
        object.drop
    });
    // SAFETY: The object was alive.
    unsafe { drop(address) };
}

/// `kernel::alloc::KBox`.
pub struct KBox<T>(*mut T);

impl<T> KBox<T> {
    pub fn new(value: T, _flags: Flags) -> Result<Self, AllocError> {
        let pointer = Box::into_raw(Box::new(std::mem::ManuallyDrop::new(value)));
        let allocation = Allocation {
            is_freed: false,
            // SAFETY: Called once, with the address of a `T`.
            drop: |address| unsafe { (address as *mut T).drop_in_place() },
            // SAFETY: Called once, with what comes from a box.
            release: |address| unsafe {
                drop(Box::from_raw(address as *mut std::mem::ManuallyDrop<T>));
            },
        };
        HEAP.access(|heap| heap.0.insert(pointer as usize, allocation));
        Ok(Self(pointer.cast()))
    }

    pub fn into_raw(this: Self) -> *mut T {
        std::mem::ManuallyDrop::new(this).0
    }

    /// # Safety
    ///
    /// `pointer` must come from [`Self::into_raw`], once.
    pub unsafe fn from_raw(pointer: *mut T) -> Self {
        Self(pointer)
    }

    pub fn leak<'a>(this: Self) -> &'a mut T {
        // SAFETY: The box is not used any more.
        unsafe { &mut *Self::into_raw(this) }
    }
}

impl<T> Deref for KBox<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: The box owns the value.
        unsafe { &*self.0 }
    }
}

impl<T> DerefMut for KBox<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: The box owns the value.
        unsafe { &mut *self.0 }
    }
}

impl<T> Drop for KBox<T> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: The box is not used any more.
            unsafe { free(self.0 as usize) };
        }
    }
}

/// All memory is alike.
pub type KVBox<T> = KBox<T>;

/// `kernel::alloc::KVec`.
pub struct KVec<T>(Vec<T>);

pub type KVVec<T> = KVec<T>;

#[allow(clippy::new_without_default, reason = "the kernel's has none")]
impl<T> KVec<T> {
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    pub fn push(&mut self, value: T, _flags: Flags) -> Result<(), AllocError> {
        self.0.push(value);
        Ok(())
    }

    pub fn pop(&mut self) -> Option<T> {
        self.0.pop()
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    pub fn extend_from_slice(&mut self, other: &[T], _flags: Flags) -> Result<(), AllocError>
    where
        T: Clone,
    {
        self.0.extend_from_slice(other);
        Ok(())
    }
}

impl<T> Deref for KVec<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T> DerefMut for KVec<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}
