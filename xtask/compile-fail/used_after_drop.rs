// SPDX-License-Identifier: GPL-2.0
// error: E0505 cannot move out of `registration` because it is borrowed

//! A consumer goes with its registration.

include!("common.rs");

pub fn count(registration: Pin<KBox<Registration<Everywhere>>>) -> u64 {
    let consumer = registration.consumer();
    #[cfg(misuse)]
    drop(registration);
    consumer.hits.load(Relaxed)
}
