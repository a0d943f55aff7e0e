// SPDX-License-Identifier: GPL-2.0

//! Sequence counts: lockless readers that learn afterwards whether a writer was at work.
//!
//! A writer makes the count odd, changes the data and makes the count even again. A reader remembers
//! the count, reads, and looks at the count once more: if it moved, what was read is not consistent.
//! Until then the reader must be prepared to have read garbage, and what it reads must be reachable
//! safely by other means (RCU, for instance), as the writer does not wait for it.
//!
//! - [`SeqSpinLock`] is a spinlock and the count that its holders advance.
//! - [`SeqCount`] is a bare count whose writers are serialised by other means.
//!
//! Readers may run in any context which cannot interrupt a writer on the same CPU; of those that wait
//! for an even count ([`SeqSpinLock::begin`]) this is required, or they may wait forever.
//!
//! C header: [`include/linux/seqlock.h`](srctree/include/linux/seqlock.h)

use crate::{
    bindings,
    prelude::*,
    sync::{
        atomic::{
            ordering::Acquire,
            Atomic, //
        },
        LockClassKey, //
    },
    types::{
        NotThreadSafe,
        Opaque, //
    },
};

/// The count that a reader saw when it began.
///
/// It is handed to `retry()` of the count that it came from, once.
#[must_use = "what was read is not known to be consistent before `retry()` was asked"]
pub struct Sequence(u32);

impl Sequence {
    /// Returns the number, which is even.
    ///
    /// For caches: what was found under this sequence, and was confirmed by `retry()`, is still there as
    /// long as [`SeqSpinLock::current`] returns the same number. The number wraps after 2^31 writers, so
    /// a cache needs another reason to trust numbers that it remembers for that long.
    #[inline]
    pub fn value(&self) -> u32 {
        self.0
    }
}

/// A spinlock and the sequence count which its holders advance.
///
/// It consists of two pointers to statics defined in C, usually by `DEFINE_SPINLOCK(lock)` and
/// `seqcount_spinlock_t seq = SEQCNT_SPINLOCK_ZERO(seq, &lock)`, and is meant to be a static itself.
///
/// # Invariants
///
/// `lock` and `seq` point to statics that are initialised, and `lock` is the lock which `seq` was
/// initialised with.
pub struct SeqSpinLock {
    lock: *mut bindings::spinlock_t,
    seq: *mut bindings::seqcount_spinlock_t,
}

// SAFETY: Neither the lock nor the count, by the type invariants both statics, is bound to a thread.
unsafe impl Send for SeqSpinLock {}

// SAFETY: The lock serialises those that change the count, and the rest only read it.
unsafe impl Sync for SeqSpinLock {}

impl SeqSpinLock {
    /// Pairs a lock with its sequence count.
    ///
    /// # Safety
    ///
    /// `lock` and `seq` must point to initialised statics, which are never moved, and `lock` must be the
    /// lock that `seq` was initialised with. The count must only be advanced under the lock. If they are
    /// part of a module, the code of the caller must be part of the same module.
    #[inline]
    pub const unsafe fn from_raw(
        lock: *mut bindings::spinlock_t,
        seq: *mut bindings::seqcount_spinlock_t,
    ) -> Self {
        // INVARIANT: By the safety requirements of this function.
        Self { lock, seq }
    }

    /// Takes the lock and makes the count odd until the guard is dropped.
    ///
    /// Spins. Must not be used if the lock or the count is also used by interrupt handlers, from which
    /// the guard does not keep the CPU.
    #[inline]
    pub fn write(&self) -> WriteGuard<'_> {
        // SAFETY: By the type invariants the lock is initialised.
        unsafe { bindings::spin_lock(self.lock) };
        // SAFETY: By the type invariants the count is initialised, and its lock was just taken.
        unsafe { bindings::write_seqcount_spinlock_begin(self.seq) };

        // INVARIANT: The lock was taken and the write section begun just above.
        WriteGuard {
            lock: self,
            _not_send: NotThreadSafe,
        }
    }

    /// Begins to read. Spins while a writer is at work.
    #[inline]
    pub fn begin(&self) -> Sequence {
        // SAFETY: By the type invariants the count is initialised.
        Sequence(unsafe { bindings::read_seqcount_spinlock_begin(self.seq) })
    }

    /// Ends reading, and returns whether a writer has been at work since `start`, that is whether what
    /// was read has to be forgotten.
    #[must_use = "what was read is not known to be consistent before the answer is looked at"]
    #[inline]
    pub fn retry(&self, start: Sequence) -> bool {
        // SAFETY: By the type invariants the count is initialised.
        unsafe { bindings::read_seqcount_retry(&raw mut (*self.seq).seqcount, start.0) != 0 }
    }

    /// Returns the count as it is, without waiting for a writer. It is odd while a writer is at work.
    ///
    /// For caches: an even number that is equal to the one in the cache (see [`Sequence::value`]) says
    /// that no writer has begun in between. What is read after this call is at least as new as the
    /// number, but nothing is said about what writers do after it.
    #[inline]
    pub fn current(&self) -> u32 {
        // SAFETY: By the type invariants the count is initialised and static. It is only changed by the
        // C functions, which mark that as atomic (`kcsan_nestable_atomic_begin()`) for readers like
        // this one.
        unsafe { Atomic::from_ptr(&raw mut (*self.seq).seqcount.sequence) }.load(Acquire)
    }
}

/// Guard of a [`SeqSpinLock`]: the lock is held and the count is odd.
///
/// # Invariants
///
/// The current context holds the lock and has begun the write section; this guard is what will end both.
#[must_use = "the lock unlocks immediately when the guard is unused"]
pub struct WriteGuard<'a> {
    lock: &'a SeqSpinLock,
    _not_send: NotThreadSafe,
}

impl Drop for WriteGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariants the write section was begun.
        unsafe { bindings::write_seqcount_spinlock_end(self.lock.seq) };
        // SAFETY: By the type invariants the lock is held.
        unsafe { bindings::spin_unlock(self.lock.lock) };
    }
}

/// A bare sequence count, whose writers are serialised by something that it does not know.
///
/// # Invariants
///
/// The contained `seqcount_t` is initialised.
///
/// # Examples
///
/// ```
/// use kernel::{
///     bindings,
///     static_lock_class,
///     sync::seqcount::SeqCount,
///     types::Opaque, //
/// };
///
/// let raw = Opaque::<bindings::seqcount_t>::uninit();
/// // SAFETY: The memory is valid and nobody else knows it yet.
/// unsafe { SeqCount::init(raw.get(), c"example", static_lock_class!()) };
/// // SAFETY: `raw` is initialised and outlives `count`.
/// let count = unsafe { SeqCount::from_raw(raw.get()) };
///
/// // Nobody wrote in between.
/// let start = count.try_begin().ok_or(EAGAIN)?;
/// assert!(!count.retry(start));
///
/// // Somebody did.
/// let start = count.try_begin().ok_or(EAGAIN)?;
/// // SAFETY: There is no other writer.
/// let writer = unsafe { count.raw_write_begin() };
/// assert!(count.try_begin().is_none());
/// drop(writer);
/// assert!(count.retry(start));
/// # Ok::<(), Error>(())
/// ```
#[repr(transparent)]
pub struct SeqCount(Opaque<bindings::seqcount_t>);

// SAFETY: A `seqcount_t` is not bound to a thread.
unsafe impl Send for SeqCount {}

// SAFETY: Readers only read, and who writes has to answer for being the only one.
unsafe impl Sync for SeqCount {}

impl SeqCount {
    /// Initialises a count that is part of a C structure.
    ///
    /// # Safety
    ///
    /// `ptr` must be valid for writes, and nobody may use the count at the same time.
    #[inline]
    pub unsafe fn init(
        ptr: *mut bindings::seqcount_t,
        name: &'static CStr,
        key: Pin<&'static LockClassKey>,
    ) {
        // SAFETY: `ptr` is valid by the safety requirements, and both `name` and `key` have static
        // lifetimes so they live indefinitely.
        unsafe { bindings::__seqcount_init(ptr, name.as_char_ptr(), key.as_ptr()) };
    }

    /// Creates a reference from a pointer to a count that is part of a C structure.
    ///
    /// # Safety
    ///
    /// `ptr` must point to an initialised count which stays valid and in place for `'a`.
    #[inline]
    pub unsafe fn from_raw<'a>(ptr: *mut bindings::seqcount_t) -> &'a Self {
        // INVARIANT: By the safety requirements of this function.
        // CAST: `Self` is a transparent wrapper of `seqcount_t`.
        // SAFETY: `ptr` is valid for `'a` by the safety requirements, and `Opaque` allows for changes by
        // others.
        unsafe { &*ptr.cast::<Self>() }
    }

    /// Makes the count odd until the guard is dropped, without telling lockdep.
    ///
    /// If readers wait for the count to become even, preemption must be disabled until then.
    ///
    /// The section orders the writes in it and nothing else. Where the roles are swapped, that is where
    /// this section reads data and others change the data first and look at the count afterwards, a
    /// [full barrier] is needed on both sides: here after this function, there before
    /// [`SeqCount::try_begin`].
    ///
    /// [full barrier]: crate::sync::barrier::smp_mb
    ///
    /// # Safety
    ///
    /// Nobody else may write to the count until the guard is dropped.
    #[inline]
    pub unsafe fn raw_write_begin(&self) -> RawWriteGuard<'_> {
        // SAFETY: By the type invariants the count is initialised; that there is no other writer is
        // promised by the caller.
        unsafe { bindings::raw_write_seqcount_begin(self.0.get()) };

        // INVARIANT: The write section was begun just above.
        RawWriteGuard {
            count: self,
            _not_send: NotThreadSafe,
        }
    }

    /// Begins to read, unless a writer is at work.
    #[inline]
    pub fn try_begin(&self) -> Option<Sequence> {
        let mut start = 0;

        // SAFETY: By the type invariants the count is initialised, and `start` is valid for writes.
        let began = unsafe { bindings::raw_seqcount_try_begin(self.0.get(), &raw mut start) };

        began.then_some(Sequence(start))
    }

    /// Ends reading, and returns whether a writer has been at work since `start`, that is whether what
    /// was read has to be forgotten.
    #[must_use = "what was read is not known to be consistent before the answer is looked at"]
    #[inline]
    pub fn retry(&self, start: Sequence) -> bool {
        // SAFETY: By the type invariants the count is initialised.
        unsafe { bindings::read_seqcount_retry(self.0.get(), start.0) != 0 }
    }
}

/// Guard of a [`SeqCount`] that is odd.
///
/// # Invariants
///
/// The current context has begun the write section, and this guard is what will end it.
#[must_use = "the write section ends immediately when the guard is unused"]
pub struct RawWriteGuard<'a> {
    count: &'a SeqCount,
    _not_send: NotThreadSafe,
}

impl Drop for RawWriteGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariants the write section was begun, and by the promise of who began it
        // there is no other writer.
        unsafe { bindings::raw_write_seqcount_end(self.count.0.get()) };
    }
}
