// SPDX-License-Identifier: GPL-2.0
/*
 * Call chains that the profiler takes from a timer interrupt while returns are
 * pending: they show whom the functions return to, not the trampoline.
 */
#include <linux/perf_event.h>
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#include "kselftest_harness.h"
#include "uprobe_test.h"

#define PAGE		4096
#define DATA_PAGES	256

struct sample {
	struct perf_event_header header;
	__u64 ip;
	__u64 entries;
	__u64 chain[];
};

FIXTURE(callchain)
{
	int ret, sampler;
	struct perf_event_mmap_page *buffer;
};

FIXTURE_VARIANT(callchain)
{
	bool in_kernel;
};

FIXTURE_VARIANT_ADD(callchain, of_user_code) { .in_kernel = false };
FIXTURE_VARIANT_ADD(callchain, everywhere) { .in_kernel = true };

FIXTURE_SETUP(callchain)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = 50000,		/* nanoseconds */
		.sample_type = PERF_SAMPLE_IP | PERF_SAMPLE_CALLCHAIN,
		.exclude_kernel = !variant->in_kernel,
		.exclude_callchain_kernel = 1,
	};

	self->sampler = syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
	ASSERT_GE(self->sampler, 0);
	self->buffer = mmap(NULL, (1 + DATA_PAGES) * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
			    self->sampler, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->buffer);
	self->ret = probe_self(recurse, PROBE_RETURN);
	ASSERT_GE(self->ret, 0);
}

FIXTURE_TEARDOWN(callchain)
{
	munmap(self->buffer, (1 + DATA_PAGES) * PAGE);
	close(self->sampler);
	close(self->ret);
}

/* The samples from @offset on, which the buffer is large enough to hold. */
static struct sample *next_sample(struct perf_event_mmap_page *buffer, __u64 *offset)
{
	while (*offset < buffer->data_head && *offset < buffer->data_size) {
		struct sample *sample = (void *)buffer + buffer->data_offset + *offset;

		*offset += sample->header.size;
		if (sample->header.type == PERF_RECORD_SAMPLE && *offset <= buffer->data_size)
			return sample;
	}
	return NULL;
}

static int entries_within(const struct sample *sample, unsigned long start, unsigned long end)
{
	int n = 0;

	for (__u64 i = 0; i < sample->entries; i++)
		n += sample->chain[i] >= start && sample->chain[i] < end;
	return n;
}

static bool is_spinning(const struct sample *sample)
{
	return sample->ip >= (unsigned long)spin_at && sample->ip < (unsigned long)spin_end;
}

#define FRAMES	10

TEST_F(callchain, shows_the_callers)
{
	struct sample *sample;
	struct mapping area;
	__u64 offset = 0;
	int seen = 0;

	for (int i = 1; i <= 20; i++) {
		ASSERT_EQ(FRAMES - 1, recurse(FRAMES - 1, spin, (void *)2000000));
		ASSERT_EQ(FRAMES * i, hits(self->ret));
	}
	ASSERT_TRUE(find_mapping(XOL_NAME, &area));
	while ((sample = next_sample(self->buffer, &offset))) {
		if (!is_spinning(sample))
			continue;
		seen++;
		EXPECT_EQ(0, entries_within(sample, area.start, area.end));
		/* The caller of spin(), and those of all frames but the first. */
		EXPECT_EQ(FRAMES, entries_within(sample, (unsigned long)recurse,
						 (unsigned long)recurse_end));
	}
	EXPECT_LT(10, seen);
}

static jmp_buf target;

static long jump(void *unused)
{
	longjmp(target, 1);
}

/* Returns come and go under the profiler's eyes. */
TEST_F(callchain, while_returns_come_and_go)
{
	struct sample *sample;
	clock_t begun = clock();
	__u64 offset = 0;
	int seen = 0;

	/* For as long as the profiler needs for some looks, however fast the machine is. */
	for (int i = 1; i <= 1000 || clock() < begun + CLOCKS_PER_SEC; i++) {
		ASSERT_EQ(19, recurse(19, NULL, NULL));
		ASSERT_EQ(20 * i, hits(self->ret));
		if (!setjmp(target))
			recurse(5, jump, NULL);
	}
	while ((sample = next_sample(self->buffer, &offset)))
		seen += sample->entries > 0;
	EXPECT_LT(10, seen);
}

TEST_HARNESS_MAIN
