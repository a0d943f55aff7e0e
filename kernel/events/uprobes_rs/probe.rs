// SPDX-License-Identifier: GPL-2.0

//! One probed instruction: a file and an offset, its consumers, and what the architecture knows of
//! the instruction.
//!
//! # Life
//!
//! ```text
//!  find_or_insert() ──► counted references: registrations, stable returns, whoever is at work
//!                             │ the last one is dropped, in any context
//!                             ▼
//!                       a work item takes the probe out of the tree
//!                             │ a Tasks Trace grace period: no hit has it in its hands
//!                             ▼
//!                       an SRCU grace period: all leases of it have ended
//!                             ▼
//!                       an RCU grace period: nobody is looking at one that has
//!                             ▼
//!                       freed
//! ```
//!
//! The order of the first two matters: a hit that found the probe before it was taken out
//! may begin a lease until the end of its Tasks Trace critical section, however late.
//!
//! A `&Probe` says that the memory is there, by whatever the reference is bound to: a counted
//! reference, a Tasks Trace guard, a lease. It does not say that the probe is in use. Only
//! [`ProbeRef`] does, and there is no way from one to the other that can raise a count from zero.

use core::{
    mem::ManuallyDrop,
    ops::Deref,
    ptr::NonNull, //
};

use kernel::{
    bindings,
    container_of,
    mm::Mm,
    prelude::*,
    sync::{
        atomic::{
            ordering::{
                Acquire,
                Relaxed,
                Release, //
            },
            Atomic, //
        },
        new_rwsem,
        rcu_tasks_trace,
        srcu_fast_updown::Domain,
        Refcount,
        RwSemaphore, //
    },
    types::Opaque, //
};

use crate::{
    arch::{
        self,
        Insn, //
    },
    consumer::Consumers,
    insn,
    pending::Returns,
    refctr,
    tree::{
        self,
        InodeId,
        Inserted,
        Key,
        Node, //
    }, //
};

/// What the memory for deferred release is used for, one after the other.
#[expect(dead_code, reason = "C uses the fields, through pointers to the whole")]
union Retirement {
    work: ManuallyDrop<bindings::work_struct>,
    rcu: ManuallyDrop<bindings::callback_head>,
}

/// Which file an inode stood for.
///
/// A pending return can keep a probe for longer than its inode lives. The address of the inode,
/// which is how a hit finds the probe, may then be that of another file's.
#[derive(Clone, Copy, PartialEq, Eq)]
struct FileId {
    file_system: *mut bindings::super_block,
    number: u64,
    generation: u32,
}

impl FileId {
    /// # Safety
    ///
    /// `inode` must be valid.
    unsafe fn of(inode: *mut bindings::inode) -> Self {
        // SAFETY: By the function's contract. The file system may be changing the numbers, which
        // are then old or new.
        unsafe {
            Self {
                file_system: (*inode).i_sb,
                number: (*inode).i_ino,
                generation: (*inode).i_generation,
            }
        }
    }
}

/// A probed instruction.
#[pin_data]
pub(crate) struct Probe {
    pub(crate) node: Node,
    /// Counted references. Zero is final.
    count: Refcount,
    /// How many registrations there are. While there is one, the inode is kept.
    registrations: Atomic<i32>,
    /// Is `node` in the tree? Changed under the tree's lock.
    linked: Atomic<bool>,
    /// Has the instruction been copied and analysed, so that `arch` may be read?
    prepared: Atomic<bool>,
    #[pin]
    registration: RwSemaphore<()>,
    #[pin]
    consumers: Consumers,
    key: Key,
    file: FileId,
    ref_ctr_offset: i64,
    #[pin]
    arch: Opaque<bindings::arch_uprobe>,
    #[pin]
    retirement: Opaque<Retirement>,
}

// SAFETY: Everything in it is atomic, locked, or constant after `prepare()` published it.
unsafe impl Sync for Probe {}
// SAFETY: Nothing in it belongs to a task.
unsafe impl Send for Probe {}

impl Probe {
    fn new(key: Key, file: FileId, ref_ctr_offset: i64) -> impl PinInit<Self> {
        pin_init!(Self {
            node: Node::new(),
            count: Refcount::new(1),
            registrations: Atomic::new(1),
            linked: Atomic::new(false),
            prepared: Atomic::new(false),
            registration <- new_rwsem!((), "uprobes::registration"),
            consumers <- Consumers::new(),
            key,
            file,
            ref_ctr_offset,
            arch <- Opaque::zeroed(),
            retirement <- Opaque::zeroed(),
        })
    }

    /// The probe at `offset` of `inode`, a new one if there is none. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `EINVAL` if there is one, with another reference counter.
    ///
    /// # Safety
    ///
    /// `inode` must be valid.
    pub(crate) unsafe fn find_or_insert(
        inode: *mut bindings::inode,
        offset: i64,
        ref_ctr_offset: i64,
    ) -> Result<ProbeRef> {
        let key = Key {
            inode: InodeId::new(inode),
            offset,
        };
        // SAFETY: By the function's contract.
        let file = unsafe { FileId::of(inode) };
        let probe = KBox::pin_init(Probe::new(key, file, ref_ctr_offset), GFP_KERNEL)?;
        match tree::insert(Newcomer(probe)) {
            Inserted::New(probe) => Ok(probe),
            Inserted::Existing(probe) => {
                if probe.ref_ctr_offset != ref_ctr_offset {
                    probe.warn_of_mismatch(ref_ctr_offset);
                    probe.drop_registration();
                    return Err(EINVAL);
                }
                Ok(probe)
            }
        }
    }

    /// Tells of a registration with another reference counter than the existing one.
    fn warn_of_mismatch(&self, wanted: i64) {
        // SAFETY: Who registers a probe keeps the inode.
        let ino = unsafe { (*self.inode()).i_ino };
        pr_warn!(
            "ref_ctr_offset mismatch. inode: {:#x} offset: {:#x} ref_ctr_offset(old): {:#x} ref_ctr_offset(new): {:#x}\n",
            ino,
            self.offset(),
            self.ref_ctr_offset,
            wanted,
        );
    }

    /// Where it is.
    #[inline]
    pub(crate) fn key(&self) -> Key {
        self.key
    }

    /// Can a registration of the file of `other`, which has the same key, use this probe?
    ///
    /// If it is registered already, then its inode is alive, and is that of `other`. If it is not,
    /// and only a pending return keeps it, its inode may have gone.
    pub(crate) fn serves(&self, other: &Probe) -> bool {
        self.is_registered() || self.file == other.file
    }

    /// Has it been registered, and not unregistered as often?
    #[inline]
    pub(crate) fn is_registered(&self) -> bool {
        self.registrations.load(Relaxed) > 0
    }

    /// One more registration uses it. Told by the tree, under its lock.
    pub(crate) fn add_registration(&self) {
        self.registrations.add(1, Relaxed);
    }

    /// One registration less, whose breakpoints have been removed.
    pub(crate) fn drop_registration(&self) {
        self.registrations.fetch_sub(1, Relaxed);
    }

    /// The probed file, kept by whoever registered a consumer.
    pub(crate) fn inode(&self) -> *mut bindings::inode {
        self.key.inode.as_ptr()
    }

    /// The place of the instruction in the file, in bytes.
    pub(crate) fn offset(&self) -> i64 {
        self.key.offset
    }

    /// The place of the reference counter in the file, in bytes; 0 if there is none.
    pub(crate) fn ref_ctr_offset(&self) -> i64 {
        self.ref_ctr_offset
    }

    /// What the architecture keeps about the instruction.
    #[inline]
    pub(crate) fn arch(&self) -> *mut bindings::arch_uprobe {
        self.arch.get()
    }

    /// From the architecture's part back to the probe.
    ///
    /// # Safety
    ///
    /// `auprobe` must be the result of [`Self::arch`] of a probe that stays alive for `'a`.
    pub(crate) unsafe fn from_arch<'a>(auprobe: *mut bindings::arch_uprobe) -> &'a Self {
        let arch = auprobe.cast::<Opaque<bindings::arch_uprobe>>();
        // SAFETY: By the function's contract.
        unsafe { &*container_of!(arch, Probe, arch) }
    }

    /// As C names it.
    pub(crate) fn as_raw(&self) -> *mut bindings::uprobe {
        core::ptr::from_ref(self).cast_mut().cast()
    }

    /// From C's name.
    ///
    /// # Safety
    ///
    /// `raw` must be the result of [`Self::as_raw`] of a probe that stays alive for `'a`.
    pub(crate) unsafe fn from_raw<'a>(raw: *mut bindings::uprobe) -> &'a Self {
        // SAFETY: By the function's contract.
        unsafe { &*raw.cast() }
    }

    /// Keeps registering, unregistering and applying apart; hits do not care.
    ///
    /// Lock order: outermost of ours.
    pub(crate) fn registration(&self) -> &RwSemaphore<()> {
        &self.registration
    }

    pub(crate) fn consumers(&self) -> &Consumers {
        &self.consumers
    }

    /// A counted reference, unless the last one has gone.
    #[inline]
    pub(crate) fn try_get(&self) -> Option<ProbeRef> {
        let count = self.count.as_atomic().as_ptr().cast();
        // SAFETY: `count` is the `refcount_t` inside of `self.count`.
        if !unsafe { bindings::refcount_inc_not_zero(count) } {
            return None;
        }
        // INVARIANT: The count was raised, from a value that was not zero.
        Some(ProbeRef(NonNull::from(self)))
    }

    /// The instruction, if it has been analysed.
    #[inline]
    pub(crate) fn insn(&self) -> Option<&Insn> {
        // SAFETY: After the analysis, which `is_prepared()` makes visible, nothing changes in it
        // but the architecture's own atomic flags.
        self.is_prepared()
            .then(|| unsafe { Insn::from_raw(self.arch()) })
    }

    #[inline]
    fn is_prepared(&self) -> bool {
        // Pairs with the release in `prepare()`.
        self.prepared.load(Acquire)
    }

    /// Copies and analyses the instruction, the first time that somebody asks. May sleep.
    ///
    /// # Errors
    ///
    /// `EIO` if it cannot be read, `ENOTSUPP` if it is itself a breakpoint or cannot be executed
    /// out of line, `ENOEXEC` if it is none, and what the file system says.
    ///
    /// # Safety
    ///
    /// `file` must be an open file of the probe's inode, mapped at `vaddr` in `mm`, whose
    /// `mmap_lock` is held for writing.
    pub(crate) unsafe fn prepare(
        &self,
        file: *mut bindings::file,
        mm: &Mm,
        vaddr: usize,
    ) -> Result {
        if self.is_prepared() {
            return Ok(());
        }
        self.consumers.exclusively(|| {
            if self.is_prepared() {
                return Ok(());
            }
            // SAFETY: `file` is of the probe's inode; nobody reads `arch` before `prepared` is
            // set, and nobody else writes it because of the lock.
            unsafe { insn::copy(self, file)? };
            // SAFETY: The instruction is in place, and `mm` is locked.
            unsafe { arch::analyze(self.arch(), mm, vaddr)? };
            // Release: who sees it set sees the analysis. Pairs with `is_prepared()`.
            self.prepared.store(true, Release);
            Ok(())
        })
    }

    /// Who sees it out of the tree may begin the grace periods that end its life.
    pub(crate) fn is_linked(&self) -> bool {
        // Pairs with the release in `set_linked()`.
        self.linked.load(Acquire)
    }

    /// Told by the tree, under its lock.
    pub(crate) fn set_linked(&self, linked: bool) {
        self.linked.store(linked, Release);
    }
}

/// A probe that nobody else has seen yet. It is simply freed if it is not wanted.
pub(crate) struct Newcomer(Pin<KBox<Probe>>);

impl Newcomer {
    /// The reference that a probe is born with.
    pub(crate) fn into_ref(self) -> ProbeRef {
        // SAFETY: The probe is not moved: it stays where it is until `free()`.
        let probe = KBox::leak(unsafe { Pin::into_inner_unchecked(self.0) });
        // INVARIANT: The count starts at one.
        ProbeRef(NonNull::from(probe))
    }
}

impl Deref for Newcomer {
    type Target = Probe;

    fn deref(&self) -> &Probe {
        &self.0
    }
}

/// A counted reference to a probe. May be dropped in any context.
///
/// # Invariants
///
/// Owns one of the probe's count, which is therefore not zero.
pub(crate) struct ProbeRef(NonNull<Probe>);

// SAFETY: `Probe` is `Sync`, and the count is atomic.
unsafe impl Send for ProbeRef {}
// SAFETY: As above.
unsafe impl Sync for ProbeRef {}

impl ProbeRef {
    /// Gives the reference to somebody who keeps a pointer only.
    #[inline]
    pub(crate) fn into_raw(self) -> NonNull<Probe> {
        ManuallyDrop::new(self).0
    }

    /// Takes the reference back.
    ///
    /// # Safety
    ///
    /// `probe` must come from [`Self::into_raw`], once for each call.
    #[inline]
    pub(crate) unsafe fn from_raw(probe: NonNull<Probe>) -> Self {
        // INVARIANT: By the function's contract.
        Self(probe)
    }
}

impl Clone for ProbeRef {
    fn clone(&self) -> Self {
        self.count.inc();
        // INVARIANT: The count was raised.
        Self(self.0)
    }
}

impl Deref for ProbeRef {
    type Target = Probe;

    #[inline]
    fn deref(&self) -> &Probe {
        // SAFETY: By the type's invariants the probe is alive.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for ProbeRef {
    fn drop(&mut self) {
        if self.count.dec_and_test() {
            // SAFETY: That was the last reference, and none can be made any more.
            unsafe { retire(self.0) };
        }
    }
}

/// Starts the end of a probe. Any context.
///
/// # Safety
///
/// The probe's count must have just become zero.
unsafe fn retire(probe: NonNull<Probe>) {
    // SAFETY: The probe is not freed before the work item has run, and its memory for retirement
    // is not used by anybody else, because the count becomes zero once.
    unsafe {
        let work = (*probe.as_ptr()).retirement.get().cast();
        bindings::init_and_schedule_work(work, Some(unlink));
    }
}

/// Finds the probe that a [`Retirement`] is part of.
///
/// # Safety
///
/// `retirement` must point to the field of a live probe.
unsafe fn retiring<T>(retirement: *mut T) -> NonNull<Probe> {
    let retirement = retirement.cast::<Opaque<Retirement>>();
    // SAFETY: By the function's contract.
    unsafe { NonNull::new_unchecked(container_of!(retirement, Probe, retirement)) }
}

/// Second: nothing new can find the probe.
///
/// # Safety
///
/// Called with the work item that [`retire`] has queued.
unsafe extern "C" fn unlink(work: *mut bindings::work_struct) {
    // SAFETY: `retire()` queued the work item of a probe.
    let probe = unsafe { retiring(work) };
    // SAFETY: It is not freed before `free()`, to which this function leads.
    let this = unsafe { probe.as_ref() };
    tree::remove(this);
    refctr::forget_probe(this);
    // SAFETY: The work item is done with, so the memory is free for the next stage.
    unsafe { rcu_tasks_trace::call(this.retirement.get().cast(), after_hits) };
}

/// Third: no hit has it in its hands, so no lease can begin any more.
///
/// # Safety
///
/// Called with the head that the stage before has queued.
unsafe extern "C" fn after_hits(rcu: *mut bindings::callback_head) {
    // SAFETY: This head's grace period has passed, so it can be used for the next.
    unsafe { Returns::srcu().call(rcu, after_leases) };
}

/// Fourth: all leases of it have ended, but somebody may have seen one just before.
///
/// # Safety
///
/// Called with the head that the stage before has queued.
unsafe extern "C" fn after_leases(rcu: *mut bindings::callback_head) {
    // SAFETY: As above.
    unsafe { bindings::call_rcu(rcu, Some(free)) };
}

/// Fifth: nobody has it in his hands.
///
/// # Safety
///
/// Called with the head that the stage before has queued.
unsafe extern "C" fn free(rcu: *mut bindings::callback_head) {
    // SAFETY: `unlink()` started with the field of a probe.
    let probe = unsafe { retiring(rcu) };
    // SAFETY: The probe was a box until `Newcomer::into_ref()`, and nobody can reach it any more.
    drop(unsafe { Pin::new_unchecked(KBox::from_raw(probe.as_ptr())) });
}
