// SPDX-License-Identifier: GPL-2.0

//! Copying a probed instruction out of its file.
//!
//! The bytes come from the page cache, not from the process: what is mapped may already have a
//! breakpoint in it.

use core::ptr;

use kernel::{
    bindings,
    error::from_err_ptr,
    prelude::*, //
};

use crate::{
    arch::{
        self,
        Emulation, //
    },
    breakpoint,
    probe::Probe, //
};

const PAGE_SIZE: usize = kernel::page::PAGE_SIZE;

/// Copies the instruction, and as much of what follows as the architecture's decoder wants and the
/// file has, into the probe; says how it can be executed without C, if it can. May sleep.
///
/// # Errors
///
/// `EIO` if the file ends before the instruction, `ENOTSUPP` if a breakpoint is already there, and
/// what reading the file says.
///
/// # Safety
///
/// `file` must be an open file of the probe's inode, and nobody else may use the architecture's
/// part of the probe.
pub(crate) unsafe fn copy(probe: &Probe, file: *mut bindings::file) -> Result<Option<Emulation>> {
    // SAFETY: Nobody else uses it, by the function's contract.
    let insn = unsafe { arch::insn_bytes(probe.arch()) };
    let mut done = 0;
    while done < insn.len() {
        // There is nothing behind the last offset that a file can have.
        let position = probe.offset().checked_add(done as i64).ok_or(EFBIG)?;
        // SAFETY: Who registered the probe keeps the inode.
        let size = unsafe { bindings::i_size_read(probe.inode()) };
        if !(0..size).contains(&position) {
            break;
        }
        let in_page = PAGE_SIZE - (position as usize % PAGE_SIZE);
        let chunk = usize::min(insn.len() - done, in_page);
        // SAFETY: As above; `file` is one of the inode.
        unsafe { read(probe.inode(), file, position, &mut insn[done..done + chunk])? };
        done += chunk;
    }
    if done == 0 {
        return Err(EIO);
    }
    if arch::is_trap(insn) {
        return Err(ENOTSUPP);
    }
    // Now, because C's analysis may change the bytes.
    Ok(Emulation::of(insn))
}

/// Reads bytes that do not cross a page from the page cache.
///
/// # Safety
///
/// `inode` must be valid and able to read pages, or shmem; `file` must be one of it.
unsafe fn read(
    inode: *mut bindings::inode,
    file: *mut bindings::file,
    position: i64,
    bytes: &mut [u8],
) -> Result {
    let index = position as usize / PAGE_SIZE;
    // SAFETY: By the function's contract; `uprobe_register()` has checked the two cases.
    let page = from_err_ptr(unsafe {
        let mapping = (*inode).i_mapping;
        if (*(*mapping).a_ops).read_folio.is_some() {
            bindings::read_mapping_page(mapping, index, file)
        } else {
            bindings::shmem_read_mapping_page(mapping, index)
        }
    })?;
    // SAFETY: The page was just read, and is ours until it is put.
    unsafe {
        breakpoint::copy_from_page(page, position as usize, bytes.as_mut_ptr(), bytes.len());
        bindings::put_page(page);
    }
    Ok(())
}

/// A pointer to the bytes, for C functions that take an instruction.
pub(crate) fn as_opcode(bytes: &[u8]) -> *mut bindings::uprobe_opcode_t {
    ptr::from_ref(bytes).cast_mut().cast()
}
