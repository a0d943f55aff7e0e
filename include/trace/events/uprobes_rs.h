/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What rarely happens to uprobes, and explains why something was not seen.
 * (The system is not called "uprobes": that is the group of events that users
 * define in tracefs.)
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM uprobes_rs

#if !defined(_TRACE_UPROBES_RS_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_UPROBES_RS_H

#include <linux/tracepoint.h>

/* A return is not watched, because as many are pending as a thread may have. */
TRACE_EVENT(uprobe_return_omitted,
	TP_PROTO(unsigned long func),
	TP_ARGS(func),
	TP_STRUCT__entry(
		__field(unsigned long, func)
	),
	TP_fast_assign(
		__entry->func = func;
	),
	TP_printk("func=%#lx", __entry->func)
);

/*
 * A return has been pending for so long that its probe is counted from now on;
 * or, if the probe was going already, that nobody will hear of the return.
 */
TRACE_EVENT(uprobe_lease_expired,
	TP_PROTO(unsigned long func, bool kept),
	TP_ARGS(func, kept),
	TP_STRUCT__entry(
		__field(unsigned long, func)
		__field(bool, kept)
	),
	TP_fast_assign(
		__entry->func = func;
		__entry->kept = kept;
	),
	TP_printk("func=%#lx kept=%d", __entry->func, __entry->kept)
);

/* A slot is taken from one instruction and given to another. */
TRACE_EVENT(uprobe_slot_reclaimed,
	TP_PROTO(unsigned int slot),
	TP_ARGS(slot),
	TP_STRUCT__entry(
		__field(unsigned int, slot)
	),
	TP_fast_assign(
		__entry->slot = slot;
	),
	TP_printk("slot=%u", __entry->slot)
);

/* A consumer has gone, but a breakpoint could not be removed everywhere. */
TRACE_EVENT(uprobe_restore_failed,
	TP_PROTO(dev_t dev, u64 ino, loff_t offset, int error),
	TP_ARGS(dev, ino, offset, error),
	TP_STRUCT__entry(
		__field(dev_t, dev)
		__field(u64, ino)
		__field(loff_t, offset)
		__field(int, error)
	),
	TP_fast_assign(
		__entry->dev = dev;
		__entry->ino = ino;
		__entry->offset = offset;
		__entry->error = error;
	),
	TP_printk("dev=%u:%u ino=%llu offset=%#llx error=%d",
		  MAJOR(__entry->dev), MINOR(__entry->dev), __entry->ino,
		  __entry->offset, __entry->error)
);

#endif /* _TRACE_UPROBES_RS_H */

/* This part must be outside protection */
#include <trace/define_trace.h>
