// SPDX-License-Identifier: GPL-2.0

//! `kernel::error`, with the errors that the modelled files know.

use crate::alloc::AllocError;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error(i32);

pub type Result<T = (), E = Error> = core::result::Result<T, E>;

pub mod code {
    use super::Error;

    pub const EINTR: Error = Error(-4);
    pub const ENOMEM: Error = Error(-12);
    pub const EBUSY: Error = Error(-16);
}

impl From<AllocError> for Error {
    fn from(_: AllocError) -> Self {
        code::ENOMEM
    }
}
