// SPDX-License-Identifier: GPL-2.0

//! Mappings: where they are, what they show, and what may be in them.

use core::{
    marker::PhantomData,
    mem::MaybeUninit,
    ops::Deref,
    ptr::NonNull, //
};

use kernel::{
    bindings,
    mm::{
        virt::{
            flags,
            vm_flags_t, //
        },
        Mm, //
    },
    page::PAGE_SHIFT, //
};

use super::{
    page::page_start,
    Purpose, //
};
use crate::tree::InodeId;

/// A mapping that exists.
///
/// # Invariants
///
/// During `'a` the mapping is not freed, and its place (address, file, offset) does not change.
/// Its flags may, unless [`LockedVma`] is at hand.
#[derive(Clone, Copy)]
pub(crate) struct Vma<'a> {
    ptr: NonNull<bindings::vm_area_struct>,
    _lock: PhantomData<&'a bindings::vm_area_struct>,
}

impl<'a> Vma<'a> {
    /// # Safety
    ///
    /// For `'a`, `ptr` must be a valid mapping, protected from change by either its address space's
    /// `mmap_lock`, its file's `i_mmap_rwsem`, or because nobody else can reach the address space.
    pub(crate) unsafe fn from_raw(ptr: *mut bindings::vm_area_struct) -> Self {
        // INVARIANT: By the function's contract.
        Self {
            // SAFETY: A valid mapping is not at address zero.
            ptr: unsafe { NonNull::new_unchecked(ptr) },
            _lock: PhantomData,
        }
    }

    pub(crate) fn as_ptr(&self) -> *mut bindings::vm_area_struct {
        self.ptr.as_ptr()
    }

    /// The address space, which may be one without users.
    pub(crate) fn mm(&self) -> &'a Mm {
        // SAFETY: A mapping that is not freed belongs to an `mm_struct` that is not.
        unsafe { Mm::from_raw((*self.as_ptr()).vm_mm) }
    }

    pub(crate) fn start(&self) -> usize {
        // SAFETY: Valid and constant by the type's invariants.
        unsafe { (*self.as_ptr()).__bindgen_anon_1.__bindgen_anon_1.vm_start }
    }

    /// The first address behind it.
    pub(crate) fn end(&self) -> usize {
        // SAFETY: Valid and constant by the type's invariants.
        unsafe { (*self.as_ptr()).__bindgen_anon_1.__bindgen_anon_1.vm_end }
    }

    fn flags(&self) -> vm_flags_t {
        // SAFETY: Valid by the type's invariants. Volatile, because without `mmap_lock` somebody
        // may be changing them; it is one word, so the old or the new ones are seen.
        unsafe { (&raw const (*self.as_ptr()).__bindgen_anon_2.vm_flags).read_volatile() }
    }

    /// The mapped file, if it is not anonymous memory.
    pub(crate) fn file(&self) -> Option<NonNull<bindings::file>> {
        // SAFETY: Valid and constant by the type's invariants.
        NonNull::new(unsafe { (*self.as_ptr()).vm_file })
    }

    /// The mapped file's identity, if it is not anonymous memory.
    pub(crate) fn inode(&self) -> Option<InodeId> {
        // SAFETY: A mapping holds a reference to its file.
        self.file()
            .map(|file| InodeId::new(unsafe { bindings::file_inode(file.as_ptr()) }))
    }

    /// Where in the file the mapping begins, in bytes.
    fn file_offset(&self) -> i64 {
        // SAFETY: Valid and constant by the type's invariants.
        (unsafe { bindings::vma_start_pgoff(self.as_ptr()) } as i64) << PAGE_SHIFT
    }

    /// Where a byte of the file is mapped, or would be if the mapping were longer.
    pub(crate) fn offset_to_vaddr(&self, offset: i64) -> usize {
        self.start()
            .wrapping_add(offset.wrapping_sub(self.file_offset()) as usize)
    }

    /// Which byte of the file is mapped at `vaddr`.
    pub(crate) fn vaddr_to_offset(&self, vaddr: usize) -> i64 {
        self.file_offset()
            .wrapping_add(vaddr.wrapping_sub(self.start()) as i64)
    }

    /// The first and the last byte of the file that are mapped in `start..end`.
    pub(crate) fn offsets(&self, start: usize, end: usize) -> (i64, i64) {
        let first = self.vaddr_to_offset(start);
        (
            first,
            first.wrapping_add(end.wrapping_sub(start) as i64 - 1),
        )
    }

    /// Is this byte of the file mapped?
    pub(crate) fn covers(&self, offset: i64) -> bool {
        let (first, last) = self.offsets(self.start(), self.end());
        (first..=last).contains(&offset)
    }

    /// Is the page at `vaddr` behind the end of the file, so that nothing can be mapped there?
    pub(crate) fn is_behind_file(&self, vaddr: usize) -> bool {
        let Some(inode) = self.inode() else {
            return false;
        };
        // SAFETY: A mapping holds a reference to its file, which does to its inode.
        let size = unsafe { bindings::i_size_read(inode.as_ptr()) };
        self.vaddr_to_offset(page_start(vaddr)) >= size
    }

    /// May there be breakpoints in it? They go into private, executable mappings of a file that is
    /// not of huge pages. A writable one gets no new ones, because the process may be changing its
    /// code; but it may have become writable later, so that this does not stop their removal.
    pub(crate) fn is_probeable(&self, purpose: Purpose) -> bool {
        let mut relevant = flags::HUGETLB | flags::MAYEXEC | flags::MAYSHARE;
        if purpose == Purpose::Install {
            relevant |= flags::WRITE;
        }
        self.file().is_some() && self.flags() & relevant == flags::MAYEXEC
    }

    /// May it be executed, as it is protected now?
    pub(crate) fn is_executable(&self) -> bool {
        self.flags() & flags::EXEC != 0
    }

    /// May there be reference counters in it? They are private, writable data of a file.
    pub(crate) fn may_hold_counter(&self) -> bool {
        let relevant = flags::WRITE | flags::SHARED;
        self.file().is_some() && self.flags() & relevant == flags::WRITE
    }
}

/// A mapping of an address space that the current task has locked for writing.
///
/// # Invariants
///
/// `mmap_lock` of the mapping's address space is held for writing during `'a`.
#[derive(Clone, Copy)]
pub(crate) struct LockedVma<'a>(Vma<'a>);

impl<'a> LockedVma<'a> {
    /// # Safety
    ///
    /// For `'a`, `ptr` must be a valid mapping of an address space of which the current task holds
    /// `mmap_lock` for writing.
    pub(crate) unsafe fn from_raw(ptr: *mut bindings::vm_area_struct) -> Self {
        // INVARIANT: By the function's contract.
        // SAFETY: `mmap_lock` is what protects it.
        Self(unsafe { Vma::from_raw(ptr) })
    }

    /// All mappings of the same address space.
    pub(crate) fn siblings(&self) -> Vmas<'a> {
        // SAFETY: By the type's invariants `mmap_lock` is held during `'a`.
        unsafe { Vmas::new(self.mm()) }
    }
}

impl<'a> Deref for LockedVma<'a> {
    type Target = Vma<'a>;

    fn deref(&self) -> &Vma<'a> {
        &self.0
    }
}

/// The mappings of an address space, in the order of their addresses.
///
/// # Invariants
///
/// `mmap_lock` is held during `'a`, at least for reading.
pub(crate) struct Vmas<'a> {
    iter: bindings::vma_iterator,
    _lock: PhantomData<&'a Mm>,
}

impl<'a> Vmas<'a> {
    /// # Safety
    ///
    /// `mmap_lock` of `mm` must be held during `'a`, at least for reading.
    pub(crate) unsafe fn new(mm: &'a Mm) -> Self {
        let mut iter = MaybeUninit::uninit();
        // SAFETY: The memory is for the iterator's initial state, which points to the tree of
        // mappings and not to itself, so that it can be moved.
        let iter = unsafe {
            bindings::vma_iter_init(iter.as_mut_ptr(), mm.as_raw(), 0);
            iter.assume_init()
        };
        // INVARIANT: By the function's contract.
        Self {
            iter,
            _lock: PhantomData,
        }
    }
}

impl<'a> Iterator for Vmas<'a> {
    type Item = Vma<'a>;

    fn next(&mut self) -> Option<Vma<'a>> {
        // SAFETY: By the type's invariants the tree of mappings does not change.
        let vma = unsafe { bindings::vma_next(&mut self.iter) };
        // SAFETY: As above; the mapping is not freed or moved before the lock is released.
        (!vma.is_null()).then(|| unsafe { Vma::from_raw(vma) })
    }
}

#[cfg(CONFIG_UPROBES_RUST_KUNIT_TEST)]
#[kernel::macros::kunit_tests(uprobes_vma)]
mod tests {
    use super::*;
    use kernel::{
        bindings::vm_area_struct,
        page::PAGE_SIZE,
        prelude::*, //
    };

    const START: usize = 0x40_0000;

    /// Runs `test` with a private mapping of three pages of a file, from the file's third page on.
    fn with_mapping(flags: vm_flags_t, test: impl FnOnce(Vma<'_>)) -> Result {
        let mut mapping = KBox::<vm_area_struct>::init(pin_init::init_zeroed(), GFP_KERNEL)?;
        mapping.__bindgen_anon_1.__bindgen_anon_1.vm_start = START;
        mapping.__bindgen_anon_1.__bindgen_anon_1.vm_end = START + 3 * PAGE_SIZE;
        mapping.__bindgen_anon_2.vm_flags = flags;
        mapping.vm_pgoff = 2;
        mapping.vm_file = NonNull::dangling().as_ptr();
        // SAFETY: The mapping is valid as far as the tests look at it, and is ours.
        test(unsafe { Vma::from_raw(&mut *mapping) });
        Ok(())
    }

    #[test]
    fn offsets_and_addresses_are_inverse() -> Result {
        with_mapping(flags::MAYEXEC, |vma| {
            let page = PAGE_SIZE as i64;
            assert_eq!(vma.offset_to_vaddr(2 * page), START);
            assert_eq!(vma.offset_to_vaddr(3 * page + 5), START + PAGE_SIZE + 5);
            assert_eq!(vma.vaddr_to_offset(START + PAGE_SIZE + 5), 3 * page + 5);
        })
    }

    #[test]
    fn a_mapping_covers_its_pages_and_no_more() -> Result {
        with_mapping(flags::MAYEXEC, |vma| {
            let page = PAGE_SIZE as i64;
            assert!(!vma.covers(2 * page - 1));
            assert!(vma.covers(2 * page));
            assert!(vma.covers(5 * page - 1));
            assert!(!vma.covers(5 * page));
        })
    }

    #[test]
    fn a_writable_mapping_gets_no_new_breakpoints_but_loses_old_ones() -> Result {
        with_mapping(flags::MAYEXEC | flags::WRITE, |vma| {
            assert!(!vma.is_probeable(Purpose::Install));
            assert!(vma.is_probeable(Purpose::Restore));
        })
    }

    #[test]
    fn breakpoints_go_into_private_executable_small_pages() -> Result {
        for unsuitable in [0, flags::MAYSHARE, flags::HUGETLB] {
            let executable = if unsuitable == 0 { 0 } else { flags::MAYEXEC };
            with_mapping(executable | unsuitable, |vma| {
                assert!(!vma.is_probeable(Purpose::Install));
                assert!(!vma.is_probeable(Purpose::Restore));
            })?;
        }
        with_mapping(flags::MAYEXEC, |vma| {
            assert!(vma.is_probeable(Purpose::Install));
        })
    }

    #[test]
    fn counters_are_in_private_writable_data() -> Result {
        with_mapping(flags::WRITE, |vma| assert!(vma.may_hold_counter()))?;
        with_mapping(flags::WRITE | flags::SHARED, |vma| {
            assert!(!vma.may_hold_counter());
        })?;
        with_mapping(flags::READ, |vma| assert!(!vma.may_hold_counter()))
    }
}
