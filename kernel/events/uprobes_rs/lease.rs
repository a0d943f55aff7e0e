// SPDX-License-Identifier: GPL-2.0

//! The lease: who owns what keeps a pending return's probe alive.
//!
//! A pending return needs its probe for a time that user space controls. It starts *leased*, under
//! an SRCU reader, which writes nothing that another CPU reads. A timer ends leases that last: the
//! probe is counted instead (*stable*), or, if its count has already reached zero, given up
//! (*gone*). The owner of the return *consumes* it once.
//!
//! Three parties race: the owner, the timer and a fork that copies the return. This file holds the
//! word that decides between them, and nothing else: it relies on atomics only, knows neither
//! probes nor readers, and has no `unsafe`. `pending.rs` turns its verdicts into ownership.
//!
//! # What a verdict means
//!
//! Exactly one party is told that it left the state [`State::Leased`]: the one whose [`Word::consume`]
//! returns it, or the one whose [`Word::end`] returns true. That party owns the SRCU reader, and
//! must release it. Exactly one party, the consumer, is told [`State::Stable`] by
//! [`Word::consume`], and owns the counted reference.

use kernel::sync::atomic::{
    ordering::{
        Acquire,
        Full,
        Relaxed, //
    },
    Atomic, //
};

/// How a probe is kept alive, with the values of C's `enum hprobe_state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// By an SRCU reader.
    Leased,
    /// By a counted reference.
    Stable,
    /// Not at all: the lease ended after the last counted reference had gone.
    Gone,
    /// The owner has taken what there was.
    Consumed,
}

impl State {
    const fn into_raw(self) -> u32 {
        match self {
            State::Leased => 0,
            State::Stable => 1,
            State::Gone => 2,
            State::Consumed => 3,
        }
    }

    /// A value that nobody wrote counts as consumed: there is nothing to release behind it.
    const fn from_raw(raw: u32) -> Self {
        match raw {
            0 => State::Leased,
            1 => State::Stable,
            2 => State::Gone,
            _ => State::Consumed,
        }
    }
}

/// What a lease that ends is replaced by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Successor {
    /// The caller has a counted reference, which goes to the lease if it wins.
    Stable,
    /// The probe's count was zero.
    Gone,
}

/// The state word of a lease.
#[repr(transparent)]
pub(crate) struct Word(Atomic<u32>);

impl Word {
    /// A word in the given state.
    pub(crate) const fn new(state: State) -> Self {
        Self(Atomic::new(state.into_raw()))
    }

    /// Looks at the state, which may change at any moment unless it is [`State::Gone`] or
    /// [`State::Consumed`].
    #[inline]
    pub(crate) fn peek(&self) -> State {
        // Acquire: what the party that made the lease stable did before is seen after.
        State::from_raw(self.0.load(Acquire))
    }

    /// Takes everything, as the owner does once; returns what the state was.
    #[inline]
    #[must_use = "the previous state says what has to be released"]
    pub(crate) fn consume(&self) -> State {
        State::from_raw(self.0.xchg(State::Consumed.into_raw(), Full))
    }

    /// Ends the lease, as the timer or a fork does; false if somebody else was first.
    #[inline]
    #[must_use = "the winner has to release the reader"]
    pub(crate) fn end(&self, successor: Successor) -> bool {
        let to = match successor {
            Successor::Stable => State::Stable,
            Successor::Gone => State::Gone,
        };
        self.0
            .cmpxchg(State::Leased.into_raw(), to.into_raw(), Full)
            .is_ok()
    }

    /// Gives a lease that nobody else can see a new state.
    #[inline]
    pub(crate) fn reset(&self, state: State) {
        self.0.store(state.into_raw(), Relaxed);
    }
}

#[cfg(CONFIG_UPROBES_RUST_KUNIT_TEST)]
#[kernel::macros::kunit_tests(uprobes_lease)]
mod tests {
    use super::*;

    #[test]
    fn owner_of_a_lease_is_told_once() {
        let word = Word::new(State::Leased);
        assert_eq!(word.consume(), State::Leased);
        assert_eq!(word.consume(), State::Consumed);
        assert!(!word.end(Successor::Stable));
    }

    #[test]
    fn a_lease_ends_once() {
        let word = Word::new(State::Leased);
        assert!(word.end(Successor::Stable));
        assert!(!word.end(Successor::Gone));
        assert_eq!(word.peek(), State::Stable);
        assert_eq!(word.consume(), State::Stable);
    }

    #[test]
    fn a_lease_whose_probe_died_leaves_nothing_to_the_owner() {
        let word = Word::new(State::Leased);
        assert!(word.end(Successor::Gone));
        assert_eq!(word.peek(), State::Gone);
        assert_eq!(word.consume(), State::Gone);
    }

    #[test]
    fn states_have_the_values_of_c() {
        for raw in 0..4 {
            assert_eq!(State::from_raw(raw).into_raw(), raw);
        }
        assert_eq!(State::from_raw(77), State::Consumed);
    }
}
