// SPDX-License-Identifier: GPL-2.0

//! In place of `probe.rs`: what there is to a probe beside its instruction and its consumers.

use crate::{
    life::{Life, ProbeRef},
    links::Node,
    tree::{self, InodeId, Inserted, Key},
};
use kernel::prelude::*;
use std::{
    ops::Deref,
    ptr::{self, NonNull},
};

pub(crate) struct Probe {
    pub(crate) node: Node,
    pub(crate) life: Life,
    key: Key,
    /// Another file may have the same key.
    file: u32,
}

// SAFETY: What changes in it is atomic.
unsafe impl Sync for Probe {}
// SAFETY: Nothing in it belongs to a thread.
unsafe impl Send for Probe {}

impl Probe {
    pub(crate) fn key(&self) -> Key {
        self.key
    }

    pub(crate) fn serves(&self, other: &Probe) -> bool {
        self.keeps_inode() || self.file == other.file
    }
}

/// The key of a probe at an offset of the only inode.
pub(crate) fn key(offset: i64) -> Key {
    Key {
        inode: InodeId::new(ptr::null_mut()),
        offset,
    }
}

/// Registers a probe, as its first or as another of its registrations.
pub(crate) fn register(offset: i64) -> ProbeRef {
    match tree::insert(Newcomer::new(offset, 0)) {
        Inserted::New(probe) | Inserted::Existing(probe) => probe,
    }
}

/// Takes one registration back.
pub(crate) fn unregister(probe: ProbeRef) {
    probe.drop_registration();
    drop(probe);
}

pub(crate) struct Newcomer(KBox<Probe>);

impl Newcomer {
    pub(crate) fn new(offset: i64, file: u32) -> Self {
        let probe = Probe {
            node: Node::new(),
            life: Life::new(),
            key: key(offset),
            file,
        };
        // All of it, before anybody else sees it.
        probe.is_registered();
        probe.is_linked();
        drop(probe.try_get());
        Self(KBox::new(probe, GFP_KERNEL).expect("there is memory"))
    }

    pub(crate) fn into_ref(self) -> ProbeRef {
        let probe = KBox::leak(self.0);
        // SAFETY: The count starts at one, which is nobody's yet.
        unsafe { ProbeRef::from_raw(NonNull::from(probe)) }
    }
}

impl Deref for Newcomer {
    type Target = Probe;

    fn deref(&self) -> &Probe {
        &self.0
    }
}
