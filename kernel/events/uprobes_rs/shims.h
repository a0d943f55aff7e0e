/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What C and the Rust uprobes tell each other about beside
 * include/linux/uprobes.h: the headers that bindgen must see, constants it
 * cannot evaluate, and the objects that only C can define (shims.c).
 */
#ifndef _UPROBES_RS_SHIMS_H
#define _UPROBES_RS_SHIMS_H

#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/kdebug.h>
#include <linux/jump_label.h>
#include <linux/khugepaged.h>
#include <linux/mmu_notifier.h>
#include <linux/oom.h>
#include <linux/pagemap.h>
#include <linux/pagewalk.h>
#include <linux/percpu.h>
#include <linux/percpu-rwsem.h>
#include <linux/ptrace.h>
#include <linux/ratelimit_types.h>
#include <linux/rcupdate_trace.h>
#include <linux/rmap.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/seq_file.h>
#include <linux/seqlock.h>
#include <linux/shmem_fs.h>
#include <linux/srcu.h>
#include <linux/swap.h>
#include <linux/task_work.h>
#include <linux/timer.h>
#include <linux/uaccess.h>
#include <linux/uprobes.h>
#include <linux/uprobes_rs.h>
#include <trace/events/uprobes_rs.h>

/* Keeps fork from copying an address space while a probe is placed or taken away. */
extern struct percpu_rw_semaphore uprobes_dup_mmap_sem;

/* Readers are pending returns; see lease.rs. */
extern struct srcu_struct uprobes_srcu;

/* Writers of the probe tree; see tree.rs. */
extern spinlock_t uprobes_tree_lock;
extern seqcount_spinlock_t uprobes_tree_seq;

/* Limits what is said about returns that are not watched; see uretprobe.rs. */
extern struct ratelimit_state uprobes_omission_ratelimit;

/* Hears of breakpoint and single-step traps, through the architecture. */
extern struct notifier_block uprobes_exception_nb;

/* Is what happens at each hit counted? See stats.rs. */
struct uprobes_switch {
	struct static_key_false key;
};
extern struct uprobes_switch uprobes_statistics;

/* As many as stats.rs has events. */
#define UPROBES_EVENTS	11

struct uprobes_counts {
	unsigned long of[UPROBES_EVENTS];
};
DECLARE_PER_CPU(struct uprobes_counts, uprobes_counts);

/* What all CPUs have counted. */
unsigned long uprobes_counted(unsigned int event);

int uprobes_stats_show(struct seq_file *m, void *data);

/* Where a reader of the list of probes is; see list.rs. */
struct uprobes_cursor {
	struct inode *inode;
	loff_t offset;
};

void *uprobes_list_start(struct seq_file *m, loff_t *pos);
void *uprobes_list_next(struct seq_file *m, void *v, loff_t *pos);
void uprobes_list_stop(struct seq_file *m, void *v);
int uprobes_list_show(struct seq_file *m, void *v);

/* Whether a thread with these user registers executes 64-bit code. */
#if defined(CONFIG_X86_64)
#define uprobes_user_is_64bit(regs)	user_64bit_mode(regs)
#elif defined(CONFIG_ARM64)
#define uprobes_user_is_64bit(regs)	(!compat_user_mode(regs))
#else
#define uprobes_user_is_64bit(regs)	IS_ENABLED(CONFIG_64BIT)
#endif

#if defined(CONFIG_X86_64)
#include <asm/debugreg.h>
#endif

/* Whether this CPU would tell a debugger of an access to memory. */
#if defined(CONFIG_X86_64)
#define uprobes_cpu_watches_memory()	(raw_cpu_read(cpu_dr7) & DR_GLOBAL_ENABLE_MASK)
#else
#define uprobes_cpu_watches_memory()	false
#endif

#ifdef __BINDGEN__
/*
 * Whether bindgen can evaluate the original macros depends on the architecture
 * and the configuration, hence names of their own.
 */
const vm_flags_t RUST_CONST_HELPER_UPROBES_VM_SEALED_SYSMAP = VM_SEALED_SYSMAP;
const size_t RUST_CONST_HELPER_UPROBE_INSN_BYTES = sizeof(((struct arch_uprobe *)0)->insn);
const size_t RUST_CONST_HELPER_UPROBE_IXOL_BYTES = sizeof(((struct arch_uprobe *)0)->ixol);
const size_t RUST_CONST_HELPER_UPROBES_XOL_SLOT_BYTES = UPROBE_XOL_SLOT_BYTES;
const uprobe_opcode_t RUST_CONST_HELPER_UPROBES_SWBP_INSN = UPROBE_SWBP_INSN;
const size_t RUST_CONST_HELPER_UPROBES_SWBP_INSN_SIZE = UPROBE_SWBP_INSN_SIZE;
#endif

#endif /* _UPROBES_RS_SHIMS_H */
