// SPDX-License-Identifier: GPL-2.0

//! SRCU with fast readers that may be released in another context ("SRCU-fast-updown").
//!
//! Two kinds of reader share one domain:
//!
//! - [`SrcuFastUpdown::read_lock`] gives a [`Guard`], which belongs to the task that took it and which
//!   lockdep knows about.
//! - [`Domain::down_read`] gives a [`Reader`], which belongs to nobody: it may be stored, survives the
//!   return to user space, and may be released by another task or by a softirq. Lockdep does not see it.
//!
//! Taking and releasing either is one increment of a per-CPU counter and no memory barrier. Readers may
//! sleep. Both kinds may be taken and released in task, softirq and hardirq context, but not in an NMI,
//! and only where RCU is watching. Updaters pay: each phase of a grace period waits for an RCU grace
//! period as well.
//!
//! Only domains defined in C, with `DEFINE_SRCU_FAST_UPDOWN()` or `DEFINE_STATIC_SRCU_FAST_UPDOWN()`,
//! are supported: the per-CPU counters of such a domain are laid out by the linker, and the domain is
//! never torn down, which is what lets a reader outlive everything else.
//!
//! C header: [`include/linux/srcu.h`](srctree/include/linux/srcu.h)

use crate::{
    bindings,
    types::{
        NotThreadSafe,
        Opaque, //
    },
};
use core::{
    marker::PhantomData,
    mem::ManuallyDrop, //
};

/// A statically defined SRCU-fast-updown domain.
///
/// # Invariants
///
/// The contained `srcu_struct` was defined with `DEFINE_SRCU_FAST_UPDOWN()` or
/// `DEFINE_STATIC_SRCU_FAST_UPDOWN()`, and is only used with readers of that kind.
#[repr(transparent)]
pub struct SrcuFastUpdown(Opaque<bindings::srcu_struct>);

// SAFETY: An `srcu_struct` is not bound to a thread.
unsafe impl Send for SrcuFastUpdown {}

// SAFETY: An `srcu_struct` does its own synchronisation.
unsafe impl Sync for SrcuFastUpdown {}

impl SrcuFastUpdown {
    /// Creates a reference from a pointer to a domain that was defined in C.
    ///
    /// # Safety
    ///
    /// `ptr` must point to a static `srcu_struct` defined with `DEFINE_SRCU_FAST_UPDOWN()` or
    /// `DEFINE_STATIC_SRCU_FAST_UPDOWN()`; neither C nor Rust code may enter or leave it with the
    /// functions of another kind of SRCU reader. If it is part of a module, the code of the caller must
    /// be part of the same module.
    #[inline]
    pub const unsafe fn from_raw(ptr: *mut bindings::srcu_struct) -> &'static Self {
        // INVARIANT: By the safety requirements of this function.
        // CAST: `Self` is a transparent wrapper of `srcu_struct`.
        // SAFETY: `ptr` is valid for the lifetime of the code that uses it by the safety requirements,
        // and `Opaque` allows for changes by others.
        unsafe { &*ptr.cast::<Self>() }
    }

    /// Returns the pointer to the C domain.
    #[inline]
    pub const fn as_raw(&self) -> *mut bindings::srcu_struct {
        self.0.get()
    }

    /// Enters a read-side critical section that is left in the same context.
    ///
    /// Leaking the guard is memory safe, but no later grace period of this domain ends.
    #[inline]
    pub fn read_lock(&self) -> Guard<'_> {
        // SAFETY: By the type invariants the domain is valid and of this kind.
        let scp = unsafe { bindings::srcu_read_lock_fast_updown(self.as_raw()) };

        // INVARIANT: `scp` was returned by the function for `self`, just above.
        Guard {
            srcu: self,
            scp,
            _not_send: NotThreadSafe,
        }
    }

    /// Returns whether the current context may be in a section entered with
    /// [`SrcuFastUpdown::read_lock`].
    ///
    /// For assertions only: without `CONFIG_DEBUG_LOCK_ALLOC` nobody keeps the record, and the answer
    /// is always `true`. A [`Reader`] is not recorded.
    #[inline]
    pub fn is_read_lock_held(&self) -> bool {
        // SAFETY: By the type invariants the domain is valid.
        unsafe { bindings::srcu_read_lock_held(self.as_raw()) != 0 }
    }

    /// Waits until all readers that exist now are released.
    ///
    /// May sleep, so it must be called from process context with nothing held that forbids it. It must
    /// not be called by the holder of a [`Guard`] of the same domain, nor by somebody whose waiting
    /// keeps a [`Reader`] of it from being released: it would wait for itself.
    #[inline]
    pub fn synchronize(&self) {
        // SAFETY: By the type invariants the domain is valid.
        unsafe { bindings::synchronize_srcu(self.as_raw()) };
    }

    /// Waits as [`SrcuFastUpdown::synchronize`] does, but sooner and at the cost of everybody else.
    ///
    /// An expedited grace period of this kind of domain interrupts every CPU.
    #[inline]
    pub fn synchronize_expedited(&self) {
        // SAFETY: By the type invariants the domain is valid.
        unsafe { bindings::synchronize_srcu_expedited(self.as_raw()) };
    }

    /// Calls `func` with `head` once all readers that exist now are released.
    ///
    /// `func` is called in process context with softirqs disabled: it must be quick and must not sleep.
    /// This function itself does not sleep; it may be called with interrupts disabled, but not in an
    /// NMI.
    ///
    /// # Safety
    ///
    /// - `head` must be valid for writes, must not be queued for a callback already, and must be left
    ///   alone until `func` is called with it.
    /// - It must be sound to call `func` with `head` once, at any time after the grace period, on any
    ///   CPU and in the context described above; the code of `func` must not be unloaded before.
    #[inline]
    pub unsafe fn call(
        &self,
        head: *mut bindings::callback_head,
        func: unsafe extern "C" fn(*mut bindings::callback_head),
    ) {
        // SAFETY: By the type invariants the domain is valid. By the safety requirements of this
        // function `head` is valid and ours until `func` runs, and `func` may be called with it.
        unsafe { bindings::call_srcu(self.as_raw(), head, Some(func)) };
    }
}

/// Guard of a read-side critical section that is left in the context that entered it.
///
/// # Invariants
///
/// `scp` was returned by `srcu_read_lock_fast_updown()` for `srcu`, in the context that owns this
/// guard, and was not passed to `srcu_read_unlock_fast_updown()` yet.
#[must_use = "if unused, the read-side critical section ends at once"]
pub struct Guard<'a> {
    srcu: &'a SrcuFastUpdown,
    scp: *mut bindings::srcu_ctr,
    _not_send: NotThreadSafe,
}

impl Guard<'_> {
    /// Explicitly leaves the read-side critical section.
    #[inline]
    pub fn unlock(self) {}
}

impl Drop for Guard<'_> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariants `scp` belongs to this domain and was not released yet, and as
        // the guard is not `Send` this is the context that obtained it.
        unsafe { bindings::srcu_read_unlock_fast_updown(self.srcu.as_raw(), self.scp) };
    }
}

/// Names one statically defined domain by a type, so that a stored [`Reader`] needs no pointer to it.
///
/// # Safety
///
/// [`Domain::srcu`] must return a reference to the same domain on each call.
pub unsafe trait Domain: Sized + 'static {
    /// Returns the domain.
    fn srcu() -> &'static SrcuFastUpdown;

    /// Enters a read-side critical section that may be left in another context.
    #[inline]
    fn down_read() -> Reader<Self> {
        // SAFETY: By the invariants of `SrcuFastUpdown` the domain is valid and of this kind.
        let scp = unsafe { bindings::srcu_down_read_fast(Self::srcu().as_raw()) };

        // INVARIANT: `scp` was returned by the function for this domain, just above.
        Reader {
            scp,
            _domain: PhantomData,
        }
    }
}

/// A reader of the domain `D` that is not bound to a task or to a context.
///
/// It may be stored, sent to another task and dropped in any context but an NMI. Dropping it releases
/// the domain, so that this happens exactly once. It has the size and layout of the C cookie, and can
/// thus be a field of a structure that C code knows.
///
/// The cookie is opaque. In particular a null cookie is a valid one in kernels with `CONFIG_TINY_SRCU`,
/// hence null must not be used to mark the absence of a reader.
///
/// # Invariants
///
/// `scp` was returned by `srcu_down_read_fast()` for `D::srcu()`, and was not passed to
/// `srcu_up_read_fast()` yet. Nobody else will do the latter.
///
/// # Examples
///
/// ```
/// use kernel::{
///     bindings,
///     sync::srcu_fast_updown::{
///         Domain,
///         Reader, //
///     },
/// };
///
/// /// What a timer may be handed to end.
/// struct Lease {
///     scp: *mut bindings::srcu_ctr,
/// }
///
/// fn lease<D: Domain>() -> Lease {
///     Lease {
///         scp: D::down_read().into_raw(),
///     }
/// }
///
/// fn end<D: Domain>(lease: Lease) {
///     // SAFETY: `scp` comes from `into_raw()` of the same domain, and is forgotten here.
///     unsafe { Reader::<D>::from_raw(lease.scp) }.up_read();
/// }
/// ```
#[must_use = "if unused, the read-side critical section ends at once"]
#[repr(transparent)]
pub struct Reader<D: Domain> {
    scp: *mut bindings::srcu_ctr,
    _domain: PhantomData<fn() -> D>,
}

// SAFETY: `srcu_up_read_fast()` may be called in another task or context than
// `srcu_down_read_fast()` was.
unsafe impl<D: Domain> Send for Reader<D> {}

// SAFETY: Nothing can be done through a shared reference.
unsafe impl<D: Domain> Sync for Reader<D> {}

impl<D: Domain> Reader<D> {
    /// Explicitly leaves the read-side critical section.
    #[inline]
    pub fn up_read(self) {}

    /// Turns the reader into the C cookie, which keeps the read-side critical section open.
    ///
    /// Unless the cookie gets back into [`Reader::from_raw`], or to `srcu_up_read_fast()` in C, no later
    /// grace period of this domain ends.
    #[inline]
    pub fn into_raw(self) -> *mut bindings::srcu_ctr {
        ManuallyDrop::new(self).scp
    }

    /// Takes over a reader from its C cookie.
    ///
    /// # Safety
    ///
    /// `scp` must have been returned by [`Reader::into_raw`] of the same type, or by
    /// `srcu_down_read_fast()` for the same domain in C. The caller gives up its right to release it.
    #[inline]
    pub unsafe fn from_raw(scp: *mut bindings::srcu_ctr) -> Self {
        // INVARIANT: By the safety requirements of this function.
        Self {
            scp,
            _domain: PhantomData,
        }
    }
}

impl<D: Domain> Drop for Reader<D> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariants `scp` belongs to this domain and was not released yet.
        unsafe { bindings::srcu_up_read_fast(D::srcu().as_raw(), self.scp) };
    }
}
