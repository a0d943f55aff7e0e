// SPDX-License-Identifier: GPL-2.0

//! What C calls: every function of `include/linux/uprobes.h` that is not the architecture's or one
//! of its defaults.
//!
//! Here raw pointers become references, and results become what C expects; there is no logic.
//! `#[export]` has the compiler compare each signature with the header. What each function is for,
//! where it may be called, and what it returns, is said where it leads to.

use kernel::{
    bindings,
    ffi::{
        c_int,
        c_ulong,
        c_void, //
    },
    mm::Mm,
    prelude::*, //
};

use crate::{
    arch::Regs,
    attach,
    breakpoint,
    hit,
    hooks,
    life::ProbeRef,
    lookup,
    probe::Probe,
    refctr,
    step,
    task::{
        self,
        Errand,
        Kinship,
        Thread, //
    },
    uretprobe,
    xol, //
};

fn to_errno(result: Result) -> c_int {
    result.map_or_else(|error| error.to_errno(), |()| 0)
}

/// At boot, before there is a process.
///
/// # Safety
///
/// Called once, by `fork_init()`.
#[export]
pub unsafe extern "C" fn uprobes_init() {
    // SAFETY: By the function's contract; the notifier is static.
    let result = unsafe {
        hooks::init();
        bindings::register_die_notifier(&raw mut bindings::uprobes_exception_nb)
    };
    assert!(result == 0, "breakpoints could not be heard of");
    pr_info!("implementation: rust\n");
}

/// Leads to [`attach::register`].
///
/// # Safety
///
/// As there; C's documentation of the function says the same.
#[export]
pub unsafe extern "C" fn uprobe_register(
    inode: *mut bindings::inode,
    offset: bindings::loff_t,
    ref_ctr_offset: bindings::loff_t,
    uc: *mut bindings::uprobe_consumer,
) -> *mut bindings::uprobe {
    // SAFETY: By the function's contract.
    match unsafe { attach::register(inode, offset, ref_ctr_offset, uc) } {
        // SAFETY: The probe is counted for the caller.
        Ok(probe) => unsafe { probe.as_ref() }.as_raw(),
        Err(error) => error.to_ptr(),
    }
}

/// Leads to [`attach::unregister_nosync`].
///
/// # Safety
///
/// `uprobe` must come from a successful [`uprobe_register`] of `uc`, once.
#[export]
pub unsafe extern "C" fn uprobe_unregister_nosync(
    uprobe: *mut bindings::uprobe,
    uc: *mut bindings::uprobe_consumer,
) {
    // SAFETY: By the function's contract.
    unsafe { attach::unregister_nosync(ProbeRef::from_raw(Probe::from_raw(uprobe).into()), uc) }
}

/// Leads to [`attach::unregister_sync`].
///
/// # Safety
///
/// The caller must be able to sleep, and not be in a handler.
#[export]
pub unsafe extern "C" fn uprobe_unregister_sync() {
    attach::unregister_sync();
}

/// Leads to [`attach::apply`].
///
/// # Safety
///
/// `uprobe` must come from a successful [`uprobe_register`], and not be unregistered yet.
#[export]
pub unsafe extern "C" fn uprobe_apply(
    uprobe: *mut bindings::uprobe,
    uc: *mut bindings::uprobe_consumer,
    add: bool,
) -> c_int {
    // SAFETY: By the function's contract.
    to_errno(unsafe { attach::apply(Probe::from_raw(uprobe), uc, add) })
}

/// Leads to [`breakpoint::write`].
///
/// # Safety
///
/// As there.
#[export]
pub unsafe extern "C" fn uprobe_write(
    auprobe: *mut bindings::arch_uprobe,
    vma: *mut bindings::vm_area_struct,
    vaddr: c_ulong,
    insn: *mut bindings::uprobe_opcode_t,
    nbytes: c_int,
    verify: bindings::uprobe_write_verify_t,
    is_register: bool,
    do_update_ref_ctr: bool,
    data: *mut c_void,
) -> c_int {
    // SAFETY: By the function's contract.
    to_errno(unsafe {
        breakpoint::write(
            auprobe,
            vma,
            vaddr,
            insn,
            nbytes,
            verify,
            is_register,
            do_update_ref_ctr,
            data,
        )
    })
}

/// Leads to [`breakpoint::write_opcode`].
///
/// # Safety
///
/// As there.
#[export]
pub unsafe extern "C" fn uprobe_write_opcode(
    auprobe: *mut bindings::arch_uprobe,
    vma: *mut bindings::vm_area_struct,
    vaddr: c_ulong,
    opcode: bindings::uprobe_opcode_t,
    is_register: bool,
) -> c_int {
    // SAFETY: By the function's contract.
    to_errno(unsafe { breakpoint::write_opcode(auprobe, vma, vaddr, opcode, is_register) })
}

/// Copies `len` bytes out of a page, from the place in it that `vaddr` has.
///
/// # Safety
///
/// `page` and `dst` must be valid, and the bytes must not cross the page's end.
#[export]
pub unsafe extern "C" fn uprobe_copy_from_page(
    page: *mut bindings::page,
    vaddr: c_ulong,
    dst: *mut c_void,
    len: c_int,
) {
    // SAFETY: By the function's contract.
    unsafe { breakpoint::copy_from_page(page, vaddr, dst.cast(), len as usize) }
}

/// Leads to [`hooks::mmap`]. Never fails.
///
/// # Safety
///
/// As there.
#[export]
pub unsafe extern "C" fn uprobe_mmap(vma: *mut bindings::vm_area_struct) -> c_int {
    // SAFETY: By the function's contract.
    unsafe { hooks::mmap(vma) };
    0
}

/// Leads to [`hooks::munmap`].
///
/// # Safety
///
/// As there.
#[export]
pub unsafe extern "C" fn uprobe_munmap(
    vma: *mut bindings::vm_area_struct,
    start: c_ulong,
    end: c_ulong,
) {
    // SAFETY: By the function's contract.
    unsafe { hooks::munmap(vma, start, end) }
}

/// Leads to [`hooks::start_dup_mmap`].
///
/// # Safety
///
/// The caller must be able to sleep, and call [`uprobe_end_dup_mmap`] next.
#[export]
pub unsafe extern "C" fn uprobe_start_dup_mmap() {
    hooks::start_dup_mmap();
}

/// Leads to [`hooks::end_dup_mmap`].
///
/// # Safety
///
/// As there.
#[export]
pub unsafe extern "C" fn uprobe_end_dup_mmap() {
    // SAFETY: By the function's contract.
    unsafe { hooks::end_dup_mmap() }
}

/// Leads to [`hooks::dup_mmap`].
///
/// # Safety
///
/// As there.
#[export]
pub unsafe extern "C" fn uprobe_dup_mmap(
    oldmm: *mut bindings::mm_struct,
    newmm: *mut bindings::mm_struct,
) {
    // SAFETY: By the function's contract.
    unsafe { hooks::dup_mmap(oldmm, newmm) }
}

/// The last user of an address space has gone. May sleep.
///
/// # Safety
///
/// `mm` must be valid, have no users, and not come here twice.
#[export]
pub unsafe extern "C" fn uprobe_clear_state(mm: *mut bindings::mm_struct) {
    // SAFETY: By the function's contract.
    unsafe {
        let mm = Mm::from_raw(mm);
        refctr::forget_mm(mm);
        xol::destroy(mm);
    }
}

/// Leads to [`task::fork`].
///
/// # Safety
///
/// `t` must be a task that the current one is making, and not run yet.
#[export]
pub unsafe extern "C" fn uprobe_copy_process(t: *mut bindings::task_struct, flags: u64) {
    let current = kernel::current!();
    // SAFETY: By the function's contract, and because a task looks at its own address space.
    unsafe {
        let same_mm = (*current.as_ptr()).mm == (*t).mm;
        let kin = match (same_mm, flags & u64::from(bindings::CLONE_VFORK) != 0) {
            (false, _) => Kinship::Copy,
            (true, true) => Kinship::Borrower,
            (true, false) => Kinship::Thread,
        };
        task::fork(current, t, kin);
    }
}

/// Leads to [`Thread::release`].
///
/// # Safety
///
/// As there.
#[export]
pub unsafe extern "C" fn uprobe_free_utask(t: *mut bindings::task_struct) {
    // SAFETY: By the function's contract.
    unsafe { Thread::release(t) }
}

/// A breakpoint trap from user space; nonzero if it may be ours. Interrupts may be off.
///
/// # Safety
///
/// Called by the architecture's notifier, with the current task's user registers.
#[export]
pub unsafe extern "C" fn uprobe_pre_sstep_notifier(regs: *mut bindings::pt_regs) -> c_int {
    // SAFETY: By the function's contract.
    let ours = hit::expects_breakpoint(kernel::current!(), unsafe { Regs::from_raw(regs) });
    if ours {
        Errand::Uprobe.set();
    }
    c_int::from(ours)
}

/// A single-step trap from user space; nonzero if it ends a step of ours. Interrupts may be off.
///
/// # Safety
///
/// Called by the architecture's notifier.
#[export]
pub unsafe extern "C" fn uprobe_post_sstep_notifier(_regs: *mut bindings::pt_regs) -> c_int {
    let ours = Thread::current(kernel::current!()).is_some_and(step::complete);
    if ours {
        Errand::Uprobe.set();
    }
    c_int::from(ours)
}

/// Leads to [`hit::resume`].
///
/// # Safety
///
/// `regs` must be the user registers of the current task, which is on its way to user space.
#[export]
pub unsafe extern "C" fn uprobe_notify_resume(regs: *mut bindings::pt_regs) {
    Errand::Uprobe.clear();
    // SAFETY: By the function's contract.
    hit::resume(kernel::current!(), unsafe { Regs::from_raw(regs) });
}

/// Leads to [`step::defer_signals`].
///
/// # Safety
///
/// Called by the current task, before it takes the lock of its signals.
#[export]
pub unsafe extern "C" fn uprobe_deny_signal() -> bool {
    let current = kernel::current!();
    Thread::current(current).is_some_and(|thread| step::defer_signals(current, thread))
}

/// Leads to [`uretprobe::handle_trampoline`].
///
/// # Safety
///
/// `regs` must be the user registers of the current task.
#[export]
pub unsafe extern "C" fn uprobe_handle_trampoline(regs: *mut bindings::pt_regs) {
    // SAFETY: By the function's contract.
    uretprobe::handle_trampoline(kernel::current!(), unsafe { Regs::from_raw(regs) });
}

/// Leads to [`hit::handle_syscall`].
///
/// # Safety
///
/// `regs` must be the user registers of the current task.
#[export]
pub unsafe extern "C" fn handle_syscall_uprobe(regs: *mut bindings::pt_regs, bp_vaddr: c_ulong) {
    // SAFETY: By the function's contract.
    hit::handle_syscall(
        kernel::current!(),
        unsafe { Regs::from_raw(regs) },
        bp_vaddr,
    );
}

/// Leads to [`lookup::is_in_trampoline`].
///
/// # Safety
///
/// `check` must say whether an address of the current process is in code of the architecture; it
/// is called in the context of the caller, which must be able to sleep.
#[export]
pub unsafe extern "C" fn uprobe_check_trampoline(
    ip: c_ulong,
    check: Option<unsafe extern "C" fn(ip: c_ulong) -> bool>,
) -> bool {
    let current = kernel::current!();
    let (Some(mm), Some(check)) = (current.mm(), check) else {
        return false;
    };
    let kit = Thread::current(current).and_then(Thread::kit);
    // SAFETY: By the function's contract.
    lookup::is_in_trampoline(kit, mm, ip, |ip| unsafe { check(ip) })
}

/// Where hijacked returns of the current process go; all ones if there are none. Any context.
///
/// # Safety
///
/// The current task must have an address space.
#[export]
pub unsafe extern "C" fn uprobe_get_trampoline_vaddr() -> c_ulong {
    kernel::current!()
        .mm()
        .and_then(|mm| xol::area(mm))
        .map_or(c_ulong::MAX, xol::Area::trampoline)
}

/// The address of the instruction that has raised a trap: the original one, if it was executed in
/// a slot.
///
/// # Safety
///
/// `regs` must be the registers at the trap.
#[export]
pub unsafe extern "C" fn uprobe_get_trap_addr(regs: *mut bindings::pt_regs) -> c_ulong {
    match Thread::current(kernel::current!()).and_then(step::active_vaddr) {
        Some(vaddr) => vaddr,
        // SAFETY: By the function's contract.
        None => unsafe { bindings::instruction_pointer(regs) },
    }
}
