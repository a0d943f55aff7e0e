/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of uprobes share: naming a place in a file, attaching a probe
 * to it, counting its hits, and looking at one's own address space.
 *
 * Two ways of counting, because each is exact for something else:
 *  - a perf event counts the hits of one thread, or of everything that runs on
 *    one CPU; it goes away with its file descriptor;
 *  - a trace counter (a tracefs event in an instance of its own) counts the
 *    hits of all threads on all CPUs with one consumer.
 * Perf events on several CPUs are one consumer each, so a thread that migrates
 * between two of them is counted twice or never: no test adds such counts up.
 */
#ifndef UPROBE_TEST_H
#define UPROBE_TEST_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "arch.h"

/* The kernel's own errno for "not supported"; user space has no name for it. */
#define ENOTSUPP	524

#define MAX_PENDING_RETURNS	64
#define XOL_NAME		"[uprobes]"

/* A byte of a file, named the way both perf and tracefs want it. */
struct place {
	char path[PATH_MAX];
	unsigned long offset;
};

/*
 * Which implementation runs, for the few things that only the Rust one does
 * right. Each of them says what the C one does instead.
 */
bool implementation_is_rust(void);

struct place place_of(const void *addr);
struct place place_in_fd(int fd, unsigned long offset);

/* A number that the kernel tells of one of its sources of events. */
unsigned long pmu_number(const char *pmu, const char *file, const char *format);

enum probe_kind { PROBE_ENTRY, PROBE_RETURN };

struct probe_spec {
	struct place place;
	enum probe_kind kind;
	unsigned long ref_ctr_offset;
	pid_t pid;
	int cpu;
	bool enable_on_exec;
};

/* The descriptor of a perf event, or -errno. */
int probe_open(const struct probe_spec *spec);

/* Counts the calling thread only. */
int probe_self(const void *addr, enum probe_kind kind);
int probe_self_at(struct place place, enum probe_kind kind);
/* Counts whatever hits the probe on CPU 0; see run_on_cpu0(). */
int probe_cpu0(const void *addr, enum probe_kind kind);
int probe_cpu0_at(struct place place, enum probe_kind kind);

long long hits(int probe);

/* Moves the caller, and all its later children, to CPU 0. */
void run_on_cpu0(void);

/* The kernel's function that writes an instruction into a slot. */
#define SLOT_WRITE	"arch_uprobe_copy_ixol"

#define CALLS_MAX_CPUS	64

struct call_counter {
	int fds[CALLS_MAX_CPUS];
	int cpus;
};

/* Counts the calls of a kernel function, or nothing; returns 0 or -errno. */
int calls_open(struct call_counter *counter, const char *function);
long long calls(const struct call_counter *counter);
void calls_close(struct call_counter *counter);

struct trace_counter {
	char event[32];
	char command[96];
};

/* Each returns 0 or -errno. All places together are one event. */
int trace_create(struct trace_counter *counter, const char *name, enum probe_kind kind);
int trace_add(struct trace_counter *counter, struct place place);
/* The same for an event that also fetches @args, as tracefs spells them. */
int trace_add_fetching(struct trace_counter *counter, struct place place, const char *args);
/* Adds the first @count of the functions at many[], each a place. */
int trace_add_many(struct trace_counter *counter, int count);
int trace_enable(struct trace_counter *counter);
int trace_disable(struct trace_counter *counter);
bool trace_is_enabled(struct trace_counter *counter);
void trace_destroy(struct trace_counter *counter);
/* Hits of all places, or -errno. */
long long trace_hits(struct trace_counter *counter);
/* Hits of each place, in the order of trace_add(); returns how many were read. */
int trace_hits_each(struct trace_counter *counter, long long *each, int max);

struct mapping {
	unsigned long start;
	unsigned long end;
	char perms[5];
};

bool find_mapping(const char *name, struct mapping *mapping);

/* Runs @fn in a child; returns the status as waitpid() gives it. */
int run_in_child(void (*fn)(void *arg), void *arg);

/* Calls the function of that number; returns @x + @i. */
long many_call(int i, long x);

/* A file of @pages zeroed pages that lives as long as its descriptor. */
int code_file(int pages);
void code_write(int fd, unsigned long offset, const void *code, size_t size);
void *code_map(int fd, int pages, int prot);
long code_call(const void *code);

/* True if the page at @addr is a private copy, false if it is the file's. */
bool page_is_private_copy(const void *addr);

#endif
