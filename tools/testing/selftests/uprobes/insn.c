// SPDX-License-Identifier: GPL-2.0
/*
 * A probe on each class of instruction (insn_cases.S of the architecture): the
 * function does to registers, flags and memory what it does without a probe,
 * and every execution is counted once. Those that cannot be probed are refused.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "insn.h"
#include "kselftest.h"
#include "uprobe_test.h"

#define MAX_CASES	512

/* Runs the case once from known state, and keeps what it left behind. */
static void run_case(const struct insn_case *insn, int input, struct insn_state *state)
{
	memset(state, 0, sizeof(*state));
	insn_prepare(state, input);
	memcpy(insn_memory, insn_memory_init, sizeof(insn_memory));
	insn_run(insn->function, state);
	memcpy(state->memory, insn_memory, sizeof(insn_memory));
	insn_ignore(insn->ignore, state);
}

static void report_difference(const struct insn_case *insn, int input,
			      const struct insn_state *a, const struct insn_state *b)
{
	const unsigned long *x = (const void *)a, *y = (const void *)b;

	for (size_t i = 0; i < sizeof(*a) / sizeof(*x); i++) {
		if (x[i] != y[i])
			ksft_print_msg("%s: input %d: word %zu is %#lx, without the probe %#lx\n",
				       insn->name, input, i, y[i], x[i]);
	}
}

/* Runs the case with every input, and compares with what it did at first. */
static bool same_as_before(const struct insn_case *insn)
{
	bool good = true;

	for (int input = 0; input < INSN_INPUTS; input++) {
		struct insn_state now;

		run_case(insn, input, &now);
		if (memcmp(&now, &insn->without[input], sizeof(now))) {
			report_difference(insn, input, &insn->without[input], &now);
			good = false;
		}
	}
	return good;
}

static void run_in_child_twice(void *insn)
{
	bool good;

	alarm(20);
	/* Twice: an instruction may be rewritten at its first hit. */
	good = same_as_before(insn);
	good &= same_as_before(insn);
	_exit(!good);
}

static void run_in_child_once(void *insn)
{
	_exit(same_as_before(insn) ? 0 : 1);
}

/* In a child, because an instruction gone wrong may kill it. */
static bool good_in_child(void (*run)(void *insn), struct insn_case *insn, const char *when)
{
	int status;

	fflush(stdout);
	status = run_in_child(run, insn);
	if (WIFSIGNALED(status))
		ksft_print_msg("%s: killed by signal %d\n", insn->name, WTERMSIG(status));
	if (status)
		ksft_print_msg("%s: differs %s\n", insn->name, when);
	return !status;
}

static bool is_refused(const struct insn_case *insn)
{
	char before = *(volatile const char *)insn->at;
	int probe = probe_self(insn->at, PROBE_ENTRY);

	if (probe != -(int)insn->error)
		ksft_print_msg("%s: attaching gives %d\n", insn->name, probe);
	return probe == -(int)insn->error && before == *(volatile const char *)insn->at;
}

/* All that can be probed are probed at once, by one event. */
static void attach_all(struct trace_counter *counter)
{
	int error = trace_create(counter, "insn", PROBE_ENTRY);

	for (struct insn_case *insn = insn_cases; insn < insn_cases_end && !error; insn++) {
		if (!insn->error)
			error = trace_add(counter, place_of(insn->at));
	}
	if (!error)
		error = trace_enable(counter);
	if (error) {
		trace_destroy(counter);
		ksft_exit_fail_msg("attaching to all instructions gives %d\n", error);
	}
}

static bool counted(const struct insn_case *insn, long long count)
{
	long long expected = 2 * INSN_INPUTS * insn->hits;

	if (count != expected)
		ksft_print_msg("%s: %lld hits instead of %lld\n", insn->name, count, expected);
	return count == expected;
}

static long long each_count[MAX_CASES];

int main(void)
{
	const int cases = insn_cases_end - insn_cases;
	struct trace_counter counter;
	bool good[MAX_CASES] = {};
	int probed = 0;

	run_on_cpu0();
	ksft_print_header();
	if (cases > MAX_CASES)
		ksft_exit_fail_msg("MAX_CASES is less than %d\n", cases);
	ksft_set_plan(cases);

	for (int i = 0; i < cases; i++) {
		for (int input = 0; input < INSN_INPUTS && !insn_cases[i].error; input++)
			run_case(&insn_cases[i], input, &insn_cases[i].without[input]);
	}
	attach_all(&counter);
	for (int i = 0; i < cases; i++) {
		if (insn_cases[i].error)
			good[i] = is_refused(&insn_cases[i]);
		else
			good[i] = good_in_child(run_in_child_twice, &insn_cases[i], "with the probe");
	}
	trace_disable(&counter);
	if (trace_hits_each(&counter, each_count, MAX_CASES) < 0)
		ksft_print_msg("no hits can be read\n");
	trace_destroy(&counter);
	for (int i = 0; i < cases; i++) {
		if (!insn_cases[i].error) {
			good[i] &= counted(&insn_cases[i], each_count[probed++]);
			good[i] &= good_in_child(run_in_child_once, &insn_cases[i],
						 "after the probe");
		}
		ksft_test_result(good[i], "insn.%s\n", insn_cases[i].name);
	}
	ksft_finished();
}
