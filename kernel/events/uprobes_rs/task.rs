// SPDX-License-Identifier: GPL-2.0

//! What a thread carries between hits.
//!
//! A [`Thread`] begins with C's `struct uprobe_task`, to which `task_struct` points, because perf
//! reads the pending returns in it and the architecture its own part, the addresses of a step and
//! the instruction being handled. It is made at the thread's first hit, or by a fork with pending
//! returns, and freed at exec and exit. Everything in it is the owner's, except that the lease timer
//! walks the pending returns (`returns.rs`).
//!
//! C's structure is all of it, so that a thread that was hit once costs no more than with C. What
//! else one may need is its [`Kit`], which hangs on the field that C has for the probe being stepped.

use core::{
    mem,
    ptr, //
};

use kernel::{
    alloc::AllocError,
    bindings,
    container_of,
    ffi::c_int,
    prelude::*,
    sync::{
        atomic::{
            ordering::Relaxed,
            Atomic, //
        },
        seqcount::SeqCount, //
    },
    task::CurrentTask,
    types::Opaque, //
};

use crate::{
    arch::Insn,
    kit::Kit,
    lease_timer,
    returns::Stack,
    stats::Event, //
};

/// A thread that has hit a probe.
///
/// # Invariants
///
/// `active_uprobe` is null, or comes from a box with the thread's kit.
#[repr(transparent)]
pub(crate) struct Thread(Opaque<bindings::uprobe_task>);

impl Thread {
    /// What the current task carries, if it has hit a probe before.
    #[inline]
    pub(crate) fn current(task: &CurrentTask) -> Option<&Thread> {
        // SAFETY: The current task's own `utask` is null or a `Thread`, which lives until the task's
        // exec or exit.
        unsafe { (*task.as_ptr()).utask.cast::<Thread>().as_ref() }
    }

    /// Gives a task a new `Thread`. May sleep.
    ///
    /// # Safety
    ///
    /// `task` must have none, be the current task or one that does not run yet, and not come to
    /// its exec or exit during `'a`.
    #[cold]
    unsafe fn attach<'a>(task: *mut bindings::task_struct) -> Result<&'a Thread, AllocError> {
        let thread = KBox::new(Self(Opaque::zeroed()), GFP_KERNEL)
            .inspect_err(|_| Event::AllocFailed.note())?;
        let thread = KBox::into_raw(thread);
        // SAFETY: The box is new, and does not move any more.
        unsafe {
            let utask = (*thread).utask();
            let timer = &raw mut (*utask).ri_timer;
            bindings::timer_setup(timer, Some(lease_timer::on_timer), 0);
            SeqCount::init(
                &raw mut (*utask).ri_seqcount,
                c"uprobes::returns",
                kernel::static_lock_class!(),
            );
            (*task).utask = utask;
            Ok(&*thread)
        }
    }

    /// Frees what `task` carries, in its exec or exit. May sleep.
    ///
    /// # Safety
    ///
    /// `task` must be the current task, or one that does not run and is not seen by others.
    pub(crate) unsafe fn release(task: *mut bindings::task_struct) {
        // SAFETY: `task` is valid by the function's contract.
        let slot = unsafe { &raw mut (*task).utask };
        // Before anything is freed: perf may look at any moment, in an interrupt.
        //
        // SAFETY: The field is valid, and others of this CPU read it only.
        let thread = unsafe { Atomic::from_ptr(slot) }.xchg(ptr::null_mut(), Relaxed);
        if thread.is_null() {
            return;
        }
        // SAFETY: The pointer came from a box, in `attach()`.
        let thread = unsafe { KBox::from_raw(thread.cast::<Thread>()) };
        // SAFETY: The timer was set up in `attach()`.
        unsafe { bindings::timer_delete_sync(&raw mut (*thread.utask()).ri_timer) };
        thread.returns().clear();
        // SAFETY: Nobody else has the thread any more.
        unsafe { thread.give_back_kit() };
    }

    /// As C names it.
    #[inline]
    fn utask(&self) -> *mut bindings::uprobe_task {
        self.0.get()
    }

    /// Its pending returns.
    #[inline]
    pub(crate) fn returns(&self) -> Stack<'_> {
        // SAFETY: A `&Thread` is held by the owner only; see `current()` and `attach()`.
        unsafe { Stack::from_raw(self.utask()) }
    }

    /// What it needs to step, and remembers, if it has anything of the kind.
    #[inline]
    pub(crate) fn kit(&self) -> Option<&Kit> {
        // SAFETY: By the type's invariants the pointer is null or that of a box, which is freed by
        // `give_back_kit()` only, and that must not be called while the reference is in use.
        unsafe { (*self.utask()).active_uprobe.cast::<Kit>().as_ref() }
    }

    /// The same for a thread that is going to step. May sleep.
    #[inline]
    pub(crate) fn kit_for_a_step(&self) -> Result<&Kit, AllocError> {
        match self.kit() {
            Some(kit) => Ok(kit),
            None => self.borrow_kit(),
        }
    }

    #[cold]
    fn borrow_kit(&self) -> Result<&Kit, AllocError> {
        Ok(self.take_kit(Kit::for_a_step()?))
    }

    /// The same for one that is hit, and not for the first time. Does not sleep.
    #[inline]
    fn kit_to_keep(&self) -> Option<&Kit> {
        match self.kit() {
            Some(kit) => Some(kit),
            None => self.begin_to_remember(),
        }
    }

    #[cold]
    fn begin_to_remember(&self) -> Option<&Kit> {
        Some(self.take_kit(Kit::to_keep().ok()?))
    }

    /// Takes a kit; the thread must have none.
    fn take_kit(&self, kit: KBox<Kit>) -> &Kit {
        let kit = KBox::into_raw(kit);
        // INVARIANT: The pointer comes from a box.
        //
        // SAFETY: The field is the owner's.
        unsafe { (*self.utask()).active_uprobe = kit.cast() };
        // SAFETY: As in `kit()`.
        unsafe { &*kit }
    }

    /// Gives the kit back, if there is one. May sleep.
    ///
    /// # Safety
    ///
    /// Nothing that [`Self::kit`] has returned may be in use.
    pub(crate) unsafe fn give_back_kit(&self) {
        // SAFETY: The field is the owner's.
        let place = unsafe { &mut (*self.utask()).active_uprobe };
        let kit = mem::replace(place, ptr::null_mut()).cast::<Kit>();
        if !kit.is_null() {
            // SAFETY: By the type's invariants, and because nobody uses it.
            drop(unsafe { KBox::from_raw(kit) });
        }
    }

    /// Tells the architecture where the instruction being stepped is.
    #[inline]
    pub(crate) fn set_step_vaddr(&self, vaddr: usize) {
        // SAFETY: The field is the owner's.
        unsafe { (*self.utask()).__bindgen_anon_1.__bindgen_anon_1.vaddr = vaddr };
    }

    /// Tells the architecture where the slot of a step is.
    #[inline]
    pub(crate) fn set_slot(&self, slot: usize) {
        // SAFETY: The field is the owner's.
        unsafe { (*self.utask()).xol_vaddr = slot };
    }

    /// Tells the architecture's functions that handlers call which instruction was hit.
    #[inline]
    pub(crate) fn set_handled(&self, insn: Option<&Insn>) {
        let insn = insn.map_or(ptr::null_mut(), Insn::as_ptr);
        // SAFETY: The field is the owner's.
        unsafe { (*self.utask()).auprobe = insn };
    }

    /// Makes sure that a lease which has just begun does not last.
    #[inline]
    pub(crate) fn limit_lease(&self) {
        // SAFETY: The timer was set up in `attach()`.
        unsafe { lease_timer::limit(self.utask()) }
    }
}

/// What the current task carries, or the place for it.
pub(crate) struct MaybeThread<'t> {
    task: &'t CurrentTask,
    thread: Option<&'t Thread>,
}

impl<'t> MaybeThread<'t> {
    #[inline]
    pub(crate) fn current(task: &'t CurrentTask) -> Self {
        let thread = Thread::current(task);
        Self { task, thread }
    }

    /// What it remembers, which is something from the second hit on.
    #[inline]
    pub(crate) fn kit(&self) -> Option<&'t Kit> {
        self.thread.and_then(Thread::kit_to_keep)
    }

    /// What the task carries, made if there is nothing. May sleep.
    #[inline]
    pub(crate) fn or_new(self) -> Result<&'t Thread, AllocError> {
        match self.thread {
            Some(thread) => Ok(thread),
            // SAFETY: The current task has none, and nobody else changes that.
            None => unsafe { Thread::attach(self.task.as_ptr()) },
        }
    }
}

/// Copies the pending returns of the current task to a child that has just been made, if the child
/// will return through them. May sleep.
///
/// # Safety
///
/// `child` must not run yet.
unsafe fn copy_returns(
    parent: &Thread,
    child: *mut bindings::task_struct,
) -> Result<(), AllocError> {
    // SAFETY: By the function's contract, and because a new task has none.
    let copy = unsafe { Thread::attach(child)? };
    copy.returns().copy_from(&parent.returns())
}

/// What a new task is to its maker, as far as pending returns go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kinship {
    /// A thread with a stack of its own, which returns through nothing that is pending.
    Thread,
    /// A child that borrows the address space, and the stack, until it execs or exits.
    Borrower,
    /// A child with a copy of the address space.
    Copy,
}

/// Prepares a task that is being made. May sleep.
///
/// # Safety
///
/// `child` must be a new task that does not run yet, made by the current one.
pub(crate) unsafe fn fork(parent: &CurrentTask, child: *mut bindings::task_struct, kin: Kinship) {
    // SAFETY: The child is valid, and nobody else looks at its field.
    unsafe { (*child).utask = ptr::null_mut() };
    let Some(thread) = Thread::current(parent) else {
        return;
    };
    if thread.returns().is_empty() || kin == Kinship::Thread {
        return;
    }
    // SAFETY: The child does not run yet.
    if unsafe { copy_returns(thread, child) }.is_err() {
        // SAFETY: The child is valid.
        unsafe { warn(child, "dup ret instances") };
        return;
    }
    let area = parent.mm().and_then(|mm| crate::xol::area(mm));
    let Some(area) = area else {
        // SAFETY: The child is valid.
        unsafe { warn(child, "dup xol area") };
        return;
    };
    if kin == Kinship::Copy {
        // SAFETY: The child is valid.
        unsafe {
            if CopyArea::schedule(child, area.trampoline()).is_err() {
                warn(child, "dup xol area");
            }
        }
    }
}

/// Work for a child on its way to user space: the trampoline that the copied stack returns to has
/// to be there, at the same address.
struct CopyArea {
    work: Opaque<bindings::callback_head>,
    trampoline: usize,
}

impl CopyArea {
    /// # Safety
    ///
    /// `child` must be valid.
    unsafe fn schedule(child: *mut bindings::task_struct, trampoline: usize) -> Result {
        let this = KBox::new(
            Self {
                work: Opaque::zeroed(),
                trampoline,
            },
            GFP_KERNEL,
        )?;
        let this = KBox::into_raw(this);
        // SAFETY: The box is alive until `run()`, which takes it back.
        let added = unsafe {
            let work = (*this).work.get();
            (*work).func = Some(Self::run);
            bindings::task_work_add(child, work, bindings::task_work_notify_mode_TWA_RESUME)
        };
        if added != 0 {
            // SAFETY: The work was not accepted, so the box is ours again.
            drop(unsafe { KBox::from_raw(this) });
        }
        kernel::error::to_result(added)
    }

    /// # Safety
    ///
    /// Called once, with the work that [`Self::schedule`] has added.
    unsafe extern "C" fn run(work: *mut bindings::callback_head) {
        let work = work.cast::<Opaque<bindings::callback_head>>();
        // SAFETY: `schedule()` added the field of a box.
        let this = unsafe { KBox::from_raw(container_of!(work, CopyArea, work)) };
        let task = kernel::current!();
        let Some(mm) = task.mm() else {
            return;
        };
        if crate::xol::create(mm, Some(this.trampoline)).is_err() && !is_being_killed() {
            warn_current("dup xol area");
        }
    }
}

/// Something that the current task has to do on its way to user space.
#[derive(Clone, Copy)]
pub(crate) enum Errand {
    /// [`crate::hit::resume`].
    Uprobe = bindings::TIF_UPROBE as isize,
    /// Take signals.
    Signals = bindings::TIF_SIGPENDING as isize,
}

impl Errand {
    /// Any context; only for the current task.
    #[inline]
    pub(crate) fn set(self) {
        // SAFETY: It is one of the current task's flags.
        unsafe { bindings::set_thread_flag(self as c_int) }
    }

    /// Any context; only for the current task.
    #[inline]
    pub(crate) fn clear(self) {
        // SAFETY: It is one of the current task's flags.
        unsafe { bindings::clear_thread_flag(self as c_int) }
    }
}

/// A signal that user space has brought upon itself.
#[derive(Clone, Copy)]
pub(crate) enum Signal {
    /// There is nothing to be executed where the task has gone.
    Ill = bindings::SIGILL as isize,
    /// There is a breakpoint that is not ours.
    Trap = bindings::SIGTRAP as isize,
}

impl Signal {
    /// Sends it to the current task, which cannot ignore it. Process context.
    #[cold]
    pub(crate) fn force(self) {
        // SAFETY: Sends a signal to the current task.
        unsafe { bindings::force_sig(self as c_int) }
    }
}

/// Is a fatal signal pending for the current task?
pub(crate) fn is_being_killed() -> bool {
    // SAFETY: The current task is valid.
    unsafe { bindings::fatal_signal_pending(kernel::current!().as_ptr()) != 0 }
}

/// Says in the log what could not be done for the current task.
#[cold]
pub(crate) fn warn_current(what: &str) {
    // SAFETY: The current task is valid.
    unsafe { warn(kernel::current!().as_ptr(), what) }
}

/// # Safety
///
/// `task` must be valid.
unsafe fn warn(task: *mut bindings::task_struct, what: &str) {
    // SAFETY: The name is a string with an end; a torn one is still that.
    let comm = unsafe { CStr::from_char_ptr((&raw const (*task).comm).cast()) };
    // SAFETY: By the function's contract.
    let pid = unsafe { (*task).pid };
    pr_warn!("{}:{} failed to {}\n", comm, pid, what);
}
