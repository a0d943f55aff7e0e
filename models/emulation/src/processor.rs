// SPDX-License-Identifier: GPL-2.0

//! One instruction, executed by this processor.
//!
//! A state is loaded by `iretq`, which loads the flags, the stack pointer and the address at once,
//! with the trap flag set: the processor executes exactly one instruction, however long it is, and
//! traps. The signal's handler takes the state and goes back to where it was entered from. So does
//! one that is not executed but faults.

// To execute any instruction with any registers is what this is for, and nothing in Rust is.
#![allow(unsafe_code)]

use crate::state::{End, Outcome, State, SCRATCH_BYTES, TRAP};
use std::{
    arch::naked_asm,
    cell::Cell,
    mem::{self, offset_of},
    ptr, slice,
    sync::Once,
};

const PAGE: usize = 4096;
/// Code, and memory for it, between pages of which nothing may be accessed.
const PAGES: usize = 5;
const CODE: usize = PAGE;
const SCRATCH: usize = 3 * PAGE;
const _: () = assert!(SCRATCH_BYTES == PAGE);

/// As the kernel saves them for a handler, in the order of instructions.
const SAVED: [i32; 16] = [
    libc::REG_RAX,
    libc::REG_RCX,
    libc::REG_RDX,
    libc::REG_RBX,
    libc::REG_RSP,
    libc::REG_RBP,
    libc::REG_RSI,
    libc::REG_RDI,
    libc::REG_R8,
    libc::REG_R9,
    libc::REG_R10,
    libc::REG_R11,
    libc::REG_R12,
    libc::REG_R13,
    libc::REG_R14,
    libc::REG_R15,
];

/// Pages to execute instructions in, and a stack for the handler.
pub(crate) struct Processor {
    pages: *mut u8,
    _stack: SignalStack,
}

impl Processor {
    pub(crate) fn new() -> Self {
        static HANDLERS: Once = Once::new();
        HANDLERS.call_once(handle_signals);
        let low = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_32BIT;
        // SAFETY: New pages, which are nobody's. An instruction can name all addresses below 2 GiB.
        let pages = unsafe {
            let pages = libc::mmap(ptr::null_mut(), PAGES * PAGE, libc::PROT_NONE, low, -1, 0);
            assert_ne!(pages, libc::MAP_FAILED, "no memory below 2 GiB");
            pages.cast::<u8>()
        };
        let processor = Self {
            pages,
            _stack: SignalStack::new(),
        };
        let (read, write) = (libc::PROT_READ, libc::PROT_WRITE);
        processor.protect(CODE, read | write | libc::PROT_EXEC);
        processor.protect(SCRATCH, read | write);
        processor
    }

    fn protect(&self, page: usize, protection: i32) {
        // SAFETY: It is one of our pages, of which there is no reference now.
        let error = unsafe { libc::mprotect(self.pages.add(page).cast(), PAGE, protection) };
        assert_eq!(error, 0, "a page cannot be had");
    }

    /// Where instructions may be, which begin in the first half.
    pub(crate) fn code_start(&self) -> u64 {
        self.pages as u64 + CODE as u64
    }

    pub(crate) fn scratch_start(&self) -> u64 {
        self.pages as u64 + SCRATCH as u64
    }

    pub(crate) fn scratch(&mut self) -> &mut [u8] {
        // SAFETY: Nothing but an instruction that `run()` executes uses them otherwise.
        unsafe { slice::from_raw_parts_mut(self.pages.add(SCRATCH), SCRATCH_BYTES) }
    }

    /// Executes what `bytes` begin with, at the state's address.
    pub(crate) fn run(&mut self, bytes: &[u8], state: &State) -> Outcome {
        let offset = (state.ip - self.code_start()) as usize;
        assert!(offset + bytes.len() <= PAGE);
        let mut run = Run {
            state: state.clone(),
            signal: 0,
            code: 0,
            sp: 0,
        };
        run.state.flags |= TRAP;
        // SAFETY: The bytes are within the page of code. An instruction of those that are tested
        // accesses nothing but registers and at most one place in memory, which is in the pages or
        // not mapped, by who made the state; if it is another, it is executed once, by a test. All
        // that it changes but memory is restored.
        unsafe {
            ptr::copy_nonoverlapping(bytes.as_ptr(), self.pages.add(CODE + offset), bytes.len());
            RUN.set(&raw mut run);
            enter(&raw mut run);
        }
        Outcome {
            end: match (run.signal, run.code) {
                (libc::SIGTRAP, libc::TRAP_TRACE) => End::Executed,
                (libc::SIGSEGV | libc::SIGBUS, _) => End::Missing,
                (signal, _) => End::Refused(signal),
            },
            state: run.state,
            scratch: self.scratch().to_vec(),
        }
    }
}

impl Drop for Processor {
    fn drop(&mut self) {
        // SAFETY: They are ours, and no reference to them is left.
        unsafe { libc::munmap(self.pages.cast(), PAGES * PAGE) };
    }
}

/// An instruction that is being executed.
#[repr(C)]
struct Run {
    /// Before and after.
    state: State,
    /// By which it ended, and why.
    signal: i32,
    code: i32,
    /// The stack pointer to go on with.
    sp: u64,
}

thread_local! {
    /// That of this thread, or null.
    static RUN: Cell<*mut Run> = const { Cell::new(ptr::null_mut()) };
}

/// Loads the state. Returns when the instruction has ended.
///
/// # Safety
///
/// `run` must be valid, and in `RUN`.
#[unsafe(naked)]
unsafe extern "sysv64" fn enter(run: *mut Run) {
    naked_asm!(
        "push rbx",
        "push rbp",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "mov [rdi + {saved_sp}], rsp",
        "mov rax, ss",
        "push rax",
        "push qword ptr [rdi + 4 * 8]",
        "push qword ptr [rdi + {flags}]",
        "mov rax, cs",
        "push rax",
        "push qword ptr [rdi + {ip}]",
        "mov rax, [rdi]",
        "mov rcx, [rdi + 1 * 8]",
        "mov rdx, [rdi + 2 * 8]",
        "mov rbx, [rdi + 3 * 8]",
        "mov rbp, [rdi + 5 * 8]",
        "mov rsi, [rdi + 6 * 8]",
        "mov r8, [rdi + 8 * 8]",
        "mov r9, [rdi + 9 * 8]",
        "mov r10, [rdi + 10 * 8]",
        "mov r11, [rdi + 11 * 8]",
        "mov r12, [rdi + 12 * 8]",
        "mov r13, [rdi + 13 * 8]",
        "mov r14, [rdi + 14 * 8]",
        "mov r15, [rdi + 15 * 8]",
        "mov rdi, [rdi + 7 * 8]",
        "iretq",
        saved_sp = const offset_of!(Run, sp),
        flags = const offset_of!(Run, state) + offset_of!(State, flags),
        ip = const offset_of!(Run, state) + offset_of!(State, ip),
    )
}

/// The rest of [`enter()`], on the same stack.
#[unsafe(naked)]
unsafe extern "sysv64" fn leave() {
    naked_asm!("pop r15", "pop r14", "pop r13", "pop r12", "pop rbp", "pop rbx", "ret",)
}

/// Has all signals that an instruction may end by handled.
fn handle_signals() {
    let handler: extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void) = ended;
    let signals = [
        libc::SIGTRAP,
        libc::SIGSEGV,
        libc::SIGBUS,
        libc::SIGILL,
        libc::SIGFPE,
    ];
    for signal in signals {
        // SAFETY: The handler touches nothing but what belongs to its thread's run.
        unsafe {
            let mut action: libc::sigaction = mem::zeroed();
            action.sa_sigaction = handler as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            libc::sigaction(signal, &action, ptr::null_mut());
        }
    }
}

extern "C" fn ended(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let run = RUN.replace(ptr::null_mut());
    if run.is_null() {
        // Not of an instruction that is tested. It happens again, and ends the process.
        // SAFETY: The default needs nothing.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
        return;
    }
    // SAFETY: They are what the kernel hands to such a handler, and the run is still being entered.
    let (code, saved, run) = unsafe {
        let context = context.cast::<libc::ucontext_t>();
        let saved = &mut (*context).uc_mcontext.gregs;
        ((*info).si_code, saved, &mut *run)
    };
    for (reg, from) in run.state.regs.iter_mut().zip(SAVED) {
        *reg = saved[from as usize] as u64;
    }
    run.state.flags = saved[libc::REG_EFL as usize] as u64;
    run.state.ip = saved[libc::REG_RIP as usize] as u64;
    (run.signal, run.code) = (signal, code);
    saved[libc::REG_RSP as usize] = run.sp as i64;
    saved[libc::REG_RIP as usize] = leave as *const () as i64;
    // As functions expect them.
    saved[libc::REG_EFL as usize] = 0x202;
}

/// A stack for signals of this thread, because an instruction's may be anywhere.
struct SignalStack {
    _memory: Vec<u8>,
    before: libc::stack_t,
}

impl SignalStack {
    fn new() -> Self {
        let mut memory = vec![0; 1 << 16];
        let stack = libc::stack_t {
            ss_sp: memory.as_mut_ptr().cast(),
            ss_flags: 0,
            ss_size: memory.len(),
        };
        // SAFETY: The memory is kept until another stack is set.
        let before = unsafe {
            let mut before = mem::zeroed();
            assert_eq!(libc::sigaltstack(&stack, &mut before), 0);
            before
        };
        Self {
            _memory: memory,
            before,
        }
    }
}

impl Drop for SignalStack {
    fn drop(&mut self) {
        // SAFETY: It is what was there before.
        unsafe { libc::sigaltstack(&self.before, ptr::null_mut()) };
    }
}
