// SPDX-License-Identifier: GPL-2.0

//! Grace periods: what the flavours of RCU have in common.
//!
//! A callback is called as early as RCU allows: by the last reader that was there when it was
//! registered, as it leaves, or at once if there was none. That is the worst case for whoever uses
//! what the callback frees. Memory is ordered as RCU promises, and no further: a reader either is
//! waited for, or sees all that was done before the callback was registered; and the callback sees
//! all that the readers that it waited for have done.

use crate::run::PerRun;
use loom::sync::atomic::{
    AtomicUsize,
    Ordering::{Acquire, Release},
};

/// Of `rcu_read_lock()`.
pub(crate) static RCU: Domain = Domain::new();
pub(crate) static TASKS_TRACE: Domain = Domain::new();

pub(crate) fn begin() {
    RCU.begin();
    TASKS_TRACE.begin();
}

pub(crate) struct Domain(PerRun<State>);

#[derive(Default)]
struct State {
    /// Readers acquire what callers release. Read-modify-writes, which always see the newest value.
    registered: AtomicUsize,
    /// Callbacks acquire what readers, and those who register callbacks, release.
    left: AtomicUsize,
    readers: Vec<usize>,
    last: usize,
    callbacks: Vec<Callback>,
}

struct Callback {
    waits_for: Vec<usize>,
    call: Box<dyn FnOnce()>,
}

impl Domain {
    pub(crate) const fn new() -> Self {
        Self(PerRun::new())
    }

    pub(crate) fn begin(&self) {
        self.0.get();
    }

    /// Begins a reader; returns its number, which is not zero.
    pub(crate) fn enter(&self) -> usize {
        self.0.get().registered.fetch_add(0, Acquire);
        self.0.access(|state| {
            state.last += 1;
            state.readers.push(state.last);
            state.last
        })
    }

    pub(crate) fn leave(&self, reader: usize) {
        self.0.get().left.fetch_add(0, Release);
        self.0.access(|state| {
            let place = state.readers.iter().position(|other| *other == reader);
            let place = place.expect("a reader is released that is not open");
            state.readers.swap_remove(place);
            for callback in &mut state.callbacks {
                callback.waits_for.retain(|other| *other != reader);
            }
        });
        self.call_back();
    }

    pub(crate) fn call(&self, call: impl FnOnce() + 'static) {
        self.0.get().registered.fetch_add(0, Release);
        self.0.get().left.fetch_add(0, Release);
        self.0.access(|state| {
            state.callbacks.push(Callback {
                waits_for: state.readers.clone(),
                call: Box::new(call),
            });
        });
        self.call_back();
    }

    fn call_back(&self) {
        while let Some(callback) = self.0.access(|state| {
            let due = |callback: &Callback| callback.waits_for.is_empty();
            let place = state.callbacks.iter().position(due)?;
            Some(state.callbacks.swap_remove(place))
        }) {
            self.0.get().left.fetch_add(0, Acquire);
            (callback.call)();
        }
    }

    /// How many readers there are.
    pub(crate) fn readers(&self) -> usize {
        self.0.access(|state| state.readers.len())
    }
}
