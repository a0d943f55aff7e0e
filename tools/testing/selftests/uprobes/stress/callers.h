/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Threads that do nothing but call, and a process of some of them that lives as
 * long as the run, beside the one that does everything else.
 */
#ifndef STRESS_CALLERS_H
#define STRESS_CALLERS_H

#include <pthread.h>
#include <sys/types.h>

#include "rng.h"

/* A thread: calls until the run is over, and takes signals. */
void *call_and_call(void *rng);

/* Returns in the parent; to be called before it has threads. */
pid_t start_calling_process(uint64_t seed);
/* The process ends by itself when nothing is attached to CHANGING any more. */

#endif
