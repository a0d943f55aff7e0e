// SPDX-License-Identifier: GPL-2.0
/*
 * Attaches BPF links of kind uprobe.multi, many functions at once, to the
 * changing file or, beside the consumers that stay, to the lasting one.
 */
#include <unistd.h>

#include "attach.h"
#include "calls.h"
#include "counters.h"

struct state {
	struct counters counters;
	/* What they were when the last link was detached. */
	uint64_t seen[FUNCTIONS];
};

static void check_detached(const struct state *state)
{
	for (int f = 0; f < FUNCTIONS; f++) {
		if (state->counters.count[f] != state->seen[f])
			wrong(CHECK_DETACHED, "uprobe.multi: function %d hit after detaching", f);
	}
}

/* Functions that others call, too. */
static void watch_others(struct attacher *self, struct state *state)
{
	enum file file = rng_one_in(&self->rng, 3) ? LASTING : CHANGING;
	struct attachment attachment = { .file = file, .kind = rng_below(&self->rng, 2) };
	struct span span;
	int link;

	span_choose(&span, &self->rng, file);
	attachment.functions = span.functions;
	attachment.n = span.n;
	span_mark(&span, BEFORE_ATTACH);
	link = counters_attach(&state->counters, &attachment);
	span_mark(&span, AFTER_ATTACH);
	if (link < 0)
		return wrong(CHECK_ATTACHED, "uprobe.multi: %d", link);
	call_while_attached(self, own_function(self));
	span_mark(&span, BEFORE_DETACH);
	detach(link);
	span_mark(&span, AFTER_DETACH);
	for (int i = 0; i < span.n; i++) {
		enum function f = span.functions[i];
		uint64_t count = state->counters.count[f];

		span_check(&span, i, count - state->seen[f], "uprobe.multi");
		state->seen[f] = count;
	}
}

/* The function that nobody else calls, in all processes or in this one. */
static void watch_own(struct attacher *self, struct state *state)
{
	const enum function own = own_function(self);
	struct attachment attachment = {
		.file = CHANGING,
		.kind = rng_below(&self->rng, 2),
		.functions = &own,
		.n = 1,
		.pid = rng_below(&self->rng, 2) ? getpid() : 0,
	};
	int link = counters_attach(&state->counters, &attachment);
	int calls = call_while_attached(self, own) + mistake(CHECK_ATTACHED);

	if (!mistake(CHECK_DETACHED))
		detach(link);
	if (state->counters.count[own] != state->seen[own] + calls)
		wrong(CHECK_ATTACHED, "uprobe.multi: %llu hits of %d calls",
		      (unsigned long long)(state->counters.count[own] - state->seen[own]), calls);
	state->seen[own] = state->counters.count[own];
	call_times(code_of(CHANGING), own, 3);
}

void attach_by_multi(struct attacher *self)
{
	struct state state = {};

	counters_make(&state.counters);
	while (!is_over()) {
		if (rng_one_in(&self->rng, 2))
			watch_own(self, &state);
		else
			watch_others(self, &state);
		book_deed(DEED_ATTACH);
		check_detached(&state);
	}
	check_detached(&state);
	counters_destroy(&state.counters);
}
