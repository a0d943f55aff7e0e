// SPDX-License-Identifier: GPL-2.0

//! `kernel::sync`.

pub mod atomic;
pub mod barrier;
pub mod grace;
pub mod rcu;
pub mod rcu_tasks_trace;
mod refcount;
pub mod seqcount;
pub mod srcu_fast_updown;

pub use refcount::Refcount;
