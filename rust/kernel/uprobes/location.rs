// SPDX-License-Identifier: GPL-2.0

//! Where a probe is.

use crate::{
    bindings,
    fs::Path,
    prelude::*, //
};

/// An instruction in a file, and the counter that says whether anybody listens, if it has one.
///
/// Keeps the file and the mount that it was found on. Dropping it may sleep.
///
/// # Examples
///
/// ```
/// use kernel::{fs::Path, uprobes::Location};
///
/// # let file = kernel::uprobes::testing::file()?;
/// let location = Location::new(file, 0x1139)?.with_counter(0x4010)?;
/// assert_eq!(location.offset(), 0x1139);
///
/// // Directories have no instructions.
/// let directory = Location::new(Path::lookup(c"/")?, 0);
/// assert_eq!(directory.err(), Some(EINVAL));
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone)]
pub struct Location {
    file: Path,
    offset: i64,
    counter: i64,
}

impl Location {
    /// The instruction at `offset` bytes from the beginning of `file`.
    ///
    /// Does not sleep. Whether there is an instruction is looked at when it is registered.
    ///
    /// # Errors
    ///
    /// `EINVAL` if `file` is not a regular file, or the offset is more than a file can have.
    pub fn new(file: Path, offset: u64) -> Result<Self> {
        if !file.is_regular_file() {
            return Err(EINVAL);
        }
        Ok(Self {
            file,
            offset: to_file_offset(offset)?,
            counter: 0,
        })
    }

    /// The same with a reference counter, as USDT probes have: a `u16` at `offset` bytes from the
    /// beginning of the file, which is raised by one in each process for as long as the probe is there.
    ///
    /// All probes of one instruction have to name the same counter. The offset 0 stands for none.
    ///
    /// Does not sleep.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the offset is more than a file can have.
    pub fn with_counter(self, offset: u64) -> Result<Self> {
        Ok(Self {
            counter: to_file_offset(offset)?,
            ..self
        })
    }

    /// The file.
    #[inline]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Where the instruction is, in bytes from the beginning of the file.
    #[inline]
    pub fn offset(&self) -> u64 {
        self.offset as u64
    }

    /// The inode that probes of this location belong to, valid for as long as `self`.
    pub(super) fn inode(&self) -> *mut bindings::inode {
        self.file.data_inode()
    }

    /// Where the instruction is, as C has it.
    pub(super) fn raw_offset(&self) -> i64 {
        self.offset
    }

    /// Where the counter is, as C has it; 0 without one.
    pub(super) fn raw_counter(&self) -> i64 {
        self.counter
    }
}

fn to_file_offset(offset: u64) -> Result<i64> {
    i64::try_from(offset).map_err(|_| EINVAL)
}
