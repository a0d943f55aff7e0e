// SPDX-License-Identifier: GPL-2.0

//! `kernel::sync::atomic`, with the ordering of the kernel's memory model.
//!
//! - A fully ordered operation is a relaxed one between two full barriers. One that fails is a
//!   relaxed load.
//! - A relaxed load of a pointer orders what is reached through it, by the address dependency. loom
//!   knows none: it is an acquire here.
//! - An atomic in freed memory complains of being used: both if it is used after, and if nothing
//!   orders the use before the freeing.
//!
//! loom wants an atomic to be made before all uses of it, by a thread that the others are ordered
//! after. Here it is made when it is first used, because constants cannot do so. Models see to it that
//! this is in a thread that has it for itself.

use super::barrier;
use crate::{
    interrupt,
    run::{self, THREADS},
};
use loom::{
    cell,
    sync::atomic::{AtomicUsize, Ordering},
};
use ordering::Kind;
use std::cell::UnsafeCell;

pub mod ordering {
    use loom::sync::atomic::Ordering as Loom;

    pub trait Kind {
        const LOOM: Loom;
        const IS_FULL: bool = false;
    }

    pub trait AcquireOrRelaxed: Kind {}
    pub trait ReleaseOrRelaxed: Kind {}

    pub struct Relaxed;
    pub struct Acquire;
    pub struct Release;
    pub struct Full;

    impl Kind for Relaxed {
        const LOOM: Loom = Loom::Relaxed;
    }

    impl Kind for Acquire {
        const LOOM: Loom = Loom::Acquire;
    }

    impl Kind for Release {
        const LOOM: Loom = Loom::Release;
    }

    impl Kind for Full {
        const LOOM: Loom = Loom::AcqRel;
        const IS_FULL: bool = true;
    }

    impl AcquireOrRelaxed for Relaxed {}
    impl AcquireOrRelaxed for Acquire {}
    impl ReleaseOrRelaxed for Relaxed {}
    impl ReleaseOrRelaxed for Release {}
}

/// What can be atomic.
pub trait AtomicType: Copy {
    /// Is what it leads to ordered after a load of it?
    const IS_POINTER: bool = false;

    fn into_word(self) -> usize;
    fn from_word(word: usize) -> Self;
}

macro_rules! numbers {
    ($($number:ty),*) => {
        $(impl AtomicType for $number {
            fn into_word(self) -> usize {
                self as usize
            }

            fn from_word(word: usize) -> Self {
                word as $number
            }
        })*
    };
}

numbers!(u32, i32, u64, usize);

impl AtomicType for bool {
    fn into_word(self) -> usize {
        usize::from(self)
    }

    fn from_word(word: usize) -> Self {
        word != 0
    }
}

impl<T> AtomicType for *mut T {
    const IS_POINTER: bool = true;

    fn into_word(self) -> usize {
        self as usize
    }

    fn from_word(word: usize) -> Self {
        word as *mut T
    }
}

/// What can be added to.
pub trait Number: AtomicType {}

impl Number for u32 {}
impl Number for i32 {}
impl Number for u64 {}

pub struct Atomic<T: AtomicType> {
    initial: T,
    state: UnsafeCell<State>,
}

enum State {
    Unused,
    /// In use since this run.
    Used(u64, Used),
    /// Dropped in this run.
    Freed(u64),
}

struct Used {
    value: AtomicUsize,
    memory: cell::UnsafeCell<()>,
    traces: [AtomicUsize; THREADS],
}

impl Used {
    fn new(value: usize) -> Self {
        Self {
            value: AtomicUsize::new(value),
            memory: cell::UnsafeCell::new(()),
            traces: std::array::from_fn(|_| AtomicUsize::new(0)),
        }
    }

    /// Shows loom that orders matter in which others write and this thread reads.
    ///
    /// loom compares a write with the last access only. If this is a read of the same thread, it does
    /// not see that it could have come before an earlier read of another one, and leaves that order
    /// out. So each reader leaves a trace of its own, and writers leave theirs in all: these are
    /// writes which nobody reads, so that no memory is ordered by them.
    fn trace(&self, writes: bool) {
        let Some(thread) = run::thread() else { return };
        for (reader, trace) in self.traces.iter().enumerate() {
            if writes || reader == thread {
                trace.store(0, Ordering::Relaxed);
            }
        }
    }
}

// SAFETY: There is one thread of the host, see `run.rs`.
unsafe impl<T: AtomicType> Send for Atomic<T> {}
// SAFETY: As above.
unsafe impl<T: AtomicType> Sync for Atomic<T> {}

impl<T: AtomicType> Atomic<T> {
    pub const fn new(value: T) -> Self {
        Self {
            initial: value,
            state: UnsafeCell::new(State::Unused),
        }
    }

    /// # Safety
    ///
    /// In place of the value there must be an atomic, for as long as `'a`.
    pub unsafe fn from_ptr<'a>(pointer: *mut T) -> &'a Self {
        // SAFETY: By the function's contract.
        unsafe { &*pointer.cast() }
    }

    pub fn as_ptr(&self) -> *mut T {
        std::ptr::from_ref(self).cast_mut().cast()
    }

    fn to_read(&self) -> &AtomicUsize {
        self.to_use(false)
    }

    fn to_write(&self) -> &AtomicUsize {
        self.to_use(true)
    }

    fn to_use(&self, writes: bool) -> &AtomicUsize {
        interrupt::point();
        let run = run::current();
        // SAFETY: Nobody else is here before this is done.
        let state = unsafe { &mut *self.state.get() };
        match state {
            State::Freed(when) if *when == run => panic!("memory is used after it was freed"),
            State::Used(since, _) if *since == run => (),
            _ => {
                *state = State::Used(run, Used::new(self.initial.into_word()));
            }
        }
        // SAFETY: It changes when it is dropped, and with the run.
        match unsafe { &*self.state.get() } {
            State::Used(_, used) => {
                used.trace(writes);
                used.memory.with(|_| ());
                &used.value
            }
            _ => unreachable!(),
        }
    }

    /// The value, of somebody who has it for himself.
    pub fn get_mut(&mut self) -> &mut T {
        let run = run::current();
        if let State::Used(since, used) = self.state.get_mut() {
            if *since == run {
                used.memory.with_mut(|_| ());
                // SAFETY: loom sees to it that nobody else uses it.
                self.initial = T::from_word(unsafe { used.value.unsync_load() });
            }
        }
        *self.state.get_mut() = State::Unused;
        &mut self.initial
    }

    pub fn load<O: ordering::AcquireOrRelaxed>(&self, _: O) -> T {
        let order = if T::IS_POINTER {
            Ordering::Acquire
        } else {
            O::LOOM
        };
        T::from_word(self.to_read().load(order))
    }

    pub fn store<O: ordering::ReleaseOrRelaxed>(&self, value: T, _: O) {
        self.to_write().store(value.into_word(), O::LOOM);
    }

    pub fn xchg<O: Kind>(&self, value: T, _: O) -> T {
        full_if(O::IS_FULL);
        let old = self.to_write().swap(value.into_word(), O::LOOM);
        full_if(O::IS_FULL);
        T::from_word(old)
    }

    pub fn cmpxchg<O: Kind>(&self, old: T, new: T, _: O) -> Result<T, T> {
        let value = self.to_write();
        // One that fails is no barrier.
        let seen = value.load(Ordering::Relaxed);
        if seen != old.into_word() {
            return Err(T::from_word(seen));
        }
        full_if(O::IS_FULL);
        let result =
            value.compare_exchange(old.into_word(), new.into_word(), O::LOOM, Ordering::Relaxed);
        full_if(O::IS_FULL && result.is_ok());
        result.map(T::from_word).map_err(T::from_word)
    }
}

impl<T: Number> Atomic<T> {
    pub fn fetch_add<O: Kind>(&self, value: T, _: O) -> T {
        full_if(O::IS_FULL);
        let old = self.to_write().fetch_add(value.into_word(), O::LOOM);
        full_if(O::IS_FULL);
        T::from_word(old)
    }

    pub fn fetch_sub<O: Kind>(&self, value: T, _: O) -> T {
        full_if(O::IS_FULL);
        let old = self.to_write().fetch_sub(value.into_word(), O::LOOM);
        full_if(O::IS_FULL);
        T::from_word(old)
    }

    pub fn add(&self, value: T, order: ordering::Relaxed) {
        self.fetch_add(value, order);
    }
}

impl Atomic<i32> {
    /// C's `atomic_add_unless(…, 1, 0)`, relaxed.
    pub(crate) fn add_unless_zero(&self) -> bool {
        let value = self.to_write();
        let mut seen = value.load(Ordering::Relaxed);
        while seen != 0 {
            match value.compare_exchange(seen, seen + 1, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => seen = now,
            }
        }
        false
    }
}

impl<T: AtomicType> Drop for Atomic<T> {
    fn drop(&mut self) {
        let run = run::current();
        match self.state.get_mut() {
            _ if std::thread::panicking() => return,
            State::Used(since, used) if *since == run => used.memory.with_mut(|_| ()),
            _ => (),
        }
        *self.state.get_mut() = State::Freed(run);
    }
}

fn full_if(condition: bool) {
    if condition {
        barrier::full();
    }
}
