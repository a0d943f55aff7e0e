// SPDX-License-Identifier: GPL-2.0

//! Changing a page under the eyes of its process: the entry that maps it is taken out of the page
//! table, the page is changed, and the entry is put back, all under the page table's lock. Who
//! meets the gap takes a page fault and waits for the lock.

use core::{
    marker::PhantomData,
    mem::{
        self,
        MaybeUninit, //
    },
    ptr, //
};

use kernel::{
    bindings,
    ffi::c_int,
    page::PAGE_SIZE,
    types::NotThreadSafe, //
};

use super::{
    page::{
        page_start,
        UserPage, //
    },
    LockedVma, //
};

/// Tells other users of the page tables (virtual machines, devices) that a page's entry goes away;
/// when dropped, that it has. Both may sleep.
///
/// # Invariants
///
/// The notifiers have been told of the start of `range`, and not of its end.
#[must_use = "the notice ends when this is dropped"]
pub(crate) struct Notice<'a> {
    range: bindings::mmu_notifier_range,
    _vma: PhantomData<&'a LockedVma<'a>>,
}

impl<'a> Notice<'a> {
    pub(crate) fn of_page(vma: &'a LockedVma<'a>, vaddr: usize) -> Self {
        let start = page_start(vaddr);
        // Not all fields are written below.
        let mut range = MaybeUninit::zeroed();
        // SAFETY: The memory is for the range, of which all zeroes is a value; the address space
        // outlives `'a`. Notifiers do not keep the pointer, so that the range can be moved
        // afterwards.
        let range = unsafe {
            bindings::mmu_notifier_range_init_clear(
                range.as_mut_ptr(),
                vma.mm().as_raw(),
                start,
                start + PAGE_SIZE,
            );
            bindings::mmu_notifier_invalidate_range_start(range.as_mut_ptr());
            range.assume_init()
        };
        // INVARIANT: The notifiers have just been told.
        Self {
            range,
            _vma: PhantomData,
        }
    }
}

impl Drop for Notice<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type's invariants the end is still to be told.
        unsafe { bindings::mmu_notifier_invalidate_range_end(&mut self.range) };
    }
}

/// Where a walk through the page tables is described. It is large, and stays where it was made.
pub(crate) struct Walk(MaybeUninit<bindings::folio_walk>);

impl Walk {
    pub(crate) fn new() -> Self {
        let mut walk = MaybeUninit::<bindings::folio_walk>::uninit();
        // The one field that C leaves alone where it describes a walk.
        //
        // SAFETY: The memory is ours.
        unsafe { (&raw mut (*walk.as_mut_ptr()).vma).write(ptr::null_mut()) };
        Self(walk)
    }
}

/// The entry that maps a page, found by walking the page tables.
///
/// # Invariants
///
/// `fw` is the result of a successful walk in `vma`, the page table's lock is held, and the entry
/// maps `page`.
#[must_use = "the page table's lock is released when this is dropped"]
pub(crate) struct Entry<'a> {
    fw: &'a mut bindings::folio_walk,
    vma: LockedVma<'a>,
    vaddr: usize,
    page: &'a UserPage,
    _task: NotThreadSafe,
}

impl<'a> Entry<'a> {
    /// Finds the entry at `vaddr`, if it still maps `page`. Its lock spins: no sleeping before the
    /// entry is dropped.
    pub(crate) fn find(
        walk: &'a mut Walk,
        vma: LockedVma<'a>,
        vaddr: usize,
        page: &'a UserPage,
    ) -> Option<Self> {
        let vaddr = page_start(vaddr);
        let fw = walk.0.as_mut_ptr();
        // SAFETY: `mmap_lock` is held.
        let folio = unsafe { bindings::folio_walk_start(fw, vma.as_ptr(), vaddr, 0) };
        if folio.is_null() {
            return None;
        }
        let entry = Self {
            // SAFETY: A walk that returns a folio has described how it got there.
            fw: unsafe { walk.0.assume_init_mut() },
            vma,
            vaddr,
            page,
            _task: NotThreadSafe,
        };
        // INVARIANT: If the page is another one, then the entry is dropped at once.
        (entry.fw.page == page.as_ptr()).then_some(entry)
    }

    /// Does it map this one page, and may the page be written to in place? If not, then a write
    /// fault has to make it so. That the entry itself need not allow writing is what makes
    /// breakpoints in code possible.
    pub(crate) fn is_replaceable(&self) -> bool {
        if self.fw.level != bindings::folio_walk_level_FW_LEVEL_PTE {
            return false;
        }
        // SAFETY: The level says that the entry is a `pte_t`; mapping and page are alive.
        unsafe {
            bindings::pte_write(self.pte())
                || (bindings::PageAnonExclusive(self.page.as_ptr()) != 0
                    && !bindings::userfaultfd_pte_wp(self.vma.as_ptr(), self.pte()))
        }
    }

    /// Takes the entry out of the page table, on all CPUs. It must be [`Self::is_replaceable`].
    pub(crate) fn take_out(&mut self) -> Gap<'_, 'a> {
        // SAFETY: The page table's lock is held, and the entry is a `pte_t`.
        unsafe {
            bindings::flush_cache_page(
                self.vma.as_ptr(),
                self.vaddr,
                bindings::pte_pfn(self.pte()),
            );
            self.fw.__bindgen_anon_2.pte =
                bindings::ptep_clear_flush(self.vma.as_ptr(), self.vaddr, self.ptep());
        }
        // INVARIANT: The entry was just taken out.
        Gap { entry: self }
    }

    fn pte(&self) -> bindings::pte_t {
        // SAFETY: Any bits are a `pte_t`.
        unsafe { self.fw.__bindgen_anon_2.pte }
    }

    fn ptep(&self) -> *mut bindings::pte_t {
        // SAFETY: The members of the union are pointers all.
        unsafe { self.fw.__bindgen_anon_1.ptep }
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type's invariants the walk has not ended yet.
        unsafe { bindings::folio_walk_end(self.fw, self.vma.as_ptr()) };
    }
}

/// The place of an entry that has been taken out; put back, marked dirty, when this is dropped.
///
/// # Invariants
///
/// The page table has no entry at the place of `entry`.
#[must_use = "the entry is put back when this is dropped"]
pub(crate) struct Gap<'e, 'a> {
    entry: &'e Entry<'a>,
}

impl Gap<'_, '_> {
    /// Leaves the place empty and gives up the process's use of the page: the next access reads the
    /// file's page in. Needs a [`Notice`].
    pub(crate) fn leave_empty(self) {
        let entry = self.entry;
        mem::forget(self);
        let folio = entry.page.folio();
        // SAFETY: The page was mapped by the entry that was taken out, under the page table's lock
        // that is still held, so that counter, reverse mapping and reference are to be undone. The
        // folio is alive after that, because the `UserPage` holds another reference.
        unsafe {
            bindings::dec_mm_counter(entry.vma.mm().as_raw(), bindings::MM_ANONPAGES as c_int);
            bindings::folio_remove_rmap_pte(
                folio.as_ptr(),
                entry.page.as_ptr(),
                entry.vma.as_ptr(),
            );
            folio.try_free_swap();
            bindings::folio_put(folio.as_ptr());
        }
    }
}

impl Drop for Gap<'_, '_> {
    fn drop(&mut self) {
        let entry = self.entry;
        // SAFETY: The place is empty, and the page table's lock is held.
        unsafe {
            // Who sees the entry sees what was written to the page. Pairs with the address
            // dependency from the entry to the page, in hardware.
            bindings::smp_wmb();
            bindings::set_pte_at(
                entry.vma.mm().as_raw(),
                entry.vaddr,
                entry.ptep(),
                bindings::pte_mkdirty(entry.pte()),
            );
        }
    }
}
