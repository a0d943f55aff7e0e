// SPDX-License-Identifier: GPL-2.0

//! What the kernel does in each hit of a probe, booked for each virtual CPU.
//!
//! QEMU's plugin ([`Ledger`]) writes the books while a guest runs; the driver
//! tool reads what comes of them ([`Section`]). Neither is needed to test how
//! they are kept: nothing here knows of QEMU.

mod ledger;
mod mark;
mod options;
mod section;

pub use ledger::{Access, LINE_BYTES, Ledger};
pub use mark::Mark;
pub use options::{Mode, Options};
pub use section::{Line, Section, Spot};
