/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A process that calls KILLED until it is killed, wherever it then is.
 */
#ifndef STRESS_VICTIMS_H
#define STRESS_VICTIMS_H

#include "rng.h"

void spawn_victim(struct rng *rng);

#endif
