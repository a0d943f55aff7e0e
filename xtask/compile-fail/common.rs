// SPDX-License-Identifier: GPL-2.0

// What the others begin with: a consumer of each kind, and a place to probe.

use kernel::{
    mm::Mm,
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
    uprobes::{
        Consumer,
        Cookie,
        Entry,
        Filtered,
        Location,
        Registers,
        Registration,
        Unfiltered, //
    }, //
};

/// Stands for the module that consumers belong to.
pub struct LocalModule;

impl kernel::ModuleMetadata for LocalModule {
    const NAME: &'static CStr = c"compile_fail";
    // SAFETY: As for all that is built in.
    const THIS_MODULE: ThisModule = unsafe { ThisModule::from_ptr(core::ptr::null_mut()) };
}

/// Wants all processes.
pub struct Everywhere {
    pub hits: Atomic<u64>,
}

impl Everywhere {
    pub fn new() -> Self {
        Self {
            hits: Atomic::new(0),
        }
    }
}

#[vtable]
impl Consumer for Everywhere {
    type Session = ();
    type Filter = Unfiltered;

    fn entry(&self, _: &Registers) -> Entry<Self> {
        self.hits.fetch_add(1, Relaxed);
        Entry::Keep(())
    }
}

/// Wants no process.
pub struct Nowhere;

#[vtable]
impl Consumer for Nowhere {
    type Session = ();
    type Filter = Filtered;

    fn entry(&self, _: &Registers) -> Entry<Self> {
        Entry::Remove(Filtered)
    }

    fn wants(&self, _: &Mm) -> bool {
        false
    }
}
