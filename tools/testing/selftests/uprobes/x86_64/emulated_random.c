// SPDX-License-Identifier: GPL-2.0
/*
 * Random instructions, each executed without a probe and with one from the same
 * state: registers, flags and memory are the same afterwards, and every
 * execution is counted. Some of the instructions are stepped, most may be
 * executed by the kernel itself; their memory is sometimes there, and sometimes
 * it has to be fetched.
 *
 * With an argument, the one that a failed run says it had, all is done again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest.h"
#include "random_insn.h"
#include "uprobe_test.h"

#define PAGE		4096
#define INSNS		1000
#define STRIDE		32
#define CODE_PAGES	(INSNS * STRIDE / PAGE + 1)
/* States that each is executed from. */
#define INPUTS		3

/* What a child says to its parent. */
static struct report {
	/* Which instruction is executed, and with which input. */
	int insn, input;
	int wrong;
	/* Slots that were written while all memory was there. */
	long long written;
} *report;

static struct random_insn insns[INSNS];
static struct random_state without[INSNS][INPUTS];
static unsigned char memory_without[INSNS][INPUTS][RANDOM_MEMORY_BYTES];
static unsigned char *memory;

static int code_fd;
static unsigned char *code;

/* Below 2 GB, so that an instruction can name every address. */
static void *map_low(int fd, int pages, int prot, int flags)
{
	void *map = mmap(NULL, pages * PAGE, prot, flags | MAP_32BIT, fd, 0);

	if (map == MAP_FAILED)
		ksft_exit_fail_msg("no memory below 2 GB\n");
	return map;
}

static void make_all(void)
{
	code_fd = code_file(CODE_PAGES);
	code = map_low(code_fd, CODE_PAGES, PROT_READ | PROT_EXEC, MAP_PRIVATE);
	memory = map_low(code_file(1), 1, PROT_READ | PROT_WRITE, MAP_SHARED);
	for (int i = 0; i < INSNS; i++) {
		unsigned char bytes[STRIDE];
		uintptr_t at = (uintptr_t)code + i * STRIDE, target = (uintptr_t)memory;

		target += 8 * (random_of(i) % RANDOM_MEMORY_WORDS);
		insns[i] = random_insn_make(at, target);
		code_write(code_fd, i * STRIDE, bytes, random_insn_write(&insns[i], bytes));
	}
}

/* Executes one from a state that depends on nothing but its number and that of the input. */
static struct random_state execute(int insn, int input, bool fetched)
{
	struct random_state state = random_state_make(insn * INPUTS + input);

	report->insn = insn;
	report->input = input;
	random_memory_make(memory, insn * INPUTS + input);
	random_insn_aim(&insns[insn], &state);
	if (fetched)
		madvise(memory, PAGE, MADV_DONTNEED);
	random_run(code + insn * STRIDE, &state);
	return state;
}

static void execute_without(void)
{
	for (int i = 0; i < INSNS; i++) {
		for (int input = 0; input < INPUTS; input++) {
			without[i][input] = execute(i, input, false);
			memcpy(memory_without[i][input], memory, RANDOM_MEMORY_BYTES);
		}
	}
}

static void check_one(int i, int input, bool fetched)
{
	struct random_state state = execute(i, input, fetched);

	if (!memcmp(&state, &without[i][input], sizeof(state)) &&
	    !memcmp(memory, memory_without[i][input], RANDOM_MEMORY_BYTES))
		return;
	if (!report->wrong++)
		random_state_print_difference(&without[i][input], &state);
}

static void check_all(bool fetched)
{
	for (int i = 0; i < INSNS && !report->wrong; i++) {
		for (int input = 0; input < INPUTS; input++)
			check_one(i, input, fetched);
	}
}

static void execute_with(void *writes)
{
	alarm(100);
	check_all(false);
	report->written = calls(writes);
	check_all(true);
	fflush(stdout);
}

static void attach_all(struct trace_counter *counter)
{
	int error = trace_create(counter, "random", PROBE_ENTRY);

	for (int i = 0; i < INSNS && !error; i++)
		error = trace_add(counter, place_in_fd(code_fd, i * STRIDE));
	if (!error)
		error = trace_enable(counter);
	if (error) {
		trace_destroy(counter);
		ksft_exit_fail_msg("attaching to all instructions gives %d\n", error);
	}
}

static bool each_is_counted(struct trace_counter *counter)
{
	static long long each[INSNS + 1];
	int miscounted = 0;

	if (trace_hits_each(counter, each, INSNS + 1) != INSNS)
		return false;
	for (int i = 0; i < INSNS; i++)
		miscounted += each[i] != 2 * INPUTS;
	if (miscounted)
		ksft_print_msg("%d instructions were miscounted\n", miscounted);
	return !miscounted;
}

static void print_insn(int i)
{
	char bytes[3 * STRIDE + 1] = "";

	for (int n = 0; n < insns[i].size; n++)
		sprintf(bytes + 3 * n, " %02x", insns[i].bytes[n]);
	ksft_print_msg("instruction %d:%s, input %d\n", i, bytes, report->input);
}

static unsigned long seed_of(int argc, char **argv)
{
	unsigned long seed;

	if (argc > 1)
		return strtoul(argv[1], NULL, 0);
	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		ksft_exit_fail_msg("no random number\n");
	return seed;
}

int main(int argc, char **argv)
{
	unsigned long seed = seed_of(argc, argv);
	struct call_counter writes;
	struct trace_counter counter;
	int status;

	run_on_cpu0();
	ksft_print_header();
	ksft_set_plan(3);
	ksft_print_msg("seed %#lx\n", seed);
	report = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	random_seed = seed;
	make_all();
	execute_without();

	attach_all(&counter);
	if (calls_open(&writes, SLOT_WRITE))
		ksft_exit_fail_msg("no kprobes\n");
	fflush(stdout);
	status = run_in_child(execute_with, &writes);
	calls_close(&writes);
	if (WIFSIGNALED(status))
		ksft_print_msg("killed by signal %d\n", WTERMSIG(status));
	if (status || report->wrong)
		print_insn(report->insn);
	ksft_test_result(!status && !report->wrong, "random.same_as_without\n");
	ksft_test_result(each_is_counted(&counter), "random.each_is_counted\n");
	trace_destroy(&counter);

	ksft_print_msg("%lld slots were written\n", report->written);
	if (implementation_is_rust())
		ksft_test_result(report->written < INSNS / 2, "random.most_take_no_slot\n");
	else
		ksft_test_result_skip("random.most_take_no_slot: C takes one for each\n");
	ksft_finished();
}
