// SPDX-License-Identifier: GPL-2.0

//! What happens to address spaces: mappings come and go, and processes fork.
//!
//! A new mapping of a probed file gets its breakpoints before its process can run in it. The
//! breakpoints of one that goes are gone with its pages; what is left is a mark on the address
//! space that says whether traps in it may be ours, to be brought up to date some time
//! ([`recalc`]).
//!
//! Every `mmap()`, `munmap()` and `fork()` in the system comes here, so that the first question is
//! always whether there are any probes at all.

use core::iter;

use kernel::{
    bindings,
    mm::Mm,
    sync::{
        atomic::{
            ordering::Relaxed,
            Atomic, //
        },
        percpu_rwsem::ReadGuard,
        rcu_tasks_trace, //
    }, //
};

use crate::{
    breakpoint,
    life::ProbeRef,
    mm::{
        fork_lock,
        Flag,
        Flags,
        LockedVma,
        Purpose,
        Vma,
        Vmas, //
    },
    refctr,
    tree::{
        self,
        InodeId, //
    }, //
};

/// Makes the rooms that deal with address spaces ready.
///
/// # Safety
///
/// Must be called once, at boot, before there is a process and before anything else here.
pub(crate) unsafe fn init() {
    // SAFETY: By the function's contract.
    unsafe { refctr::init() };
    // Forks take the slower of the two ways through the lock, for ever: some tens of cycles more,
    // still without touching memory that other CPUs use. In return, placing and removing
    // breakpoints does not have to wait for a grace period each time before it can keep forks out.
    //
    // SAFETY: The semaphore is statically initialised in shims.c and lives for ever.
    unsafe { bindings::rcu_sync_enter(&raw mut bindings::uprobes_dup_mmap_sem.rss) };
}

/// A mapping has appeared, or has changed its shape. May sleep.
///
/// Nobody can be told of failures. A breakpoint that could not be placed is missing.
///
/// # Safety
///
/// `vma` must be a valid mapping of an address space that the caller has locked for writing, and be
/// listed with its file if it has one.
pub(crate) unsafe fn mmap(vma: *mut bindings::vm_area_struct) {
    if tree::is_empty() {
        return;
    }
    // SAFETY: By the function's contract.
    let vma = unsafe { LockedVma::from_raw(vma) };
    if vma.may_hold_counter() && vma.mm().has(Flag::HasUprobes) {
        refctr::mapped(&vma);
    }
    if !vma.is_probeable(Purpose::Install) {
        return;
    }
    if let Some(inode) = vma.inode() {
        install_all(&vma, inode);
    }
}

/// Places the breakpoints of all probes in a mapping.
///
/// Probes may come and go meanwhile. One that comes behind our back, before or after the place
/// where we are, belongs to a registration that has not collected the mappings of the file when it
/// puts its probe into the tree. Ours is among them already, so that registration finds it and
/// waits for the address space's lock. One that goes has no consumer that wants it, or soon visits
/// the mapping to clean up; so does the last consumer of one that was wanted a moment ago.
fn install_all(vma: &LockedVma<'_>, inode: InodeId) {
    let (first, last) = vma.offsets(vma.start(), vma.end());
    let mut rest = Some(first);
    while let Some(next) = rest {
        let mut batch = Batch::new();
        rest = batch.fill(vma.mm(), inode, next, last);
        for probe in batch.iter() {
            // SAFETY: The current task always exists.
            if unsafe { bindings::fatal_signal_pending(bindings::get_current()) != 0 } {
                return;
            }
            let vaddr = vma.offset_to_vaddr(probe.offset());
            // Nobody can be told, see `mmap()`.
            let _ = breakpoint::install(probe, vma, vaddr);
        }
    }
}

/// How many probes are looked for at once.
const SOME: usize = 8;

/// Some probes of a file, counted. It is large, and filled where it is.
struct Batch {
    probes: [Option<ProbeRef>; SOME],
    len: usize,
}

impl Batch {
    fn new() -> Self {
        Self {
            probes: [const { None }; SOME],
            len: 0,
        }
    }

    /// Looks for the first probes in `first..=last` of a file, and takes those that are not dying and
    /// that a consumer wants in the address space. Returns the offset at which to go on if there may
    /// be more. May sleep.
    fn fill(&mut self, mm: &Mm, inode: InodeId, first: i64, last: i64) -> Option<i64> {
        let guard = rcu_tasks_trace::read_lock();
        let mut found = [None; SOME];
        self.len = tree::some_in(inode, first, last, &mut found, &guard);
        for (place, probe) in iter::zip(&mut self.probes, found.iter().map_while(|found| *found)) {
            if probe.consumers().wants(mm, &guard) {
                *place = probe.try_get();
            }
        }
        match found[SOME - 1] {
            Some(last) if self.len == SOME => last.offset().checked_add(1),
            _ => None,
        }
    }

    fn iter(&self) -> impl Iterator<Item = &ProbeRef> {
        self.probes.iter().take(self.len).flatten()
    }
}

/// Part of a mapping goes away.
///
/// # Safety
///
/// `vma` must be a valid mapping that nobody else changes, and `start..end` be within it.
pub(crate) unsafe fn munmap(vma: *mut bindings::vm_area_struct, start: usize, end: usize) {
    if tree::is_empty() {
        return;
    }
    // SAFETY: By the function's contract.
    let vma = unsafe { Vma::from_raw(vma) };
    if !vma.is_probeable(Purpose::Restore) {
        return;
    }
    let mm = vma.mm();
    // An address space without users will never trap again.
    if !has_users(mm) || !mm.has(Flag::HasUprobes) || mm.has(Flag::RecalcUprobes) {
        return;
    }
    if has_probes(&vma, start, end) {
        mm.set(Flag::RecalcUprobes);
    }
}

fn has_users(mm: &Mm) -> bool {
    // SAFETY: The reference keeps the `mm_struct` alive, and the counter is an atomic of C.
    let users =
        unsafe { Atomic::from_ptr(&raw mut (*mm.as_raw()).__bindgen_anon_1.mm_users.counter) };
    users.load(Relaxed) != 0
}

/// Is there any probe in this part of a mapping, in use or not?
fn has_probes(vma: &Vma<'_>, start: usize, end: usize) -> bool {
    let Some(inode) = vma.inode() else {
        return false;
    };
    let (first, last) = vma.offsets(start, end);
    tree::first_in(inode, first, last, &rcu_tasks_trace::read_lock()).is_some()
}

/// Takes the mark off an address space that has no breakpoints any more, as far as can be told: it
/// stays if there is a probe that has none of its breakpoints here. If it goes then what asked for
/// this stays, and says that there have been some.
///
/// Several threads may be here at once, and come to different ends, because probes come and go
/// meanwhile. The first end stands: together they would leave nothing to say that a breakpoint which
/// has gone was one of ours. Either will do. Breakpoints come with `mmap_lock` held for writing, so
/// that a probe which only some of the threads have found has none here yet, or none any more.
///
/// # Safety
///
/// `mm` must be an address space of which `mmap_lock` is held, at least for reading.
pub(crate) unsafe fn recalc(mm: *mut bindings::mm_struct) {
    // SAFETY: By the function's contract.
    let (mm, mut vmas) = unsafe { (Mm::from_raw(mm), Vmas::new(Mm::from_raw(mm))) };
    let may_trap = |vma: Vma<'_>| {
        vma.is_probeable(Purpose::Restore) && has_probes(&vma, vma.start(), vma.end())
    };
    mm.clear_one_of_both(if vmas.any(may_trap) {
        Flag::RecalcUprobes
    } else {
        Flag::HasUprobes
    });
}

/// An address space is going to be copied. May sleep.
pub(crate) fn start_dup_mmap() {
    fork_lock().read().leak();
}

/// The copy is complete.
///
/// # Safety
///
/// The current task must have called [`start_dup_mmap`], once for each call.
pub(crate) unsafe fn end_dup_mmap() {
    // SAFETY: By the function's contract.
    drop(unsafe { ReadGuard::from_leaked(fork_lock()) });
}

/// `newmm` is becoming a copy of `oldmm`, breakpoints and all.
///
/// # Safety
///
/// Both must be valid.
pub(crate) unsafe fn dup_mmap(oldmm: *mut bindings::mm_struct, newmm: *mut bindings::mm_struct) {
    // SAFETY: By the function's contract.
    let (oldmm, newmm) = unsafe { (Mm::from_raw(oldmm), Mm::from_raw(newmm)) };
    if oldmm.has(Flag::HasUprobes) {
        newmm.set(Flag::HasUprobes);
        // Not every mapping is copied, so that there may be none.
        newmm.set(Flag::RecalcUprobes);
    }
}
