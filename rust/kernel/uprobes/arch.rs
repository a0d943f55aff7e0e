// SPDX-License-Identifier: GPL-2.0

//! What depends on the architecture: how many arguments of a function are in registers.
//!
//! Everything else that [`Registers`] offers is there under the same name on each of them.

use super::Registers;
use crate::bindings;

/// How many arguments the calling convention of 64-bit programs has in registers, and that of 32-bit
/// ones.
#[cfg(CONFIG_X86_64)]
const IN_REGISTERS: (usize, usize) = (6, 0);
#[cfg(CONFIG_ARM64)]
const IN_REGISTERS: (usize, usize) = (8, 4);

/// Argument number `index`, if the program's calling convention has it in a register.
#[inline]
pub(super) fn argument(regs: &Registers, index: usize) -> Option<usize> {
    let (of_64bit, of_32bit) = IN_REGISTERS;
    // SAFETY: The registers are valid.
    let is_64bit = unsafe { bindings::uprobes_user_is_64bit(regs.as_ptr()) };
    if index >= if is_64bit { of_64bit } else { of_32bit } {
        return None;
    }
    // SAFETY: The registers are valid. As the argument is in one, the stack is not looked at.
    Some(unsafe { bindings::regs_get_kernel_argument(regs.as_ptr(), index as u32) })
}
