// SPDX-License-Identifier: GPL-2.0

//! One probed instruction: a file and an offset, its consumers, and what the architecture knows of
//! the instruction.
//!
//! How it is kept, and how it ends, is in `life.rs`.
//!
//! A `&Probe` says that the memory is there, by whatever the reference is bound to: a counted
//! reference, a Tasks Trace guard, a lease. It does not say that the probe is in use. Only
//! [`ProbeRef`] does, and there is no way from one to the other that can raise a count from zero.

use core::{
    cell::UnsafeCell,
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
        RwSemaphore, //
    },
    types::Opaque, //
};

use crate::{
    arch::{
        self,
        Emulation,
        Insn,
        Regs, //
    },
    consumer::Consumers,
    insn,
    life::{
        Life,
        ProbeRef, //
    },
    links::Node,
    tree::{
        self,
        InodeId,
        Inserted,
        Key, //
    }, //
};

/// Which file an inode stood for.
///
/// A pending return, or a breakpoint that could not be removed, can keep a probe for longer than its
/// inode lives. The address of the inode, which is how a hit finds the probe, may then be that of
/// another file's.
#[derive(Clone, Copy, PartialEq, Eq)]
struct FileId {
    file_system: *mut bindings::super_block,
    device: bindings::dev_t,
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
                device: (*(*inode).i_sb).s_dev,
                number: (*inode).i_ino,
                generation: (*inode).i_generation,
            }
        }
    }
}

/// What is known of how a probed instruction is executed.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum Execution {
    /// The instruction has not been looked at.
    Unread,
    /// It has been analysed, and what C can do for it is not known yet.
    Unhit,
    /// C emulates it, or has once.
    Emulated,
    /// C can do nothing for it, and never will.
    Stepped,
}

/// A probed instruction.
#[pin_data]
pub(crate) struct Probe {
    pub(crate) node: Node,
    #[pin]
    pub(crate) life: Life,
    /// How far the instruction has come, an [`Execution`]. From [`Execution::Unhit`] on it has been
    /// copied and analysed, so that `arch` and `emulation` do not change and may be read.
    execution: Atomic<u32>,
    #[pin]
    registration: RwSemaphore<()>,
    #[pin]
    consumers: Consumers,
    key: Key,
    file: FileId,
    ref_ctr_offset: i64,
    /// Apart, because the rest fills what the allocator gives for it.
    emulation: UnsafeCell<Option<KBox<Emulation>>>,
    #[pin]
    arch: Opaque<bindings::arch_uprobe>,
}

// SAFETY: Everything in it is atomic, locked, or constant after `prepare()` published it.
unsafe impl Sync for Probe {}
// SAFETY: Nothing in it belongs to a task.
unsafe impl Send for Probe {}

impl Probe {
    fn new(key: Key, file: FileId, ref_ctr_offset: i64) -> impl PinInit<Self> {
        pin_init!(Self {
            node: Node::new(),
            life: Life::new(),
            execution: Atomic::new(Execution::Unread as u32),
            registration <- new_rwsem!((), "uprobes::registration"),
            consumers <- Consumers::new(),
            key,
            file,
            ref_ctr_offset,
            emulation: UnsafeCell::new(None),
            arch <- Opaque::zeroed(),
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
    /// If a registration keeps its inode, then that is alive, and is that of `other`. If nothing but
    /// a pending return or a breakpoint that was left behind keeps the probe, its inode may have gone.
    pub(crate) fn serves(&self, other: &Probe) -> bool {
        self.keeps_inode() || self.file == other.file
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

    /// The same probe, if its instruction has been analysed.
    #[inline]
    pub(crate) fn analysed(&self) -> Option<Analysed<'_>> {
        // INVARIANT: That is what was asked.
        self.is_prepared().then_some(Analysed(self))
    }

    #[inline]
    fn is_prepared(&self) -> bool {
        // Pairs with the release in `prepare()`.
        self.execution.load(Acquire) != Execution::Unread as u32
    }

    /// How the instruction is executed, as far as is known.
    pub(crate) fn execution(&self) -> &'static str {
        let analysed = self.analysed();
        let is_optimized = analysed.is_some_and(|this| this.insn().is_optimized());
        let is_emulated = analysed.is_some_and(|this| this.emulation().is_some());
        match self.execution.load(Relaxed) {
            _ if is_optimized => "optimised",
            _ if is_emulated => "emulated",
            seen if seen == Execution::Unread as u32 => "unread",
            seen if seen == Execution::Unhit as u32 => "unhit",
            seen if seen == Execution::Emulated as u32 => "emulated",
            _ => "stepped",
        }
    }

    /// Device and number of the file.
    pub(crate) fn file_numbers(&self) -> (bindings::dev_t, u64) {
        (self.file.device, self.file.number)
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
            // SAFETY: `file` is of the probe's inode; nobody reads `arch` before `execution` says
            // so, and nobody else writes it because of the lock.
            let emulation = unsafe { insn::copy(self, file)? };
            // SAFETY: The instruction is in place, and `mm` is locked.
            unsafe { arch::analyze(self.arch(), mm, vaddr)? };
            // Without memory for it, the instruction is stepped.
            let emulation = emulation.and_then(|known| KBox::new(known, GFP_KERNEL).ok());
            // SAFETY: As for `arch`.
            unsafe { *self.emulation.get() = emulation };
            // Release: who sees it set sees the analysis. Pairs with `is_prepared()`.
            self.execution.store(Execution::Unhit as u32, Release);
            Ok(())
        })
    }
}

/// A probe whose instruction has been analysed.
///
/// # Invariants
///
/// [`Probe::is_prepared`] has been seen to be true.
#[derive(Clone, Copy)]
pub(crate) struct Analysed<'p>(&'p Probe);

impl Deref for Analysed<'_> {
    type Target = Probe;

    #[inline]
    fn deref(&self) -> &Probe {
        self.0
    }
}

impl<'p> Analysed<'p> {
    /// What the architecture makes of the instruction.
    #[inline]
    pub(crate) fn insn(self) -> &'p Insn {
        // SAFETY: By the type's invariants; after the analysis nothing changes in it but the
        // architecture's own atomic flags.
        unsafe { Insn::from_raw(self.0.arch()) }
    }

    /// How the instruction is executed without C, if it can be.
    #[inline]
    fn emulation(self) -> Option<&'p Emulation> {
        // SAFETY: By the type's invariants; after the analysis it does not change.
        unsafe { &*self.0.emulation.get() }.as_deref()
    }

    /// Executes the instruction that the current thread is at, if that can be done without a step.
    #[inline]
    pub(crate) fn emulate(self, regs: &Regs) -> bool {
        if self.emulation().is_some_and(|known| known.run(regs)) {
            return true;
        }
        let known = self.0.execution.load(Relaxed);
        if known == Execution::Stepped as u32 {
            return false;
        }
        let is_done = self.insn().emulate(regs);
        if known == Execution::Unhit as u32 {
            self.note_execution(is_done);
        }
        is_done
    }

    /// Remembers what C has said, unless it may say something else to another thread.
    #[cold]
    fn note_execution(self, is_emulated: bool) {
        let execution = match is_emulated {
            true => Execution::Emulated,
            false if self.insn().depends_on_thread() => return,
            false => Execution::Stepped,
        };
        // Release: who sees this instead of what `prepare()` stored sees the analysis, too.
        self.0.execution.store(execution as u32, Release);
    }
}

/// A probe that nobody else has seen yet. It is simply freed if it is not wanted.
pub(crate) struct Newcomer(Pin<KBox<Probe>>);

impl Newcomer {
    /// The reference that a probe is born with.
    pub(crate) fn into_ref(self) -> ProbeRef {
        // SAFETY: The probe is not moved: it stays where it is until it is freed.
        let probe = KBox::leak(unsafe { Pin::into_inner_unchecked(self.0) });
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

#[cfg(CONFIG_UPROBES_RUST_KUNIT_TEST)]
#[kernel::macros::kunit_tests(uprobes_probe)]
mod tests {
    use super::*;

    /// The probe of a file that was found where others have been or will be.
    fn of_file(number: u64) -> Result<Pin<KBox<Probe>>> {
        let key = Key {
            inode: InodeId::new(core::ptr::null_mut()),
            offset: 0,
        };
        let file = FileId {
            file_system: core::ptr::null_mut(),
            device: 0,
            number,
            generation: 0,
        };
        KBox::pin_init(Probe::new(key, file, 0), GFP_KERNEL)
    }

    #[test]
    fn a_registered_probe_serves_whoever_has_its_inode() -> Result {
        assert!(of_file(1)?.serves(&*of_file(1)?));
        // The file system may have given the file another number meanwhile.
        assert!(of_file(1)?.serves(&*of_file(2)?));
        Ok(())
    }

    #[test]
    fn a_probe_without_registrations_serves_its_own_file_only() -> Result {
        let probe = of_file(1)?;
        probe.drop_registration();
        assert!(probe.serves(&*of_file(1)?));
        assert!(!probe.serves(&*of_file(2)?));
        Ok(())
    }

    #[test]
    fn a_leaked_probe_can_be_hit_and_serves_its_own_file_only() -> Result {
        let probe = of_file(1)?;
        probe.leak_registration();
        assert!(probe.is_registered());
        assert!(probe.serves(&*of_file(1)?));
        assert!(!probe.serves(&*of_file(2)?));
        // Registered once more, its inode is kept again.
        probe.add_registration();
        assert!(probe.serves(&*of_file(2)?));
        Ok(())
    }
}
