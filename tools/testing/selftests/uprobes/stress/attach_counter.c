// SPDX-License-Identifier: GPL-2.0
/*
 * Attaches to functions that have reference counters, as USDT has: one counter
 * that only this thread's probes raise and lower, and others that several raise.
 * Half of the time by BPF links, half by perf events.
 */
#include "attach.h"
#include "calls.h"
#include "counters.h"

/* All that a probe of this kind can be attached by, several at once. */
struct links {
	int fds[COUNTED + 1];
	int n;
};

static void attach_link(struct links *links, const struct counters *counters,
			const enum function *functions, int n)
{
	struct attachment attachment = {
		.file = CHANGING,
		.functions = functions,
		.n = n,
		.counted = true,
	};

	links->fds[links->n++] = counters_attach(counters, &attachment);
}

static void attach_event(struct links *links, enum function function)
{
	struct probe_spec spec = {
		.place = code_place(CHANGING, function),
		.ref_ctr_offset = code_counter_offset(function),
		.pid = -1,
		.cpu = 0,
	};

	links->fds[links->n++] = probe_open(&spec);
}

static void detach_all(struct links *links)
{
	for (int i = 0; i < links->n; i++) {
		if (links->fds[i] < 0)
			wrong(CHECK_COUNTERS, "attaching: %d", links->fds[i]);
		else
			detach(links->fds[i]);
	}
}

static void expect_own(enum function own, unsigned short value)
{
	if (code_counter(own) != value)
		wrong(CHECK_COUNTERS, "the own counter is %d, not %d", code_counter(own), value);
}

static void watch(struct attacher *self, const struct counters *counters)
{
	enum function functions[COUNTED + 1];
	struct links links = {};
	int n = 0;

	for (int i = 0; i < COUNTED; i++) {
		if (rng_below(&self->rng, 2))
			functions[n++] = F_COUNTED + i;
	}
	functions[n++] = own_function(self);
	if (rng_below(&self->rng, 2)) {
		attach_link(&links, counters, functions, n);
	} else {
		attach_event(&links, functions[n - 1]);
		attach_event(&links, functions[0]);
	}
	expect_own(functions[n - 1], 1);
	if (!code_counter(functions[0]))
		wrong(CHECK_COUNTERS, "counter %d is 0 while attached", functions[0]);
	call_while_attached(self, own_function(self));
	if (!mistake(CHECK_COUNTERS))
		detach_all(&links);
	expect_own(functions[n - 1], 0);
	book_deed(DEED_ATTACH);
}

void attach_with_counters(struct attacher *self)
{
	struct counters counters;

	counters_make(&counters);
	while (!is_over())
		watch(self, &counters);
	counters_destroy(&counters);
}
