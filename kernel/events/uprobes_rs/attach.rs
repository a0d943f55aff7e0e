// SPDX-License-Identifier: GPL-2.0

//! Registering and unregistering consumers, and with them the breakpoints in every process that
//! has the file mapped.
//!
//! A registration does not prevent new mappings of the file. It lists its consumer first and visits
//! the existing mappings then; a mapping that appears meanwhile either is visited, or was inserted
//! after the mappings were collected and finds the consumer listed (`hooks.rs`). Fork is locked out
//! meanwhile, because it copies breakpoints without looking.

use core::{
    mem,
    ptr::{
        self,
        NonNull, //
    },
};

use kernel::{
    bindings,
    error::to_result,
    ffi::{
        c_int,
        c_long,
        c_void, //
    },
    mm::{
        Mm,
        MmWithUser, //
    },
    prelude::*,
    sync::{
        aref::ARef,
        rcu_tasks_trace,
        srcu_fast_updown::Domain, //
    },
    time::{
        delay::fsleep,
        Delta, //
    }, //
};

use crate::{
    breakpoint,
    consumer::Consumer,
    life::ProbeRef,
    mm::{
        self,
        rmap::FileMappings,
        Flag,
        Flags,
        LockedVma,
        MmapWrite,
        Purpose, //
    },
    pending::Returns,
    probe::Probe,
    task, trace,
    tree::InodeId,
};

/// Registers a consumer at `offset` of a file. May sleep.
///
/// The caller gets a counted reference, to be given to [`unregister_nosync`].
///
/// # Errors
///
/// `EINVAL` for a consumer with nothing to call, an offset behind the end of the file, one that is
/// not aligned, or another reference counter than that of an existing probe; `EIO` for a file whose
/// pages cannot be read; `ENOMEM`; and whatever prevents a breakpoint in one of the processes, in
/// which case the others have been cleaned up.
///
/// # Safety
///
/// `inode` must be kept until the consumer has been unregistered, and `uc` must be valid and in
/// place until [`unregister_sync`] after that.
pub(crate) unsafe fn register(
    inode: *mut bindings::inode,
    offset: i64,
    ref_ctr_offset: i64,
    uc: *mut bindings::uprobe_consumer,
) -> Result<NonNull<Probe>> {
    // SAFETY: By the function's contract.
    let consumer = unsafe { Consumer::from_raw(uc) };
    if !consumer.is_callable() {
        return Err(EINVAL);
    }
    // SAFETY: By the function's contract.
    unsafe { check_place(inode, offset, ref_ctr_offset)? };

    // SAFETY: By the function's contract.
    let probe = unsafe { Probe::find_or_insert(inode, offset, ref_ctr_offset)? };
    let result = {
        let _registration = probe.registration().write();
        // SAFETY: By the function's contract; a consumer is registered once.
        unsafe { probe.consumers().add(uc) };
        // SAFETY: The inode is kept by the caller.
        unsafe { visit(&probe, Job::Install(consumer)) }
    };
    if let Err(error) = result {
        // SAFETY: The consumer was listed above. It may have been called already, so the caller
        // must not get it back before it cannot be any more.
        unsafe { unregister_nosync(probe, uc) };
        unregister_sync();
        return Err(error);
    }
    Ok(probe.into_raw())
}

/// Can there be a probe?
///
/// # Safety
///
/// `inode` must be valid.
unsafe fn check_place(inode: *mut bindings::inode, offset: i64, ref_ctr_offset: i64) -> Result {
    // SAFETY: By the function's contract.
    let (is_readable, size) = unsafe {
        let mapping = (*inode).i_mapping;
        let is_readable =
            (*(*mapping).a_ops).read_folio.is_some() || bindings::shmem_mapping(mapping);
        (is_readable, bindings::i_size_read(inode))
    };
    if !is_readable {
        return Err(EIO);
    }
    // The file may be truncated at any time. This is to catch mistakes.
    if offset > size {
        return Err(EINVAL);
    }
    // What is written to memory in one go must not cross a page.
    let is_aligned = |offset: i64, size: usize| offset as usize & (size - 1) == 0;
    if !is_aligned(offset, bindings::UPROBES_SWBP_INSN_SIZE)
        || !is_aligned(ref_ctr_offset, size_of::<i16>())
    {
        return Err(EINVAL);
    }
    Ok(())
}

/// Unregisters a consumer, which may go on being called until [`unregister_sync`]: its handlers, and
/// its filter for mappings that appear. May sleep.
///
/// If a breakpoint cannot be removed then the probe stays for ever: without it, the breakpoint
/// would kill the process that runs into it.
///
/// # Safety
///
/// `probe` and `uc` must come from the same successful [`register`], once.
pub(crate) unsafe fn unregister_nosync(probe: ProbeRef, uc: *mut bindings::uprobe_consumer) {
    let result = {
        let _registration = probe.registration().write();
        // SAFETY: By the function's contract the consumer is listed.
        unsafe { probe.consumers().del(uc) };
        // SAFETY: The inode is kept until the caller is told that we are done.
        unsafe { remove_all(&probe) }
    };
    match result {
        Ok(()) => probe.drop_registration(),
        Err(error) => {
            let (device, number) = probe.file_numbers();
            trace::restore_failed(device, number, probe.offset(), error.to_errno());
            task::warn_current("unregister, leaking uprobe");
            probe.leak_registration();
            mem::forget(probe);
        }
    }
}

/// Waits until no consumer that was unregistered before is running, or about to.
///
/// Entry handlers run under Tasks Trace RCU, return handlers under that or the SRCU of pending
/// returns. Both grace periods are expedited. That is as sound as the patient kind, only quicker,
/// at the cost of interrupts to busy CPUs: the patient kind takes some tens of milliseconds for
/// each of the two, and tools that close hundreds of perf events one by one wait for all of them.
/// While a reader sleeps, which for a lease is a tenth of a second at most, but for a handler that
/// waits for memory as long as it takes, the interrupts come with each look at the readers, every
/// few jiffies. A machine that must not be disturbed has `rcupdate.rcu_normal` set, and that is
/// respected.
pub(crate) fn unregister_sync() {
    // SAFETY: The object lives for ever. Tasks Trace RCU is SRCU with this one for its domain, and
    // its own header waits in the same way, if not expedited.
    unsafe { bindings::synchronize_srcu_expedited(&raw mut bindings::rcu_tasks_trace_srcu_struct) };
    Returns::srcu().synchronize_expedited();
}

/// Places or removes breakpoints after a consumer's filter has changed its mind. May sleep.
///
/// # Errors
///
/// `ENOENT` if the consumer is not registered here; as for [`register`], but nothing is undone.
///
/// # Safety
///
/// `probe` must come from a successful [`register`] of a consumer that is still registered, and
/// `uc` be valid.
pub(crate) unsafe fn apply(probe: &Probe, uc: *mut bindings::uprobe_consumer, add: bool) -> Result {
    let _registration = probe.registration().write();
    if !probe.consumers().contains(uc) {
        return Err(ENOENT);
    }
    let job = if add {
        // SAFETY: By the function's contract.
        Job::Install(unsafe { Consumer::from_raw(uc) })
    } else {
        Job::Remove
    };
    // SAFETY: The inode is kept by whoever has the consumer registered.
    unsafe { visit(probe, job) }
}

/// Removes the breakpoints of a probe from one process. May sleep.
pub(crate) fn unapply(probe: &Probe, mm: &MmWithUser) -> Result {
    let inode = Some(InodeId::new(probe.inode()));
    let locked = MmapWrite::lock(mm);
    let mut result = Ok(());
    for vma in locked.vmas() {
        if vma.is_probeable(Purpose::Restore) && vma.inode() == inode && vma.covers(probe.offset())
        {
            let vaddr = vma.offset_to_vaddr(probe.offset());
            result = result.and(breakpoint::remove(probe, &vma, vaddr));
        }
    }
    result
}

/// What to do at each place that a probe's instruction is mapped at.
#[derive(Clone, Copy)]
enum Job<'a> {
    /// Place the breakpoint, if this consumer wants it there.
    Install(&'a Consumer),
    /// Remove the breakpoint, if none of the probe's consumers wants it there.
    Remove,
}

impl Job<'_> {
    fn purpose(self) -> Purpose {
        match self {
            Job::Install(_) => Purpose::Install,
            Job::Remove => Purpose::Restore,
        }
    }

    fn run(self, probe: &Probe, mm: &Mm, vma: &LockedVma<'_>, vaddr: usize) -> Result {
        match self {
            Job::Install(consumer) => {
                if consumer.wants(mm) {
                    breakpoint::install(probe, vma, vaddr)?;
                }
            }
            Job::Remove => {
                if mm.has(Flag::HasUprobes) && !is_wanted(probe, mm) {
                    breakpoint::remove(probe, vma, vaddr)?;
                }
            }
        }
        Ok(())
    }
}

/// Does any consumer want the probe's breakpoint in this address space? May sleep.
pub(crate) fn is_wanted(probe: &Probe, mm: &Mm) -> bool {
    let guard = rcu_tasks_trace::read_lock();
    probe.consumers().wants(mm, &guard)
}

/// Visits every process that has the probe's instruction mapped. An installation ends with the
/// first failure, a removal goes on and reports the first. May sleep.
///
/// # Safety
///
/// The probe's inode must be kept, and the probe's registration lock be held for writing.
unsafe fn visit(probe: &Probe, job: Job<'_>) -> Result {
    let fork = mm::fork_lock().write();
    let mut places = Places::new();
    // SAFETY: By the function's contract.
    unsafe { places.collect(probe, job.purpose())? };
    let mut result = Ok(());
    for place in places.iter() {
        result = result.and(place.visit(probe, job));
        if result.is_err() && job.purpose() == Purpose::Install {
            break;
        }
    }
    // Before the places: theirs may be the last references to some of the address spaces, and no
    // fork has to wait for those to be taken apart.
    drop(fork);
    result
}

/// Removes the breakpoints that no consumer wants any more. May sleep.
///
/// Nobody could do it later: the caller is about to give up the inode. So if it fails for a reason
/// that will pass, a worker of the kernel does it in place of the current task. That is because a
/// task that is being killed cannot read in what was swapped out. It also has the time to wait for
/// memory.
///
/// # Safety
///
/// As for [`visit`].
unsafe fn remove_all(probe: &Probe) -> Result {
    // SAFETY: By the function's contract.
    let result = unsafe { visit(probe, Job::Remove) };
    match result {
        Err(error) if breakpoint::will_pass(error) => {
            let probe = ptr::from_ref(probe).cast_mut().cast();
            // SAFETY: The probe stays, and the lock is held, until the worker is done, which does
            // not take that lock.
            let errno = unsafe {
                let cpu = bindings::raw_smp_processor_id() as c_int;
                bindings::work_on_cpu(cpu, Some(remove_patiently), probe)
            };
            to_result(errno as c_int)
        }
        result => result,
    }
}

/// How often a removal is tried again that finds no memory, and what is waited in between.
const ATTEMPTS: usize = 100;
const PAUSE: Delta = Delta::from_millis(100);

/// Does what [`remove_all`] wants, in a worker; returns 0 or a negative errno.
///
/// # Safety
///
/// `probe` must be a [`Probe`] for which [`visit`] may be called.
unsafe extern "C" fn remove_patiently(probe: *mut c_void) -> c_long {
    // SAFETY: By the function's contract.
    let probe = unsafe { &*probe.cast::<Probe>() };
    let mut result = Ok(());
    for _ in 0..ATTEMPTS {
        // SAFETY: By the function's contract.
        result = unsafe { visit(probe, Job::Remove) };
        if result != Err(ENOMEM) {
            break;
        }
        fsleep(PAUSE);
    }
    result.map_or_else(|error| error.to_errno() as c_long, |()| 0)
}

/// Where a probe's instruction is, or was a moment ago.
struct Place {
    mm: ARef<MmWithUser>,
    vaddr: usize,
}

/// How many places need no memory to be collected.
const FEW: usize = 4;

/// The places of a probe. It is large, and filled where it is.
struct Places {
    few: [Option<Place>; FEW],
    more: Option<KVVec<Place>>,
    len: usize,
}

impl Places {
    fn new() -> Self {
        Self {
            few: [const { None }; FEW],
            more: None,
            len: 0,
        }
    }

    /// Collects the places of a probe. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    ///
    /// # Safety
    ///
    /// The probe's inode must be kept.
    unsafe fn collect(&mut self, probe: &Probe, purpose: Purpose) -> Result {
        loop {
            // SAFETY: By the function's contract.
            let missing = unsafe { self.fill(probe, purpose) };
            if missing == 0 {
                return Ok(());
            }
            // Again, with memory for as many as there were this time. That gives back references,
            // and may wait for reclaim, neither of which could have been done under the lock.
            let wanted = self.len + missing;
            self.clear();
            self.more = Some(KVVec::with_capacity(wanted - FEW, GFP_KERNEL)?);
        }
    }

    fn clear(&mut self) {
        self.few = [const { None }; FEW];
        self.more = None;
        self.len = 0;
    }

    /// Collects as many places as there is room for, and returns how many there are beyond that.
    ///
    /// # Safety
    ///
    /// The probe's inode must be kept.
    unsafe fn fill(&mut self, probe: &Probe, purpose: Purpose) -> usize {
        // SAFETY: By the function's contract.
        let mappings = unsafe { FileMappings::lock(probe) };
        let mut missing = 0;
        for vma in mappings.of_offset(probe.offset()) {
            if !vma.is_probeable(purpose) {
                continue;
            }
            // Not after having taken a reference, which could not be given back here.
            if !self.has_room() {
                missing += 1;
                continue;
            }
            // A process that is exiting needs nothing from us any more.
            if let Some(mm) = vma.mm().mmget_not_zero() {
                let vaddr = vma.offset_to_vaddr(probe.offset());
                self.push(Place { mm, vaddr });
            }
        }
        missing
    }

    fn has_room(&self) -> bool {
        self.len < FEW + self.more.as_ref().map_or(0, KVVec::capacity)
    }

    /// Adds a place, for which there must be room.
    fn push(&mut self, place: Place) {
        self.len += 1;
        if let Some(free) = self.few.get_mut(self.len - 1) {
            *free = Some(place);
        } else if let Some(more) = &mut self.more {
            let _ = more.push_within_capacity(place);
        }
    }

    fn iter(&self) -> impl Iterator<Item = &Place> {
        let few = self.few.iter().take(self.len).flatten();
        Iterator::chain(few, self.more.iter().flatten())
    }
}

impl Place {
    /// Does what is to be done here, if the instruction is still here.
    ///
    /// The lock is held for writing, and not just for reading as changing a page would need:
    /// a thread that meets a trap and finds no probe looks under the lock whether there is a
    /// breakpoint at all, and would be killed if one appeared between the two.
    fn visit(&self, probe: &Probe, job: Job<'_>) -> Result {
        let locked = MmapWrite::lock(&self.mm);
        if !locked.is_stable() {
            return Ok(());
        }
        let inode = Some(InodeId::new(probe.inode()));
        match locked.vma_at(self.vaddr) {
            Some(vma)
                if vma.is_probeable(job.purpose())
                    && vma.inode() == inode
                    && vma.vaddr_to_offset(self.vaddr) == probe.offset() =>
            {
                job.run(probe, &self.mm, &vma, self.vaddr)
            }
            _ => Ok(()),
        }
    }
}
