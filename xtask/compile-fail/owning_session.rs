// SPDX-License-Identifier: GPL-2.0
// error: E0277 the trait bound `Box<u64, Kmalloc>: Cookie` is not satisfied

//! What an entry leaves for a return that may never come, or come twice, owns nothing.

include!("common.rs");

pub struct Allocates;

#[cfg(not(misuse))]
type Left = u64;
#[cfg(misuse)]
type Left = KBox<u64>;

#[vtable]
impl Consumer for Allocates {
    type Session = Left;
    type Filter = Unfiltered;

    fn exit(&self, _: &Registers, _function: usize, _session: Left) {}
}
