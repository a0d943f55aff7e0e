// SPDX-License-Identifier: GPL-2.0
/*
 * Counting how often the kernel calls one of its functions: a kprobe of perf's
 * on each CPU, which counts what that CPU executes, whoever it does it for.
 */
#include <err.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "uprobe_test.h"

int calls_open(struct call_counter *counter, const char *function)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.kprobe_func = (uintptr_t)function,
	};

	counter->cpus = 0;
	if (!function)
		return 0;
	attr.type = pmu_number("kprobe", "type", "%lu");
	for (int cpu = 0; cpu < sysconf(_SC_NPROCESSORS_ONLN); cpu++) {
		int fd = syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);

		if (fd < 0)
			return -errno;
		if (cpu >= CALLS_MAX_CPUS)
			errx(EXIT_FAILURE, "more than %d processors", CALLS_MAX_CPUS);
		counter->fds[counter->cpus++] = fd;
	}
	return 0;
}

long long calls(const struct call_counter *counter)
{
	long long sum = 0;

	for (int i = 0; i < counter->cpus; i++)
		sum += hits(counter->fds[i]);
	return sum;
}

void calls_close(struct call_counter *counter)
{
	while (counter->cpus)
		close(counter->fds[--counter->cpus]);
}
