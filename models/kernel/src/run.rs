// SPDX-License-Identifier: GPL-2.0

//! Runs: a model is executed again and again, once for each order of its steps.
//!
//! loom's objects belong to the run that made them, while statics do not. So what is in a static
//! begins anew in each run. All of loom's threads are of one thread of the host, and change only
//! where loom's own objects are used: plain cells do for the rest.

use crate::{
    alloc, bindings,
    sync::{barrier, grace},
};
use loom::thread::{self, JoinHandle, ThreadId};
use std::{
    cell::UnsafeCell,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

static RUN: AtomicU64 = AtomicU64::new(0);

/// The number of this run.
pub(crate) fn current() -> u64 {
    RUN.load(Relaxed)
}

/// Executes a model in all orders of its steps, and panics if one of them goes wrong.
///
/// `preemptions` limits how often a thread is interrupted by another before it waits or ends.
pub fn explore(name: &str, preemptions: Option<usize>, model: impl Fn() + Sync + Send + 'static) {
    let before = current();
    let mut builder = loom::model::Builder::new();
    builder.max_branches = 100_000;
    builder.preemption_bound = preemptions;
    builder.check(move || {
        begin();
        model();
    });
    eprintln!("{name}: {} orders", current() - before);
}

/// By the model's first thread, before it makes others: it has to be the one that makes what is
/// shared by all.
fn begin() {
    RUN.fetch_add(1, Relaxed);
    alloc::begin();
    grace::begin();
    barrier::begin();
    bindings::begin();
}

/// How many threads a model may have, its first included.
pub(crate) const THREADS: usize = 3;

/// The threads that have been made, the first not included.
static MADE: PerRun<Vec<ThreadId>> = PerRun::new();

/// Begins another thread of the model.
pub fn spawn<R: 'static>(body: impl FnOnce() -> R + 'static) -> JoinHandle<R> {
    let handle = thread::spawn(body);
    MADE.access(|made| {
        made.push(handle.thread().id());
        assert!(made.len() < THREADS, "the model has too many threads");
    });
    handle
}

/// The number of the current thread; none if there are no others.
pub(crate) fn thread() -> Option<usize> {
    MADE.access(|made| {
        if made.is_empty() {
            return None;
        }
        let current = thread::current().id();
        let place = made.iter().position(|other| *other == current);
        Some(place.map_or(0, |place| place + 1))
    })
}

/// A value that begins with its default in each run.
pub(crate) struct PerRun<T>(UnsafeCell<Option<(u64, T)>>);

// SAFETY: There is one thread of the host, see above.
unsafe impl<T> Sync for PerRun<T> {}

impl<T: Default> PerRun<T> {
    pub(crate) const fn new() -> Self {
        Self(UnsafeCell::new(None))
    }

    /// Gives access to the value. `with` must not use loom's objects to change it, nor come here
    /// again.
    pub(crate) fn access<R>(&self, with: impl FnOnce(&mut T) -> R) -> R {
        // SAFETY: Nobody else comes here before `with` returns.
        let value = unsafe { &mut *self.0.get() };
        match value {
            Some((run, value)) if *run == current() => with(value),
            _ => with(&mut value.insert((current(), T::default())).1),
        }
    }

    /// The value, to be shared until the run ends.
    pub(crate) fn get(&self) -> &T {
        self.access(|value| {
            let value: *const T = value;
            // SAFETY: It stays until the next run, in which nothing of this one goes on.
            unsafe { &*value }
        })
    }
}
