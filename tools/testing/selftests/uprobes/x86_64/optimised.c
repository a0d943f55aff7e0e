// SPDX-License-Identifier: GPL-2.0
/*
 * Probes that the architecture makes a call of, into a page of its own: what
 * becomes of them without memory, and what a traced program can do to that page.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "first_hit.h"
#include "uprobe_test.h"

#define PAGE	4096

FIXTURE(optimised)
{
	int probe;
};

FIXTURE_SETUP(optimised)
{
	run_on_cpu0();
	self->probe = probe_cpu0(optimised, PROBE_ENTRY);
	ASSERT_GE(self->probe, 0);
}

FIXTURE_TEARDOWN(optimised)
{
	long long before = hits(self->probe);

	EXPECT_EQ(5, optimised(5));
	EXPECT_EQ(before + 1, hits(self->probe));
	close(self->probe);
	EXPECT_EQ(5, optimised(5));
}

static struct mapping target;

static void make_calls(void)
{
	alarm(20);
	if (optimised(5) != 5)
		_exit(101);
	if (!find_mapping(ARCH_CALLS_NAME, &target))
		_exit(100);
}

static int signal_of(void (*attack)(void *unused))
{
	int status = run_in_child(attack, NULL);

	return WIFSIGNALED(status) ? WTERMSIG(status) : -WEXITSTATUS(status);
}

TEST_F(optimised, counts)
{
	for (int i = 1; i <= 5; i++) {
		EXPECT_EQ(i, optimised(i));
		EXPECT_EQ(i, hits(self->probe));
	}
	EXPECT_TRUE(find_mapping(ARCH_CALLS_NAME, &target));
}

static void unmap_then_call(void *unused)
{
	make_calls();
	munmap((void *)target.start, PAGE);
	optimised(1);
	_exit(102);
}

TEST_F(optimised, unmap_then_call)
{
	EXPECT_EQ(SIGSEGV, signal_of(unmap_then_call));
}

static void change_the_page(void *unused)
{
	make_calls();
	if (!mprotect((void *)target.start, PAGE, PROT_READ | PROT_WRITE))
		_exit(102);
	if (mremap((void *)target.start, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		   target.start - 16 * PAGE) != MAP_FAILED)
		_exit(103);
	madvise((void *)target.start, PAGE, MADV_DONTNEED);
	if (optimised(5) != 5)
		_exit(104);
}

TEST_F(optimised, change_the_page)
{
	EXPECT_EQ(0, signal_of(change_the_page));
}

/* A call that comes from no probe is nobody's hit. */
static void call_from_elsewhere(void *unused)
{
	make_calls();
	call_trampoline(target.start);
}

TEST_F(optimised, call_from_elsewhere)
{
	EXPECT_EQ(0, signal_of(call_from_elsewhere));
	EXPECT_EQ(1, hits(self->probe));
}

/* One that pretends to come from a probe is a hit, as a jump to it were. */
static void pretend_to_be_called(void *unused)
{
	make_calls();
	if (call_trampoline_from(target.start, (unsigned long)optimised + ARCH_CALL_BYTES, 7) != 7)
		_exit(102);
}

TEST_F(optimised, pretend_to_be_called)
{
	EXPECT_EQ(0, signal_of(pretend_to_be_called));
	EXPECT_EQ(2, hits(self->probe));
}

/* Enough calls for a thread to remember where they come from. */
#define CALLS	10

static void make_many_calls(void)
{
	make_calls();
	for (int i = 1; i < CALLS; i++)
		if (optimised(i) != i)
			_exit(101);
}

/* The same code, in a page of the program's own, is not the architecture's. */
static void copy_then_call(void *unused)
{
	static char copy[PAGE];
	void *page;

	make_many_calls();
	memcpy(copy, (void *)target.start, PAGE);
	munmap((void *)target.start, PAGE);
	page = mmap((void *)target.start, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	if (page == MAP_FAILED)
		_exit(102);
	memcpy(page, copy, PAGE);
	for (int i = 1; i <= CALLS; i++)
		if (optimised(i) != i)
			_exit(103);
}

TEST_F(optimised, copy_then_call)
{
	EXPECT_EQ(0, signal_of(copy_then_call));
	EXPECT_EQ(CALLS, hits(self->probe));
}

static void *unmap_in_another_thread(void *unused)
{
	munmap((void *)target.start, PAGE);
	return NULL;
}

static void unmap_elsewhere_then_call(void *unused)
{
	pthread_t thread;

	make_many_calls();
	if (pthread_create(&thread, NULL, unmap_in_another_thread, NULL) ||
	    pthread_join(thread, NULL))
		_exit(102);
	optimised(1);
	_exit(103);
}

TEST_F(optimised, unmap_elsewhere_then_call)
{
	EXPECT_EQ(SIGSEGV, signal_of(unmap_elsewhere_then_call));
	EXPECT_EQ(CALLS, hits(self->probe));
}

/* Who has come from the architecture's code many times may still not ask from elsewhere. */
static void ask_from_elsewhere(void *unused)
{
	make_many_calls();
	if (syscall(ARCH_NR_UPROBE) != -1 || errno != EPROTO)
		_exit(102);
}

TEST_F(optimised, ask_from_elsewhere)
{
	EXPECT_EQ(0, signal_of(ask_from_elsewhere));
	EXPECT_EQ(CALLS, hits(self->probe));
}

static void call_without_a_stack(void *unused)
{
	make_calls();
	jump_with_stack(target.start + ARCH_CALLS_SYSCALL, 64, ARCH_NR_UPROBE);
	_exit(102);
}

TEST_F(optimised, call_without_a_stack)
{
	EXPECT_EQ(SIGILL, signal_of(call_without_a_stack));
}

/* A fork shares its code with its parent; the architecture warns if it cannot copy it. */
static void copy_the_code(void)
{
	char *page = (char *)((unsigned long)optimised & -PAGE);

	mprotect(page, 2 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC);
	for (int i = 0; i < 2; i++)
		*(volatile char *)(page + i * PAGE) = *(volatile char *)(page + i * PAGE);
	mprotect(page, 2 * PAGE, PROT_READ | PROT_EXEC);
}

/* Without memory for the call, there is the breakpoint. */
TEST_F_TIMEOUT(optimised, first_hit_without_memory, 120)
{
	struct first_hit hit = {
		.probe = self->probe, .prepare = copy_the_code,
		.call = optimised, .result = 5,
	};
	int failures = 0;

	if (!fail_is_possible())
		SKIP(return, FAIL_NEEDS);
	share_the_report();
	for (failing.nth = 1; ; failing.nth++) {
		ASSERT_EQ(0, run_in_child(hit_twice, &hit));
		EXPECT_TRUE(report->right);
		EXPECT_EQ(1, report->first);
		EXPECT_EQ(1, report->second);
		if (!report->failed)
			break;
		failures++;
	}
	EXPECT_LT(1, failures);
}

TEST_HARNESS_MAIN
