// SPDX-License-Identifier: GPL-2.0

//! What is asked of x86's part of an instruction without a call, and which instructions need
//! neither C nor a slot.

#[path = "x86/decode.rs"]
mod decode;
#[path = "x86/execute.rs"]
mod execute;
#[path = "x86/insn.rs"]
mod insn;

use core::{
    mem::offset_of,
    ptr, //
};

use kernel::{
    bindings,
    sync::atomic::{
        ordering::Relaxed,
        Atomic, //
    }, //
};

use self::{
    execute::Machine,
    insn::{
        Insn,
        Reg,
        Size, //
    },
};
use crate::arch::Regs;

const CAN_OPTIMIZE: usize = 1 << bindings::ARCH_UPROBE_FLAG_CAN_OPTIMIZE;
const OPTIMIZE_FAIL: usize = 1 << bindings::ARCH_UPROBE_FLAG_OPTIMIZE_FAIL;

/// Six registers keep their values in a call.
pub(crate) const FEW_REGISTERS: bool = true;

/// Where the breakpoint is whose trap left these registers: before the next instruction.
#[inline]
pub(super) fn breakpoint(regs: &Regs) -> usize {
    regs.ip().wrapping_sub(bindings::UPROBES_SWBP_INSN_SIZE)
}

/// Is it of any use to call `arch_uprobe_optimize()`? It asks itself, but late, and for most
/// instructions in vain.
///
/// # Safety
///
/// `auprobe` must be valid, and the instruction have been analysed.
#[inline]
pub(super) unsafe fn may_optimize(auprobe: *mut bindings::arch_uprobe) -> bool {
    // SAFETY: Valid by the function's contract; bits of it are set atomically.
    let flags = unsafe { Atomic::from_ptr(&raw mut (*auprobe).flags) }.load(Relaxed);
    flags & (CAN_OPTIMIZE | OPTIMIZE_FAIL) == CAN_OPTIMIZE
}

/// What [`copy_for_step`] knows: bytes, operations, what they need, flags.
const _: () = assert!(
    size_of::<bindings::arch_uprobe>() == bindings::MAX_UINSN_BYTES as usize + 3 * size_of::<u64>()
);

/// Copies what a step looks at: all but the flags, which other CPUs may be changing.
///
/// # Safety
///
/// Both must be valid; the source must have been analysed, and the copy not be in use.
#[inline]
pub(super) unsafe fn copy_for_step(
    from: *const bindings::arch_uprobe,
    to: *mut bindings::arch_uprobe,
) {
    // SAFETY: By the function's contract; what has been analysed does not change.
    unsafe {
        (*to).__bindgen_anon_1 = (*from).__bindgen_anon_1;
        (*to).ops = (*from).ops;
        (*to).__bindgen_anon_2 = (*from).__bindgen_anon_2;
    }
}

/// May C emulate the instruction for one thread and not for another? So it is with what it writes to
/// the stack for, which may not be there: `push` of a register, and `call`. To step such an instruction
/// is then not another way to execute it, but a way to have its fault.
pub(super) fn depends_on_thread(insn: &[u8]) -> bool {
    // What begins another map of opcodes, of which C takes some for what they would be in the first.
    const OTHER_MAPS: [u8; 5] = [0x62, 0x8f, 0xc4, 0xc5, 0xd5];
    decode::opcode(insn)
        .is_none_or(|opcode| matches!(opcode, 0x50..=0x57 | 0xe8) || OTHER_MAPS.contains(&opcode))
}

/// What instructions are compared by; their copies have two of it.
pub(crate) type Word = u64;

/// An instruction that can be executed here, because what it does is known.
#[derive(Clone, Copy)]
pub(crate) struct Emulation(Insn);

impl Emulation {
    /// That of the instruction which `bytes` begin with, if there is one in 64-bit mode. They must be
    /// those of the file.
    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        decode::decode(bytes).map(Self)
    }

    /// Executes it, if that can be done without sleeping, and if nobody would miss the trap after it.
    #[inline]
    pub(crate) fn run(&self, regs: &Regs) -> bool {
        // SAFETY: The registers are valid.
        let is_64bit = unsafe { bindings::uprobes_user_is_64bit(regs.as_ptr()) };
        is_64bit && regs.flags() & WATCHED == 0 && execute::execute(&self.0, regs).is_some()
    }
}

/// Flags of who wants to hear of what the processor does: of each instruction, by the trap flag, and
/// of accesses that are not aligned.
const WATCHED: u64 = 1 << 8 | 1 << 18;

/// Where the trap saves each register, in the order of [`Reg`].
const OFFSETS: [usize; Reg::ALL.len()] = [
    offset_of!(bindings::pt_regs, ax),
    offset_of!(bindings::pt_regs, cx),
    offset_of!(bindings::pt_regs, dx),
    offset_of!(bindings::pt_regs, bx),
    offset_of!(bindings::pt_regs, sp),
    offset_of!(bindings::pt_regs, bp),
    offset_of!(bindings::pt_regs, si),
    offset_of!(bindings::pt_regs, di),
    offset_of!(bindings::pt_regs, r8),
    offset_of!(bindings::pt_regs, r9),
    offset_of!(bindings::pt_regs, r10),
    offset_of!(bindings::pt_regs, r11),
    offset_of!(bindings::pt_regs, r12),
    offset_of!(bindings::pt_regs, r13),
    offset_of!(bindings::pt_regs, r14),
    offset_of!(bindings::pt_regs, r15),
];

impl Regs {
    #[inline]
    fn slot(&self, reg: Reg) -> *mut u64 {
        self.as_ptr()
            .wrapping_byte_add(OFFSETS[reg as usize])
            .cast()
    }
}

/// The thread that was hit, with what memory of its process is there.
impl Machine for Regs {
    #[inline]
    fn get(&self, reg: Reg) -> u64 {
        // SAFETY: It is one of the registers, which are valid.
        unsafe { self.slot(reg).read() }
    }

    #[inline]
    fn set(&self, reg: Reg, value: u64) {
        // SAFETY: As above.
        unsafe { self.slot(reg).write(value) }
    }

    #[inline]
    fn ip(&self) -> u64 {
        Regs::ip(self) as u64
    }

    #[inline]
    fn set_ip(&self, ip: u64) {
        Regs::set_ip(self, ip as usize);
    }

    #[inline]
    fn flags(&self) -> u64 {
        // SAFETY: The registers are valid.
        unsafe { (*self.as_ptr()).flags as u64 }
    }

    #[inline]
    fn set_flags(&self, flags: u64) {
        // SAFETY: As above.
        unsafe { (*self.as_ptr()).flags = flags as usize }
    }

    fn load(&self, address: u64, size: Size) -> Option<u64> {
        if watches_memory() {
            return None;
        }
        let (mut byte, mut long, mut quad) = (0, 0, 0);
        let address = address as usize;
        let missed = without_faults(|| {
            // SAFETY: The functions take any address of user space, and refuse all others.
            unsafe {
                match size {
                    Size::Byte => {
                        bindings::get_user_u8(&mut byte, ptr::without_provenance(address))
                    }
                    Size::Long => {
                        bindings::get_user_u32(&mut long, ptr::without_provenance(address))
                    }
                    Size::Quad => {
                        bindings::get_user_u64(&mut quad, ptr::without_provenance(address))
                    }
                }
            }
        });
        // Only one of them was read.
        (missed == 0).then_some(u64::from(byte) | u64::from(long) | quad)
    }

    fn store(&self, address: u64, size: Size, value: u64) -> Option<()> {
        if watches_memory() {
            return None;
        }
        let address = address as usize;
        let missed = without_faults(|| {
            // SAFETY: As above.
            unsafe {
                match size {
                    Size::Byte => {
                        bindings::put_user_u8(value as u8, ptr::without_provenance_mut(address))
                    }
                    Size::Long => {
                        bindings::put_user_u32(value as u32, ptr::without_provenance_mut(address))
                    }
                    Size::Quad => {
                        bindings::put_user_u64(value, ptr::without_provenance_mut(address))
                    }
                }
            }
        });
        (missed == 0).then_some(())
    }
}

/// Does the current thread, or somebody on its CPU, have a debug register set? It would not be told
/// in the right way of what the kernel accesses.
fn watches_memory() -> bool {
    // SAFETY: It can be asked anywhere. The thread's own registers are set wherever it runs.
    unsafe { bindings::uprobes_cpu_watches_memory() }
}

/// Runs what accesses user memory so that it fails where it would have to wait for a page: a thread
/// must not be kept waiting where unregistrations wait for it.
#[inline]
fn without_faults<T>(access: impl FnOnce() -> T) -> T {
    // SAFETY: Page faults are enabled again below.
    unsafe { bindings::pagefault_disable() };
    let result = access();
    // SAFETY: They were disabled above.
    unsafe { bindings::pagefault_enable() };
    result
}
