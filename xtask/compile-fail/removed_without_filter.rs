// SPDX-License-Identifier: GPL-2.0
// error: E0271 type mismatch resolving `<Once as Consumer>::Filter == Filtered`

//! What is not filtered cannot be removed from a handler.

include!("common.rs");

pub struct Once;

#[vtable]
impl Consumer for Once {
    type Session = ();
    type Filter = Unfiltered;

    fn entry(&self, _: &Registers) -> Entry<Self> {
        #[cfg(not(misuse))]
        return Entry::IgnoreReturn;
        #[cfg(misuse)]
        return Entry::Remove(Filtered);
    }
}
