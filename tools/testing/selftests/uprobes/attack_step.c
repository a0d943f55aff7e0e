// SPDX-License-Identifier: GPL-2.0
/*
 * A traced program that does not let its steps end well: it faults in them, or
 * has the slot taken away under them.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>

#include "attack.h"
#include "missing_page.h"

static sigjmp_buf before_the_fault;

static void jump_away(int sig)
{
	siglongjmp(before_the_fault, sig);
}

static void unmap_and_jump_away(int sig)
{
	munmap((void *)area.start, area.end - area.start);
	siglongjmp(before_the_fault, sig);
}

#define FAULTS	200

/* Faults in slots, of which nothing comes back, leave none of them occupied. */
static void fault_in_a_slot(void *unused)
{
	static const long value = 7;

	make_area();
	signal(SIGSEGV, jump_away);
	for (volatile int i = 0; i < FAULTS; i++) {
		if (!sigsetjmp(before_the_fault, 1)) {
			load((long *)16);
			_exit(101);
		}
	}
	if (load(&value) != 7 || stepped(1) != 2)
		_exit(102);
	signal(SIGSEGV, unmap_and_jump_away);
	if (!sigsetjmp(before_the_fault, 1))
		load((long *)16);
	signal(SIGSEGV, SIG_DFL);
	stepped(1);
	_exit(103);
}

TEST_F(attack, fault_in_a_slot)
{
	int probe = probe_cpu0(load, PROBE_ENTRY);

	ASSERT_GE(probe, 0);
	EXPECT_EQ(SIGSEGV, signal_of(fault_in_a_slot));
	EXPECT_EQ(FAULTS + 2, hits(probe));
}

static long *missing;

static void *load_missing(void *unused)
{
	return (void *)load(missing);
}

/* The slot goes while a thread is in it, and with it the way on. */
static void unmap_under_a_step(void *unused)
{
	int fd = missing_page_make(&missing);
	pthread_t thread;
	void *value;

	make_area();
	if (fd < 0)
		_exit(100);
	pthread_create(&thread, NULL, load_missing, NULL);
	missing_page_wait(fd);
	munmap((void *)area.start, area.end - area.start);
	missing_page_fill(fd, missing, 9);
	pthread_join(thread, &value);
	_exit((long)value != 9);
}

TEST_F(attack, unmap_under_a_step)
{
	int probe = probe_cpu0(load, PROBE_ENTRY);

	ASSERT_GE(probe, 0);
	EXPECT_SIGNAL_OR_SUCCESS(SIGSEGV, unmap_under_a_step);
}

TEST_HARNESS_MAIN
