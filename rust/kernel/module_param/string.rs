// SPDX-License-Identifier: GPL-2.0

//! Module parameters that are strings.

use super::ModuleParam;
use crate::{
    prelude::*,
    str::BStr, //
};

/// The longest string, with the NUL at its end.
const SIZE: usize = 256;

/// A module parameter that is a string of up to 255 bytes.
///
/// Parameters have to be [`Copy`], so the string is kept in place.
///
/// # Invariants
///
/// The last byte is NUL.
///
/// # Examples
///
/// ```
/// use kernel::{
///     module_param::{ModuleParam, StringParam},
///     prelude::*,
/// };
///
/// let given = StringParam::try_from_param_arg(c"/bin/true".as_ref())?;
/// assert_eq!(given.as_c_str(), c"/bin/true");
/// assert_eq!(StringParam::EMPTY.as_c_str(), c"");
///
/// let long = [b'x'; 256];
/// assert_eq!(
///     StringParam::try_from_param_arg(long[..].as_ref()).err(),
///     Some(ENAMETOOLONG)
/// );
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct StringParam([u8; SIZE]);

impl StringParam {
    /// The empty string.
    // INVARIANT: All bytes are NUL.
    pub const EMPTY: Self = Self([0; SIZE]);

    /// The string that was given.
    pub fn as_c_str(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.0).unwrap_or_default()
    }
}

/// Fails with `ENAMETOOLONG` for strings of more than 255 bytes, and with `EINVAL` for those with a NUL
/// inside.
impl ModuleParam for StringParam {
    fn try_from_param_arg(arg: &BStr) -> Result<Self> {
        if arg.contains(&0) {
            return Err(EINVAL);
        }
        let mut bytes = [0; SIZE];
        // INVARIANT: The last byte is not written to.
        bytes[..SIZE - 1]
            .get_mut(..arg.len())
            .ok_or(ENAMETOOLONG)?
            .copy_from_slice(arg);
        Ok(Self(bytes))
    }
}
