// SPDX-License-Identifier: GPL-2.0

//! `kernel::sync::seqcount`, with the barriers of C's functions.

#![allow(non_camel_case_types, reason = "C's names")]
#![allow(clippy::new_without_default, reason = "the kernel's have none")]

use super::{
    atomic::{
        ordering::{Acquire, Relaxed},
        Atomic,
    },
    barrier::{smp_rmb, smp_wmb},
};
use crate::run::PerRun;
use loom::{
    sync::{Mutex, MutexGuard},
    thread,
};

pub struct spinlock_t(PerRun<Mutex<()>>);

impl spinlock_t {
    pub(crate) const fn new() -> Self {
        Self(PerRun::new())
    }

    pub(crate) fn begin(&self) {
        self.0.get();
    }
}

pub struct seqcount_t(Atomic<u32>);

impl seqcount_t {
    pub const fn new() -> Self {
        Self(Atomic::new(0))
    }

    fn advance(&self) {
        self.0.store(self.0.load(Relaxed).wrapping_add(1), Relaxed);
    }

    fn write_begin(&self) {
        self.advance();
        smp_wmb();
    }

    fn write_end(&self) {
        smp_wmb();
        self.advance();
    }

    fn retry(&self, start: &Sequence) -> bool {
        smp_rmb();
        self.0.load(Relaxed) != start.0
    }
}

pub type seqcount_spinlock_t = seqcount_t;

impl seqcount_t {
    /// Makes the count, before there are other threads.
    pub fn begin(&self) {
        self.0.load(Relaxed);
    }
}

pub struct Sequence(u32);

impl Sequence {
    pub fn value(&self) -> u32 {
        self.0
    }
}

pub struct SeqSpinLock {
    lock: *mut spinlock_t,
    seq: *mut seqcount_spinlock_t,
}

// SAFETY: There is one thread of the host, see `run.rs`.
unsafe impl Sync for SeqSpinLock {}

impl SeqSpinLock {
    /// # Safety
    ///
    /// Both must be static.
    pub const unsafe fn from_raw(lock: *mut spinlock_t, seq: *mut seqcount_spinlock_t) -> Self {
        Self { lock, seq }
    }

    fn seq(&self) -> &seqcount_t {
        // SAFETY: It is static.
        unsafe { &*self.seq }
    }

    pub fn write(&self) -> WriteGuard<'_> {
        // SAFETY: It is static.
        let lock = unsafe { &(*self.lock).0 }.get();
        let locked = lock.lock().expect("a panic ends the run");
        self.seq().write_begin();
        WriteGuard {
            seq: self.seq(),
            _locked: locked,
        }
    }

    pub fn begin(&self) -> Sequence {
        loop {
            let seq = self.seq().0.load(Acquire);
            if seq.is_multiple_of(2) {
                return Sequence(seq);
            }
            thread::yield_now();
        }
    }

    pub fn retry(&self, start: Sequence) -> bool {
        self.seq().retry(&start)
    }
}

pub struct WriteGuard<'a> {
    seq: &'a seqcount_t,
    /// Released after the count was advanced.
    _locked: MutexGuard<'a, ()>,
}

impl Drop for WriteGuard<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.seq.write_end();
        }
    }
}

#[repr(transparent)]
pub struct SeqCount(seqcount_t);

impl SeqCount {
    /// # Safety
    ///
    /// `count` must be valid for `'a`.
    pub unsafe fn from_raw<'a>(count: *mut seqcount_t) -> &'a Self {
        // SAFETY: By the function's contract; the types are the same.
        unsafe { &*count.cast() }
    }

    /// # Safety
    ///
    /// Nobody else may write.
    pub unsafe fn raw_write_begin(&self) -> RawWriteGuard<'_> {
        self.0.write_begin();
        RawWriteGuard { count: self }
    }

    pub fn try_begin(&self) -> Option<Sequence> {
        let seq = self.0 .0.load(Acquire);
        seq.is_multiple_of(2).then_some(Sequence(seq))
    }

    pub fn retry(&self, start: Sequence) -> bool {
        self.0.retry(&start)
    }
}

pub struct RawWriteGuard<'a> {
    count: &'a SeqCount,
}

impl Drop for RawWriteGuard<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.count.0.write_end();
        }
    }
}
