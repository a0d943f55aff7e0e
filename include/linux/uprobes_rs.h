/* SPDX-License-Identifier: GPL-2.0 */
/* What an architecture may ask of uprobes beside <linux/uprobes.h>. */
#ifndef _LINUX_UPROBES_RS_H
#define _LINUX_UPROBES_RS_H

#include <linux/types.h>

#ifdef CONFIG_UPROBES_RUST
/*
 * Is @ip of the current process in code of the architecture? @check looks at
 * the mappings, which is left out while the thread remembers the answer. May
 * sleep.
 */
extern bool uprobe_check_trampoline(unsigned long ip, bool (*check)(unsigned long ip));
#else
#define uprobe_check_trampoline(ip, check)	check(ip)
#endif

#endif /* _LINUX_UPROBES_RS_H */
