// SPDX-License-Identifier: GPL-2.0

//! Files as they are found by name.
//!
//! C header: [`include/linux/path.h`](srctree/include/linux/path.h)

use super::File;
use crate::{
    bindings,
    error::to_result,
    prelude::*, //
};
use core::mem::MaybeUninit;

/// A place in the tree of mounted file systems, kept: C's `struct path`.
///
/// While it exists, its file system cannot be unmounted, and its dentry and the inode of that are not
/// freed. Removing or renaming the file changes nothing about it.
///
/// Dropping one may sleep.
///
/// # Invariants
///
/// Owns a reference to the mount and one to the dentry of the contained `struct path`, and the dentry
/// has an inode.
pub struct Path(bindings::path);

// SAFETY: The references that are owned may be released by any task.
unsafe impl Send for Path {}

// SAFETY: Shared references to a path only read it or take further references, which are counted
// atomically.
unsafe impl Sync for Path {}

impl Path {
    /// Finds a file by its name, following symbolic links.
    ///
    /// Names are taken as the current task sees them: its root, its working directory, its mounts and
    /// its credentials.
    ///
    /// May sleep, and must not be called with a lock held that a file system takes.
    ///
    /// # Errors
    ///
    /// `ENOENT`, `EACCES`, `ENOTDIR`, `ELOOP`, `ENAMETOOLONG` and whatever else the walk through the
    /// file system ends with.
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::fs::Path;
    ///
    /// let root = Path::lookup(c"/")?;
    /// assert!(!root.is_regular_file());
    /// assert_eq!(Path::lookup(c"/no/such/file").err(), Some(ENOENT));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn lookup(name: &CStr) -> Result<Self> {
        let mut path = MaybeUninit::uninit();
        // SAFETY: `name` is a C string, and `path` may be written to.
        to_result(unsafe {
            bindings::kern_path(
                name.as_char_ptr(),
                bindings::LOOKUP_FOLLOW,
                path.as_mut_ptr(),
            )
        })?;
        // INVARIANT: A successful lookup gives both references to its caller, and a dentry that is
        // not negative.
        // SAFETY: A successful lookup has filled it in.
        Ok(Self(unsafe { path.assume_init() }))
    }

    /// The place that an open file was opened at.
    ///
    /// Does not sleep.
    pub fn of(file: &File) -> Self {
        // SAFETY: The path of an open file does not change, and the file is open.
        let path = unsafe { (*file.as_ptr()).__bindgen_anon_1.f_path };
        // SAFETY: The file keeps its path while it is borrowed.
        unsafe { bindings::path_get(&path) };
        // INVARIANT: The references were taken just above, and the dentry of an open file has an inode.
        Self(path)
    }

    /// Whether this is a regular file, and not a directory, a device or the like.
    ///
    /// Does not sleep.
    #[inline]
    pub fn is_regular_file(&self) -> bool {
        // SAFETY: The dentry is valid by the type invariants.
        unsafe { bindings::d_is_reg(self.0.dentry) }
    }

    /// The inode that holds the data: on a stacked file system, that of the file below.
    ///
    /// It is valid for as long as `self`.
    #[inline]
    pub(crate) fn data_inode(&self) -> *mut bindings::inode {
        // SAFETY: The dentry is valid and has an inode by the type invariants.
        unsafe { bindings::d_real_inode(self.0.dentry) }
    }
}

impl Clone for Path {
    fn clone(&self) -> Self {
        // SAFETY: `self` owns references to both.
        unsafe { bindings::path_get(&self.0) };
        // INVARIANT: The references were taken just above.
        Self(self.0)
    }
}

impl Drop for Path {
    fn drop(&mut self) {
        // SAFETY: `self` owns the references.
        unsafe { bindings::path_put(&self.0) };
    }
}
