// SPDX-License-Identifier: GPL-2.0
// error: E0478 lifetime bound not satisfied
// error: E0803 cannot infer an appropriate lifetime for lifetime parameter `'a`

//! A registration that is leaked stays for ever, so a consumer must not borrow what does not.

include!("common.rs");

#[cfg(not(misuse))]
type Counter = &'static Atomic<u64>;
#[cfg(misuse)]
type Counter<'a> = &'a Atomic<u64>;

#[cfg(not(misuse))]
pub struct Borrower(Counter);
#[cfg(misuse)]
pub struct Borrower<'a>(Counter<'a>);

#[cfg(not(misuse))]
#[vtable]
impl Consumer for Borrower {
    type Session = ();
    type Filter = Unfiltered;

    fn exit(&self, _: &Registers, _function: usize, _session: ()) {}
}

#[cfg(misuse)]
#[vtable]
impl<'a> Consumer for Borrower<'a> {
    type Session = ();
    type Filter = Unfiltered;

    fn exit(&self, _: &Registers, _function: usize, _session: ()) {}
}
