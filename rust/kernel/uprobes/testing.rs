// SPDX-License-Identifier: GPL-2.0

//! What the examples probe.

use crate::{
    bindings,
    error::from_err_ptr,
    fs::{
        File,
        Path, //
    },
    prelude::*,
    sync::aref::ARef, //
};
use core::ptr::NonNull;

/// A file of one page in memory: when examples run, no file system is mounted yet. May sleep.
pub fn file() -> Result<Path> {
    // SAFETY: The name is a C string.
    let file = from_err_ptr(unsafe {
        bindings::shmem_kernel_file_setup(c"probed".as_char_ptr(), 4096, pin_init::zeroed())
    })?;
    let file = NonNull::new(file).ok_or(EINVAL)?;
    // CAST: `File` is a transparent wrapper.
    // SAFETY: The reference is ours, and the file is at no descriptor.
    let file: ARef<File> = unsafe { ARef::from_raw(file.cast()) };
    Ok(Path::of(&file))
}
