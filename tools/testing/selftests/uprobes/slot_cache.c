// SPDX-License-Identifier: GPL-2.0
/*
 * What only the first step of an instruction costs: writing it into a slot and,
 * where the architecture needs that, flushing it out of the instruction caches.
 * Steps after that do neither, whichever thread makes them and whatever was
 * stepped in between.
 */
#include <pthread.h>
#include <sys/mman.h>

#include "kselftest_harness.h"
#include "uprobe_test.h"

#define ROUNDS		500
#define THREADS		8
#define FUNCTIONS	25

FIXTURE(slot_cache)
{
	struct call_counter writes, flushes;
};

FIXTURE_SETUP(slot_cache)
{
	/* See slots.c for what QEMU does with slots that are rewritten. */
	if (!implementation_is_rust())
		run_on_cpu0();
	ASSERT_EQ(0, calls_open(&self->writes, SLOT_WRITE));
	ASSERT_EQ(0, calls_open(&self->flushes, ARCH_SLOT_FLUSH));
}

FIXTURE_TEARDOWN(slot_cache)
{
	calls_close(&self->writes);
	calls_close(&self->flushes);
}

/*
 * Runs @steps, which makes so many steps of instructions that were stepped
 * before.
 */
static void expect_free(struct __test_metadata *_metadata, FIXTURE_DATA(slot_cache) *self,
			long (*steps)(void *arg), void *arg, long long number)
{
	long long writes = calls(&self->writes), flushes = calls(&self->flushes);

	ASSERT_EQ(0, steps(arg));
	writes = calls(&self->writes) - writes;
	flushes = calls(&self->flushes) - flushes;
	if (!implementation_is_rust()) {
		ASSERT_EQ(number, writes);
		SKIP(return, "the C implementation writes a slot for each step");
	}
	EXPECT_EQ(0, writes);
	EXPECT_EQ(0, flushes);
}

static int attach(struct __test_metadata *_metadata, const void *function)
{
	int probe = probe_cpu0(function, PROBE_ENTRY);

	ASSERT_GE(probe, 0);
	return probe;
}

/* One write for the way back from return probes, and one for the instruction. */
TEST_F(slot_cache, first_step_is_counted)
{
	long long writes, flushes;

	attach(_metadata, stepped);
	writes = calls(&self->writes);
	flushes = calls(&self->flushes);
	ASSERT_EQ(2, stepped(1));
	EXPECT_EQ(writes + 2, calls(&self->writes));
	if (ARCH_SLOT_FLUSH)
		EXPECT_LE(flushes + 2, calls(&self->flushes));
}

static long step_one(void *unused)
{
	long wrong = 0;

	for (long i = 0; i < ROUNDS; i++)
		wrong += stepped(i) != i + 1;
	return wrong;
}

TEST_F(slot_cache, one_probe)
{
	attach(_metadata, stepped);
	ASSERT_EQ(2, stepped(1));
	expect_free(_metadata, self, step_one, NULL, ROUNDS);
}

static long step_two(void *unused)
{
	long wrong = 0;

	for (long i = 0; i < ROUNDS; i++)
		wrong += (stepped(i) != i + 1) + (stepped_b(i) != i + 1);
	return wrong;
}

TEST_F(slot_cache, two_probes_in_turn)
{
	attach(_metadata, stepped);
	attach(_metadata, stepped_b);
	ASSERT_EQ(2, stepped(1));
	ASSERT_EQ(2, stepped_b(1));
	expect_free(_metadata, self, step_two, NULL, 2 * ROUNDS);
}

/* Two probes of the same instruction, in one slot. */
TEST_F(slot_cache, same_instruction_elsewhere)
{
	unsigned char code[ARCH_CODE_MAX];
	size_t size = arch_code_stepped(code, 7);
	long long writes;
	int fd = code_file(1);
	char *map = code_map(fd, 1, PROT_READ | PROT_EXEC);

	code_write(fd, 0, code, size);
	code_write(fd, 0x80, code, size);
	ASSERT_GE(probe_self_at(place_in_fd(fd, 0), PROBE_ENTRY), 0);
	ASSERT_GE(probe_self_at(place_in_fd(fd, 0x80), PROBE_ENTRY), 0);
	ASSERT_EQ(7, code_call(map));
	writes = calls(&self->writes);
	ASSERT_EQ(7, code_call(map + 0x80));
	if (!implementation_is_rust())
		SKIP(return, "the C implementation writes a slot for each step");
	EXPECT_EQ(writes, calls(&self->writes));
}

/* Threads that take their steps between two meetings with the main thread. */
static pthread_barrier_t meeting;

static void *step_when_told(void *warm_up)
{
	long wrong = 0;

	if (warm_up)
		wrong += stepped(1) != 2;
	pthread_barrier_wait(&meeting);
	pthread_barrier_wait(&meeting);
	wrong += step_one(NULL);
	pthread_barrier_wait(&meeting);
	return (void *)wrong;
}

static long let_them_step(void *unused)
{
	pthread_barrier_wait(&meeting);
	pthread_barrier_wait(&meeting);
	return 0;
}

static void expect_threads_free(struct __test_metadata *_metadata, FIXTURE_DATA(slot_cache) *self,
				void *warm_up)
{
	pthread_t threads[THREADS];
	void *wrong;

	pthread_barrier_init(&meeting, NULL, THREADS + 1);
	for (int i = 0; i < THREADS; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, step_when_told, warm_up));
	pthread_barrier_wait(&meeting);
	expect_free(_metadata, self, let_them_step, NULL, THREADS * ROUNDS);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &wrong);
		EXPECT_EQ(NULL, wrong);
	}
}

TEST_F(slot_cache, many_threads)
{
	attach(_metadata, stepped);
	expect_threads_free(_metadata, self, &meeting);
}

/* A thread's first step finds the slot that another thread has written. */
TEST_F(slot_cache, threads_find_the_slot)
{
	attach(_metadata, stepped);
	ASSERT_EQ(2, stepped(1));
	expect_threads_free(_metadata, self, NULL);
}

static long step_many(void *rounds)
{
	long wrong = 0;

	for (long round = 0; round < (long)rounds; round++) {
		for (int i = 0; i < FUNCTIONS; i++)
			wrong += many_call(i, round) != round + i;
	}
	return wrong;
}

TEST_F(slot_cache, many_probes)
{
	struct trace_counter counter;

	ASSERT_EQ(0, trace_create(&counter, "slot_cache", PROBE_ENTRY));
	ASSERT_EQ(0, trace_add_many(&counter, FUNCTIONS));
	ASSERT_EQ(0, trace_enable(&counter));
	EXPECT_EQ(0, step_many((void *)1));
	expect_free(_metadata, self, step_many, (void *)20, 20 * FUNCTIONS);
	trace_destroy(&counter);
}

TEST_HARNESS_MAIN
