/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The worker that maps the lasting file once more and calls it there, while the
 * mapping is moved, split, protected, given advice on and replaced. Breakpoints
 * have to be wherever the file can be executed.
 */
#ifndef STRESS_MAPS_H
#define STRESS_MAPS_H

void *map_and_call(void *seed);

#endif
