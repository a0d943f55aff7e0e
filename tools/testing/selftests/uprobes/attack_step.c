// SPDX-License-Identifier: GPL-2.0
/*
 * A traced program that does not let its steps end well: it faults in them, has
 * the slot taken away under them, or is sent into it by a debugger.
 */
#include <elf.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

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

/* Where a traced child has its area, as it says itself. */
static struct mapping *traced_area;

static void be_traced(void)
{
	make_area();
	*traced_area = area;
	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	raise(SIGSTOP);
	stepped(1);
	recurse(3, NULL, NULL);
	_exit(0);
}

static void set_ip_of(pid_t pid, unsigned long ip)
{
	struct user_regs_struct regs;
	struct iovec iov = { &regs, sizeof(regs) };

	ptrace(PTRACE_GETREGSET, pid, (void *)NT_PRSTATUS, &iov);
	arch_set_user_ip(&regs, ip);
	ptrace(PTRACE_SETREGSET, pid, (void *)NT_PRSTATUS, &iov);
}

/* Puts a child at @offset of its area after @steps steps, and lets it go on from there. */
static void trace_child(struct __test_metadata *_metadata, unsigned long offset, int steps)
{
	int status = 0;
	pid_t pid = fork();

	if (!pid)
		be_traced();
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFSTOPPED(status));
	for (int i = 0; i < steps && WIFSTOPPED(status); i++) {
		ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL);
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
	}
	if (!WIFSTOPPED(status))
		return;
	/* Not even a debugger writes there. */
	errno = 0;
	EXPECT_EQ(-1, ptrace(PTRACE_POKETEXT, pid, (void *)traced_area->start, NULL));
	EXPECT_EQ(EIO, errno);
	set_ip_of(pid, traced_area->start + offset);
	for (int i = 0; i < 4 && WIFSTOPPED(status); i++) {
		ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL);
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
	}
	if (WIFSTOPPED(status)) {
		ptrace(PTRACE_DETACH, pid, NULL, NULL);
		usleep(1000);
		kill(pid, SIGKILL);
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
	}
}

/* A debugger that sends its child into the area, at all moments of its probes. */
TEST_F(attack, traced_into_the_area)
{
	static const int at[] = { 0, 1, 3, 10, 30, 100 };

	traced_area = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (size_t i = 0; i < ARRAY_SIZE(at); i++) {
		trace_child(_metadata, 0, at[i]);
		trace_child(_metadata, ARCH_SLOT_BYTES, at[i]);
		trace_child(_metadata, ARCH_SLOT_BYTES + 1, at[i]);
	}
}

TEST_HARNESS_MAIN
