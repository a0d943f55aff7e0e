// SPDX-License-Identifier: GPL-2.0
/*
 * Attaching, detaching, mapping and forking while memory runs out: each
 * allocation on the way fails once. What fails says so with its errno and has
 * left nothing behind, which the next attempt, with memory, shows.
 */
#include <errno.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "failing.h"
#include "uprobe_test.h"

#define PAGE		4096
#define PROBED		0x40
#define OTHER		0x80
#define COUNTER		(PAGE + 0x100)
#define VALUE		77
#define RX		(PROT_READ | PROT_EXEC)
#define RW		(PROT_READ | PROT_WRITE)

/* More than a registration makes room for before it has looked. */
#define MAPPINGS	40

FIXTURE(faults)
{
	int fd;
	char *maps[MAPPINGS];
	volatile short *counter;
};

FIXTURE_VARIANT(faults)
{
	size_t (*code)(unsigned char *code, int value);
	enum probe_kind kind;
	unsigned long ref_ctr_offset;
	int mappings;
};

FIXTURE_VARIANT_ADD(faults, entry) {
	.code = arch_code_stepped, .kind = PROBE_ENTRY, .mappings = 1,
};

FIXTURE_VARIANT_ADD(faults, returning) {
	.code = arch_code_emulated, .kind = PROBE_RETURN, .mappings = 1,
};

FIXTURE_VARIANT_ADD(faults, counted) {
	.code = arch_code_emulated, .kind = PROBE_ENTRY, .mappings = 2,
	.ref_ctr_offset = COUNTER,
};

FIXTURE_VARIANT_ADD(faults, mapped_often) {
	.code = arch_code_stepped, .kind = PROBE_ENTRY, .mappings = MAPPINGS,
};

static volatile short *map_counter(int fd)
{
	char *data = mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, COUNTER & -PAGE);

	return data == MAP_FAILED ? NULL : (short *)(data + COUNTER % PAGE);
}

FIXTURE_SETUP(faults)
{
	unsigned char code[ARCH_CODE_MAX];

	if (!fail_is_possible())
		SKIP(return, FAIL_NEEDS);
	self->fd = code_file(2);
	code_write(self->fd, PROBED, code, variant->code(code, VALUE));
	for (int i = 0; i < variant->mappings; i++)
		self->maps[i] = code_map(self->fd, 1, RX);
	self->counter = map_counter(self->fd);
	ASSERT_NE(NULL, (void *)self->counter);
}

FIXTURE_TEARDOWN(faults)
{
}

static int attach(int fd, enum probe_kind kind, unsigned long counter)
{
	struct probe_spec spec = {
		.place = place_in_fd(fd, PROBED),
		.kind = kind,
		.ref_ctr_offset = counter,
		.cpu = -1,
	};

	return probe_open(&spec);
}

#define ATTACH()	attach(self->fd, variant->kind, variant->ref_ctr_offset)

/* The probe is in all mappings, and each call counts once. */
#define EXPECT_ATTACHED(probe)						\
do {									\
	for (int _i = 0; _i < variant->mappings; _i++) {		\
		long long _before = hits(probe);			\
		ASSERT_EQ(VALUE, code_call(self->maps[_i] + PROBED));	\
		ASSERT_EQ(_before + 1, hits(probe));			\
	}								\
	if (variant->ref_ctr_offset)					\
		ASSERT_EQ(variant->mappings, *self->counter);		\
} while (0)

/* Nothing is left in any of them. */
#define EXPECT_DETACHED()						\
do {									\
	for (int _i = 0; _i < variant->mappings; _i++) {		\
		ASSERT_FALSE(arch_is_breakpoint(self->maps[_i] + PROBED)); \
		ASSERT_EQ(VALUE, code_call(self->maps[_i] + PROBED));	\
	}								\
	ASSERT_EQ(0, *self->counter);					\
} while (0)

/* With memory, everything works. */
#define EXPECT_WORKS()							\
do {									\
	int _probe = ATTACH();						\
	ASSERT_GE(_probe, 0);						\
	EXPECT_ATTACHED(_probe);					\
	close(_probe);							\
	EXPECT_DETACHED();						\
} while (0)

TEST_F_TIMEOUT(faults, attach, 120)
{
	int refused = 0, probe;
	bool failed;

	/* What the first attach reads of the machine, the others know. */
	EXPECT_WORKS();
	EACH_ALLOCATION {
		fail_begin();
		probe = ATTACH();
		failed = fail_end();
		if (probe < 0) {
			ASSERT_TRUE(failed);
			ASSERT_EQ(-ENOMEM, probe);
			refused++;
		} else {
			EXPECT_ATTACHED(probe);
			close(probe);
		}
		EXPECT_DETACHED();
		EXPECT_WORKS();
	}
	/* The probe's own memory, its page, and what perf needs. */
	EXPECT_LT(5, refused);
}

TEST_F_TIMEOUT(faults, detach, 120)
{
	int failures = 0, probe;

	EACH_ALLOCATION {
		probe = ATTACH();
		ASSERT_GE(probe, 0);
		EXPECT_ATTACHED(probe);
		fail_begin();
		close(probe);
		failures += fail_end();
		EXPECT_DETACHED();
		EXPECT_WORKS();
	}
	EXPECT_LT(0, failures);
}

/* What is mapped without memory may lack its breakpoint; nothing else may be wrong. */
TEST_F_TIMEOUT(faults, map, 120)
{
	int refused = 0, missed = 0, probe = ATTACH();
	char *map;

	ASSERT_GE(probe, 0);
	EACH_ALLOCATION {
		long long before = hits(probe);
		int bare;

		fail_begin();
		map = mmap(NULL, PAGE, RX, MAP_PRIVATE, self->fd, 0);
		if (!fail_end())
			ASSERT_NE(MAP_FAILED, map);
		if (map == MAP_FAILED) {
			ASSERT_EQ(ENOMEM, errno);
			refused++;
			continue;
		}
		bare = !arch_is_breakpoint(map + PROBED);
		missed += bare;
		ASSERT_EQ(VALUE, code_call(map + PROBED));
		ASSERT_EQ(before + !bare, hits(probe));
		if (variant->ref_ctr_offset)
			ASSERT_EQ(variant->mappings + !bare, *self->counter);
		ASSERT_EQ(0, munmap(map, PAGE));
		/* Nobody lowers it for code that is unmapped. */
		if (variant->ref_ctr_offset)
			*self->counter = variant->mappings;
	}
	EXPECT_ATTACHED(probe);
	close(probe);
	EXPECT_DETACHED();
	EXPECT_WORKS();
	EXPECT_LT(0, refused);
	EXPECT_LT(0, missed);
}

TEST_F_TIMEOUT(faults, through_tracefs, 120)
{
	struct trace_counter counter, other;
	int refused = 0, ret;
	bool failed;

	if (!implementation_is_rust())
		SKIP(return, "the C implementation leaks the probe if undoing fails");
	/* While one is enabled, the next does not need the tracer's own tracepoints. */
	ASSERT_EQ(0, trace_create(&other, "other", PROBE_ENTRY));
	ASSERT_EQ(0, trace_add(&other, place_of(emulated)));
	ASSERT_EQ(0, trace_enable(&other));
	ASSERT_EQ(0, trace_create(&counter, "faults", variant->kind));
	ASSERT_EQ(0, trace_add(&counter, place_in_fd(self->fd, PROBED)));
	EACH_ALLOCATION {
		fail_begin();
		ret = trace_enable(&counter);
		failed = fail_end();
		if (ret < 0) {
			ASSERT_TRUE(failed);
			ASSERT_EQ(-ENOMEM, ret);
			refused++;
		}
		ASSERT_EQ(0, trace_disable(&counter));
		EXPECT_DETACHED();
		EXPECT_WORKS();
	}
	EXPECT_LT(0, refused);
	trace_destroy(&counter);
	trace_destroy(&other);
}

/* A counter that is mapped after the breakpoint is raised then, or not at all. */
TEST_F_TIMEOUT(faults, map_the_counter, 120)
{
	int probe;

	if (!variant->ref_ctr_offset)
		SKIP(return, "has no counter");
	if (!implementation_is_rust())
		SKIP(return, "the C implementation leaks the probe if it cannot lower the counter");
	ASSERT_EQ(0, munmap((void *)((unsigned long)self->counter & -PAGE), PAGE));
	EACH_ALLOCATION {
		bool failed;

		probe = ATTACH();
		ASSERT_GE(probe, 0);
		fail_begin();
		self->counter = map_counter(self->fd);
		failed = fail_end();
		if (!self->counter) {
			ASSERT_TRUE(failed);
			ASSERT_EQ(ENOMEM, errno);
			self->counter = map_counter(self->fd);
		}
		close(probe);
		EXPECT_DETACHED();
		ASSERT_EQ(0, munmap((void *)((unsigned long)self->counter & -PAGE), PAGE));
	}
}

TEST_HARNESS_MAIN
