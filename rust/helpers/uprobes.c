// SPDX-License-Identifier: GPL-2.0
/*
 * What the Rust implementation of uprobes, and the abstractions in the kernel
 * crate that came with it, need of C macros and inline functions. Each function
 * does nothing but to call the one that it is named after.
 */

#include <linux/dcache.h>
#include <linux/fs.h>
#include <linux/khugepaged.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/oom.h>
#include <linux/pagemap.h>
#include <linux/pagewalk.h>
#include <linux/percpu-rwsem.h>
#include <linux/ptrace.h>
#include <linux/rculist.h>
#include <linux/rcupdate_trace.h>
#include <linux/rmap.h>
#include <linux/sched/signal.h>
#include <linux/seqlock.h>
#include <linux/shmem_fs.h>
#include <linux/srcu.h>
#include <linux/swap.h>
#include <linux/timer.h>
#include <linux/uaccess.h>
#include <linux/uprobes.h>
#include <linux/userfaultfd_k.h>
#include <linux/workqueue.h>

#include "../../kernel/events/uprobes_rs/shims.h"

// `kernel::sync`: Tasks Trace RCU.
#ifdef CONFIG_TASKS_TRACE_RCU
__rust_helper void rust_helper_rcu_read_lock_trace(void)
{
	rcu_read_lock_trace();
}

__rust_helper void rust_helper_rcu_read_unlock_trace(void)
{
	rcu_read_unlock_trace();
}

__rust_helper int rust_helper_rcu_read_lock_trace_held(void)
{
	return rcu_read_lock_trace_held();
}

__rust_helper void rust_helper_synchronize_rcu_tasks_trace(void)
{
	synchronize_rcu_tasks_trace();
}

__rust_helper void rust_helper_call_rcu_tasks_trace(struct rcu_head *head,
						    rcu_callback_t func)
{
	call_rcu_tasks_trace(head, func);
}
#endif /* CONFIG_TASKS_TRACE_RCU */

// `kernel::sync`: SRCU-fast-updown.
__rust_helper struct srcu_ctr __percpu *
rust_helper_srcu_read_lock_fast_updown(struct srcu_struct *ssp)
{
	return srcu_read_lock_fast_updown(ssp);
}

__rust_helper void
rust_helper_srcu_read_unlock_fast_updown(struct srcu_struct *ssp,
					 struct srcu_ctr __percpu *scp)
{
	srcu_read_unlock_fast_updown(ssp, scp);
}

__rust_helper struct srcu_ctr __percpu *
rust_helper_srcu_down_read_fast(struct srcu_struct *ssp)
{
	return srcu_down_read_fast(ssp);
}

__rust_helper void rust_helper_srcu_up_read_fast(struct srcu_struct *ssp,
						 struct srcu_ctr __percpu *scp)
{
	srcu_up_read_fast(ssp, scp);
}

__rust_helper int rust_helper_srcu_read_lock_held(const struct srcu_struct *ssp)
{
	return srcu_read_lock_held(ssp);
}

// `kernel::sync`: per-CPU reader/writer semaphores.
__rust_helper void rust_helper_percpu_down_read(struct percpu_rw_semaphore *sem)
{
	percpu_down_read(sem);
}

__rust_helper void rust_helper_percpu_up_read(struct percpu_rw_semaphore *sem)
{
	percpu_up_read(sem);
}

// `kernel::sync`: sequence counts. The C macros are generic in the type of the
// count; "_spinlock" in a name says that it is `seqcount_spinlock_t`.
__rust_helper void
rust_helper_write_seqcount_spinlock_begin(seqcount_spinlock_t *s)
{
	write_seqcount_begin(s);
}

__rust_helper void
rust_helper_write_seqcount_spinlock_end(seqcount_spinlock_t *s)
{
	write_seqcount_end(s);
}

__rust_helper unsigned int
rust_helper_read_seqcount_spinlock_begin(const seqcount_spinlock_t *s)
{
	return read_seqcount_begin(s);
}

__rust_helper int rust_helper_read_seqcount_retry(const seqcount_t *s,
						  unsigned int start)
{
	return read_seqcount_retry(s, start);
}

__rust_helper bool rust_helper_raw_seqcount_try_begin(const seqcount_t *s,
						      unsigned int *start)
{
	return raw_seqcount_try_begin(s, *start);
}

__rust_helper void rust_helper_raw_write_seqcount_begin(seqcount_t *s)
{
	raw_write_seqcount_begin(s);
}

__rust_helper void rust_helper_raw_write_seqcount_end(seqcount_t *s)
{
	raw_write_seqcount_end(s);
}

__rust_helper void rust_helper___seqcount_init(seqcount_t *s, const char *name,
					       struct lock_class_key *key)
{
	__seqcount_init(s, name, key);
}

/* Address spaces and pages (uprobes_rs: mm.rs, breakpoint.rs) */
__rust_helper bool
rust_helper_mm_flags_test(int flag, const struct mm_struct *mm)
{
	return mm_flags_test(flag, mm);
}

__rust_helper void rust_helper_mm_flags_set(int flag, struct mm_struct *mm)
{
	mm_flags_set(flag, mm);
}

__rust_helper void rust_helper_mm_flags_clear(int flag, struct mm_struct *mm)
{
	mm_flags_clear(flag, mm);
}

__rust_helper void rust_helper_mmap_write_lock(struct mm_struct *mm)
{
	mmap_write_lock(mm);
}

__rust_helper int rust_helper_mmap_write_lock_killable(struct mm_struct *mm)
{
	return mmap_write_lock_killable(mm);
}

__rust_helper void rust_helper_mmap_write_unlock(struct mm_struct *mm)
{
	mmap_write_unlock(mm);
}

__rust_helper vm_fault_t
rust_helper_check_stable_address_space(struct mm_struct *mm)
{
	return check_stable_address_space(mm);
}

__rust_helper void
rust_helper_vma_iter_init(struct vma_iterator *vmi, struct mm_struct *mm,
			  unsigned long addr)
{
	vma_iter_init(vmi, mm, addr);
}

__rust_helper struct vm_area_struct *
rust_helper_vma_next(struct vma_iterator *vmi)
{
	return vma_next(vmi);
}

__rust_helper pgoff_t
rust_helper_vma_start_pgoff(const struct vm_area_struct *vma)
{
	return vma_start_pgoff(vma);
}

__rust_helper bool
rust_helper_vma_is_cow_mapping(const struct vm_area_struct *vma)
{
	return vma_is_cow_mapping(vma);
}

__rust_helper bool rust_helper_userfaultfd_missing(struct vm_area_struct *vma)
{
	return userfaultfd_missing(vma);
}

__rust_helper bool
rust_helper_userfaultfd_pte_wp(struct vm_area_struct *vma, pte_t pte)
{
	return userfaultfd_pte_wp(vma, pte);
}

__rust_helper struct inode *rust_helper_file_inode(const struct file *f)
{
	return file_inode(f);
}

__rust_helper loff_t rust_helper_i_size_read(const struct inode *inode)
{
	return i_size_read(inode);
}

__rust_helper void rust_helper_i_mmap_lock_read(struct address_space *mapping)
{
	i_mmap_lock_read(mapping);
}

__rust_helper void rust_helper_i_mmap_unlock_read(struct address_space *mapping)
{
	i_mmap_unlock_read(mapping);
}

__rust_helper bool
rust_helper_shmem_mapping(const struct address_space *mapping)
{
	return shmem_mapping(mapping);
}

__rust_helper int rust_helper_fatal_signal_pending(struct task_struct *p)
{
	return fatal_signal_pending(p);
}

__rust_helper void rust_helper_put_page(struct page *page)
{
	put_page(page);
}

__rust_helper struct folio *rust_helper_page_folio(struct page *page)
{
	return page_folio(page);
}

__rust_helper int rust_helper_PageAnonExclusive(const struct page *page)
{
	return PageAnonExclusive(page);
}

__rust_helper int
rust_helper_pages_identical(struct page *page1, struct page *page2)
{
	return pages_identical(page1, page2);
}

__rust_helper bool rust_helper_folio_test_anon(const struct folio *folio)
{
	return folio_test_anon(folio);
}

__rust_helper bool rust_helper_folio_is_zone_device(const struct folio *folio)
{
	return folio_is_zone_device(folio);
}

__rust_helper bool rust_helper_folio_test_uptodate(struct folio *folio)
{
	return folio_test_uptodate(folio);
}

__rust_helper bool rust_helper_folio_test_swapcache(const struct folio *folio)
{
	return folio_test_swapcache(folio);
}

__rust_helper bool rust_helper_folio_test_pmd_mappable(struct folio *folio)
{
	return folio_test_pmd_mappable(folio);
}

__rust_helper bool rust_helper_folio_mapped(const struct folio *folio)
{
	return folio_mapped(folio);
}

__rust_helper int rust_helper_folio_ref_count(const struct folio *folio)
{
	return folio_ref_count(folio);
}

__rust_helper int
rust_helper_folio_expected_ref_count(const struct folio *folio)
{
	return folio_expected_ref_count(folio);
}

__rust_helper bool rust_helper_folio_trylock(struct folio *folio)
{
	return folio_trylock(folio);
}

__rust_helper bool rust_helper_folio_free_swap(struct folio *folio)
{
	return folio_free_swap(folio);
}

__rust_helper void rust_helper_folio_get(struct folio *folio)
{
	folio_get(folio);
}

__rust_helper void rust_helper_folio_put(struct folio *folio)
{
	folio_put(folio);
}

__rust_helper struct page *
rust_helper_folio_file_page(struct folio *folio, pgoff_t index)
{
	return folio_file_page(folio, index);
}

__rust_helper struct folio *
rust_helper_filemap_get_folio(struct address_space *mapping, pgoff_t index)
{
	return filemap_get_folio(mapping, index);
}

__rust_helper void
rust_helper_folio_remove_rmap_pte(struct folio *folio, struct page *page,
				  struct vm_area_struct *vma)
{
	folio_remove_rmap_pte(folio, page, vma);
}

__rust_helper void rust_helper_dec_mm_counter(struct mm_struct *mm, int member)
{
	dec_mm_counter(mm, member);
}

__rust_helper void
rust_helper_collapse_pte_mapped_thp(struct mm_struct *mm, unsigned long addr,
				    bool install_pmd)
{
	collapse_pte_mapped_thp(mm, addr, install_pmd);
}

__rust_helper void
rust_helper_folio_walk_end(struct folio_walk *fw, struct vm_area_struct *vma)
{
	folio_walk_end(fw, vma);
}

__rust_helper bool rust_helper_pte_write(pte_t pte)
{
	return pte_write(pte);
}

__rust_helper unsigned long rust_helper_pte_pfn(pte_t pte)
{
	return pte_pfn(pte);
}

__rust_helper pte_t rust_helper_pte_mkdirty(pte_t pte)
{
	return pte_mkdirty(pte);
}

__rust_helper void
rust_helper_set_pte_at(struct mm_struct *mm, unsigned long addr, pte_t *ptep,
		       pte_t pte)
{
	set_pte_at(mm, addr, ptep, pte);
}

__rust_helper void
rust_helper_flush_cache_page(struct vm_area_struct *vma, unsigned long addr,
			     unsigned long pfn)
{
	flush_cache_page(vma, addr, pfn);
}

__rust_helper void
rust_helper_copy_to_user_page(struct vm_area_struct *vma, struct page *page, unsigned long vaddr,
			      void *dst, const void *src, unsigned long len)
{
	copy_to_user_page(vma, page, vaddr, dst, src, len);
}

__rust_helper void rust_helper_flush_dcache_page(struct page *page)
{
	flush_dcache_page(page);
}

__rust_helper void
rust_helper_mmu_notifier_range_init_clear(struct mmu_notifier_range *range,
					  struct mm_struct *mm,
					  unsigned long start,
					  unsigned long end)
{
	mmu_notifier_range_init(range, MMU_NOTIFY_CLEAR, 0, mm, start, end);
}

__rust_helper void
rust_helper_mmu_notifier_invalidate_range_start(
						struct mmu_notifier_range *range)
{
	mmu_notifier_invalidate_range_start(range);
}

__rust_helper void
rust_helper_mmu_notifier_invalidate_range_end(struct mmu_notifier_range *range)
{
	mmu_notifier_invalidate_range_end(range);
}

// Probes, consumers, threads and traps (uprobes_rs).
__rust_helper void rust_helper_list_add_rcu(struct list_head *entry,
					    struct list_head *head)
{
	list_add_rcu(entry, head);
}

__rust_helper void rust_helper_list_del_rcu(struct list_head *entry)
{
	list_del_rcu(entry);
}

__rust_helper bool rust_helper_refcount_inc_not_zero(refcount_t *r)
{
	return refcount_inc_not_zero(r);
}

__rust_helper void rust_helper_init_and_schedule_work(struct work_struct *work,
						      work_func_t func)
{
	INIT_WORK(work, func);
	schedule_work(work);
}

__rust_helper long rust_helper_work_on_cpu(int cpu, long (*fn)(void *), void *arg)
{
	return work_on_cpu(cpu, fn, arg);
}

__rust_helper struct page *
rust_helper_read_mapping_page(struct address_space *mapping, pgoff_t index,
			      struct file *file)
{
	return read_mapping_page(mapping, index, file);
}

__rust_helper struct page *
rust_helper_shmem_read_mapping_page(struct address_space *mapping,
				    pgoff_t index)
{
	return shmem_read_mapping_page(mapping, index);
}

__rust_helper void rust_helper_get_page(struct page *page)
{
	get_page(page);
}

__rust_helper unsigned long
rust_helper_instruction_pointer(struct pt_regs *regs)
{
	return instruction_pointer(regs);
}

__rust_helper void rust_helper_instruction_pointer_set(struct pt_regs *regs,
						       unsigned long ip)
{
	instruction_pointer_set(regs, ip);
}

__rust_helper unsigned long rust_helper_user_stack_pointer(struct pt_regs *regs)
{
	return user_stack_pointer(regs);
}

__rust_helper void rust_helper_timer_setup(struct timer_list *timer,
					   void (*func)(struct timer_list *),
					   unsigned int flags)
{
	timer_setup(timer, func, flags);
}

__rust_helper bool rust_helper_timer_pending(const struct timer_list *timer)
{
	return timer_pending(timer);
}

__rust_helper unsigned long rust_helper_get_jiffies(void)
{
	return jiffies;
}

__rust_helper void rust_helper_set_thread_flag(int flag)
{
	set_thread_flag(flag);
}

__rust_helper void rust_helper_clear_thread_flag(int flag)
{
	clear_thread_flag(flag);
}

__rust_helper bool rust_helper_task_sigpending(struct task_struct *task)
{
	return task_sigpending(task);
}

__rust_helper bool rust_helper___fatal_signal_pending(struct task_struct *task)
{
	return __fatal_signal_pending(task);
}

__rust_helper bool
rust_helper_mmap_lock_speculate_try_begin(struct mm_struct *mm,
					  unsigned int *seq)
{
	return mmap_lock_speculate_try_begin(mm, seq);
}

__rust_helper bool
rust_helper_mmap_lock_speculate_retry(struct mm_struct *mm, unsigned int seq)
{
	return mmap_lock_speculate_retry(mm, seq);
}

// `kernel::fs::Path`.
__rust_helper bool rust_helper_d_is_reg(const struct dentry *dentry)
{
	return d_is_reg(dentry);
}

__rust_helper struct inode *
rust_helper_d_real_inode(const struct dentry *dentry)
{
	return d_real_inode(dentry);
}

// `kernel::uprobes`: registers.
#ifdef CONFIG_HAVE_FUNCTION_ARG_ACCESS_API
__rust_helper unsigned long
rust_helper_regs_get_kernel_argument(struct pt_regs *regs, unsigned int n)
{
	return regs_get_kernel_argument(regs, n);
}

__rust_helper unsigned long rust_helper_regs_return_value(struct pt_regs *regs)
{
	return regs_return_value(regs);
}

__rust_helper bool rust_helper_uprobes_user_is_64bit(struct pt_regs *regs)
{
	return uprobes_user_is_64bit(regs);
}
#endif

// Fields whose place depends on the architecture.
#ifdef CONFIG_UPROBES
__rust_helper void *rust_helper_uprobe_insn(struct arch_uprobe *auprobe)
{
	return &auprobe->insn;
}

__rust_helper void *rust_helper_uprobe_ixol(struct arch_uprobe *auprobe)
{
	return &auprobe->ixol;
}

__rust_helper void
rust_helper_kfree_rcu_return_instance(struct return_instance *ri)
{
	kfree_rcu(ri, rcu);
}
#endif /* CONFIG_UPROBES */

// User memory, in one piece: what copies any number of bytes may do it in several.
#ifdef CONFIG_UPROBES_RUST
__rust_helper void rust_helper_pagefault_disable(void)
{
	pagefault_disable();
}

__rust_helper void rust_helper_pagefault_enable(void)
{
	pagefault_enable();
}

__rust_helper bool rust_helper_uprobes_cpu_watches_memory(void)
{
	return uprobes_cpu_watches_memory();
}

__rust_helper int rust_helper_get_user_u8(u8 *to, const u8 __user *from)
{
	return get_user(*to, from);
}

__rust_helper int rust_helper_get_user_u32(u32 *to, const u32 __user *from)
{
	return get_user(*to, from);
}

__rust_helper int rust_helper_get_user_u64(u64 *to, const u64 __user *from)
{
	return get_user(*to, from);
}

__rust_helper int rust_helper_put_user_u8(u8 value, u8 __user *to)
{
	return put_user(value, to);
}

__rust_helper int rust_helper_put_user_u32(u32 value, u32 __user *to)
{
	return put_user(value, to);
}

__rust_helper int rust_helper_put_user_u64(u64 value, u64 __user *to)
{
	return put_user(value, to);
}

__rust_helper void rust_helper_uprobes_count(unsigned int event, unsigned long number)
{
	this_cpu_add(uprobes_counts.of[event], number);
}
#endif /* CONFIG_UPROBES_RUST */
