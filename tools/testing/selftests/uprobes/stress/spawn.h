/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The worker that makes threads and processes, in all ways there are, which call
 * and end.
 */
#ifndef STRESS_SPAWN_H
#define STRESS_SPAWN_H

#include <sys/types.h>

/* A thread: spawns until the run is over. */
void *spawn_and_spawn(void *rng);

/*
 * Like fork(), but parent and child have one table of descriptors. With tables of
 * their own a child would keep attached what its parent closes meanwhile. The
 * child must not call what takes one of the library's locks.
 */
pid_t fork_sharing_files(void);

/*
 * To be held to close a descriptor that something is attached by: a program that
 * is executed gets a table of its own first, and closes what is in it after.
 */
void hold_executions(void);
void let_executions(void);

/* What this program does when it was executed by such a process. */
#define SPAWN_EXECUTED "--executed"
int spawn_executed(char **argv);

#endif
