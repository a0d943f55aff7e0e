// SPDX-License-Identifier: GPL-2.0

//! User-space probes, in place of `kernel/events/uprobes.c`.
//!
//! A probe is a breakpoint at an offset of a file, in every process that maps it, and a list of
//! consumers that are called when it is hit. What is where, from top to bottom; each file relies on
//! those below it only:
//!
//! ```text
//!  entry                                    what C calls
//!  hit  uretprobe  step  attach  hooks      what happens: traps, returns, steps, registrations
//!  lookup  breakpoint  refctr  xol          what it is done with
//!  task  kit                                what a thread carries, and remembers
//!  lease_timer  returns  insn  book  cache  pending returns; an instruction, in its file or a slot
//!  probe  life  consumer  tree  pending     what is probed, and what keeps it alive
//!  lease  slots                             who owns what: state machines on atomics
//!  arch  mm  links  blocks                  the architecture, address spaces, C's tree and blocks of
//!                                           slots, with types
//!  errno                                    what C returns
//! ```
//!
//! `Documentation/trace/uprobes-rust.rst` explains the design.

#![allow(
    clippy::useless_conversion,
    reason = "the widths of some C types depend on the architecture"
)]

#[allow(
    unused_imports,
    reason = "`#[export]` names bindings of functions that this crate defines"
)]
use kernel::prelude::*;

mod arch;
mod attach;
mod blocks;
mod book;
mod breakpoint;
mod cache;
mod consumer;
pub mod entry;
mod errno;
mod hit;
mod hooks;
mod insn;
mod kit;
mod lease;
mod lease_timer;
mod life;
mod links;
pub mod list;
mod lookup;
mod mm;
mod pending;
mod probe;
mod refctr;
mod returns;
mod slots;
pub mod stats;
mod step;
mod task;
mod trace;
mod tree;
mod uretprobe;
mod xol;

/// What this crate's lines in the kernel log begin with.
const __LOG_PREFIX: &[u8] = b"uprobe\0";
