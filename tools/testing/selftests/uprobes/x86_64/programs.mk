# SPDX-License-Identifier: GPL-2.0
# What only x86_64 has.

TEST_GEN_PROGS += attack_syscalls compat debugger emulated emulated_random
TEST_GEN_PROGS += emulated_traps optimised
TEST_GEN_FILES := compat_target.elf

# A 32-bit program that needs neither a 32-bit library nor its headers.
%/compat_target.elf: $(ARCH_DIR)/compat_target.S
	$(CC) -m32 -nostdlib -static -no-pie -o $@ $<
