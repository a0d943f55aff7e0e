// SPDX-License-Identifier: GPL-2.0
/*
 * Places, perf events, mappings and code files: see uprobe_test.h.
 *
 * Whatever can only fail because the machine lacks what config asks for ends
 * the test at once with a message, so that a caller has nothing to check.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "uprobe_test.h"

#define SYSLOG_ACTION_READ_ALL	3

bool implementation_is_rust(void)
{
	static char log[1 << 20];
	int size = klogctl(SYSLOG_ACTION_READ_ALL, log, sizeof(log) - 1);

	return size > 0 && strstr(log, "uprobe: implementation: rust");
}

unsigned long pmu_number(const char *pmu, const char *file, const char *format)
{
	unsigned long value;
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/bus/event_source/devices/%s/%s", pmu, file);
	f = fopen(path, "r");
	if (!f || fscanf(f, format, &value) != 1)
		err(EXIT_FAILURE, "%s", path);
	fclose(f);
	return value;
}

/* What the machine calls its uprobes; read once, because a test may be short of memory later. */
static const struct pmu {
	unsigned long type, retprobe, ref_ctr;
} *uprobe_pmu(void)
{
	static struct pmu pmu;

	if (!pmu.type) {
		pmu.retprobe = pmu_number("uprobe", "format/retprobe", "config:%lu");
		pmu.ref_ctr = pmu_number("uprobe", "format/ref_ctr_offset",
					 "config:%lu");
		pmu.type = pmu_number("uprobe", "type", "%lu");
	}
	return &pmu;
}

int probe_open(const struct probe_spec *spec)
{
	const struct pmu *pmu = uprobe_pmu();
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = pmu->type,
		.uprobe_path = (uintptr_t)spec->place.path,
		.probe_offset = spec->place.offset,
		.disabled = spec->enable_on_exec,
		.enable_on_exec = spec->enable_on_exec,
	};
	int fd;

	if (spec->kind == PROBE_RETURN)
		attr.config |= 1UL << pmu->retprobe;
	attr.config |= spec->ref_ctr_offset << pmu->ref_ctr;
	fd = syscall(SYS_perf_event_open, &attr, spec->pid, spec->cpu, -1, PERF_FLAG_FD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int probe_self_at(struct place place, enum probe_kind kind)
{
	struct probe_spec spec = { .place = place, .kind = kind, .pid = 0, .cpu = -1 };

	return probe_open(&spec);
}

int probe_self(const void *addr, enum probe_kind kind)
{
	return probe_self_at(place_of(addr), kind);
}

int probe_cpu0_at(struct place place, enum probe_kind kind)
{
	struct probe_spec spec = { .place = place, .kind = kind, .pid = -1, .cpu = 0 };

	return probe_open(&spec);
}

int probe_cpu0(const void *addr, enum probe_kind kind)
{
	return probe_cpu0_at(place_of(addr), kind);
}

long long hits(int probe)
{
	long long count;

	if (read(probe, &count, sizeof(count)) != sizeof(count))
		err(EXIT_FAILURE, "read a perf event");
	return count;
}

void run_on_cpu0(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		err(EXIT_FAILURE, "sched_setaffinity");
}

/* Calls @match for each mapping of this process until it returns true. */
static bool walk_mappings(bool (*match)(const struct mapping *mapping, unsigned long offset,
					const char *name, void *arg), void *arg)
{
	char line[PATH_MAX + 128];
	bool found = false;
	FILE *f = fopen("/proc/self/maps", "r");

	if (!f)
		err(EXIT_FAILURE, "/proc/self/maps");
	while (!found && fgets(line, sizeof(line), f)) {
		struct mapping m;
		unsigned long offset;
		int name = 0;

		if (sscanf(line, "%lx-%lx %4s %lx %*s %*s %n",
			   &m.start, &m.end, m.perms, &offset, &name) < 4)
			continue;
		line[strcspn(line, "\n")] = '\0';
		found = match(&m, offset, line + name, arg);
	}
	fclose(f);
	return found;
}

struct place_search {
	unsigned long addr;
	struct place *place;
};

static bool holds_addr(const struct mapping *mapping, unsigned long offset,
		       const char *name, void *arg)
{
	struct place_search *search = arg;

	if (search->addr < mapping->start || search->addr >= mapping->end)
		return false;
	strncpy(search->place->path, name, PATH_MAX - 1);
	search->place->offset = offset + (search->addr - mapping->start);
	return true;
}

struct place place_of(const void *addr)
{
	struct place place = {};
	struct place_search search = { (unsigned long)addr, &place };

	if (!walk_mappings(holds_addr, &search))
		errx(EXIT_FAILURE, "%p is not mapped", addr);
	return place;
}

struct place place_in_fd(int fd, unsigned long offset)
{
	struct place place = { .offset = offset };

	snprintf(place.path, sizeof(place.path), "/proc/%d/fd/%d", getpid(), fd);
	return place;
}

struct name_search {
	const char *name;
	struct mapping *mapping;
};

static bool has_name(const struct mapping *mapping, unsigned long offset,
		     const char *name, void *arg)
{
	struct name_search *search = arg;

	if (strcmp(name, search->name))
		return false;
	*search->mapping = *mapping;
	return true;
}

bool find_mapping(const char *name, struct mapping *mapping)
{
	struct name_search search = { name, mapping };

	return walk_mappings(has_name, &search);
}

int run_in_child(void (*fn)(void *arg), void *arg)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		err(EXIT_FAILURE, "fork");
	if (!pid) {
		fn(arg);
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid)
		err(EXIT_FAILURE, "waitpid");
	return status;
}

int code_file(int pages)
{
	int fd = memfd_create("uprobe_code", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, pages * sysconf(_SC_PAGESIZE)))
		err(EXIT_FAILURE, "memfd_create");
	return fd;
}

void code_write(int fd, unsigned long offset, const void *code, size_t size)
{
	if (pwrite(fd, code, size, offset) != (ssize_t)size)
		err(EXIT_FAILURE, "write code");
}

void *code_map(int fd, int pages, int prot)
{
	void *map = mmap(NULL, pages * sysconf(_SC_PAGESIZE), prot, MAP_PRIVATE, fd, 0);

	if (map == MAP_FAILED)
		err(EXIT_FAILURE, "map code");
	return map;
}

long many_call(int i, long x)
{
	return ((long (*)(long))(many + i * MANY_STRIDE))(x);
}

long code_call(const void *code)
{
	return ((long (*)(void))code)();
}

bool page_is_private_copy(const void *addr)
{
	const uint64_t present = 1ULL << 63, of_file = 1ULL << 61;
	unsigned long page = (unsigned long)addr / sysconf(_SC_PAGESIZE);
	uint64_t entry;
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || pread(fd, &entry, sizeof(entry), page * sizeof(entry)) != sizeof(entry))
		err(EXIT_FAILURE, "/proc/self/pagemap");
	close(fd);
	return (entry & present) && !(entry & of_file);
}
