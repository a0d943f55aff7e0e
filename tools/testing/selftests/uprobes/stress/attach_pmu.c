// SPDX-License-Identifier: GPL-2.0
/*
 * Attaches perf events of the uprobe PMU. Only events of the thread that opens
 * them count exactly (see uprobe_test.h), so those are looked at; others, of one
 * CPU, are attached for the breakpoints that they put into all processes.
 */
#include <linux/perf_event.h>
#include <sys/ioctl.h>

#include "attach.h"
#include "calls.h"

static int open_event(enum file file, enum function function, enum probe_kind kind, int cpu)
{
	struct probe_spec spec = {
		.place = code_place(file, function),
		.kind = kind,
		.pid = cpu < 0 ? 0 : -1,
		.cpu = cpu,
	};
	int event = probe_open(&spec);

	if (event < 0)
		wrong(CHECK_ATTACHED, "perf event: %d", event);
	return event;
}

static void check(int event, long long calls, enum check what)
{
	if (hits(event) != calls)
		wrong(what, "perf event: %lld hits of %lld calls", hits(event), calls);
}

/* On, off and on again. */
static void watch_self(struct attacher *self)
{
	enum function function = any_function(&self->rng);
	enum file file = rng_below(&self->rng, 2) ? LASTING : CHANGING;
	int event = open_event(file, function, rng_below(&self->rng, 2), -1);
	int first = 1 + rng_below(&self->rng, 20), second = 1 + rng_below(&self->rng, 20);
	struct code code = code_of(file);

	if (event < 0)
		return;
	call_times(code, function, first);
	check(event, first, CHECK_ATTACHED);
	ioctl(event, PERF_EVENT_IOC_DISABLE, 0);
	call_times(code, function, second);
	check(event, first, CHECK_DETACHED);
	ioctl(event, PERF_EVENT_IOC_ENABLE, 0);
	call_times(code, function, second);
	check(event, first + second, CHECK_ATTACHED);
	detach(event);
}

static void watch_a_cpu(struct attacher *self)
{
	enum file file = rng_below(&self->rng, 2) ? LASTING : CHANGING;
	int event = open_event(file, any_function(&self->rng), rng_below(&self->rng, 2), 0);

	call_while_attached(self, own_function(self));
	detach(event);
}

void attach_by_pmu(struct attacher *self)
{
	while (!is_over()) {
		if (rng_one_in(&self->rng, 3))
			watch_a_cpu(self);
		else
			watch_self(self);
		book_deed(DEED_ATTACH);
	}
}
