// SPDX-License-Identifier: GPL-2.0
// error: E0507 cannot move out of a shared reference

//! A consumer cannot be taken out of its registration, and freed before it is unregistered.

include!("common.rs");

pub fn take(registration: &Registration<Everywhere>) {
    #[cfg(not(misuse))]
    let _consumer: &Everywhere = registration.consumer();
    #[cfg(misuse)]
    let _consumer: Everywhere = *registration.consumer();
}
