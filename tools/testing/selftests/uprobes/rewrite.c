// SPDX-License-Identifier: GPL-2.0
/*
 * The same address, another instruction: whatever the kernel remembers of an
 * address, a hit executes the instruction that the program has there now.
 */
#include <pthread.h>
#include <sys/mman.h>

#include "kselftest_harness.h"
#include "uprobe_test.h"

#define PAGE	4096
#define PROBED	0x40
#define RX	(PROT_READ | PROT_EXEC)

typedef size_t (*code_fn)(unsigned char *code, int value);

static void write_code(int fd, code_fn make, int value)
{
	unsigned char code[ARCH_CODE_MAX];

	code_write(fd, PROBED, code, make(code, value));
}

static int attach(int fd)
{
	return probe_self_at(place_in_fd(fd, PROBED), PROBE_ENTRY);
}

FIXTURE(rewrite)
{
	int fd;
	char *map;
};

FIXTURE_VARIANT(rewrite)
{
	code_fn even, odd;
};

FIXTURE_VARIANT_ADD(rewrite, stepped) {
	.even = arch_code_stepped, .odd = arch_code_stepped
};
FIXTURE_VARIANT_ADD(rewrite, mixed) {
	.even = arch_code_stepped, .odd = arch_code_emulated
};

FIXTURE_SETUP(rewrite)
{
	self->fd = code_file(1);
	self->map = code_map(self->fd, 1, RX);
}

FIXTURE_TEARDOWN(rewrite)
{
}

/* The mapping may hold a private copy of what the file was; a new one does not. */
static char *map_anew(char *map, int fd)
{
	return mmap(map, PAGE, RX, MAP_PRIVATE | MAP_FIXED, fd, 0);
}

/* The file is rewritten between two registrations at the same place. */
TEST_F(rewrite, registered_again)
{
	for (int i = 0; i < 8; i++) {
		int probe;

		write_code(self->fd, i % 2 ? variant->odd : variant->even, i);
		ASSERT_EQ(self->map, map_anew(self->map, self->fd));
		probe = attach(self->fd);
		ASSERT_GE(probe, 0);
		for (int n = 1; n <= 3; n++) {
			EXPECT_EQ(i, code_call(self->map + PROBED));
			EXPECT_EQ(n, hits(probe));
		}
		close(probe);
		EXPECT_EQ(i, code_call(self->map + PROBED));
	}
}

struct caller {
	pthread_t thread;
	pthread_barrier_t *turn;
	const char *code;
	volatile long result;
};

static volatile bool over;

static void *call_each_turn(void *arg)
{
	struct caller *caller = arg;

	for (;;) {
		pthread_barrier_wait(caller->turn);
		if (over)
			return NULL;
		for (int n = 0; n < 3; n++)
			caller->result = code_call(caller->code + PROBED);
		pthread_barrier_wait(caller->turn);
	}
}

/* The same for threads that live on and were in the old instruction. */
TEST_F(rewrite, registered_again_under_threads)
{
	struct caller callers[4];
	pthread_barrier_t turn;

	pthread_barrier_init(&turn, NULL, 4 + 1);
	for (int i = 0; i < 4; i++) {
		callers[i] = (struct caller){ .turn = &turn, .code = self->map };
		pthread_create(&callers[i].thread, NULL, call_each_turn, &callers[i]);
	}
	for (int round = 0; round < 6; round++) {
		int probe;

		write_code(self->fd, round % 2 ? variant->odd : variant->even, round);
		ASSERT_EQ(self->map, map_anew(self->map, self->fd));
		probe = attach(self->fd);
		ASSERT_GE(probe, 0);
		pthread_barrier_wait(&turn);
		pthread_barrier_wait(&turn);
		for (int i = 0; i < 4; i++)
			EXPECT_EQ(round, callers[i].result);
		EXPECT_EQ(round, code_call(self->map + PROBED));
		EXPECT_EQ(1, hits(probe));
		close(probe);
	}
	over = true;
	pthread_barrier_wait(&turn);
	for (int i = 0; i < 4; i++)
		pthread_join(callers[i].thread, NULL);
}

/* Two probed files take turns at one address. */
TEST_F(rewrite, another_file_mapped_there)
{
	int other = code_file(1), probe, other_probe;

	write_code(self->fd, variant->even, 1000);
	write_code(other, variant->odd, 2000);
	probe = attach(self->fd);
	other_probe = attach(other);
	ASSERT_GE(probe, 0);
	ASSERT_GE(other_probe, 0);
	for (int i = 1; i <= 50; i++) {
		ASSERT_EQ(self->map, map_anew(self->map, self->fd));
		EXPECT_EQ(1000, code_call(self->map + PROBED));
		EXPECT_EQ(i, hits(probe));
		ASSERT_EQ(self->map, map_anew(self->map, other));
		EXPECT_EQ(2000, code_call(self->map + PROBED));
		EXPECT_EQ(i, hits(other_probe));
	}
}

/* Two probed pages of one file are moved to one address in turn. */
TEST_F(rewrite, another_page_moved_there)
{
	int fd = code_file(2), first, second;
	char *pages, *here = self->map;
	unsigned char code[ARCH_CODE_MAX];

	code_write(fd, PROBED, code, variant->even(code, 1000));
	code_write(fd, PAGE + PROBED, code, variant->odd(code, 2000));
	pages = code_map(fd, 2, RX);
	first = probe_self_at(place_in_fd(fd, PROBED), PROBE_ENTRY);
	second = probe_self_at(place_in_fd(fd, PAGE + PROBED), PROBE_ENTRY);
	ASSERT_GE(first, 0);
	ASSERT_GE(second, 0);
	for (int i = 1; i <= 50; i++) {
		for (int page = 0; page < 2; page++) {
			char *there = pages + page * PAGE;

			ASSERT_EQ(here, mremap(there, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
					       here));
			EXPECT_EQ(1000 * (page + 1), code_call(here + PROBED));
			ASSERT_EQ(there, mremap(here, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
						there));
		}
		EXPECT_EQ(i, hits(first));
		EXPECT_EQ(i, hits(second));
	}
}

TEST_HARNESS_MAIN
