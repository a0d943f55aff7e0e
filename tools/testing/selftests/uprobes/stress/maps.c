// SPDX-License-Identifier: GPL-2.0
/*
 * Mappings that change: see maps.h.
 *
 * Advice that throws a private page away (MADV_DONTNEED) throws a breakpoint
 * away with it, in every implementation; nothing is called there until the file
 * has been mapped again.
 *
 * What x86 has made a call of a probe goes astray when the page with it is moved,
 * and the process with it, in every implementation. So a mapping is either moved
 * or has such calls.
 */
#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "calls.h"
#include "maps.h"

static void *map(void *at, int prot)
{
	return mmap(at, code_size(), prot, MAP_PRIVATE | (at ? MAP_FIXED : 0), code_lasting_fd(),
		    code_lasting_offset());
}

static void *move(void *from)
{
	void *to = mmap(NULL, code_size(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (to == MAP_FAILED)
		return to;
	return mremap(from, code_size(), code_size(), MREMAP_MAYMOVE | MREMAP_FIXED, to);
}

static bool protect(void *at)
{
	return !mprotect(at, code_size(), PROT_READ) &&
	       !mprotect(at, code_size(), PROT_READ | PROT_EXEC);
}

static bool advise(struct rng *rng, void *at)
{
	static const int advice[] = { MADV_RANDOM, MADV_WILLNEED, MADV_COLD, MADV_PAGEOUT };

	return !madvise(at, code_size(), advice[rng_below(rng, sizeof(advice) / sizeof(*advice))]);
}

/*
 * A page in the middle goes, and then all of it is there again. The hole stays
 * occupied, or else another thread's mapping might be there meanwhile.
 */
static void *punch(struct rng *rng, void *at)
{
	unsigned long page = sysconf(_SC_PAGESIZE);
	unsigned long pages = code_size() / page;

	mmap((char *)at + page * rng_below(rng, pages), page, PROT_NONE,
	     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	return map(at, PROT_READ | PROT_EXEC);
}

static void *forget(void *at)
{
	madvise(at, code_size(), MADV_DONTNEED);
	return map(at, PROT_READ | PROT_EXEC);
}

/* Where the mapping is afterwards, or MAP_FAILED. */
static void *change(struct rng *rng, void *at, bool moves)
{
	if (moves && rng_below(rng, 2))
		return move(at);
	switch (rng_below(rng, 4)) {
	case 0:
		return protect(at) ? at : MAP_FAILED;
	case 1:
		return advise(rng, at) ? at : MAP_FAILED;
	case 2:
		return punch(rng, at);
	default:
		return forget(at);
	}
}

static void use_one(struct rng *rng)
{
	struct code code = { .file = LASTING, .moves = rng_below(rng, 2) };
	int changes = 1 + rng_below(rng, 6);
	void *at = map(NULL, PROT_READ | (rng_below(rng, 2) ? PROT_EXEC : 0));

	if (at != MAP_FAILED && !protect(at))
		at = MAP_FAILED;
	while (at != MAP_FAILED && changes--) {
		code.start = at;
		call_lasting(rng, code);
		at = change(rng, at, code.moves);
		book_deed(DEED_MAP);
	}
	if (at == MAP_FAILED)
		return wrong(CHECK_PROCESSES, "a mapping failed: %d", errno);
	code.start = at;
	call_lasting(rng, code);
	munmap(at, code_size());
}

void *map_and_call(void *seed)
{
	struct rng *rng = seed;

	while (!is_over())
		use_one(rng);
	return NULL;
}
