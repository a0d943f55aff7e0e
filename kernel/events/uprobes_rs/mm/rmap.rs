// SPDX-License-Identifier: GPL-2.0

//! Who has a file mapped.

use core::marker::PhantomData;

use kernel::{
    bindings,
    page::PAGE_SHIFT,
    types::NotThreadSafe, //
};

use super::Vma;
use crate::probe::Probe;

/// All mappings of a probe's file: `i_mmap_rwsem`, held for reading.
///
/// No memory may be allocated with direct reclaim while this lives, and no reference to an address
/// space may be dropped: both can end up taking the same lock for writing.
///
/// # Invariants
///
/// The current task took the lock of `mapping` and this releases it.
#[must_use = "the lock is released when this is dropped"]
pub(crate) struct FileMappings<'a> {
    mapping: *mut bindings::address_space,
    _inode: PhantomData<&'a Probe>,
    _task: NotThreadSafe,
}

impl<'a> FileMappings<'a> {
    /// May sleep.
    ///
    /// # Safety
    ///
    /// The probe's inode must be kept during `'a`, as who has a consumer registered does.
    pub(crate) unsafe fn lock(probe: &'a Probe) -> Self {
        // SAFETY: The inode is alive by the function's contract.
        let mapping = unsafe { (*probe.inode()).i_mapping };
        // SAFETY: As above.
        unsafe { bindings::i_mmap_lock_read(mapping) };
        // INVARIANT: The lock was just taken.
        Self {
            mapping,
            _inode: PhantomData,
            _task: NotThreadSafe,
        }
    }

    /// The mappings in which the page with this byte of the file is.
    pub(crate) fn of_offset(&self, offset: i64) -> Covering<'_> {
        // A negative offset is in no mapping.
        let index = (offset >> PAGE_SHIFT) as usize;
        Covering {
            // SAFETY: The lock is held.
            next: unsafe { bindings::mapping_rmap_tree_iter_first(self.mapping, index, index) },
            index,
            _lock: PhantomData,
        }
    }
}

impl Drop for FileMappings<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type's invariants the lock is ours to release.
        unsafe { bindings::i_mmap_unlock_read(self.mapping) };
    }
}

/// The mappings of one page of a file.
///
/// # Invariants
///
/// `next` is null or in the tree that is locked during `'a`.
pub(crate) struct Covering<'a> {
    next: *mut bindings::vm_area_struct,
    index: usize,
    _lock: PhantomData<&'a ()>,
}

impl<'a> Iterator for Covering<'a> {
    type Item = Vma<'a>;

    fn next(&mut self) -> Option<Vma<'a>> {
        let vma = self.next;
        if vma.is_null() {
            return None;
        }
        // INVARIANT: The tree is locked, and so is what follows in it.
        // SAFETY: By the type's invariants `vma` is in the locked tree.
        self.next = unsafe { bindings::mapping_rmap_tree_iter_next(vma, self.index, self.index) };
        // SAFETY: A mapping in the locked tree is not freed or moved.
        Some(unsafe { Vma::from_raw(vma) })
    }
}
