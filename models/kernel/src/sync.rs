// SPDX-License-Identifier: GPL-2.0

//! `kernel::sync`.

mod arc;
pub mod atomic;
pub mod barrier;
pub mod grace;
mod mutex;
pub mod rcu;
pub mod rcu_tasks_trace;
mod refcount;
pub mod seqcount;
pub mod srcu_fast_updown;

pub use arc::{Arc, Begin};
pub use mutex::Mutex;
pub use refcount::Refcount;
