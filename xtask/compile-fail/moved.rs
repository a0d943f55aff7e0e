// SPDX-License-Identifier: GPL-2.0
// error: E0277 cannot be unpinned

//! A registration stays where it is.

include!("common.rs");

pub fn unpin(registration: Pin<KBox<Registration<Everywhere>>>) {
    #[cfg(not(misuse))]
    let _registration = registration;
    #[cfg(misuse)]
    let _registration = Pin::into_inner(registration);
}
