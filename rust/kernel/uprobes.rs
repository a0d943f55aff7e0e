// SPDX-License-Identifier: GPL-2.0

//! User-space probes.
//!
//! A probe is a breakpoint at an offset of a file, in every process that maps it. Whoever wants to hear
//! of its hits is a [`Consumer`]; a [`Registration`] owns one and keeps it registered, and a
//! [`RegistrationSet`] many, which are then unregistered with one wait.
//!
//! The same code works with the implementation in C and with the one in Rust.
//!
//! # What cannot go wrong
//!
//! What C asks of consumers in comments is here in types:
//!
//! - A consumer is called until its unregistration has waited for those that run. Dropping a
//!   registration does both, and only then frees the consumer. One that is leaked stays registered, and
//!   its memory stays.
//! - A consumer is moved into its registration, so it cannot be registered twice.
//!   An [`Arc`] of one can, as each registration then owns a reference.
//! - Registrations are pinned, and keep the file and its mount.
//! - Only a consumer with a filter can ask for a breakpoint to be removed from a process, or for
//!   its breakpoints to be placed anew.
//! - What an entry leaves for the return is a value that may be copied and forgotten, as happens when a
//!   process forks, and when a return never comes.
//!
//! [`Arc`]: crate::sync::Arc
//!
//! # Context
//!
//! Everything that registers, unregisters or applies sleeps, and takes `mmap_lock` of the probed
//! processes and `i_mmap_rwsem` of the file. It must not be called from a consumer: it would wait for
//! itself. That is a deadlock, and lockdep reports it; it does not make anything unsound.
//!
//! # Modules
//!
//! The code of a consumer may be that of a module, and goes when that is unloaded. What the module's type
//! owns is dropped before. As with everything that the kernel calls, a module must not leak it.
//!
//! # Examples
//!
//! A consumer that measures how long a function takes:
//!
//! ```
//! use kernel::{
//!     fs::Path,
//!     prelude::*,
//!     sync::atomic::{Atomic, Relaxed},
//!     time::{Instant, Monotonic},
//!     uprobes::{Consumer, Entry, Location, Registers, Registration, Unfiltered},
//! };
//!
//! struct Timer {
//!     nanoseconds: Atomic<i64>,
//! }
//!
//! #[vtable]
//! impl Consumer for Timer {
//!     type Session = Instant<Monotonic>;
//!     type Filter = Unfiltered;
//!
//!     fn entry(&self, _: &Registers) -> Entry<Self> {
//!         Entry::Keep(Instant::now())
//!     }
//!
//!     fn exit(&self, _: &Registers, _function: usize, began: Instant<Monotonic>) {
//!         self.nanoseconds.fetch_add(began.elapsed().as_nanos(), Relaxed);
//!     }
//! }
//!
//! fn time(file: Path, offset: u64) -> Result<Pin<KBox<Registration<Timer>>>> {
//!     let timer = Timer {
//!         nanoseconds: Atomic::new(0),
//!     };
//!     KBox::pin_init(
//!         Registration::new(Location::new(file, offset)?, timer),
//!         GFP_KERNEL,
//!     )
//! }
//!
//! # let file = kernel::uprobes::testing::file()?;
//! let timing = time(file, 0x100)?;
//! // ... programs call the function ...
//! pr_info!("{} ns\n", timing.consumer().nanoseconds.load(Relaxed));
//! # assert_eq!(timing.consumer().nanoseconds.load(Relaxed), 0);
//!
//! // Unregisters, and waits for those who are in one of the two functions above.
//! drop(timing);
//! # Ok::<(), Error>(())
//! ```
//!
//! C header: [`include/linux/uprobes.h`](srctree/include/linux/uprobes.h)

mod arch;
mod consumer;
mod cookie;
mod location;
mod raw;
mod registers;
mod registration;
mod set;
#[cfg(CONFIG_RUST_KERNEL_DOCTESTS)]
#[doc(hidden)]
pub mod testing;

pub use self::{
    consumer::{
        Consumer,
        Entry,
        Filter,
        Filtered,
        Unfiltered, //
    },
    cookie::Cookie,
    location::Location,
    registers::Registers,
    registration::{
        unregister_all,
        Registration,
        Unregister, //
    },
    set::RegistrationSet, //
};
