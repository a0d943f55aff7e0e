// SPDX-License-Identifier: GPL-2.0
// error: E0599 `apply_to_more` exists for reference `&kernel::uprobes::Registration<Everywhere>`, but its trait bounds

//! What is not filtered is everywhere already.

include!("common.rs");

#[cfg(not(misuse))]
pub fn apply(registration: &Registration<Nowhere>) -> Result {
    registration.apply_to_more()
}

#[cfg(misuse)]
pub fn apply(registration: &Registration<Everywhere>) -> Result {
    registration.apply_to_more()
}
