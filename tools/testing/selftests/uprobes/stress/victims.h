/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A process that calls KILLED until it is killed, wherever it then is.
 */
#ifndef STRESS_VICTIMS_H
#define STRESS_VICTIMS_H

#include "rng.h"

/* Before the kernel has said so much that it has forgotten what it is. */
void victims_init(void);
void spawn_victim(struct rng *rng);

#endif
