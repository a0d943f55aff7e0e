// SPDX-License-Identifier: GPL-2.0
// error: E0080 a consumer has `entry` or `exit` or both

//! A consumer has something that can be called.

include!("common.rs");

pub struct Idle;

#[vtable]
impl Consumer for Idle {
    type Session = ();
    type Filter = Unfiltered;

    #[cfg(not(misuse))]
    fn exit(&self, _: &Registers, _function: usize, _session: ()) {}
}

pub fn register(here: Location) -> Result<Pin<KBox<Registration<Idle>>>> {
    KBox::pin_init(Registration::new(here, Idle), GFP_KERNEL)
}
