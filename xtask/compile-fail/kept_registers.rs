// SPDX-License-Identifier: GPL-2.0
// error: E0521 borrowed data escapes outside of method

//! The registers belong to the call.

include!("common.rs");

pub struct Keeps;

fn keep(_: &'static Registers) {}
fn look(_: &Registers) {}

#[vtable]
impl Consumer for Keeps {
    type Session = ();
    type Filter = Unfiltered;

    fn exit(&self, registers: &Registers, _function: usize, _session: ()) {
        #[cfg(not(misuse))]
        look(registers);
        #[cfg(misuse)]
        keep(registers);
    }
}
