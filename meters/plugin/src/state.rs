// SPDX-License-Identifier: GPL-2.0

//! The books of all virtual CPUs, and what QEMU's threads do with them.
//!
//! Each virtual CPU is a thread of QEMU's and has a book of its own, so that
//! their locks are never waited for but at the end of a section.

use hit_book::{Ledger, Mark, Options, Section};
use std::{
    fs, mem,
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
};

pub(crate) struct State {
    pub(crate) options: Options,
    ledgers: Vec<Mutex<Ledger>>,
    sections: Mutex<Vec<Section>>,
}

static STATE: OnceLock<State> = OnceLock::new();

/// Done once, before any virtual CPU runs.
pub(crate) fn set(state: State) {
    STATE.get_or_init(|| state);
}

/// Nothing is registered with QEMU before the state is set.
pub(crate) fn get() -> &'static State {
    STATE.get().expect("the plugin is installed")
}

impl State {
    pub(crate) fn new(options: Options, vcpus: usize) -> Self {
        Self {
            options,
            ledgers: (0..vcpus).map(|_| Mutex::default()).collect(),
            sections: Mutex::default(),
        }
    }

    pub(crate) fn ledger(&self, vcpu: u32) -> MutexGuard<'_, Ledger> {
        // QEMU numbers them from 0 to the maximum that it named at the start.
        lock(&self.ledgers[vcpu as usize])
    }

    pub(crate) fn reach(&self, mark: Mark, vcpu: u32) {
        match mark {
            Mark::Watch => {}
            Mark::Section => self.close_section(),
            Mark::Lap => self.ledger(vcpu).lap(),
            Mark::Rest => self.ledger(vcpu).rest(),
            Mark::Finish => self.finish(),
        }
    }

    /// Books the section that ends, if there was one, and begins with empty books.
    fn close_section(&self) {
        let ledgers = self.ledgers.iter();
        let ledgers: Vec<Ledger> = ledgers.map(|each| mem::take(&mut *lock(each))).collect();
        let section = Section::of(&ledgers);
        if section.hits + section.disturbed > 0 {
            lock(&self.sections).push(section);
        }
    }

    fn finish(&self) {
        self.close_section();
        let sections = mem::take(&mut *lock(&self.sections));
        let text = serde_json::to_vec(&sections).expect("plain numbers can be written as JSON");
        if let Err(error) = fs::write(&self.options.out, text) {
            eprintln!("hit-plugin: {}: {error}", self.options.out.display());
        }
    }
}

/// A thread that panicked has ended QEMU; there is nobody to mistrust the data.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
