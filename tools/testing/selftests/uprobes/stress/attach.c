// SPDX-License-Identifier: GPL-2.0
/*
 * Spans of time, and how many hits fit into them: see attach.h.
 */
#include <unistd.h>

#include "attach.h"
#include "calls.h"
#include "spawn.h"

enum function own_function(const struct attacher *self)
{
	return F_OWN + self->number;
}

void detach(int fd)
{
	hold_executions();
	close(fd);
	let_executions();
}

static bool has(const struct span *span, enum function function)
{
	for (int i = 0; i < span->n; i++) {
		if (span->functions[i] == function)
			return true;
	}
	return false;
}

void span_choose(struct span *span, struct rng *rng, enum file file)
{
	int wanted = 1 + rng_below(rng, WATCHED_MAX);

	*span = (struct span){ .file = file };
	while (span->n < wanted) {
		enum function function = rng_below(rng, F_RECURSE);

		if (!has(span, function))
			span->functions[span->n++] = function;
	}
}

/*
 * Of all calls, those count for certain that began after the attachment was
 * there and were over before it began to go.
 */
void span_mark(struct span *span, enum moment moment)
{
	for (int i = 0; i < span->n; i++) {
		struct tally calls = tally(span->file, span->functions[i]);
		bool begun = moment == AFTER_ATTACH || moment == AFTER_DETACH;

		span->calls[moment][i] = begun ? calls.begun : calls.done;
	}
}

void span_check(const struct span *span, int i, uint64_t hits, const char *who)
{
	int64_t least = span->calls[BEFORE_DETACH][i] - span->calls[AFTER_ATTACH][i];
	int64_t most = span->calls[AFTER_DETACH][i] - span->calls[BEFORE_ATTACH][i];

	if ((int64_t)hits < least || (int64_t)hits > most)
		wrong(CHECK_ATTACHED, "%s: function %d of file %d: %llu hits, not %lld to %lld",
		      who, span->functions[i], span->file, (unsigned long long)hits,
		      (long long)least, (long long)most);
}

int call_while_attached(struct attacher *self, enum function function)
{
	int calls = 1 + rng_below(&self->rng, 20);

	call_times(code_of(CHANGING), function, calls);
	if (rng_one_in(&self->rng, 2))
		usleep(rng_below(&self->rng, 3000));
	call_anything(&self->rng);
	return calls;
}
