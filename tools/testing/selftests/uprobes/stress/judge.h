/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The books are closed: were there as many hits as there had to be?
 */
#ifndef STRESS_JUDGE_H
#define STRESS_JUDGE_H

#include "accounts.h"
#include "counters.h"

/* The exact counts of a run: of entries and of returns. */
struct counts {
	struct counters kinds[2];
};

void judge_lasting(const struct counts *counts);
void judge_killed(const struct counts *counts);

/* The sum of all entries. */
uint64_t total_hits(const struct counts *counts);

/* A line for each group of functions, as a table for whoever reads the output. */
void print_table(const struct counts *lasting, const struct counts *killed);
void print_deeds(void);

#endif
