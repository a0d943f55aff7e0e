// SPDX-License-Identifier: GPL-2.0
/*
 * Reference counters: a short in the probed file's writable private mapping
 * that says in how many ways the place is probed. The kernel counts it up when
 * it installs the breakpoint, or later, when the counter gets mapped.
 */
#include <sys/mman.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "uprobe_test.h"

#define PAGE	4096
#define PROBED	0x40
#define OTHER	0x80
#define COUNTER	(PAGE + 0x100)
#define RX	(PROT_READ | PROT_EXEC)
#define RW	(PROT_READ | PROT_WRITE)

FIXTURE(refctr)
{
	int fd;
	char *code;
};

FIXTURE_SETUP(refctr)
{
	unsigned char code[ARCH_CODE_MAX];

	self->fd = code_file(2);
	code_write(self->fd, PROBED, code, arch_code_emulated(code, 1));
	code_write(self->fd, OTHER, code, arch_code_stepped(code, 2));
	self->code = code_map(self->fd, 1, RX);
	run_on_cpu0();
}

FIXTURE_TEARDOWN(refctr)
{
}

static int attach(int fd, unsigned long offset, unsigned long counter)
{
	struct probe_spec spec = {
		.place = place_in_fd(fd, offset),
		.ref_ctr_offset = counter,
		.pid = -1,
		.cpu = 0,
	};

	return probe_open(&spec);
}

static volatile short *map_counter(int fd, int prot, int flags)
{
	char *data = mmap(NULL, PAGE, prot, flags, fd, COUNTER & -PAGE);

	return data == MAP_FAILED ? NULL : (short *)(data + COUNTER % PAGE);
}

TEST_F(refctr, mapped_before)
{
	volatile short *counter = map_counter(self->fd, RW, MAP_PRIVATE);
	int probe = attach(self->fd, PROBED, COUNTER);

	ASSERT_GE(probe, 0);
	EXPECT_EQ(1, *counter);
	EXPECT_EQ(1, code_call(self->code + PROBED));
	EXPECT_EQ(1, hits(probe));
	close(probe);
	EXPECT_EQ(0, *counter);
}

TEST_F(refctr, mapped_after)
{
	int probe = attach(self->fd, PROBED, COUNTER);
	volatile short *counter;

	ASSERT_GE(probe, 0);
	counter = map_counter(self->fd, RW, MAP_PRIVATE);
	EXPECT_EQ(1, *counter);
	close(probe);
	EXPECT_EQ(0, *counter);
}

TEST_F(refctr, mapped_after_detach)
{
	int probe = attach(self->fd, PROBED, COUNTER);

	ASSERT_GE(probe, 0);
	close(probe);
	EXPECT_EQ(0, *map_counter(self->fd, RW, MAP_PRIVATE));
}

TEST_F(refctr, everything_mapped_after)
{
	volatile short *counter;
	int probe;

	munmap(self->code, PAGE);
	probe = attach(self->fd, PROBED, COUNTER);
	ASSERT_GE(probe, 0);
	counter = map_counter(self->fd, RW, MAP_PRIVATE);
	EXPECT_EQ(0, *counter);
	self->code = code_map(self->fd, 1, RX);
	EXPECT_EQ(1, *counter);
	close(probe);
	EXPECT_EQ(0, *counter);
}

/* Only a private mapping that is writable holds a counter. */
TEST_F(refctr, other_mappings_are_left_alone)
{
	volatile short *shared = map_counter(self->fd, RW, MAP_SHARED);
	volatile short *readable = map_counter(self->fd, PROT_READ, MAP_PRIVATE);
	int probe = attach(self->fd, PROBED, COUNTER);
	volatile short *counter;

	ASSERT_GE(probe, 0);
	EXPECT_EQ(0, *shared);
	EXPECT_EQ(0, *readable);
	counter = map_counter(self->fd, RW, MAP_PRIVATE);
	EXPECT_EQ(1, *counter);
	EXPECT_EQ(0, *shared);
	EXPECT_EQ(0, *readable);
	close(probe);
	EXPECT_EQ(0, *counter);
}

/* It counts breakpoints, not those who asked for them. */
TEST_F(refctr, two_consumers_count_once)
{
	volatile short *counter = map_counter(self->fd, RW, MAP_PRIVATE);
	int first = attach(self->fd, PROBED, COUNTER);
	int second = attach(self->fd, PROBED, COUNTER);

	ASSERT_GE(first, 0);
	ASSERT_GE(second, 0);
	EXPECT_EQ(1, *counter);
	close(first);
	EXPECT_EQ(1, *counter);
	close(second);
	EXPECT_EQ(0, *counter);
}

TEST_F(refctr, two_places_share_one)
{
	volatile short *counter = map_counter(self->fd, RW, MAP_PRIVATE);
	int first = attach(self->fd, PROBED, COUNTER);
	int second = attach(self->fd, OTHER, COUNTER);

	ASSERT_GE(first, 0);
	ASSERT_GE(second, 0);
	EXPECT_EQ(2, *counter);
	close(first);
	EXPECT_EQ(1, *counter);
	EXPECT_EQ(2, code_call(self->code + OTHER));
	close(second);
	EXPECT_EQ(0, *counter);
}

TEST_F(refctr, two_places_mapped_after)
{
	int first = attach(self->fd, PROBED, COUNTER);
	int second = attach(self->fd, OTHER, COUNTER);
	volatile short *counter;

	ASSERT_GE(first, 0);
	ASSERT_GE(second, 0);
	counter = map_counter(self->fd, RW, MAP_PRIVATE);
	EXPECT_EQ(2, *counter);
	close(second);
	EXPECT_EQ(1, *counter);
	close(first);
	EXPECT_EQ(0, *counter);
}

/* A child that says what its counter is whenever it is asked. */
struct child {
	pid_t pid;
	int question[2];
	int answer[2];
};

static void answer_questions(struct child *child, volatile short *counter)
{
	char question;

	while (read(child->question[0], &question, 1) == 1) {
		short value = *counter;

		if (write(child->answer[1], &value, sizeof(value)) != sizeof(value))
			break;
	}
	_exit(0);
}

static short ask(struct child *child)
{
	short value = -1;

	if (write(child->question[1], "", 1) != 1 ||
	    read(child->answer[0], &value, sizeof(value)) != sizeof(value))
		return -1;
	return value;
}

static void end_child(struct child *child)
{
	kill(child->pid, SIGKILL);
	waitpid(child->pid, NULL, 0);
}

TEST_F(refctr, two_processes)
{
	volatile short *counter = map_counter(self->fd, RW, MAP_PRIVATE);
	struct child child;
	int probe;

	ASSERT_EQ(0, pipe(child.question));
	ASSERT_EQ(0, pipe(child.answer));
	child.pid = fork();
	if (!child.pid)
		answer_questions(&child, counter);
	EXPECT_EQ(0, ask(&child));
	probe = attach(self->fd, PROBED, COUNTER);
	ASSERT_GE(probe, 0);
	EXPECT_EQ(1, *counter);
	EXPECT_EQ(1, ask(&child));
	close(probe);
	EXPECT_EQ(0, *counter);
	EXPECT_EQ(0, ask(&child));
	end_child(&child);
}

TEST_F(refctr, inherited_by_a_fork)
{
	volatile short *counter = map_counter(self->fd, RW, MAP_PRIVATE);
	int probe = attach(self->fd, PROBED, COUNTER);
	struct child child;

	ASSERT_GE(probe, 0);
	ASSERT_EQ(0, pipe(child.question));
	ASSERT_EQ(0, pipe(child.answer));
	child.pid = fork();
	if (!child.pid) {
		close(probe);
		answer_questions(&child, counter);
	}
	EXPECT_EQ(1, ask(&child));
	close(probe);
	EXPECT_EQ(0, *counter);
	EXPECT_EQ(0, ask(&child));
	end_child(&child);
}

TEST_F(refctr, mismatch)
{
	volatile short *counter = map_counter(self->fd, RW, MAP_PRIVATE);
	int probe = attach(self->fd, PROBED, COUNTER);

	ASSERT_GE(probe, 0);
	EXPECT_EQ(-EINVAL, attach(self->fd, PROBED, COUNTER + 2));
	EXPECT_EQ(-EINVAL, attach(self->fd, PROBED, 0));
	EXPECT_EQ(1, counter[0]);
	EXPECT_EQ(0, counter[1]);
	EXPECT_EQ(1, code_call(self->code + PROBED));
	EXPECT_EQ(1, hits(probe));
	close(probe);
	EXPECT_EQ(0, counter[0]);
}

TEST_F(refctr, odd_offset)
{
	EXPECT_EQ(-EINVAL, attach(self->fd, PROBED, COUNTER + 1));
	EXPECT_FALSE(arch_is_breakpoint(self->code + PROBED));
}

/* A counter that was unmapped under its probe starts anew. */
TEST_F(refctr, unmapped_under_the_probe)
{
	volatile short *counter = map_counter(self->fd, RW, MAP_PRIVATE);
	int probe = attach(self->fd, PROBED, COUNTER);

	ASSERT_GE(probe, 0);
	EXPECT_EQ(1, *counter);
	munmap((void *)((unsigned long)counter & -PAGE), PAGE);
	EXPECT_EQ(1, code_call(self->code + PROBED));
	close(probe);
	EXPECT_EQ(0, *map_counter(self->fd, RW, MAP_PRIVATE));
}

/* A registration that fails takes back what it has counted. */
TEST_F(refctr, failed_registration)
{
	volatile short *counter = map_counter(self->fd, RW, MAP_PRIVATE);
	unsigned char code[ARCH_CODE_MAX];

	code_write(self->fd, OTHER, code, arch_code_refused(code));
	EXPECT_EQ(-ARCH_REFUSAL, attach(self->fd, OTHER, COUNTER));
	EXPECT_EQ(0, *counter);
}

/* A program that has lowered its counter itself is not made to keep a probe. */
TEST_F(refctr, lowered_by_the_program)
{
	volatile short *counter = map_counter(self->fd, RW, MAP_PRIVATE);
	int probe;

	if (!implementation_is_rust())
		SKIP(return, "the C implementation leaks the probe");
	for (int i = 0; i < 3; i++) {
		probe = attach(self->fd, PROBED, COUNTER);
		ASSERT_GE(probe, 0);
		EXPECT_EQ(1, *counter);
		*counter = 0;
		EXPECT_EQ(1, code_call(self->code + PROBED));
		EXPECT_EQ(1, hits(probe));
		close(probe);
		EXPECT_EQ(0, *counter);
		EXPECT_FALSE(arch_is_breakpoint(self->code + PROBED));
		EXPECT_EQ(1, code_call(self->code + PROBED));
	}
}

/* The counter of a program's own data, as a USDT probe has it. */
static short semaphore = 0x700;

TEST(in_the_program_itself)
{
	struct probe_spec spec = {
		.place = place_of(emulated),
		.ref_ctr_offset = place_of(&semaphore).offset,
		.cpu = -1,
	};
	volatile short *counter = &semaphore;
	int probe = probe_open(&spec);

	ASSERT_GE(probe, 0);
	EXPECT_EQ(0x701, *counter);
	EXPECT_EQ(5, emulated(5));
	EXPECT_EQ(1, hits(probe));
	close(probe);
	EXPECT_EQ(0x700, *counter);
}

TEST_HARNESS_MAIN
