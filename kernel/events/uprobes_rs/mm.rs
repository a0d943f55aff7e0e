// SPDX-License-Identifier: GPL-2.0

//! Address spaces and their mappings, as far as placing breakpoints needs them.
//!
//! A thin view over `mm_struct` and `vm_area_struct` with one type for each lock that a caller may
//! hold, because what may be done with a mapping depends on nothing else:
//!
//! ```text
//!  rmap::FileMappings   i_mmap_rwsem, read   the mappings of one file          ──► Vma
//!  Vmas                 mmap_lock, read      the mappings of one process       ──► Vma
//!  MmapWrite            mmap_lock, write     the same, and they stay as is     ──► LockedVma
//! ```
//!
//! # Lock order
//!
//! A probe's registration lock, then [`fork_lock`], then `i_mmap_rwsem`, which is released before
//! `mmap_lock` is taken. Everything else of ours (the lock of a probe's consumers, delayed
//! reference counters, the tree) comes below `mmap_lock`.

pub(crate) mod page;
pub(crate) mod pte;
pub(crate) mod rmap;
mod vma;

use kernel::{
    bindings,
    error::to_result,
    ffi::c_int,
    mm::{
        Mm,
        MmWithUser, //
    },
    prelude::*,
    sync::{
        atomic::{
            ordering::Relaxed,
            Atomic, //
        },
        percpu_rwsem::PercpuRwSemaphore, //
    },
    types::NotThreadSafe, //
};

pub(crate) use self::vma::{
    LockedVma,
    Vma,
    Vmas, //
};

/// Keeps fork from copying page tables (read) while breakpoints come and go (write).
///
/// A child could otherwise inherit a breakpoint from a parent that was already visited, in a
/// mapping that did not exist when the mappings of the file were collected.
pub(crate) fn fork_lock() -> &'static PercpuRwSemaphore {
    // SAFETY: The semaphore is statically initialised in shims.c and lives for ever.
    unsafe { PercpuRwSemaphore::from_raw(&raw mut bindings::uprobes_dup_mmap_sem) }
}

/// Which way an instruction is being changed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A breakpoint, or a later form of it, is put in place.
    Install,
    /// The original instruction is put back.
    Restore,
}

impl Purpose {
    /// From the `is_register` of the C interface.
    pub(crate) fn from_is_register(is_register: bool) -> Self {
        if is_register {
            Purpose::Install
        } else {
            Purpose::Restore
        }
    }
}

/// What an address space remembers about probes, in `mm->flags`.
#[derive(Clone, Copy)]
#[repr(i32)]
pub(crate) enum Flag {
    /// A breakpoint may be somewhere. Set before the first one is, so that no trap is missed.
    HasUprobes = bindings::MMF_HAS_UPROBES as i32,
    /// [`Flag::HasUprobes`] may be out of date; or, if that is not set, has been: there were
    /// breakpoints once.
    RecalcUprobes = bindings::MMF_RECALC_UPROBES as i32,
}

/// Access to [`Flag`]s. They are atomic bits, so no lock is needed.
pub(crate) trait Flags {
    fn has(&self, flag: Flag) -> bool;
    fn set(&self, flag: Flag);
    fn clear(&self, flag: Flag);
    /// Clears one flag if both are set, in one step: whoever comes second finds that they are not.
    fn clear_one_of_both(&self, flag: Flag);
}

impl Flags for Mm {
    #[inline]
    fn has(&self, flag: Flag) -> bool {
        // SAFETY: The reference keeps the `mm_struct` alive; the bit is one of its flags.
        unsafe { bindings::mm_flags_test(flag as c_int, self.as_raw()) }
    }

    fn set(&self, flag: Flag) {
        // SAFETY: As in `has()`.
        unsafe { bindings::mm_flags_set(flag as c_int, self.as_raw()) }
    }

    fn clear(&self, flag: Flag) {
        // SAFETY: As in `has()`.
        unsafe { bindings::mm_flags_clear(flag as c_int, self.as_raw()) }
    }

    fn clear_one_of_both(&self, flag: Flag) {
        const BOTH: usize = 1 << Flag::HasUprobes as i32 | 1 << Flag::RecalcUprobes as i32;
        // SAFETY: The reference keeps the `mm_struct` alive, of whose flags these are in the first
        // word. C's functions for them are atomic, too.
        let word = unsafe {
            let flags = &raw mut (*self.as_raw()).__bindgen_anon_1.flags.__mm_flags;
            Atomic::from_ptr(flags.cast::<usize>())
        };
        let mut old = word.load(Relaxed);
        while old & BOTH == BOTH {
            match word.cmpxchg(old, old & !(1 << flag as i32), Relaxed) {
                Ok(_) => return,
                Err(now) => old = now,
            }
        }
    }
}

/// `mmap_lock`, held for writing.
///
/// # Invariants
///
/// The current task took the lock of `mm` and this releases it.
#[must_use = "the lock is released when this is dropped"]
pub(crate) struct MmapWrite<'mm> {
    mm: &'mm MmWithUser,
    _task: NotThreadSafe,
}

impl<'mm> MmapWrite<'mm> {
    /// May sleep.
    pub(crate) fn lock(mm: &'mm MmWithUser) -> Self {
        // SAFETY: The reference keeps the address space alive.
        unsafe { bindings::mmap_write_lock(mm.as_raw()) };
        // INVARIANT: The lock was just taken.
        Self {
            mm,
            _task: NotThreadSafe,
        }
    }

    /// May sleep.
    ///
    /// # Errors
    ///
    /// `EINTR` if the task is being killed.
    pub(crate) fn lock_killable(mm: &'mm MmWithUser) -> Result<Self> {
        // SAFETY: The reference keeps the address space alive.
        to_result(unsafe { bindings::mmap_write_lock_killable(mm.as_raw()) })?;
        // INVARIANT: The lock was just taken.
        Ok(Self {
            mm,
            _task: NotThreadSafe,
        })
    }

    pub(crate) fn as_raw(&self) -> *mut bindings::mm_struct {
        self.mm.as_raw()
    }

    /// Is the address space complete, neither half copied by a failed fork nor being taken apart
    /// by the OOM reaper?
    pub(crate) fn is_stable(&self) -> bool {
        // SAFETY: The reference keeps the address space alive.
        unsafe { bindings::check_stable_address_space(self.mm.as_raw()) == 0 }
    }

    /// The mapping that `vaddr` is in.
    pub(crate) fn vma_at(&self, vaddr: usize) -> Option<LockedVma<'_>> {
        // SAFETY: The lock is held.
        let vma = unsafe { bindings::vma_lookup(self.mm.as_raw(), vaddr) };
        // SAFETY: The lock is held for as long as `self` is borrowed.
        (!vma.is_null()).then(|| unsafe { LockedVma::from_raw(vma) })
    }

    pub(crate) fn vmas(&self) -> impl Iterator<Item = LockedVma<'_>> {
        // SAFETY: The lock is held for as long as `self` is borrowed, for writing.
        unsafe { Vmas::new(self.mm).map(|vma| LockedVma::from_raw(vma.as_ptr())) }
    }
}

impl Drop for MmapWrite<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type's invariants the lock is ours to release.
        unsafe { bindings::mmap_write_unlock(self.mm.as_raw()) };
    }
}
