// SPDX-License-Identifier: GPL-2.0

//! Reader/writer semaphores: sleeping locks that admit many readers or one writer.
//!
//! Both sides may sleep and are thus for process context only. A task must release what it took.
//!
//! C header: [`include/linux/rwsem.h`](srctree/include/linux/rwsem.h)

use crate::{
    bindings,
    prelude::*,
    sync::LockClassKey,
    types::{
        NotThreadSafe,
        Opaque, //
    },
};
use core::{
    cell::UnsafeCell,
    ops::{
        Deref,
        DerefMut, //
    },
};
use pin_init::Wrapper;

/// Creates an [`RwSemaphore`] initialiser with the given name and a newly-created lock class.
///
/// It uses the name if one is given, otherwise it generates one based on the file name and line
/// number.
#[macro_export]
macro_rules! new_rwsem {
    ($inner:expr $(, $name:literal)? $(,)?) => {
        $crate::sync::rwsem::RwSemaphore::new(
            $inner, $crate::optional_name!($($name)?), $crate::static_lock_class!())
    };
}
pub use new_rwsem;

/// A reader/writer lock that sleeps while it waits.
///
/// Exposes the kernel's [`struct rw_semaphore`]. Any number of readers may hold it at the same time, or
/// one writer. The lock is fair to waiting writers: a reader that arrives after a writer may have to
/// wait even though other readers hold the lock, hence a task must not take it for reading twice.
///
/// Instances need a lock class and to be pinned. The recommended way to create them is with the
/// [`pin_init`](pin_init::pin_init) and [`new_rwsem`] macros.
///
/// # Invariants
///
/// `sem` is an initialised `rw_semaphore`. `data` is only accessed by those who hold it: shared by
/// readers, exclusively by a writer.
///
/// # Examples
///
/// ```
/// use kernel::sync::rwsem::{
///     new_rwsem,
///     RwSemaphore, //
/// };
///
/// #[pin_data]
/// struct Registry {
///     #[pin]
///     names: RwSemaphore<KVec<u32>>,
/// }
///
/// impl Registry {
///     fn new() -> impl PinInit<Self> {
///         pin_init!(Self {
///             names <- new_rwsem!(KVec::new(), "Registry::names"),
///         })
///     }
/// }
///
/// let registry = KBox::pin_init(Registry::new(), GFP_KERNEL)?;
/// assert!(registry.names.read().is_empty());
/// registry.names.write().push(7, GFP_KERNEL)?;
/// assert_eq!(registry.names.read().as_slice(), &[7]);
///
/// // A writer has to wait while there is a reader.
/// let reader = registry.names.read();
/// assert!(registry.names.try_write().is_none());
/// drop(reader);
///
/// // A reader has to wait while there is a writer.
/// let writer = registry.names.try_write().ok_or(EBUSY)?;
/// assert!(registry.names.try_read().is_none());
/// drop(writer);
/// assert!(registry.names.try_read().is_some());
/// # Ok::<(), Error>(())
/// ```
///
/// [`struct rw_semaphore`]: srctree/include/linux/rwsem.h
#[pin_data]
pub struct RwSemaphore<T: ?Sized> {
    #[pin]
    sem: Opaque<bindings::rw_semaphore>,
    #[pin]
    data: UnsafeCell<T>,
}

// SAFETY: An `rw_semaphore` that nobody holds is not bound to a thread, so that the lock can be sent
// iff the data can.
unsafe impl<T: ?Sized + Send> Send for RwSemaphore<T> {}

// SAFETY: A writer gets exclusive access from whichever thread it runs on, which requires `Send`;
// readers get shared access at the same time, which requires `Sync`.
unsafe impl<T: ?Sized + Send + Sync> Sync for RwSemaphore<T> {}

impl<T> RwSemaphore<T> {
    /// Constructs a new lock initialiser.
    #[inline]
    pub fn new(
        t: impl PinInit<T>,
        name: &'static CStr,
        key: Pin<&'static LockClassKey>,
    ) -> impl PinInit<Self> {
        pin_init!(Self {
            data <- UnsafeCell::pin_init(t),
            // INVARIANT: The C function initialises the semaphore.
            // SAFETY: `slot` is valid while the closure is called and both `name` and `key` have
            // static lifetimes so they live indefinitely.
            sem <- Opaque::ffi_init(|slot| unsafe {
                bindings::__init_rwsem(slot, name.as_char_ptr(), key.as_ptr())
            }),
        })
    }
}

impl<T: ?Sized> RwSemaphore<T> {
    /// Takes the lock for reading. Sleeps while there is a writer.
    #[inline]
    pub fn read(&self) -> ReadGuard<'_, T> {
        // SAFETY: By the type invariants the semaphore is initialised.
        unsafe { bindings::down_read(self.sem.get()) };

        // INVARIANT: The current task took the lock for reading just above.
        ReadGuard {
            lock: self,
            _not_send: NotThreadSafe,
        }
    }

    /// Takes the lock for reading if that is possible without waiting.
    // `Option<T>` is not `#[must_use]` even if `T` is, thus the attribute is needed here.
    #[must_use = "if unused, the lock will be immediately unlocked"]
    #[inline]
    pub fn try_read(&self) -> Option<ReadGuard<'_, T>> {
        // SAFETY: By the type invariants the semaphore is initialised.
        if unsafe { bindings::down_read_trylock(self.sem.get()) } == 0 {
            return None;
        }

        // INVARIANT: The current task took the lock for reading just above.
        Some(ReadGuard {
            lock: self,
            _not_send: NotThreadSafe,
        })
    }

    /// Takes the lock for writing. Sleeps while there are readers or another writer.
    #[inline]
    pub fn write(&self) -> WriteGuard<'_, T> {
        // SAFETY: By the type invariants the semaphore is initialised.
        unsafe { bindings::down_write(self.sem.get()) };

        // INVARIANT: The current task took the lock for writing just above.
        WriteGuard {
            lock: self,
            _not_send: NotThreadSafe,
        }
    }

    /// Takes the lock for writing if that is possible without waiting.
    // `Option<T>` is not `#[must_use]` even if `T` is, thus the attribute is needed here.
    #[must_use = "if unused, the lock will be immediately unlocked"]
    #[inline]
    pub fn try_write(&self) -> Option<WriteGuard<'_, T>> {
        // SAFETY: By the type invariants the semaphore is initialised.
        if unsafe { bindings::down_write_trylock(self.sem.get()) } == 0 {
            return None;
        }

        // INVARIANT: The current task took the lock for writing just above.
        Some(WriteGuard {
            lock: self,
            _not_send: NotThreadSafe,
        })
    }
}

/// Guard of an [`RwSemaphore`] that is taken for reading.
///
/// # Invariants
///
/// The current task holds `lock` for reading, and this guard is what will release it.
#[must_use = "the lock unlocks immediately when the guard is unused"]
pub struct ReadGuard<'a, T: ?Sized> {
    lock: &'a RwSemaphore<T>,
    _not_send: NotThreadSafe,
}

// SAFETY: A shared reference to the guard gives no more than a shared reference to the data.
unsafe impl<T: ?Sized + Sync> Sync for ReadGuard<'_, T> {}

impl<T: ?Sized> Deref for ReadGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: By the type invariants the lock is held for reading, so that there is no exclusive
        // reference to the data.
        unsafe { &*self.lock.data.get() }
    }
}

impl<T: ?Sized> Drop for ReadGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariants the current task holds the lock for reading.
        unsafe { bindings::up_read(self.lock.sem.get()) };
    }
}

/// Guard of an [`RwSemaphore`] that is taken for writing.
///
/// # Invariants
///
/// The current task holds `lock` for writing, and this guard is what will release it.
#[must_use = "the lock unlocks immediately when the guard is unused"]
pub struct WriteGuard<'a, T: ?Sized> {
    lock: &'a RwSemaphore<T>,
    _not_send: NotThreadSafe,
}

// SAFETY: A shared reference to the guard gives no more than a shared reference to the data.
unsafe impl<T: ?Sized + Sync> Sync for WriteGuard<'_, T> {}

impl<T: ?Sized> WriteGuard<'_, T> {
    /// Returns a pinned mutable reference to the protected data.
    ///
    /// The guard implements [`DerefMut`] when `T: Unpin`, so for [`Unpin`] types [`DerefMut`] should be
    /// used instead of this function.
    #[inline]
    pub fn as_mut(&mut self) -> Pin<&mut T> {
        // SAFETY: By the type invariants the lock is held for writing, so that this is the only
        // reference to the data; the data is structurally pinned.
        unsafe { Pin::new_unchecked(&mut *self.lock.data.get()) }
    }
}

impl<T: ?Sized> Deref for WriteGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: By the type invariants the lock is held for writing, so that nobody else has a
        // reference to the data.
        unsafe { &*self.lock.data.get() }
    }
}

impl<T: ?Sized + Unpin> DerefMut for WriteGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: By the type invariants the lock is held for writing, so that nobody else has a
        // reference to the data.
        unsafe { &mut *self.lock.data.get() }
    }
}

impl<T: ?Sized> Drop for WriteGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariants the current task holds the lock for writing.
        unsafe { bindings::up_write(self.lock.sem.get()) };
    }
}
