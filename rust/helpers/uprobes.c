// SPDX-License-Identifier: GPL-2.0
/*
 * What the Rust implementation of uprobes, and the abstractions in the kernel
 * crate that came with it, need of C macros and inline functions. Each function
 * does nothing but to call the one that it is named after.
 */

#include <linux/percpu-rwsem.h>
#include <linux/rcupdate_trace.h>
#include <linux/seqlock.h>
#include <linux/srcu.h>

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
