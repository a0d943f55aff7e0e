// SPDX-License-Identifier: GPL-2.0

//! What functions of C return, where hits and new mappings ask them.
//!
//! Relies on nothing of ours. Promises that a call without an error costs a comparison.

use kernel::{
    error::to_result,
    ffi::c_int,
    prelude::*, //
};

/// [`to_result`], with nothing but a comparison where there is no error.
#[inline]
pub(crate) fn check(errno: c_int) -> Result {
    if errno >= 0 {
        return Ok(());
    }
    to_result(errno)
}
