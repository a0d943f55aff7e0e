// SPDX-License-Identifier: GPL-2.0
/*
 * Attaches tracefs events: made once, of several places, and switched on and
 * off. Their profile counts hits of each place; of an event on returns it counts
 * the entries.
 */
#include <stdio.h>

#include "attach.h"
#include "calls.h"

struct event {
	struct trace_counter counter;
	struct span span;
	/* Hits of each place when it was last switched off, the own one's last. */
	long long seen[WATCHED_MAX + 1];
};

static int make(struct attacher *self, struct event *event, enum probe_kind kind)
{
	char name[16];
	int ret;

	snprintf(name, sizeof(name), "change%d", kind);
	ret = trace_create(&event->counter, name, kind);
	span_choose(&event->span, &self->rng, CHANGING);
	for (int i = 0; !ret && i < event->span.n; i++)
		ret = trace_add(&event->counter, code_place(CHANGING, event->span.functions[i]));
	if (!ret)
		ret = trace_add(&event->counter, code_place(CHANGING, own_function(self)));
	return ret;
}

static bool read_hits(struct event *event, long long *now)
{
	int n = trace_hits_each(&event->counter, now, event->span.n + 1);

	if (n != event->span.n + 1)
		wrong(CHECK_ATTACHED, "tracefs: %d places in the profile", n);
	return n == event->span.n + 1;
}

static void check_detached(struct event *event)
{
	long long now[WATCHED_MAX + 1];

	if (!read_hits(event, now))
		return;
	for (int i = 0; i <= event->span.n; i++) {
		if (now[i] != event->seen[i])
			wrong(CHECK_DETACHED, "tracefs: place %d hit after detaching", i);
	}
}

static void watch(struct attacher *self, struct event *event)
{
	long long now[WATCHED_MAX + 1];
	const int own = event->span.n;
	int ret, calls;

	check_detached(event);
	span_mark(&event->span, BEFORE_ATTACH);
	ret = trace_enable(&event->counter);
	span_mark(&event->span, AFTER_ATTACH);
	if (ret)
		return wrong(CHECK_ATTACHED, "tracefs: %d", ret);
	calls = call_while_attached(self, own_function(self));
	span_mark(&event->span, BEFORE_DETACH);
	trace_disable(&event->counter);
	span_mark(&event->span, AFTER_DETACH);
	if (!read_hits(event, now))
		return;
	for (int i = 0; i < own; i++)
		span_check(&event->span, i, now[i] - event->seen[i], "tracefs");
	if (now[own] - event->seen[own] != calls)
		wrong(CHECK_ATTACHED, "tracefs: %lld hits of %d calls",
		      now[own] - event->seen[own], calls);
	memcpy(event->seen, now, sizeof(now));
	call_times(code_of(CHANGING), own_function(self), 3);
	book_deed(DEED_ATTACH);
}

void attach_by_tracefs(struct attacher *self)
{
	while (!is_over()) {
		struct event event = {};
		int ret = make(self, &event, rng_below(&self->rng, 2));
		int rounds = 1 + rng_below(&self->rng, 20);

		if (ret)
			wrong(CHECK_ATTACHED, "tracefs: making an event: %d", ret);
		while (!is_over() && rounds--)
			watch(self, &event);
		trace_destroy(&event.counter);
	}
}
