// SPDX-License-Identifier: GPL-2.0

//! The tree of probes, ordered by file and offset.
//!
//! Readers take no lock: they descend under Tasks Trace RCU while writers rotate. A descent can
//! miss a node that is being moved, but can never return one that is not in the tree or was not a
//! moment ago; so a find is true at once, and a miss is true only if the writers' sequence did not
//! move meanwhile. A range query can be misled in both directions, and is always checked.
//!
//! The tree owns nothing. A probe whose count has reached zero stays in the tree until its
//! deferred release (`probe.rs`) takes it out or until a newcomer with the same key replaces it, so
//! whatever is found here may be dying: it is good for as long as the RCU guard lives, and only
//! [`Probe::try_get`] makes more of it.

use core::{
    marker::PhantomData,
    ptr, //
};

use kernel::{
    bindings,
    container_of,
    sync::{
        atomic::{
            ordering::{
                Relaxed,
                Release, //
            },
            Atomic, //
        },
        rcu_tasks_trace,
        seqcount::{
            SeqSpinLock,
            WriteGuard, //
        },
    },
    types::Opaque, //
};

use crate::{
    cache::Removals,
    life::ProbeRef,
    probe::{
        Newcomer,
        Probe, //
    }, //
};

/// Identity of a file; never dereferenced here.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct InodeId(*mut bindings::inode);

impl InodeId {
    pub(crate) fn new(inode: *mut bindings::inode) -> Self {
        Self(inode)
    }

    pub(crate) fn as_ptr(self) -> *mut bindings::inode {
        self.0
    }
}

/// Where a probe is: a file and an offset in bytes into it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) inode: InodeId,
    pub(crate) offset: i64,
}

/// A probe's place in the tree.
///
/// # Invariants
///
/// Only touched by a holder of [`WRITERS`], but for the child pointers, which readers read as
/// atomics.
#[repr(transparent)]
pub(crate) struct Node(Opaque<bindings::rb_node>);

impl Node {
    pub(crate) fn new() -> Self {
        Self(Opaque::new(bindings::rb_node::default()))
    }
}

/// Serialises writers, and tells readers that one was there.
///
/// Lock order: innermost; nothing is taken under it.
static WRITERS: SeqSpinLock =
    // SAFETY: Both objects are statically initialised in shims.c, live for ever, and are tied to
    // each other there.
    unsafe {
        SeqSpinLock::from_raw(
            &raw mut bindings::uprobes_tree_lock,
            &raw mut bindings::uprobes_tree_seq,
        )
    };

struct Root(Opaque<bindings::rb_root>);

// SAFETY: The root is changed under `WRITERS` only, and read by others as an atomic.
unsafe impl Sync for Root {}

static ROOT: Root = Root(Opaque::new(bindings::rb_root {
    rb_node: ptr::null_mut(),
}));

/// The probes that have been taken out of the tree.
///
/// A result of [`find`] is still right if this has not changed since before the search, and the
/// probe is still registered.
#[link_section = ".data..read_mostly"]
static REMOVALS: Removals = Removals::new();

/// How many probes have been taken out of the tree. While the guard lives, none of those that were
/// found at this count is freed.
#[inline]
pub(crate) fn removals(_guard: &rcu_tasks_trace::Guard) -> u64 {
    REMOVALS.count()
}

/// The way from one node to the next.
type Link = *mut *mut bindings::rb_node;

fn root_link() -> Link {
    // SAFETY: `ROOT` is a valid `rb_root`; no reference is made.
    unsafe { &raw mut (*ROOT.0.get()).rb_node }
}

/// Reads a link that a writer may be changing.
///
/// # Safety
///
/// `link` must be the root's link, or one of a node that cannot be freed before the caller is done:
/// either `WRITERS` is held or the node was reached under a Tasks Trace guard that still lives.
unsafe fn follow(link: Link) -> *mut bindings::rb_node {
    // ORDERING: The address dependency from this load to the loads through its result pairs with
    // the release in `attach()` and with `rb_insert_color()`'s and `rb_erase()`'s ordered stores.
    //
    // SAFETY: By the function's contract the link is alive, and all concurrent accesses to links
    // are single-copy atomic stores (`attach()` here, `WRITE_ONCE()` in lib/rbtree.c).
    unsafe { Atomic::from_ptr(link) }.load(Relaxed)
}

/// # Safety
///
/// `node` must be the [`Node`] of a probe that cannot be freed during `'a`.
unsafe fn probe_of<'a>(node: *mut bindings::rb_node) -> &'a Probe {
    // SAFETY: Every node in the tree is the field `node` of a `Probe`, and by the function's
    // contract that probe is alive.
    unsafe { &*container_of!(node.cast::<Node>(), Probe, node) }
}

/// # Safety
///
/// `node` must be a node that the caller may follow links of; see [`follow`].
unsafe fn child_links(node: *mut bindings::rb_node) -> (Link, Link) {
    // SAFETY: `node` is alive by the function's contract.
    unsafe { (&raw mut (*node).rb_left, &raw mut (*node).rb_right) }
}

/// Is there no probe at all? Cheap enough for every `mmap()` of every process.
#[inline]
pub(crate) fn is_empty() -> bool {
    // SAFETY: The root's link is always valid.
    unsafe { follow(root_link()) }.is_null()
}

/// Finds the probe at `key`, if it is registered. Any context in which a Tasks Trace guard can be
/// had.
///
/// One that only a pending return keeps has no breakpoints, and may be of another file.
#[inline]
pub(crate) fn find(key: Key, _guard: &rcu_tasks_trace::Guard) -> Option<&Probe> {
    loop {
        let start = WRITERS.begin();
        // SAFETY: The guard keeps every probe that this descent meets from being freed, for as
        // long as the returned reference lives.
        if let Some(probe) = unsafe { descend(key) } {
            return probe.is_registered().then_some(probe);
        }
        if !WRITERS.retry(start) {
            return None;
        }
    }
}

/// Finds the probe with the lowest offset in `first..=last` of a file.
pub(crate) fn first_in(
    inode: InodeId,
    first: i64,
    last: i64,
    _guard: &rcu_tasks_trace::Guard,
) -> Option<&Probe> {
    let from = Key {
        inode,
        offset: first,
    };
    let to = Key {
        inode,
        offset: last,
    };
    loop {
        let start = WRITERS.begin();
        // SAFETY: As in `find()`.
        let probe = unsafe { lower_bound(from) };
        if !WRITERS.retry(start) {
            return probe.filter(|probe| probe.key() <= to);
        }
    }
}

/// # Safety
///
/// No probe in the tree may be freed during `'a`.
#[inline]
unsafe fn descend<'a>(key: Key) -> Option<&'a Probe> {
    let mut link = root_link();
    loop {
        // SAFETY: `link` is the root's, or one of a probe that the caller keeps alive.
        let node = unsafe { follow(link) };
        if node.is_null() {
            return None;
        }
        // SAFETY: `node` is not null, so it is the node of a probe that the caller keeps alive.
        let (probe, (left, right)) = unsafe { (probe_of(node), child_links(node)) };
        link = match key.cmp(&probe.key()) {
            core::cmp::Ordering::Less => left,
            core::cmp::Ordering::Greater => right,
            core::cmp::Ordering::Equal => return Some(probe),
        };
    }
}

/// The probe with the lowest key that is not below `key`.
///
/// # Safety
///
/// No probe in the tree may be freed during `'a`.
unsafe fn lower_bound<'a>(key: Key) -> Option<&'a Probe> {
    let mut link = root_link();
    let mut best = None;
    loop {
        // SAFETY: As in `descend()`.
        let node = unsafe { follow(link) };
        if node.is_null() {
            return best;
        }
        // SAFETY: As in `descend()`.
        let (probe, (left, right)) = unsafe { (probe_of(node), child_links(node)) };
        if probe.key() < key {
            link = right;
        } else {
            best = Some(probe);
            link = left;
        }
    }
}

/// What [`insert`] found.
pub(crate) enum Inserted {
    /// Nothing: the newcomer is in the tree, and this is its first reference.
    New(ProbeRef),
    /// Another probe with the same key, to be used in place of the newcomer.
    Existing(ProbeRef),
}

/// Puts a new probe into the tree, unless there is one with its key that is not dying.
///
/// Process context, does not sleep.
pub(crate) fn insert(newcomer: Newcomer) -> Inserted {
    let writer = WRITERS.write();
    loop {
        match vacancy(newcomer.key(), &writer) {
            Ok(vacancy) => {
                // SAFETY: The newcomer is not in the tree: its creator has the only access to it.
                unsafe { attach(&newcomer, vacancy, &writer) };
                return Inserted::New(newcomer.into_ref());
            }
            Err(holder) => {
                if holder.serves(&newcomer) {
                    if let Some(existing) = holder.try_get() {
                        existing.add_registration();
                        return Inserted::Existing(existing);
                    }
                }
                // Its count is zero for good, or its file has gone. Leave the key free.
                //
                // SAFETY: `holder` was just found in the tree.
                unsafe { detach(holder, &writer) };
            }
        }
    }
}

/// Takes a probe out of the tree, if it is still there. Process context, does not sleep.
pub(crate) fn remove(probe: &Probe) {
    // Out of the tree is for ever. Readers are not disturbed for nothing.
    if !probe.is_linked() {
        return;
    }
    let writer = WRITERS.write();
    if probe.is_linked() {
        // SAFETY: The probe is in the tree.
        unsafe { detach(probe, &writer) };
    }
}

/// A free place, and the node above it, for as long as the writers' lock is held.
struct Vacancy<'w> {
    parent: *mut bindings::rb_node,
    link: Link,
    _writer: PhantomData<&'w Root>,
}

/// Finds the place for `key`, or who has it.
fn vacancy<'w>(key: Key, _writer: &'w WriteGuard<'_>) -> Result<Vacancy<'w>, &'w Probe> {
    let mut parent = ptr::null_mut();
    let mut link = root_link();
    loop {
        // SAFETY: Probes are freed after they were taken out of the tree under the writers' lock,
        // which is held.
        let node = unsafe { follow(link) };
        if node.is_null() {
            return Ok(Vacancy {
                parent,
                link,
                _writer: PhantomData,
            });
        }
        parent = node;
        // SAFETY: As above.
        let (probe, (left, right)) = unsafe { (probe_of(node), child_links(node)) };
        link = match key.cmp(&probe.key()) {
            core::cmp::Ordering::Less => left,
            core::cmp::Ordering::Greater => right,
            core::cmp::Ordering::Equal => return Err(probe),
        };
    }
}

/// # Safety
///
/// `probe` must not be in the tree, and nobody else may have it.
unsafe fn attach<'w>(probe: &Probe, vacancy: Vacancy<'w>, _writer: &'w WriteGuard<'_>) {
    let node = probe.node.0.get();
    // SAFETY: Nobody else sees the node before the release below.
    unsafe {
        (*node).__rb_parent_color = vacancy.parent.expose_provenance();
        (*node).rb_left = ptr::null_mut();
        (*node).rb_right = ptr::null_mut();
    }
    // Release: a reader that finds the node finds an initialised probe. Pairs with `follow()`.
    //
    // SAFETY: The vacancy's link is alive, see `vacancy()`.
    unsafe { Atomic::from_ptr(vacancy.link) }.store(node, Release);
    probe.set_linked(true);
    // SAFETY: The node was linked at a leaf of this tree, under the writers' lock.
    unsafe { bindings::rb_insert_color(node, ROOT.0.get()) };
}

/// # Safety
///
/// `probe` must be in the tree.
unsafe fn detach(probe: &Probe, _writer: &WriteGuard<'_>) {
    // SAFETY: By the function's contract.
    unsafe { bindings::rb_erase(probe.node.0.get(), ROOT.0.get()) };
    REMOVALS.add();
    // Last: it is in `remove()`, without the lock, that this may be read.
    probe.set_linked(false);
}
