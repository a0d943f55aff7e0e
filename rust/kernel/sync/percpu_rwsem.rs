// SPDX-License-Identifier: GPL-2.0

//! Per-CPU reader/writer semaphores.
//!
//! A sleeping reader/writer lock for data that is nearly always read: in the absence of a writer a
//! reader increments a per-CPU counter, while a writer waits for an RCU grace period. Both sides may
//! sleep and are thus for process context only.
//!
//! Only semaphores defined in C, with `DEFINE_PERCPU_RWSEM()` or `DEFINE_STATIC_PERCPU_RWSEM()`, are
//! supported: their counters are laid out by the linker, and they are never torn down.
//!
//! C header: [`include/linux/percpu-rwsem.h`](srctree/include/linux/percpu-rwsem.h)

use crate::{
    bindings,
    types::{
        NotThreadSafe,
        Opaque, //
    },
};
use core::mem::ManuallyDrop;

/// A statically defined per-CPU reader/writer semaphore.
///
/// It protects code rather than a value: what is excluded by it is up to its users.
///
/// # Invariants
///
/// The contained `percpu_rw_semaphore` is initialised and is never torn down.
#[repr(transparent)]
pub struct PercpuRwSemaphore(Opaque<bindings::percpu_rw_semaphore>);

// SAFETY: A `percpu_rw_semaphore` is not bound to a thread.
unsafe impl Send for PercpuRwSemaphore {}

// SAFETY: A `percpu_rw_semaphore` does its own synchronisation.
unsafe impl Sync for PercpuRwSemaphore {}

impl PercpuRwSemaphore {
    /// Creates a reference from a pointer to a semaphore that was defined in C.
    ///
    /// # Safety
    ///
    /// `ptr` must point to a static `percpu_rw_semaphore` defined with `DEFINE_PERCPU_RWSEM()` or
    /// `DEFINE_STATIC_PERCPU_RWSEM()`. If it is part of a module, the code of the caller must be part of
    /// the same module.
    #[inline]
    pub const unsafe fn from_raw(ptr: *mut bindings::percpu_rw_semaphore) -> &'static Self {
        // INVARIANT: By the safety requirements of this function.
        // CAST: `Self` is a transparent wrapper of `percpu_rw_semaphore`.
        // SAFETY: `ptr` is valid for the lifetime of the code that uses it by the safety requirements,
        // and `Opaque` allows for changes by others.
        unsafe { &*ptr.cast::<Self>() }
    }

    /// Takes the semaphore for reading. Sleeps while there is a writer.
    #[inline]
    pub fn read(&self) -> ReadGuard<'_> {
        // SAFETY: By the type invariants the semaphore is initialised.
        unsafe { bindings::percpu_down_read(self.0.get()) };

        // INVARIANT: The current task took the semaphore for reading just above.
        ReadGuard {
            sem: self,
            _not_send: NotThreadSafe,
        }
    }

    /// Takes the semaphore for writing. Sleeps while there are readers or another writer.
    #[inline]
    pub fn write(&self) -> WriteGuard<'_> {
        // SAFETY: By the type invariants the semaphore is initialised.
        unsafe { bindings::percpu_down_write(self.0.get()) };

        // INVARIANT: The current task took the semaphore for writing just above.
        WriteGuard {
            sem: self,
            _not_send: NotThreadSafe,
        }
    }
}

/// Guard of a [`PercpuRwSemaphore`] that is taken for reading.
///
/// # Invariants
///
/// The current task holds `sem` for reading, and this guard is what will release it.
#[must_use = "the semaphore is released immediately when the guard is unused"]
pub struct ReadGuard<'a> {
    sem: &'a PercpuRwSemaphore,
    _not_send: NotThreadSafe,
}

impl<'a> ReadGuard<'a> {
    /// Forgets the guard and leaves the semaphore taken.
    ///
    /// For code that is called once to take a semaphore and once more to release it. The second call
    /// gets the guard back with [`ReadGuard::from_leaked`]. Without it, no writer ever proceeds.
    #[inline]
    pub fn leak(self) {
        let _ = ManuallyDrop::new(self);
    }

    /// Gets back a guard that was forgotten with [`ReadGuard::leak`].
    ///
    /// # Safety
    ///
    /// The current task must have leaked a guard of `sem` and must not have got it back yet.
    #[inline]
    pub unsafe fn from_leaked(sem: &'a PercpuRwSemaphore) -> Self {
        // INVARIANT: By the safety requirements the current task holds `sem` on behalf of a guard that
        // is gone.
        Self {
            sem,
            _not_send: NotThreadSafe,
        }
    }
}

impl Drop for ReadGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariants the current task holds the semaphore for reading.
        unsafe { bindings::percpu_up_read(self.sem.0.get()) };
    }
}

/// Guard of a [`PercpuRwSemaphore`] that is taken for writing.
///
/// # Invariants
///
/// The current task holds `sem` for writing, and this guard is what will release it.
#[must_use = "the semaphore is released immediately when the guard is unused"]
pub struct WriteGuard<'a> {
    sem: &'a PercpuRwSemaphore,
    _not_send: NotThreadSafe,
}

impl Drop for WriteGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariants the current task holds the semaphore for writing.
        unsafe { bindings::percpu_up_write(self.sem.0.get()) };
    }
}
