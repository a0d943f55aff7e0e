// SPDX-License-Identifier: GPL-2.0
/*
 * The part of watching the Rust uprobes that must be C: counters of each CPU,
 * the switch for them, and the files in debugfs. What the files say comes from
 * list.rs and stats.rs.
 */
#include <linux/debugfs.h>
#include <linux/init.h>
#include <linux/jump_label.h>
#include <linux/percpu.h>
#include <linux/seq_file.h>

#include "shims.h"

struct uprobes_switch uprobes_statistics = { .key = STATIC_KEY_FALSE_INIT };
DEFINE_PER_CPU(struct uprobes_counts, uprobes_counts);

unsigned long uprobes_counted(unsigned int event)
{
	unsigned long sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu(uprobes_counts, cpu).of[event]);
	return sum;
}

#ifdef CONFIG_DEBUG_FS
static int statistics_get(void *data, u64 *on)
{
	*on = static_key_enabled(&uprobes_statistics.key.key);
	return 0;
}

static int statistics_set(void *data, u64 on)
{
	if (on > 1)
		return -EINVAL;
	if (on)
		static_branch_enable(&uprobes_statistics.key);
	else
		static_branch_disable(&uprobes_statistics.key);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(statistics_fops, statistics_get, statistics_set, "%llu\n");

static int stats_open(struct inode *inode, struct file *file)
{
	return single_open(file, uprobes_stats_show, NULL);
}

static const struct file_operations stats_fops = {
	.open		= stats_open,
	.read		= seq_read,
	.llseek		= seq_lseek,
	.release	= single_release,
};

static const struct seq_operations list_ops = {
	.start	= uprobes_list_start,
	.next	= uprobes_list_next,
	.stop	= uprobes_list_stop,
	.show	= uprobes_list_show,
};

static int list_open(struct inode *inode, struct file *file)
{
	return seq_open_private(file, &list_ops, sizeof(struct uprobes_cursor));
}

static const struct file_operations list_fops = {
	.open		= list_open,
	.read		= seq_read,
	.llseek		= seq_lseek,
	.release	= seq_release_private,
};

static int __init uprobes_debugfs_init(void)
{
	struct dentry *dir = debugfs_create_dir("uprobes", NULL);

	debugfs_create_file("list", 0400, dir, NULL, &list_fops);
	debugfs_create_file("stats", 0400, dir, NULL, &stats_fops);
	debugfs_create_file_unsafe("statistics", 0600, dir, NULL, &statistics_fops);
	return 0;
}
late_initcall(uprobes_debugfs_init);
#endif /* CONFIG_DEBUG_FS */
