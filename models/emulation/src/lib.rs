// SPDX-License-Identifier: GPL-2.0

//! Compares how the kernel executes instructions itself with how this processor does.
//!
//! `decode`, `execute` and `insn` are the kernel's own files. A [`sample::Sample`] is an instruction
//! and a state. The processor executes it and stops after exactly one instruction
//! ([`processor`]), the kernel's files execute it on a copy of the same ([`machine`]), and both have
//! to leave the same behind. All samples come from numbers that are the same each time
//! ([`random`]), so that one which fails can be made again.

#![cfg(all(test, target_arch = "x86_64", target_os = "linux"))]

#[allow(dead_code, reason = "the kernel uses more of it")]
#[path = "../../../kernel/events/uprobes_rs/arch/x86/decode.rs"]
mod decode;
#[path = "../../../kernel/events/uprobes_rs/arch/x86/execute.rs"]
mod execute;
#[path = "../../../kernel/events/uprobes_rs/arch/x86/insn.rs"]
mod insn;

mod encode;
mod machine;
mod processor;
mod random;
mod sample;
mod state;
mod tests;
