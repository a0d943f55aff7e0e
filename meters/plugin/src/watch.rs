// SPDX-License-Identifier: GPL-2.0

//! What is done with each instruction when QEMU translates it.

use crate::state;
use hit_book::{Access, LINE_BYTES, Mark, Mode};
use qemu_plugin::{
    Instruction, MemRW, MemoryInfo, PluginId, TranslationBlock, VCPUIndex,
    qemu_plugin_register_vcpu_tb_trans_cb, sys::qemu_plugin_tb,
};

/// Kernels of both architectures are in the upper half of the address space.
const KERNEL: u64 = 1 << 63;

/// Looks for nothing but the mark that says when to begin.
pub(crate) extern "C" fn await_first_mark(id: PluginId, tb: *mut qemu_plugin_tb) {
    let block = TranslationBlock::from(tb);
    if block.vaddr() >= KERNEL {
        return;
    }
    for instruction in block.instructions() {
        if Mark::decode(&instruction.data()) == Some(Mark::Watch) {
            instruction.register_execute_callback(move |_| begin(id));
        }
    }
}

/// Has everything translated anew, and watched.
///
/// The crate's own `qemu_plugin_reset` calls what `qemu_plugin_uninstall` was
/// given, which is nothing.
#[expect(unsafe_code)]
fn begin(id: PluginId) {
    // SAFETY: QEMU gave this number to this plugin, it stays loaded, and what is to be called is
    // a function that may be called by any thread.
    unsafe { qemu_plugin::sys::qemu_plugin_reset(id, Some(when_reset)) };
}

/// QEMU has forgotten its translations, and all that was registered.
extern "C" fn when_reset(id: PluginId) {
    qemu_plugin_register_vcpu_tb_trans_cb(id, Some(watch)).expect("registering does not fail");
}

extern "C" fn watch(_: PluginId, tb: *mut qemu_plugin_tb) {
    let block = TranslationBlock::from(tb);
    for instruction in block.instructions() {
        if block.vaddr() >= KERNEL {
            watch_kernel(&instruction);
        } else if let Some(mark) = Mark::decode(&instruction.data()) {
            instruction.register_execute_callback(move |vcpu| state::get().reach(mark, vcpu));
        }
    }
}

fn watch_kernel(instruction: &Instruction) {
    let options = &state::get().options;
    let pc = instruction.vaddr();
    if options.interrupts.contains(&pc) {
        instruction.register_execute_callback(|vcpu| state::get().ledger(vcpu).disturb());
    }
    match options.mode {
        Mode::Lines => instruction.register_memory_access_callback(
            move |vcpu, memory, address| access(vcpu, pc, &memory, address),
            MemRW::QEMU_PLUGIN_MEM_RW,
        ),
        Mode::Instructions => {
            instruction
                .register_execute_callback(move |vcpu| state::get().ledger(vcpu).execute(pc));
        }
    }
}

/// Books an access; one that crosses into the next line counts for the line that it begins in.
fn access(vcpu: VCPUIndex, pc: u64, memory: &MemoryInfo, address: u64) {
    let mut ledger = state::get().ledger(vcpu);
    if !ledger.is_open() {
        return;
    }
    let Some(physical) = memory.hwaddr(address).filter(|place| !place.is_io()) else {
        return;
    };
    ledger.access(Access {
        line: physical.hwaddr() / LINE_BYTES,
        address,
        pc,
        store: memory.is_store(),
    });
}
