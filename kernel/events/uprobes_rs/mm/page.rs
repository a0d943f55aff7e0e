// SPDX-License-Identifier: GPL-2.0

//! Pages of a process, reached through its page tables, and of the files that it maps.
//!
//! Relies on its callers for `mmap_lock`, which most of them show as a [`LockedVma`]. Promises that
//! a page stays as long as somebody has it, and that nothing beyond its end is read or written.
//! That it is still mapped where it was found is for `pte.rs` to say.

use core::{
    marker::PhantomData,
    mem::MaybeUninit,
    ptr::{
        self,
        NonNull, //
    },
};

use kernel::{
    bindings,
    page::{
        PAGE_MASK,
        PAGE_SHIFT,
        PAGE_SIZE, //
    },
    prelude::*, //
};

use crate::errno::check;

use super::{
    LockedVma,
    Vma, //
};

/// The address of the page that `vaddr` is in.
pub(crate) fn page_start(vaddr: usize) -> usize {
    vaddr & PAGE_MASK
}

/// The place of `vaddr` in its page, if there are `len` bytes from there to the page's end.
#[inline]
pub(crate) fn within_page(vaddr: usize, len: usize) -> Option<usize> {
    let start = vaddr & !PAGE_MASK;
    (len <= PAGE_SIZE - start).then_some(start)
}

/// Runs `f` with the address at which the kernel sees a page.
///
/// # Safety
///
/// `page` must be valid.
unsafe fn with_mapped<T>(page: *mut bindings::page, f: impl FnOnce(*mut u8) -> T) -> T {
    // SAFETY: The page is valid by the function's contract.
    let address = unsafe { bindings::kmap_local_page(page) };
    let result = f(address.cast());
    // SAFETY: The page was mapped above; whatever `f` mapped it has unmapped, being a closure too.
    unsafe { bindings::kunmap_local(address) };
    result
}

/// Copies from the place in a page that `vaddr` has. Warns and does nothing if the bytes cross the
/// page's end.
///
/// # Safety
///
/// `page` must be valid, and `dst` for writing `len` bytes, which need not be initialised.
#[inline]
pub(crate) unsafe fn copy_from(page: *mut bindings::page, vaddr: usize, dst: *mut u8, len: usize) {
    let Some(start) = within_page(vaddr, len) else {
        kernel::warn_on!(true);
        return;
    };
    // SAFETY: The page is valid by the function's contract, and `start + len` is within it. User
    // space may be writing to it; then the bytes are whatever they are, as for C's `memcpy()`.
    unsafe {
        with_mapped(page, |base| {
            ptr::copy_nonoverlapping(base.add(start), dst, len)
        })
    }
}

/// How to get at a page.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Access(u32);

impl Access {
    /// As a debugger reads it, whatever the mapping's protection.
    pub(crate) const READ: Self = Self(bindings::FOLL_FORCE);
    /// As the process itself writes it: it must be allowed to.
    pub(crate) const WRITE: Self = Self(bindings::FOLL_WRITE);
    /// As a debugger writes it: the process gets a page of its own, mapped by itself.
    pub(crate) const BREAK_COW: Self =
        Self(bindings::FOLL_FORCE | bindings::FOLL_WRITE | bindings::FOLL_SPLIT_PMD);
}

impl Access {
    /// How a page fault is told what the access is for.
    fn fault_flags(self) -> u32 {
        let write = if self.0 & bindings::FOLL_WRITE != 0 {
            bindings::fault_flag_FAULT_FLAG_WRITE
        } else {
            0
        };
        bindings::fault_flag_FAULT_FLAG_REMOTE | write
    }
}

/// What a page fault says if there is no page afterwards.
const FAULT_FAILED: u32 = bindings::vm_fault_reason_VM_FAULT_SIGBUS
    | bindings::vm_fault_reason_VM_FAULT_SIGSEGV
    | bindings::vm_fault_reason_VM_FAULT_HWPOISON
    | bindings::vm_fault_reason_VM_FAULT_HWPOISON_LARGE;

/// A page that a process has mapped, or had a moment ago.
///
/// # Invariants
///
/// Owns a reference to the page's folio.
pub(crate) struct UserPage(NonNull<bindings::page>);

impl UserPage {
    /// Finds the page at `vaddr` in the address space of `vma`, after a page fault if there has to
    /// be one. May sleep.
    pub(crate) fn get(vma: &LockedVma<'_>, vaddr: usize, access: Access) -> Result<Option<Self>> {
        let mut page = ptr::null_mut();
        // SAFETY: `mmap_lock` is held, and is not released, because the last argument is null.
        check(unsafe {
            bindings::get_user_pages_remote(
                vma.mm().as_raw(),
                page_start(vaddr),
                1,
                access.0,
                &mut page,
                ptr::null_mut(),
            ) as i32
        })?;
        // INVARIANT: The page was handed over with a reference.
        Ok(NonNull::new(page).map(Self))
    }

    /// The same for a task that is being killed, for which `get()` does nothing but say `EINTR`.
    /// May sleep.
    pub(crate) fn get_though_killed(
        vma: &LockedVma<'_>,
        vaddr: usize,
        access: Access,
    ) -> Result<Self> {
        // SAFETY: `mmap_lock` is held, and is not released, because a retry is not allowed.
        let fault = unsafe {
            bindings::handle_mm_fault(
                vma.as_ptr(),
                page_start(vaddr),
                access.fault_flags(),
                ptr::null_mut(),
            )
        };
        // Likely for a task that is being killed because memory ran out.
        if fault & bindings::vm_fault_reason_VM_FAULT_OOM != 0 {
            return Err(ENOMEM);
        }
        if fault & FAULT_FAILED != 0 {
            return Err(EFAULT);
        }
        // It may have gone again. Who is not being killed can try as often as it takes.
        Self::mapped(vma, vaddr).ok_or(EINTR)
    }

    /// The page that is mapped at `vaddr`, if there is one right now. Nobody can tell that it was
    /// looked up.
    #[inline(never)] // A walk has a large stack frame, which its caller mostly does without.
    pub(crate) fn mapped(vma: &LockedVma<'_>, vaddr: usize) -> Option<Self> {
        let mut walk = MaybeUninit::uninit();
        // SAFETY: `mmap_lock` is held. If a folio is returned then the walk is described, the page
        // table is locked until its end, and the folio cannot go before that.
        unsafe {
            let walk = walk.as_mut_ptr();
            let folio = bindings::folio_walk_start(walk, vma.as_ptr(), page_start(vaddr), 0);
            if folio.is_null() {
                return None;
            }
            bindings::folio_get(folio);
            let page = (*walk).page;
            bindings::folio_walk_end(walk, vma.as_ptr());
            // INVARIANT: The reference was just taken.
            NonNull::new(page).map(Self)
        }
    }

    pub(crate) fn as_ptr(&self) -> *mut bindings::page {
        self.0.as_ptr()
    }

    pub(crate) fn folio(&self) -> Folio<'_> {
        // SAFETY: The page is valid, and so is its folio for as long as the reference is held.
        Folio(unsafe { bindings::page_folio(self.as_ptr()) }, PhantomData)
    }

    /// Copies to `dst` from the place that `vaddr` has; see [`copy_from`].
    #[inline]
    pub(crate) fn read(&self, vaddr: usize, dst: &mut [u8]) {
        // SAFETY: The page is valid.
        unsafe { copy_from(self.as_ptr(), vaddr, dst.as_mut_ptr(), dst.len()) }
    }

    /// Copies `src`, which is instructions, to the place that `vaddr` has, and makes caches agree on
    /// it where they do not by themselves. Warns and does nothing if the bytes cross the page's end.
    /// No page table may map the page for writing or executing there, or else somebody might see
    /// half of it.
    pub(crate) fn write(&self, vma: &LockedVma<'_>, vaddr: usize, src: &[u8]) {
        let Some(start) = within_page(vaddr, src.len()) else {
            kernel::warn_on!(true);
            return;
        };
        // SAFETY: The mapping's address space is locked, the page is valid, `start + len` is within
        // it, and `src` has as many bytes.
        let copy = |base: *mut u8, len: usize| unsafe {
            bindings::copy_to_user_page(
                vma.as_ptr(),
                self.as_ptr(),
                vaddr,
                base.add(start).cast(),
                src.as_ptr().cast(),
                len,
            )
        };
        // SAFETY: The page is valid.
        unsafe {
            with_mapped(self.as_ptr(), |base| match src.len() {
                // A breakpoint, where instructions have any length. With its length known, the copy
                // is a store where `copy_to_user_page()` is a macro and helpers are inlined.
                1 => copy(base, 1),
                len => copy(base, len),
            });
            // That was for a mapping that can be executed. If it is made so again, the page's caches
            // are looked after then.
            if !vma.is_executable() {
                bindings::flush_dcache_page(self.as_ptr());
            }
        }
    }

    /// Replaces the aligned number at the place that `vaddr` has with what `f` makes of it. The
    /// process may be writing to it at the same time.
    pub(crate) fn update(&self, vaddr: usize, f: impl FnOnce(i16) -> Result<i16>) -> Result {
        let start = within_page(vaddr, size_of::<i16>()).ok_or(EINVAL)?;
        // SAFETY: The page is valid and the number is within it. The accesses are volatile because
        // the process does not wait for us.
        unsafe {
            with_mapped(self.as_ptr(), |base| {
                let number = base.add(start).cast::<i16>();
                number.write_volatile(f(number.read_volatile())?);
                Ok(())
            })
        }
    }
}

impl Drop for UserPage {
    fn drop(&mut self) {
        // SAFETY: By the type's invariants the reference is ours to give up.
        unsafe { bindings::folio_put(self.folio().as_ptr()) };
    }
}

/// The folio of a page that somebody holds a reference to.
///
/// # Invariants
///
/// The folio is not freed during `'a`.
#[derive(Clone, Copy)]
pub(crate) struct Folio<'a>(*mut bindings::folio, PhantomData<&'a UserPage>);

impl Folio<'_> {
    pub(crate) fn as_ptr(&self) -> *mut bindings::folio {
        self.0
    }

    /// Is it memory of the process's own, which has been copied on write?
    pub(crate) fn is_own(&self) -> bool {
        // SAFETY: The folio is alive by the type's invariants.
        unsafe { bindings::folio_test_anon(self.0) && !bindings::folio_is_zone_device(self.0) }
    }

    /// Does nobody refer to it but page tables, caches, and a single [`UserPage`]?
    pub(crate) fn has_no_other_users(&self) -> bool {
        // SAFETY: As above.
        unsafe {
            bindings::folio_ref_count(self.0) == bindings::folio_expected_ref_count(self.0) + 1
        }
    }

    /// Frees the swap space of a folio that is no longer mapped, if that can be done without
    /// waiting.
    pub(crate) fn try_free_swap(&self) {
        // SAFETY: As above; the lock is taken and released here.
        unsafe {
            if bindings::folio_mapped(self.0) || !bindings::folio_test_swapcache(self.0) {
                return;
            }
            if bindings::folio_trylock(self.0) {
                bindings::folio_free_swap(self.0);
                bindings::folio_unlock(self.0);
            }
        }
    }
}

/// A folio of the page cache.
///
/// # Invariants
///
/// Owns a reference to the folio.
pub(crate) struct CachedFolio(NonNull<bindings::folio>);

impl CachedFolio {
    /// The one from which the page at `vaddr` would be read in, if it is in the cache. Does not
    /// sleep.
    pub(crate) fn behind(vma: &Vma<'_>, vaddr: usize) -> Option<Self> {
        let file = vma.file()?;
        // SAFETY: The mapping holds a reference to the file.
        let folio = unsafe {
            bindings::filemap_get_folio((*file.as_ptr()).f_mapping, index_of(vma, vaddr))
        };
        // INVARIANT: The folio was handed over with a reference.
        kernel::error::from_err_ptr(folio)
            .ok()
            .and_then(NonNull::new)
            .map(Self)
    }

    /// Has it been read, and is the page of it that belongs at `vaddr` the same as `page`?
    pub(crate) fn is_same_as(&self, vma: &Vma<'_>, vaddr: usize, page: &UserPage) -> bool {
        // SAFETY: Both are alive, and the file's page is part of this folio.
        unsafe {
            let original = bindings::folio_file_page(self.0.as_ptr(), index_of(vma, vaddr));
            bindings::folio_test_uptodate(self.0.as_ptr())
                && bindings::pages_identical(page.as_ptr(), original) != 0
        }
    }

    /// Could a single entry of a page middle directory map it?
    pub(crate) fn is_pmd_mappable(&self) -> bool {
        // SAFETY: The folio is alive.
        unsafe { bindings::folio_test_pmd_mappable(self.0.as_ptr()) }
    }
}

impl Drop for CachedFolio {
    fn drop(&mut self) {
        // SAFETY: By the type's invariants the reference is ours to give up.
        unsafe { bindings::folio_put(self.0.as_ptr()) };
    }
}

/// Which page of the file belongs at `vaddr`.
fn index_of(vma: &Vma<'_>, vaddr: usize) -> usize {
    (vma.vaddr_to_offset(vaddr) as u64 >> PAGE_SHIFT) as usize
}
