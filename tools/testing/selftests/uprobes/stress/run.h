/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One run: probes on, workers to work, until there were enough hits; everybody
 * stops, probes off, the books are closed.
 */
#ifndef STRESS_RUN_H
#define STRESS_RUN_H

#include <stdbool.h>
#include <stdint.h>

/*
 * At least @hits entries of probes that stay. If @show, says how far it is, and
 * what was done. Everything that is wrong goes to the accounts.
 */
void run(uint64_t seed, uint64_t hits, bool show);

#endif
