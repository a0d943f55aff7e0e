// SPDX-License-Identifier: GPL-2.0

//! The tree of probes, ordered by file and offset.
//!
//! Readers take no lock: they descend under Tasks Trace RCU while writers rotate. A descent can
//! miss a node that is being moved, but can never return one that is not in the tree or was not a
//! moment ago; so a find is true at once, and a miss is true only if the writers' sequence did not
//! move meanwhile. A range query can be misled in both directions, and is always checked.
//!
//! The tree owns nothing. A probe whose count has reached zero stays in the tree until its
//! deferred release (`life.rs`) takes it out or until a newcomer with the same key replaces it, so
//! whatever is found here may be dying: it is good for as long as the RCU guard lives, and only
//! [`Probe::try_get`] makes more of it.

use core::{
    cmp::Ordering,
    marker::PhantomData,
    mem::MaybeUninit,
    ptr, //
};

use kernel::{
    bindings,
    container_of,
    sync::{
        atomic::ordering::{
            Relaxed,
            Release, //
        },
        rcu_tasks_trace,
        seqcount::{
            SeqSpinLock,
            WriteGuard, //
        }, //
    }, //
};

use crate::{
    cache::Removals,
    life::ProbeRef,
    links::{
        self,
        Link,
        Node, //
    },
    probe::{
        Newcomer,
        Probe, //
    }, //
};

/// Identity of a file; never dereferenced here.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct InodeId(*mut bindings::inode);

impl InodeId {
    pub(crate) const fn new(inode: *mut bindings::inode) -> Self {
        Self(inode)
    }

    pub(crate) fn as_ptr(self) -> *mut bindings::inode {
        self.0
    }
}

/// Where a probe is: a file and an offset in bytes into it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) inode: InodeId,
    pub(crate) offset: i64,
}

impl Ord for Key {
    /// First by file. Written as branches, because who descends does nothing else: what is derived
    /// makes a number first.
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        if self.inode != other.inode {
            if self.inode < other.inode {
                return Ordering::Less;
            }
            return Ordering::Greater;
        }
        if self.offset < other.offset {
            return Ordering::Less;
        }
        if self.offset > other.offset {
            return Ordering::Greater;
        }
        Ordering::Equal
    }
}

impl PartialOrd for Key {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
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

/// Reads a link that a writer may be changing.
#[inline]
fn follow(link: &Link) -> *mut Node {
    // ORDERING: The address dependency from this load to the loads through its result pairs with
    // the release in `attach()`. C's functions move nodes by stores without order. For these there
    // is the write barrier at the beginning of `SeqSpinLock::write()`, before which the node and its
    // probe were initialised.
    link.load(Relaxed)
}

/// # Safety
///
/// `node` must be the [`Node`] of a probe that cannot be freed during `'a`.
unsafe fn probe_of<'a>(node: *mut Node) -> &'a Probe {
    // SAFETY: Every node in the tree is the field `node` of a `Probe`, and by the function's
    // contract that probe is alive.
    unsafe { &*container_of!(node, Probe, node) }
}

/// Is there no probe at all? Cheap enough for every `mmap()` of every process.
#[inline]
pub(crate) fn is_empty() -> bool {
    follow(links::root()).is_null()
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
    guard: &rcu_tasks_trace::Guard,
) -> Option<&Probe> {
    let from = Key {
        inode,
        offset: first,
    };
    let to = Key {
        inode,
        offset: last,
    };
    first_from(from, guard).filter(|probe| probe.key() <= to)
}

/// Finds the probes with the lowest offsets in `first..=last` of a file, in order: as many as there
/// are places in `found`, or all that there are. Returns how many.
pub(crate) fn some_in<'g>(
    inode: InodeId,
    first: i64,
    last: i64,
    found: &mut [Option<&'g Probe>],
    _guard: &'g rcu_tasks_trace::Guard,
) -> usize {
    let key = |offset| Key { inode, offset };
    loop {
        let start = WRITERS.begin();
        let mut walk = Walk::new();
        // SAFETY: As in `find()`.
        unsafe { walk.begin(key(first)) };
        let mut count = 0;
        for place in found.iter_mut() {
            *place = walk.next().filter(|probe| probe.key() <= key(last));
            if place.is_none() {
                break;
            }
            count += 1;
        }
        if !WRITERS.retry(start) {
            return count;
        }
    }
}

/// Finds the probe with the lowest key that is not below `key`.
pub(crate) fn first_from(key: Key, _guard: &rcu_tasks_trace::Guard) -> Option<&Probe> {
    loop {
        let start = WRITERS.begin();
        // SAFETY: As in `find()`.
        let probe = unsafe { lower_bound(key) };
        if !WRITERS.retry(start) {
            return probe;
        }
    }
}

/// # Safety
///
/// No probe in the tree may be freed during `'a`.
#[inline]
unsafe fn descend<'a>(key: Key) -> Option<&'a Probe> {
    let mut link = links::root();
    loop {
        let node = follow(link);
        if node.is_null() {
            return None;
        }
        // SAFETY: `node` is not null, so it is the node of a probe that the caller keeps alive.
        let probe = unsafe { probe_of(node) };
        let (left, right) = probe.node.children();
        link = match key.cmp(&probe.key()) {
            Ordering::Less => left,
            Ordering::Greater => right,
            Ordering::Equal => return Some(probe),
        };
    }
}

/// The probe with the lowest key that is not below `key`.
///
/// # Safety
///
/// No probe in the tree may be freed during `'a`.
unsafe fn lower_bound<'a>(key: Key) -> Option<&'a Probe> {
    let mut link = links::root();
    let mut best = None;
    loop {
        let node = follow(link);
        if node.is_null() {
            return best;
        }
        // SAFETY: As in `descend()`.
        let probe = unsafe { probe_of(node) };
        let (left, right) = probe.node.children();
        if probe.key() < key {
            link = right;
        } else {
            best = Some(probe);
            link = left;
        }
    }
}

/// A walk through the tree, from one key to the next higher one. It is large, and stays where it was
/// made.
///
/// It goes down only, because writers see to it that who goes down gets to an end, and promise
/// nothing to who goes up: it remembers the nodes that it has gone by, on their left.
///
/// # Invariants
///
/// `passed[..len]` are initialised, with nodes of probes that are not freed during `'a`.
struct Walk<'a> {
    passed: [MaybeUninit<*mut Node>; HEIGHT],
    len: usize,
    _probes: PhantomData<&'a Probe>,
}

/// More than the tree is high: twice the logarithm of as many probes as there is memory for.
const HEIGHT: usize = 64;

impl<'a> Walk<'a> {
    fn new() -> Self {
        Self {
            passed: [const { MaybeUninit::uninit() }; HEIGHT],
            len: 0,
            _probes: PhantomData,
        }
    }

    /// Goes to the lowest key that is not below `key`.
    ///
    /// # Safety
    ///
    /// No probe in the tree may be freed during `'a`.
    unsafe fn begin(&mut self, key: Key) {
        let mut link = links::root();
        while let Some(probe) = self.below(link) {
            let (left, right) = probe.node.children();
            link = if probe.key() < key {
                right
            } else {
                self.pass(probe);
                left
            };
        }
    }

    fn below(&self, link: &Link) -> Option<&'a Probe> {
        let node = follow(link);
        // SAFETY: A node that is not null is that of a probe, which whoever began the walk keeps.
        (!node.is_null()).then(|| unsafe { probe_of(node) })
    }

    /// Remembers a node to which the walk comes back. If the tree is being changed there may seem to
    /// be more than there can be; then nobody believes what is found.
    fn pass(&mut self, probe: &'a Probe) {
        if let Some(place) = self.passed.get_mut(self.len) {
            // INVARIANT: The probe is alive during `'a`.
            place.write(ptr::from_ref(&probe.node).cast_mut());
            self.len += 1;
        }
    }

    fn next(&mut self) -> Option<&'a Probe> {
        self.len = self.len.checked_sub(1)?;
        // SAFETY: By the type's invariants.
        let probe: &Probe = unsafe { probe_of(self.passed[self.len].assume_init()) };
        let (_, mut link) = probe.node.children();
        while let Some(higher) = self.below(link) {
            self.pass(higher);
            link = higher.node.children().0;
        }
        Some(probe)
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
    parent: *mut Node,
    link: &'w Link,
}

/// Finds the place for `key`, or who has it.
fn vacancy<'w>(key: Key, _writer: &'w WriteGuard<'_>) -> Result<Vacancy<'w>, &'w Probe> {
    let mut parent = ptr::null_mut();
    let mut link = links::root();
    loop {
        let node = follow(link);
        if node.is_null() {
            return Ok(Vacancy { parent, link });
        }
        parent = node;
        // SAFETY: Probes are freed after they were taken out of the tree under the writers' lock,
        // which is held.
        let probe = unsafe { probe_of(node) };
        let (left, right) = probe.node.children();
        link = match key.cmp(&probe.key()) {
            Ordering::Less => left,
            Ordering::Greater => right,
            Ordering::Equal => return Err(probe),
        };
    }
}

/// # Safety
///
/// `probe` must not be in the tree, and nobody else may have it.
unsafe fn attach<'w>(probe: &Probe, vacancy: Vacancy<'w>, _writer: &'w WriteGuard<'_>) {
    // SAFETY: Nobody else sees the node before the release below.
    unsafe { probe.node.prepare(vacancy.parent) };
    // Release: a reader that finds the node finds an initialised probe. Pairs with `follow()`.
    vacancy
        .link
        .store(ptr::from_ref(&probe.node).cast_mut(), Release);
    probe.set_linked(true);
    // SAFETY: The node was linked at a leaf of this tree, under the writers' lock.
    unsafe { probe.node.balance() };
}

/// # Safety
///
/// `probe` must be in the tree.
unsafe fn detach(probe: &Probe, _writer: &WriteGuard<'_>) {
    // SAFETY: By the function's contract, and the lock is held.
    unsafe { probe.node.erase() };
    REMOVALS.add();
    // Last: it is in `remove()`, without the lock, that this may be read.
    probe.set_linked(false);
}
