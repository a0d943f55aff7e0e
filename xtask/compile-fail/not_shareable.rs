// SPDX-License-Identifier: GPL-2.0
// error: E0277 `Cell<u64>` cannot be shared between threads safely

//! Hits come on all CPUs at once.

include!("common.rs");

#[cfg(not(misuse))]
pub struct Count(Atomic<u64>);
#[cfg(misuse)]
pub struct Count(core::cell::Cell<u64>);

#[vtable]
impl Consumer for Count {
    type Session = ();
    type Filter = Unfiltered;

    fn entry(&self, _: &Registers) -> Entry<Self> {
        Entry::Keep(())
    }
}
