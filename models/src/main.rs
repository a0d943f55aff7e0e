// SPDX-License-Identifier: GPL-2.0

//! Models of what the kernel builds, and their mutations.
//!
//! The modules that come with a path are the kernel's own files. They are compiled against the crate
//! `kernel` of this folder, which has loom's atomics, and against modules in `world/` that stand for
//! what is modelled by less. Each mutation (`mutations.toml`) is a copy of all of this with one change
//! in one of the kernel's files, which its model must not survive.

// The kernel's files have more than what models use, and rules of their own.
#![allow(dead_code, clippy::declare_interior_mutable_const)]

use clap::Parser;
use std::process::ExitCode;

mod driver;

#[path = "../../kernel/events/uprobes_rs/blocks.rs"]
mod blocks;
#[path = "../../kernel/events/uprobes_rs/book.rs"]
mod book;
#[path = "../../kernel/events/uprobes_rs/cache.rs"]
mod cache;
#[path = "../../kernel/events/uprobes_rs/lease.rs"]
mod lease;
#[path = "../../kernel/events/uprobes_rs/lease_timer.rs"]
mod lease_timer;
#[path = "../../kernel/events/uprobes_rs/life.rs"]
mod life;
#[path = "../../kernel/events/uprobes_rs/pending.rs"]
mod pending;
#[path = "../../kernel/events/uprobes_rs/returns.rs"]
mod returns;
#[path = "../../kernel/events/uprobes_rs/slots.rs"]
mod slots;
#[path = "../../kernel/events/uprobes_rs/tree.rs"]
mod tree;

#[path = "world/arch.rs"]
mod arch;
#[path = "world/links.rs"]
mod links;
#[path = "world/probe.rs"]
mod probe;
#[path = "world/refctr.rs"]
mod refctr;
#[path = "world/stats.rs"]
mod stats;
#[path = "world/task.rs"]
mod task;
#[path = "world/trace.rs"]
mod trace;
#[path = "world/xol.rs"]
mod xol;

mod models;

mod mutants {
    include!(concat!(env!("OUT_DIR"), "/mutants.rs"));
}

#[derive(Parser)]
#[command(about = "Checks models of the kernel's files, and that mutations of these are found")]
struct Options {
    /// Only those whose name begins so; all if there is none.
    names: Vec<String>,
    /// Only list them.
    #[arg(long)]
    list: bool,
    /// Check one here, and show how it fails.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["names", "list"])]
    here: Option<String>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    if let Some(name) = options.here {
        return driver::here(&name);
    }
    driver::all(&options.names, options.list)
}
