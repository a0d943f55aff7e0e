// SPDX-License-Identifier: GPL-2.0

//! In place of `trace.rs`: nobody watches.

pub(crate) fn lease_expired(_func: usize, _is_stable: bool) {}

pub(crate) fn slot_reclaimed(_slot: usize) {}
