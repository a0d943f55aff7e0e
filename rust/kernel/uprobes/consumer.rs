// SPDX-License-Identifier: GPL-2.0

//! Who hears of hits.

use super::{
    Cookie,
    Registers, //
};
use crate::{
    error::VTABLE_DEFAULT_ERROR,
    mm::Mm,
    prelude::*,
    sync::Arc, //
};

/// Who hears of the hits of a probe.
///
/// Of the three functions, those that are implemented are given to C, the others are absent there.
/// [`entry`] or [`exit`] or both have to be, and [`wants`] exactly if [`Filter`] is [`Filtered`].
///
/// # Context
///
/// `entry` and `exit` run in the thread that was hit, on its way back to user space: in process
/// context, with interrupts on, without locks, and inside a Tasks Trace RCU read-side critical section
/// ([`rcu_tasks_trace`]). They may sleep and may read the memory of the process. Unregistrations wait
/// for them, including those of unrelated probes, so they should not sleep for long, and must neither
/// register, nor unregister, nor apply.
///
/// They may run on any number of CPUs at once, from the moment that the registration begins, and until
/// it has been unregistered.
///
/// # Examples
///
/// One that counts hits in one process, until there were ten of them:
///
/// ```
/// use kernel::{
///     mm::Mm,
///     prelude::*,
///     sync::{aref::ARef, atomic::{Atomic, Relaxed}},
///     uprobes::{Consumer, Entry, Filtered, Registers},
/// };
///
/// struct FirstTen {
///     process: ARef<Mm>,
///     hits: Atomic<u64>,
/// }
///
/// #[vtable]
/// impl Consumer for FirstTen {
///     type Session = ();
///     type Filter = Filtered;
///
///     fn entry(&self, _: &Registers) -> Entry<Self> {
///         if self.hits.fetch_add(1, Relaxed) < 9 {
///             Entry::Keep(())
///         } else {
///             Entry::Remove(Filtered)
///         }
///     }
///
///     fn wants(&self, mm: &Mm) -> bool {
///         core::ptr::eq(mm, &*self.process) && self.hits.load(Relaxed) < 10
///     }
/// }
///
/// assert!(FirstTen::HAS_ENTRY && !FirstTen::HAS_EXIT && FirstTen::HAS_WANTS);
/// ```
///
/// [`entry`]: Consumer::entry
/// [`exit`]: Consumer::exit
/// [`wants`]: Consumer::wants
/// [`Filter`]: Consumer::Filter
/// [`rcu_tasks_trace`]: crate::sync::rcu_tasks_trace
#[vtable]
pub trait Consumer: Sized + Send + Sync + 'static {
    /// What an entry leaves for the return of the same call.
    type Session: Cookie;

    /// [`Filtered`] if the consumer wants some processes only, [`Unfiltered`] if it wants all.
    type Filter: Filter;

    /// The probed instruction is about to be executed.
    ///
    /// If the consumer has [`exit`](Consumer::exit) too, the instruction has to be the first of a
    /// function: the address on top of the stack, or in the link register, is taken for the return
    /// address.
    ///
    /// For the context, see [`Consumer`].
    fn entry(&self, _regs: &Registers) -> Entry<Self> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// The function at address `function` has returned.
    ///
    /// `session` comes from the [`Entry::Keep`] of the same call. A consumer without
    /// [`entry`](Consumer::entry) gets what the cookie 0 stands for.
    ///
    /// Some returns are not heard of: those of calls that were entered before the consumer was
    /// registered, of frames left by `longjmp()` or by the end of the thread, of calls below 64 that
    /// are pending, and those for which there was no memory. A process that forks in between returns
    /// in the child as well, with a copy of `session`.
    ///
    /// For the context, see [`Consumer`].
    fn exit(&self, _regs: &Registers, _function: usize, _session: Self::Session) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Does the consumer want the breakpoint in this address space?
    ///
    /// Asked when the consumer is registered or applied, when a process maps the file, and when all
    /// consumers of a hit have returned [`Entry::Remove`]. The answer may change; breakpoints follow
    /// with the next of these events. A consumer may be called in processes that it does not want, if
    /// another consumer of the same place wants them.
    ///
    /// # Context
    ///
    /// Process context; may sleep. `mmap_lock` of the address space may be held for writing, and locks
    /// of the probe are: this must not touch user memory, nor take locks of memory management.
    fn wants(&self, _mm: &Mm) -> bool {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}

/// What an entry asks for.
pub enum Entry<C: Consumer> {
    /// Go on, and tell the consumer of the return, with this.
    Keep(C::Session),
    /// Go on, and do not tell the consumer of this return.
    IgnoreReturn,
    /// Take the breakpoint out of the current address space, if neither [`Consumer::wants`] of this
    /// consumer nor that of another wants it there; and do not tell the consumer of this return.
    ///
    /// Consumers without a filter have no value to put here.
    Remove(C::Filter),
}

/// Whether a consumer has a filter: [`Filtered`] or [`Unfiltered`].
pub trait Filter: private::Sealed {
    /// Whether it has.
    const IS_FILTERED: bool;
}

/// The consumer says in [`Consumer::wants`] which address spaces it wants the breakpoint in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filtered;

/// The consumer wants the breakpoint in every address space. This type has no values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfiltered {}

impl Filter for Filtered {
    const IS_FILTERED: bool = true;
}

impl Filter for Unfiltered {
    const IS_FILTERED: bool = false;
}

mod private {
    pub trait Sealed {}
    impl Sealed for super::Filtered {}
    impl Sealed for super::Unfiltered {}
}

/// One consumer for any number of registrations. It is freed with the last of the references.
impl<C: Consumer> Consumer for Arc<C> {
    type Session = C::Session;
    type Filter = C::Filter;
    type OwnerModule = C::OwnerModule;

    const USE_VTABLE_ATTR: () = ();
    const HAS_ENTRY: bool = C::HAS_ENTRY;
    const HAS_EXIT: bool = C::HAS_EXIT;
    const HAS_WANTS: bool = C::HAS_WANTS;

    fn entry(&self, regs: &Registers) -> Entry<Self> {
        match C::entry(self, regs) {
            Entry::Keep(session) => Entry::Keep(session),
            Entry::IgnoreReturn => Entry::IgnoreReturn,
            Entry::Remove(filter) => Entry::Remove(filter),
        }
    }

    fn exit(&self, regs: &Registers, function: usize, session: C::Session) {
        C::exit(self, regs, function, session);
    }

    fn wants(&self, mm: &Mm) -> bool {
        C::wants(self, mm)
    }
}
