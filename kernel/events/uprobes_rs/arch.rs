// SPDX-License-Identifier: GPL-2.0

//! What the architecture does for us, in C: analysing an instruction, emulating it or preparing it
//! to be stepped, hijacking a return address. Each function here calls one C function and gives it
//! types; what differs between architectures is on the other side, but for what a hit asks so
//! often that a call is too much, and for instructions that are executed without C's help (`arch/`).

#[cfg_attr(CONFIG_X86_64, path = "arch/x86.rs")]
#[cfg_attr(not(CONFIG_X86_64), path = "arch/generic.rs")]
mod own;

use core::ops::Deref;

use kernel::{
    bindings,
    error::to_result,
    mm::Mm,
    prelude::*,
    types::Opaque, //
};

use crate::{
    errno::check,
    returns::Return, //
};

pub(crate) use own::{
    Emulation,
    Word,
    FEW_REGISTERS, //
};

/// Bytes of an instruction as it is executed out of line.
pub(crate) const IXOL_BYTES: usize = bindings::UPROBE_IXOL_BYTES;
/// Bytes that are copied from the file for the architecture to analyse.
pub(crate) const INSN_BYTES: usize = bindings::UPROBE_INSN_BYTES;
/// Distance between two slots of the out-of-line area.
pub(crate) const SLOT_BYTES: usize = bindings::UPROBES_XOL_SLOT_BYTES;

/// The user registers of the current task, as the trap saved them.
///
/// # Invariants
///
/// They belong to the current task, which changes them on the kernel's behalf only through this
/// reference, one access at a time.
#[repr(transparent)]
pub(crate) struct Regs(Opaque<bindings::pt_regs>);

impl Regs {
    /// # Safety
    ///
    /// `regs` must be the user registers of the current task, and stay so for `'a`.
    #[inline]
    pub(crate) unsafe fn from_raw<'a>(regs: *mut bindings::pt_regs) -> &'a Self {
        // CAST: `Self` is a transparent wrapper.
        // SAFETY: By the function's contract.
        unsafe { &*regs.cast() }
    }

    #[inline]
    pub(crate) fn as_ptr(&self) -> *mut bindings::pt_regs {
        self.0.get()
    }

    #[inline]
    pub(crate) fn ip(&self) -> usize {
        // SAFETY: The registers are valid by the type's invariants.
        unsafe { bindings::instruction_pointer(self.as_ptr()) }
    }

    #[inline]
    pub(crate) fn set_ip(&self, ip: usize) {
        // SAFETY: As in `ip()`.
        unsafe { bindings::instruction_pointer_set(self.as_ptr(), ip) }
    }

    #[inline]
    pub(crate) fn sp(&self) -> usize {
        // SAFETY: As in `ip()`.
        unsafe { bindings::user_stack_pointer(self.as_ptr()) }
    }

    /// Where the breakpoint is that has just been hit.
    #[inline]
    pub(crate) fn breakpoint(&self) -> usize {
        own::breakpoint(self)
    }
}

/// The architecture's view of one instruction, with a promise that it has been analysed and does
/// not change.
///
/// # Invariants
///
/// The object was analysed with success, and is alive for as long as the reference.
#[repr(transparent)]
pub(crate) struct Insn(Opaque<bindings::arch_uprobe>);

impl Insn {
    /// # Safety
    ///
    /// `auprobe` must have been analysed, and be alive for `'a`.
    #[inline]
    pub(crate) unsafe fn from_raw<'a>(auprobe: *mut bindings::arch_uprobe) -> &'a Self {
        // SAFETY: By the function's contract.
        unsafe { &*auprobe.cast() }
    }

    #[inline]
    pub(crate) fn as_ptr(&self) -> *mut bindings::arch_uprobe {
        self.0.get()
    }

    /// The bytes that are executed out of line.
    #[inline]
    pub(crate) fn ixol(&self) -> Ixol {
        // SAFETY: The analysed instruction has `IXOL_BYTES` bytes, which do not change any more.
        Ixol(unsafe {
            bindings::uprobe_ixol(self.as_ptr())
                .cast::<[Word; IXOL_WORDS]>()
                .read_unaligned()
        })
    }

    /// Lets the architecture replace the breakpoint by something faster. May sleep.
    #[inline]
    pub(crate) fn optimize(&self, vaddr: usize) {
        // SAFETY: The instruction was analysed, and is part of a probe, which was hit at `vaddr`.
        unsafe {
            if own::may_optimize(self.as_ptr()) {
                bindings::arch_uprobe_optimize(self.as_ptr(), vaddr);
            }
        }
    }

    /// Does the architecture replace the breakpoint by something faster?
    pub(crate) fn is_optimized(&self) -> bool {
        // SAFETY: The instruction was analysed.
        unsafe { own::may_optimize(self.as_ptr()) }
    }

    /// May [`Self::emulate`] say one thing to one thread and another to the next?
    pub(crate) fn depends_on_thread(&self) -> bool {
        // SAFETY: The analysed instruction has that many bytes, which do not change any more.
        own::depends_on_thread(unsafe {
            core::slice::from_raw_parts(bindings::uprobe_insn(self.as_ptr()).cast(), INSN_BYTES)
        })
    }

    /// Emulates the instruction if C's part of the architecture can; false if it has to be stepped.
    #[inline]
    pub(crate) fn emulate(&self, regs: &Regs) -> bool {
        // SAFETY: Both references are valid.
        unsafe { bindings::arch_uprobe_skip_sstep(self.as_ptr(), regs.as_ptr()) }
    }

    /// Lets the current task go to its slot: `utask->vaddr` and `utask->xol_vaddr` are set.
    #[inline]
    pub(crate) fn before_step(&self, regs: &Regs) -> Result {
        // SAFETY: Both references are valid.
        check(unsafe { bindings::arch_uprobe_pre_xol(self.as_ptr(), regs.as_ptr()) })
    }

    /// Mends the registers after the step.
    #[inline]
    pub(crate) fn after_step(&self, regs: &Regs) -> Result {
        // SAFETY: Both references are valid.
        check(unsafe { bindings::arch_uprobe_post_xol(self.as_ptr(), regs.as_ptr()) })
    }

    /// Puts the task back before the instruction, which has faulted or was not executed.
    pub(crate) fn abort_step(&self, regs: &Regs) {
        // SAFETY: Both references are valid.
        unsafe { bindings::arch_uprobe_abort_xol(self.as_ptr(), regs.as_ptr()) }
    }
}

const IXOL_WORDS: usize = IXOL_BYTES / size_of::<Word>();

/// The bytes of an instruction that is executed out of line.
///
/// All that a slot holds: two probes with the same bytes can use the same slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Ixol([Word; IXOL_WORDS]);

impl Ixol {
    /// For what is not an instruction of a probe.
    #[cfg(CONFIG_UPROBES_RUST_KUNIT_TEST)]
    pub(crate) fn from_number(number: u32) -> Self {
        Self([number.into(); IXOL_WORDS])
    }
}

impl Deref for Ixol {
    type Target = [Word; IXOL_WORDS];

    #[inline]
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

/// A thread's own copy of an analysed instruction, which outlives the probe.
#[repr(transparent)]
pub(crate) struct InsnCopy(Opaque<bindings::arch_uprobe>);

impl InsnCopy {
    /// Takes the place of an instruction until the first is copied.
    pub(crate) fn empty() -> Self {
        Self(Opaque::zeroed())
    }

    /// Copies an instruction.
    ///
    /// # Safety
    ///
    /// The previous copy must not be in use.
    #[inline]
    pub(crate) unsafe fn set(&self, insn: &Insn) {
        // SAFETY: Both are valid, the source was analysed, and nobody uses the copy by the function's
        // contract.
        unsafe { own::copy_for_step(insn.as_ptr(), self.0.get()) }
    }

    /// The copy.
    ///
    /// # Safety
    ///
    /// An instruction must have been copied.
    #[inline]
    pub(crate) unsafe fn get(&self) -> &Insn {
        // SAFETY: A copy of an analysed instruction is one.
        unsafe { Insn::from_raw(self.0.get()) }
    }
}

/// The bytes to be analysed.
///
/// # Safety
///
/// Nobody else may use `auprobe` during `'a`.
pub(crate) unsafe fn insn_bytes<'a>(auprobe: *mut bindings::arch_uprobe) -> &'a mut [u8] {
    // SAFETY: The instruction's field has that size, and is ours by the function's contract.
    unsafe { core::slice::from_raw_parts_mut(bindings::uprobe_insn(auprobe).cast(), INSN_BYTES) }
}

/// Do the bytes begin with a breakpoint, of any kind that the architecture has?
pub(crate) fn is_trap(insn: &[u8]) -> bool {
    // SAFETY: `insn` is long enough for a breakpoint and is only read.
    unsafe { bindings::is_trap_insn(crate::insn::as_opcode(insn)) }
}

/// Analyses a copied instruction.
///
/// # Safety
///
/// Nobody else may use `auprobe`, and `mm` must be locked for writing.
pub(crate) unsafe fn analyze(auprobe: *mut bindings::arch_uprobe, mm: &Mm, vaddr: usize) -> Result {
    // SAFETY: By the function's contract.
    to_result(unsafe { bindings::arch_uprobe_analyze_insn(auprobe, mm.as_raw(), vaddr) })
}

/// Has the instruction in the slot, rather than somebody else, raised the pending signal?
pub(crate) fn step_trapped(task: &kernel::task::Task) -> bool {
    // SAFETY: The task is valid.
    unsafe { bindings::arch_uprobe_xol_was_trapped(task.as_ptr()) }
}

/// Why somebody asks whether a return is still to come.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum Occasion {
    /// A function has been entered.
    Call = bindings::rp_check_RP_CHECK_CALL,
    /// A function has been entered by a jump from another one that is pending.
    ChainCall = bindings::rp_check_RP_CHECK_CHAIN_CALL,
    /// A function has returned.
    Ret = bindings::rp_check_RP_CHECK_RET,
}

/// Is the frame that a pending return belongs to still on the stack, going by the stack pointer?
#[inline]
pub(crate) fn is_alive(ret: &Return, occasion: Occasion, regs: &Regs) -> bool {
    // SAFETY: Both are valid, and `Return` begins like what C takes it for.
    unsafe { bindings::arch_uretprobe_is_alive(ret.as_ptr(), occasion as u32, regs.as_ptr()) }
}

/// Makes the function that has just been entered return to `trampoline`; returns where it would
/// have gone, or nothing if the stack could not be read or written (the task may have been told
/// by a signal).
pub(crate) fn hijack_return(trampoline: usize, regs: &Regs) -> Option<usize> {
    // SAFETY: The registers are valid.
    let original =
        unsafe { bindings::arch_uretprobe_hijack_return_addr(trampoline, regs.as_ptr()) };
    (original != usize::MAX).then_some(original)
}

/// The code that a hijacked return runs into.
pub(crate) fn trampoline() -> &'static [u8] {
    let mut len = 0;
    // SAFETY: The function returns a static array, and its length.
    unsafe {
        let code = bindings::arch_uretprobe_trampoline(&mut len);
        core::slice::from_raw_parts(code.cast(), len)
    }
}

/// Looks for room for one page in the current address space, `mmap_lock` held for writing.
pub(crate) fn find_room() -> Result<usize> {
    // SAFETY: Called by the current task about its own address space.
    let vaddr = unsafe { bindings::arch_uprobe_get_xol_area() };
    // C returns an address, or a negated error number.
    const FIRST_ERROR: usize = (bindings::MAX_ERRNO as usize).wrapping_neg();
    if vaddr >= FIRST_ERROR {
        return Err(Error::from_errno(vaddr as i32));
    }
    Ok(vaddr)
}

/// Writes `code` at `vaddr` of a page that is mapped there for execution, and makes CPUs see it.
pub(crate) fn write_code(page: &kernel::page::Page, vaddr: usize, code: &[u8]) {
    // SAFETY: The C function reads `len` bytes, which do not cross the page: slots do not.
    unsafe {
        bindings::arch_uprobe_copy_ixol(
            page.as_ptr(),
            vaddr,
            code.as_ptr().cast_mut().cast(),
            code.len(),
        )
    }
}
