// SPDX-License-Identifier: GPL-2.0
// error: E0382 use of moved value: `consumer`

//! A consumer is registered once: its registration owns it.

include!("common.rs");

pub fn register(here: Location, there: Location) -> Result {
    let consumer = Everywhere::new();
    let _first = KBox::pin_init(Registration::new(here, consumer), GFP_KERNEL)?;
    #[cfg(misuse)]
    let _second = KBox::pin_init(Registration::new(there, consumer), GFP_KERNEL)?;
    Ok(())
}
