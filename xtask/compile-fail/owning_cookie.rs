// SPDX-License-Identifier: GPL-2.0
// error: E0277 the trait bound `Owner: Copy` is not satisfied

//! Nor can one say that something which owns memory is a cookie.

include!("common.rs");

#[cfg_attr(not(misuse), derive(Clone, Copy))]
pub struct Owner(u64);

impl Cookie for Owner {
    fn into_cookie(self) -> u64 {
        self.0
    }

    fn from_cookie(cookie: u64) -> Self {
        Self(cookie)
    }
}
