// SPDX-License-Identifier: GPL-2.0
/*
 * uprobe.multi while memory runs out. An attach of several places of which one
 * allocation fails has attached none of them. A hit of several sessions, each
 * of which has a cookie to be kept until the return, may lose the return, and
 * then loses it for all of them.
 */
#include <errno.h>
#include <sys/mman.h>

#include "kselftest_harness.h"
#include "failing.h"
#include "multi.h"
#include "watch.h"

#define PAGE		4096
#define CODE_PAGES	3
#define PLACES		5
#define PLACE(i)	((i) * PAGE / 2 + 0x40)
/* Their counters, in a page behind the code. */
#define COUNTERS	(CODE_PAGES * PAGE)
#define COUNTER(i)	(COUNTERS + 0x100 + (i) * sizeof(short))
#define VALUE		55
/*
 * A checking kernel's slabs need another page at any attempt, or do not, so
 * that the next allocation to fail is sometimes a later one. More rounds find
 * those that were left out.
 */
#define ROUNDS		3

FIXTURE(faults_multi)
{
	struct multi multi;
	struct place file;
	unsigned long offsets[PLACES], counters[PLACES];
	uint64_t cookies[PLACES];
	char *map;
};

FIXTURE_VARIANT(faults_multi)
{
	enum multi_kind kind;
	bool counted;
	/* By how much a call counts. */
	int times;
};

FIXTURE_VARIANT_ADD(faults_multi, entry) { .kind = MULTI_ENTRY, .times = 1 };
FIXTURE_VARIANT_ADD(faults_multi, returning) { .kind = MULTI_RETURN, .times = 1 };
FIXTURE_VARIANT_ADD(faults_multi, session) { .kind = MULTI_SESSION, .times = 2 };
FIXTURE_VARIANT_ADD(faults_multi, counted) {
	.kind = MULTI_ENTRY, .times = 1, .counted = true,
};

FIXTURE_SETUP(faults_multi)
{
	unsigned char code[ARCH_CODE_MAX];
	int fd;

	if (!fail_is_possible())
		SKIP(return, FAIL_NEEDS);
	fd = code_file(CODE_PAGES + 1);
	self->file = place_in_fd(fd, 0);
	for (int i = 0; i < PLACES; i++) {
		code_write(fd, PLACE(i), code, arch_code_stepped(code, VALUE + i));
		self->offsets[i] = PLACE(i);
		self->counters[i] = COUNTER(i);
		self->cookies[i] = i;
	}
	self->map = code_map(fd, CODE_PAGES + 1, PROT_READ | PROT_EXEC);
	/* Counters are in what may be written to. */
	ASSERT_EQ(0, mprotect(self->map + COUNTERS, PAGE, PROT_READ | PROT_WRITE));
	ASSERT_EQ(0, multi_make(&self->multi, variant->kind));
}

FIXTURE_TEARDOWN(faults_multi)
{
}

static int attach(const FIXTURE_DATA(faults_multi) *self, bool counted)
{
	const struct multi_places places = {
		.path = self->file.path,
		.n = PLACES,
		.offsets = self->offsets,
		.counters = counted ? self->counters : NULL,
		.cookies = self->cookies,
	};

	return multi_attach(&self->multi, &places);
}

static int counter_of(const FIXTURE_DATA(faults_multi) *self, int i)
{
	return *(volatile short *)(self->map + COUNTER(i));
}

/* How many of the places somebody has in his list. */
static int places_listed(const FIXTURE_DATA(faults_multi) *self)
{
	struct place place = self->file;
	struct line line;
	int count = 0;

	for (int i = 0; i < PLACES; i++) {
		place.offset = PLACE(i);
		count += listed(place, &line);
	}
	return count;
}

/* Each place is or is not probed, and does what it shall. */
#define EXPECT_PROBED(probed)						\
do {									\
	for (int _i = 0; _i < PLACES; _i++) {				\
		const char *_code = self->map + PLACE(_i);		\
		uint64_t _before = self->multi.count[_i];		\
									\
		ASSERT_EQ((probed), arch_is_breakpoint(_code));		\
		ASSERT_EQ(VALUE + _i, code_call(_code));		\
		ASSERT_EQ(_before + ((probed) ? variant->times : 0),	\
			  self->multi.count[_i]);			\
		ASSERT_EQ((probed) && variant->counted, counter_of(self, _i)); \
	}								\
	if (implementation_is_rust())					\
		ASSERT_EQ((probed) ? PLACES : 0, places_listed(self));	\
} while (0)

/* With memory, everything works. */
#define EXPECT_WORKS()							\
do {									\
	int _link = attach(self, variant->counted);			\
									\
	ASSERT_GE(_link, 0);						\
	EXPECT_PROBED(true);						\
	close(_link);							\
	EXPECT_PROBED(false);						\
} while (0)

TEST_F_TIMEOUT(faults_multi, attach, 240)
{
	int refused = 0, link;
	bool failed;

	if (!implementation_is_rust())
		SKIP(return, "the C implementation leaks the probe if undoing fails");
	EXPECT_WORKS();
	for (int i = 0; i < ROUNDS; i++)
	EACH_ALLOCATION {
		fail_begin();
		link = attach(self, variant->counted);
		failed = fail_end();
		if (link < 0) {
			ASSERT_TRUE(failed);
			ASSERT_EQ(-ENOMEM, link);
			refused++;
		} else {
			EXPECT_PROBED(true);
			close(link);
		}
		EXPECT_PROBED(false);
	}
	EXPECT_WORKS();
	/* Each probe's own memory, each page, and what the link needs. */
	EXPECT_LT(PLACES + CODE_PAGES, refused);
}

TEST_F_TIMEOUT(faults_multi, detach, 240)
{
	int failures = 0, link;

	if (!implementation_is_rust())
		SKIP(return, "the C implementation leaks the probe");
	EACH_ALLOCATION {
		link = attach(self, variant->counted);
		ASSERT_GE(link, 0);
		EXPECT_PROBED(true);
		fail_begin();
		close(link);
		failures += fail_end();
		EXPECT_PROBED(false);
	}
	EXPECT_LT(0, failures);
}

/* So many that the room for their cookies grows, and grows again. */
#define SESSIONS	8

FIXTURE(faults_sessions)
{
	struct multi multi;
	int links[SESSIONS];
};

/* What a child says, in memory that it shares with its parent. */
static struct {
	bool failed;
	bool right;
	uint64_t first[SESSIONS];
	uint64_t second[SESSIONS];
} *said;

FIXTURE_SETUP(faults_sessions)
{
	struct place place = place_of(emulated);
	struct multi_places places = {
		.path = place.path, .n = 1, .offsets = &place.offset,
	};

	if (!fail_is_possible())
		SKIP(return, FAIL_NEEDS);
	if (implementation_is_rust())
		ASSERT_TRUE(watch_is_possible());
	said = mmap(NULL, sizeof(*said), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		    -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)said);
	ASSERT_EQ(0, multi_make(&self->multi, MULTI_SESSION));
	for (uint64_t i = 0; i < SESSIONS; i++) {
		places.cookies = &i;
		self->links[i] = multi_attach(&self->multi, &places);
		ASSERT_GE(self->links[i], 0);
	}
}

FIXTURE_TEARDOWN(faults_sessions)
{
}

static bool call_and_count(const struct multi *multi, uint64_t *counts)
{
	bool right;

	for (int i = 0; i < SESSIONS; i++)
		counts[i] = multi->count[i];
	right = emulated(5) == 5;
	for (int i = 0; i < SESSIONS; i++)
		counts[i] = multi->count[i] - counts[i];
	return right;
}

/* For run_in_child(), so that there is a first hit each time. */
static void call_twice(void *multi)
{
	fail_open();
	fail_begin();
	said->right = call_and_count(multi, said->first);
	said->failed = fail_end();
	said->right &= call_and_count(multi, said->second);
}

static long long lost_hits(void)
{
	return implementation_is_rust() ? stat_of("allocation_failures") : 0;
}

/* Runs a child; whether the sessions heard of its first entry only. */
static bool first_return_is_omitted(struct __test_metadata *_metadata, struct multi *multi)
{
	long long lost = lost_hits();

	ASSERT_EQ(0, run_in_child(call_twice, multi));
	lost = lost_hits() - lost;
	ASSERT_TRUE(said->right);
	for (int i = 0; i < SESSIONS; i++) {
		ASSERT_LE(1, said->first[i]);
		ASSERT_GE(2, said->first[i]);
		/* What one of them does not hear, none of them does. */
		ASSERT_EQ(said->first[0], said->first[i]);
		ASSERT_EQ(2, said->second[i]);
	}
	if (said->first[0] == 2)
		return false;
	EXPECT_TRUE(said->failed);
	EXPECT_EQ(implementation_is_rust(), lost);
	return true;
}

TEST_F_TIMEOUT(faults_sessions, first_hit, 240)
{
	struct line line;
	int omitted = 0;

	for (int i = 0; i < ROUNDS; i++) {
		for (failing.nth = 1; ; failing.nth++) {
			omitted += first_return_is_omitted(_metadata, &self->multi);
			if (!said->failed)
				break;
		}
	}
	/* For want of a return, of room for cookies, three times, or of an area. */
	EXPECT_LT(4, omitted);
	for (int i = 0; i < SESSIONS; i++)
		close(self->links[i]);
	EXPECT_EQ(5, emulated(5));
	EXPECT_FALSE(arch_is_breakpoint(emulated));
	if (implementation_is_rust())
		EXPECT_EQ(0, listed(place_of(emulated), &line));
}

TEST_HARNESS_MAIN
