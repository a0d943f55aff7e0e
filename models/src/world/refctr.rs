// SPDX-License-Identifier: GPL-2.0

//! In place of `refctr.rs`: probes without reference counters.

use crate::probe::Probe;

pub(crate) fn forget_probe(_: &Probe) {}
