// SPDX-License-Identifier: GPL-2.0
/*
 * The part of the Rust uprobes that must be C: objects whose initialisers are
 * C macros, defaults that an architecture may override, and exports. Nothing
 * here decides anything.
 */
#include <linux/export.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/notifier.h>
#include <linux/percpu-rwsem.h>
#include <linux/ratelimit.h>
#include <linux/seqlock.h>
#include <linux/srcu.h>
#include <linux/uprobes.h>

#include "shims.h"

DEFINE_PERCPU_RWSEM(uprobes_dup_mmap_sem);
DEFINE_SRCU_FAST_UPDOWN(uprobes_srcu);
DEFINE_SPINLOCK(uprobes_tree_lock);
seqcount_spinlock_t uprobes_tree_seq =
	SEQCNT_SPINLOCK_ZERO(uprobes_tree_seq, &uprobes_tree_lock);

DEFINE_RATELIMIT_STATE(uprobes_omission_ratelimit, DEFAULT_RATELIMIT_INTERVAL,
		       DEFAULT_RATELIMIT_BURST);

/* After kprobes and kgdb, before all others. */
struct notifier_block uprobes_exception_nb = {
	.notifier_call = arch_uprobe_exception_notify,
	.priority = INT_MAX - 1,
};

bool __weak is_swbp_insn(uprobe_opcode_t *insn)
{
	return *insn == UPROBE_SWBP_INSN;
}

bool __weak is_trap_insn(uprobe_opcode_t *insn)
{
	return is_swbp_insn(insn);
}

int __weak set_swbp(struct arch_uprobe *auprobe, struct vm_area_struct *vma, unsigned long vaddr)
{
	return uprobe_write_opcode(auprobe, vma, vaddr, UPROBE_SWBP_INSN, true);
}

int __weak set_orig_insn(struct arch_uprobe *auprobe, struct vm_area_struct *vma,
			 unsigned long vaddr)
{
	return uprobe_write_opcode(auprobe, vma, vaddr, *(uprobe_opcode_t *)&auprobe->insn, false);
}

unsigned long __weak uprobe_get_swbp_addr(struct pt_regs *regs)
{
	return instruction_pointer(regs) - UPROBE_SWBP_INSN_SIZE;
}

unsigned long __weak arch_uprobe_get_xol_area(void)
{
	return get_unmapped_area(NULL, TASK_SIZE - PAGE_SIZE, PAGE_SIZE, 0, 0);
}

void *__weak arch_uretprobe_trampoline(unsigned long *psize)
{
	static uprobe_opcode_t breakpoint = UPROBE_SWBP_INSN;

	*psize = UPROBE_SWBP_INSN_SIZE;
	return &breakpoint;
}

void __weak arch_uprobe_copy_ixol(struct page *page, unsigned long vaddr, void *src,
				  unsigned long len)
{
	memcpy_to_page(page, offset_in_page(vaddr), src, len);
}

bool __weak arch_uretprobe_is_alive(struct return_instance *ret, enum rp_check ctx,
				    struct pt_regs *regs)
{
	return true;
}

void __weak arch_uprobe_optimize(struct arch_uprobe *auprobe, unsigned long vaddr)
{
}

EXPORT_SYMBOL_GPL(uprobe_register);
EXPORT_SYMBOL_GPL(uprobe_unregister_nosync);
EXPORT_SYMBOL_GPL(uprobe_unregister_sync);
