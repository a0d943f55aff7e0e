// SPDX-License-Identifier: GPL-2.0

//! In place of `stats.rs`: nobody counts.

pub(crate) enum Event {
    LeaseExpired,
    SlotFilled,
    SlotReclaimed,
}

impl Event {
    pub(crate) fn note(self) {}
}
