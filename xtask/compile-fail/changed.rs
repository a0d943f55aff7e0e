// SPDX-License-Identifier: GPL-2.0
// error: E0596 cannot borrow data in a `&` reference as mutable

//! A consumer is shared with hits, so nobody can change it.

include!("common.rs");

pub fn change(registration: Pin<&mut Registration<Everywhere>>) {
    #[cfg(not(misuse))]
    let _consumer: &Everywhere = registration.consumer();
    #[cfg(misuse)]
    let _consumer: &mut Everywhere = &mut *registration.consumer();
}
