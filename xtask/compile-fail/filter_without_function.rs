// SPDX-License-Identifier: GPL-2.0
// error: E0080 a consumer has `wants` exactly if its filter is `Filtered`

//! A consumer that says it has a filter has to have one.

include!("common.rs");

pub struct Forgetful;

#[vtable]
impl Consumer for Forgetful {
    type Session = ();
    type Filter = Filtered;

    fn entry(&self, _: &Registers) -> Entry<Self> {
        Entry::Keep(())
    }

    #[cfg(not(misuse))]
    fn wants(&self, _: &Mm) -> bool {
        true
    }
}

pub fn register(here: Location) -> Result<Pin<KBox<Registration<Forgetful>>>> {
    KBox::pin_init(Registration::new(here, Forgetful), GFP_KERNEL)
}
