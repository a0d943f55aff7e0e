// SPDX-License-Identifier: GPL-2.0
/*
 * Signals around a single-step: those that arrive meanwhile wait for its end,
 * and those that the probed instruction itself causes show the state of the
 * program as if there were no probe.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "first_hit.h"
#include "uprobe_test.h"

#define STORM_CALLS	10000

static volatile long handled, handler_errors;

static void step_in_handler(int sig)
{
	if (stepped_b(handled) != handled + 1 || emulated(5) != 5)
		handler_errors++;
	handled++;
}

static volatile long storm_calls;
static volatile bool storm_over;

/*
 * One signal for each call at most: with more, the next is there whenever a
 * handler returns, and the main thread executes nothing but handlers.
 */
static void *send_signals(void *thread)
{
	long seen = 0;

	while (!storm_over) {
		long calls = storm_calls;

		if (calls == seen)
			continue;
		seen = calls;
		syscall(SYS_tgkill, getpid(), (int)(long)thread, SIGUSR1);
	}
	return NULL;
}

TEST(storm_from_a_thread)
{
	int in_main = probe_self(stepped, PROBE_ENTRY);
	int in_handler = probe_self(stepped_b, PROBE_ENTRY);
	int in_handler_ret = probe_self(stepped_b, PROBE_RETURN);
	pthread_t sender;

	ASSERT_GE(in_main, 0);
	ASSERT_GE(in_handler, 0);
	ASSERT_GE(in_handler_ret, 0);
	signal(SIGUSR1, step_in_handler);
	pthread_create(&sender, NULL, send_signals, (void *)syscall(SYS_gettid));
	for (; storm_calls < STORM_CALLS || handled < 100; storm_calls++)
		ASSERT_EQ(storm_calls + 1, stepped(storm_calls));
	storm_over = true;
	pthread_join(sender, NULL);
	EXPECT_EQ(0, handler_errors);
	EXPECT_EQ(storm_calls, hits(in_main));
	EXPECT_EQ(handled, hits(in_handler));
	EXPECT_EQ(handled, hits(in_handler_ret));
}

TEST(storm_from_a_timer)
{
	struct itimerval often = { { 0, 500 }, { 0, 500 } }, never = {};
	int in_main = probe_self(stepped, PROBE_ENTRY);
	int in_handler = probe_self(stepped_b, PROBE_ENTRY);
	long calls = 0;

	ASSERT_GE(in_main, 0);
	ASSERT_GE(in_handler, 0);
	signal(SIGALRM, step_in_handler);
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &often, NULL));
	for (; calls < STORM_CALLS || handled < 100; calls++)
		ASSERT_EQ(calls + 1, stepped(calls));
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &never, NULL));
	EXPECT_EQ(0, handler_errors);
	EXPECT_EQ(calls, hits(in_main));
	EXPECT_EQ(handled, hits(in_handler));
}

static void step_until_killed(void *unused)
{
	int probe = probe_self(stepped, PROBE_ENTRY);

	if (probe < 0)
		_exit(1);
	for (;;)
		stepped(1);
}

TEST(killed_while_stepping)
{
	for (int i = 0; i < 12; i++) {
		pid_t pid = fork();
		int status;

		if (!pid)
			step_until_killed(NULL);
		usleep(2000 + 700 * i);
		ASSERT_EQ(0, kill(pid, SIGKILL));
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	}
}

static void step_counting(volatile long *stop)
{
	int probe = probe_self(stepped, PROBE_ENTRY);
	long calls = 0;

	if (probe < 0)
		_exit(1);
	for (; !*stop; calls++) {
		if (stepped(calls) != calls + 1)
			_exit(2);
	}
	_exit(hits(probe) == calls ? 0 : 3);
}

TEST(stopped_while_stepping)
{
	volatile long *stop = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid = fork();
	int status;

	if (!pid)
		step_counting(stop);
	for (int i = 0; i < 50; i++) {
		usleep(1000);
		ASSERT_EQ(0, kill(pid, SIGSTOP));
		ASSERT_EQ(pid, waitpid(pid, &status, WUNTRACED));
		ASSERT_TRUE(WIFSTOPPED(status));
		ASSERT_EQ(0, kill(pid, SIGCONT));
	}
	*stop = 1;
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFEXITED(status));
	EXPECT_EQ(0, WEXITSTATUS(status));
}

/* What a handler of a synchronous signal saw, and how it mends the cause. */
static struct {
	volatile int count;
	unsigned long ip;
	unsigned long addr;
	bool stepping;
	ucontext_t context;
	void (*mend)(ucontext_t *uc);
} fault;

static void on_fault(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	fault.count++;
	fault.ip = arch_ip(uc);
	fault.addr = (unsigned long)info->si_addr;
	fault.stepping = arch_is_stepping(uc);
	fault.context = *uc;
	fault.mend(uc);
}

static void catch_fault(int sig, void (*mend)(ucontext_t *uc))
{
	static char low[64 * 1024];
	stack_t stack = { .ss_sp = low, .ss_size = sizeof(low) };
	struct sigaction action = {
		.sa_sigaction = on_fault,
		.sa_flags = SA_SIGINFO | SA_ONSTACK,
	};

	fault.mend = mend;
	sigaltstack(&stack, NULL);
	sigaction(sig, &action, NULL);
}

static const long good_value = 42;

static void give_good_pointer(ucontext_t *uc)
{
	arch_set_arg(uc, (unsigned long)&good_value);
}

TEST(fault_of_the_probed_instruction)
{
	int probe = probe_self(load, PROBE_ENTRY);
	int ret = probe_self(load, PROBE_RETURN);

	ASSERT_GE(probe, 0);
	ASSERT_GE(ret, 0);
	catch_fault(SIGSEGV, give_good_pointer);
	for (int i = 1; i <= 20; i++) {
		ASSERT_EQ(42, load((long *)16));
		EXPECT_EQ(i, fault.count);
		EXPECT_EQ((unsigned long)load, fault.ip);
		EXPECT_EQ(16, fault.addr);
		EXPECT_FALSE(fault.stepping);
		/* The instruction is executed, and so probed, once more. */
		EXPECT_EQ(2 * i, hits(probe));
	}
	EXPECT_EQ(42, load(&good_value));
	EXPECT_EQ(41, hits(probe));
}

static char good_stack[4096] __attribute__((aligned(16)));

static void give_good_stack(ucontext_t *uc)
{
	arch_set_sp(uc, (unsigned long)good_stack + sizeof(good_stack));
}

/* Where the instruction is emulated, that fails; it is then stepped, and faults there. */
TEST(push_without_a_stack)
{
	int probe = probe_self(push_on_at, PROBE_ENTRY);

	ASSERT_GE(probe, 0);
	catch_fault(SIGSEGV, give_good_stack);
	EXPECT_EQ(0, push_on((void *)64));
	EXPECT_EQ(1, fault.count);
	EXPECT_EQ((unsigned long)push_on_at, fault.ip);
	EXPECT_EQ(64 - ARCH_PUSH_BYTES, fault.addr);
	EXPECT_FALSE(fault.stepping);
	EXPECT_EQ(2, hits(probe));
	/* One thread without a stack changes nothing for those that have one. */
	EXPECT_EQ(0, push_on(good_stack + sizeof(good_stack)));
	EXPECT_EQ(3, hits(probe));
}

static void load_null(void *unused)
{
	if (probe_self(load, PROBE_ENTRY) < 0)
		_exit(1);
	signal(SIGSEGV, SIG_DFL);
	load(NULL);
}

TEST(fault_without_a_handler)
{
	int status = run_in_child(load_null, NULL);

	ASSERT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(SIGSEGV, WTERMSIG(status));
}

#include "signals_cases.h"

TEST_HARNESS_MAIN
