// SPDX-License-Identifier: GPL-2.0

//! Reference counters of USDT probes: how a program learns that somebody is watching.
//!
//! A counter is a 16-bit number in the program's data, at a known offset of the same file. It is
//! raised when the breakpoint is placed and lowered when it is removed, so that the program can
//! skip preparing what nobody looks at. The program's data may be mapped later than its code, so an
//! increment can be *delayed*: it waits on a list until the mapping appears, or until the
//! breakpoint, the probe or the address space goes.
//!
//! All changes to a counter are made with the address space locked for writing, which keeps them
//! apart. The list has its own lock, below that. Entries name probes and address spaces by identity
//! only: they are never dereferenced, and whoever is about to free one has the entries dropped
//! first ([`forget_probe`], [`forget_mm`]), so that an identity is not mistaken for a later object
//! at the same address.

use core::{
    mem,
    pin::Pin,
    ptr, //
};

use kernel::{
    mm::Mm,
    prelude::*,
    sync::{
        atomic::{
            ordering::Relaxed,
            Atomic, //
        },
        global_lock, //
    }, //
};

use crate::{
    mm::{
        page::{
            Access,
            UserPage, //
        },
        LockedVma,
        Purpose,
        Vma, //
    },
    probe::Probe,
    tree::InodeId, //
};

/// A step of a counter.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Up,
    Down,
}

impl Step {
    fn of(purpose: Purpose) -> Self {
        match purpose {
            Purpose::Install => Step::Up,
            Purpose::Restore => Step::Down,
        }
    }

    fn reverse(self) -> Self {
        match self {
            Step::Up => Step::Down,
            Step::Down => Step::Up,
        }
    }

    fn delta(self) -> i16 {
        match self {
            Step::Up => 1,
            Step::Down => -1,
        }
    }

    /// The value of a counter after this step, unless that is negative. At its other end a counter
    /// wraps around, as it does in C.
    fn apply(self, value: i16) -> Option<i16> {
        let is_negative = i32::from(value) + i32::from(self.delta()) < 0;
        (!is_negative).then(|| value.wrapping_add(self.delta()))
    }

    fn name(self) -> &'static str {
        match self {
            Step::Up => "increment",
            Step::Down => "decrement",
        }
    }
}

/// A change of a probe's counter in one address space, undone when dropped unless it is kept.
#[must_use = "the change is undone when this is dropped"]
pub(crate) struct Change<'a> {
    probe: &'a Probe,
    vma: LockedVma<'a>,
    step: Step,
}

impl<'a> Change<'a> {
    /// Raises or lowers the counter of `probe` in the address space of `vma`, for a breakpoint that
    /// is about to come or go. May sleep.
    pub(crate) fn make(probe: &'a Probe, vma: LockedVma<'a>, purpose: Purpose) -> Result<Self> {
        let step = Step::of(purpose);
        update(probe, &vma, step)?;
        Ok(Self { probe, vma, step })
    }

    /// The breakpoint has come or gone.
    pub(crate) fn keep(self) {
        mem::forget(self);
    }
}

impl Drop for Change<'_> {
    fn drop(&mut self) {
        // A failure was logged; the error that brought us here is the one to report.
        let _ = update(self.probe, &self.vma, self.step.reverse());
    }
}

/// Where a counter is, and whose it is.
#[derive(Clone, Copy)]
struct Counter {
    inode: InodeId,
    inode_number: u64,
    probe_offset: i64,
    offset: i64,
}

impl Counter {
    fn of(probe: &Probe) -> Self {
        Self {
            inode: InodeId::new(probe.inode()),
            // SAFETY: Breakpoints of a probe come and go while its inode is kept by a consumer, or
            // by the mapping that the breakpoint is in.
            inode_number: unsafe { (*probe.inode()).i_ino },
            probe_offset: probe.offset(),
            offset: probe.ref_ctr_offset(),
        }
    }

    /// Its address, if it is in this mapping.
    fn address_in(&self, vma: &Vma<'_>) -> Option<usize> {
        let is_here =
            vma.may_hold_counter() && vma.inode() == Some(self.inode) && vma.covers(self.offset);
        is_here.then(|| vma.offset_to_vaddr(self.offset))
    }

    /// Changes the number at `vaddr`, and logs a failure.
    fn step(&self, vma: &LockedVma<'_>, vaddr: usize, step: Step) -> Result {
        step_at(vma, vaddr, step).inspect_err(|_| {
            pr_warn!(
                "ref_ctr {} failed for inode: {:#x} offset: {:#x} ref_ctr_offset: {:#x} of mm: {:p}\n",
                step.name(),
                self.inode_number,
                self.probe_offset,
                self.offset,
                vma.mm().as_raw(),
            )
        })
    }
}

fn step_at(vma: &LockedVma<'_>, vaddr: usize, step: Step) -> Result {
    let page = UserPage::get(vma, vaddr, Access::WRITE)?.ok_or(EBUSY)?;
    page.update(vaddr, |value| {
        step.apply(value).ok_or_else(|| {
            let delta = step.delta();
            pr_warn!(
                "ref_ctr going negative. vaddr: {vaddr:#x}, curr val: {value}, delta: {delta}\n"
            );
            EINVAL
        })
    })
}

/// Changes the counter of `probe` in the address space of `vma`, now or as soon as it is mapped.
fn update(probe: &Probe, vma: &LockedVma<'_>, step: Step) -> Result {
    let counter = Counter::of(probe);
    let address = vma.siblings().find_map(|vma| counter.address_in(&vma));
    let result = match address {
        Some(address) => counter.step(vma, address, step),
        None => Ok(()),
    };
    match step {
        Step::Up if address.is_some() => result,
        Step::Up => Delayed::add(probe, vma.mm(), counter),
        Step::Down => {
            let (probe, mm) = (Id::of(probe), Id::of(vma.mm()));
            Delayed::remove(|entry| entry.probe == probe && entry.mm == mm);
            result
        }
    }
}

/// The identity of an object, which says nothing about whether it is alive.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Id(usize);

impl Id {
    fn of<T>(object: &T) -> Self {
        Self(ptr::from_ref(object).addr())
    }
}

/// An increment that waits for the counter to be mapped.
struct Delayed {
    probe: Id,
    mm: Id,
    counter: Counter,
}

// SAFETY: Nothing in it is dereferenced.
unsafe impl Send for Delayed {}

global_lock! {
    // SAFETY: Initialised by `init()`, before there is a process.
    unsafe(uninit) static DELAYED: Mutex<KVVec<Delayed>> = KVVec::new();
}

/// How many entries [`DELAYED`](static@DELAYED) has: most processes come and go without there being
/// any, and need not queue up for its lock.
///
/// Read without the lock by those who hold the `mmap_lock` under which the entries they look for
/// were added, or who have dropped the last reference to what those entries name.
static COUNT: Atomic<usize> = Atomic::new(0);

/// Makes the module ready.
///
/// # Safety
///
/// Must be called once, before anything else in this module.
pub(crate) unsafe fn init() {
    // SAFETY: By the function's contract.
    unsafe { DELAYED.init() };
}

impl Delayed {
    fn add(probe: &Probe, mm: &Mm, counter: Counter) -> Result {
        let (probe, mm) = (Id::of(probe), Id::of(mm));
        let mut entries = DELAYED.lock();
        if entries
            .iter()
            .any(|entry| entry.probe == probe && entry.mm == mm)
        {
            return Ok(());
        }
        entries.push(Delayed { probe, mm, counter }, GFP_KERNEL)?;
        COUNT.store(entries.len(), Relaxed);
        Ok(())
    }

    fn remove(is_obsolete: impl Fn(&Delayed) -> bool) {
        if COUNT.load(Relaxed) == 0 {
            return;
        }
        let mut entries = DELAYED.lock();
        entries.retain(|entry| !is_obsolete(entry));
        COUNT.store(entries.len(), Relaxed);
    }
}

/// Makes the delayed increments for counters in a mapping that has just appeared. May sleep.
///
/// Nobody can be told of a failure; it is logged, and the increment is given up.
pub(crate) fn mapped(vma: &LockedVma<'_>) {
    if COUNT.load(Relaxed) == 0 {
        return;
    }
    let mm = Id::of(vma.mm());
    let mut entries = DELAYED.lock();
    entries.retain(|entry| {
        let address = match entry.counter.address_in(vma) {
            Some(address) if entry.mm == mm => address,
            _ => return true,
        };
        let _ = entry.counter.step(vma, address, Step::Up);
        false
    });
    COUNT.store(entries.len(), Relaxed);
}

/// The last reference to an address space has gone.
pub(crate) fn forget_mm(mm: &Mm) {
    let mm = Id::of(mm);
    Delayed::remove(|entry| entry.mm == mm);
}

/// The last reference to a probe has gone. It can still have an entry: an address space that
/// unmapped the code, and with it the breakpoint, has not told anybody.
pub(crate) fn forget_probe(probe: &Probe) {
    let probe = Id::of(probe);
    Delayed::remove(|entry| entry.probe == probe);
}

#[cfg(CONFIG_UPROBES_RUST_KUNIT_TEST)]
#[kernel::macros::kunit_tests(uprobes_refctr)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_does_not_go_below_zero() {
        assert_eq!(Step::Up.apply(0), Some(1));
        assert_eq!(Step::Down.apply(1), Some(0));
        assert_eq!(Step::Down.apply(0), None);
    }

    #[test]
    fn a_counter_that_is_negative_already_is_left_alone() {
        assert_eq!(Step::Up.apply(-2), None);
        assert_eq!(Step::Up.apply(-1), Some(0));
        assert_eq!(Step::Down.apply(-1), None);
    }

    #[test]
    fn a_counter_at_its_end_wraps_around() {
        assert_eq!(Step::Up.apply(i16::MAX), Some(i16::MIN));
    }

    #[test]
    fn undoing_is_the_other_direction() {
        assert!(Step::of(Purpose::Install).reverse() == Step::of(Purpose::Restore));
        assert!(Step::of(Purpose::Restore).reverse() == Step::of(Purpose::Install));
    }
}
