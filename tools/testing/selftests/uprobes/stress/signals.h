/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Signals to threads that call, whose handler calls, too. Threads of all
 * processes are on one list of seats.
 */
#ifndef STRESS_SIGNALS_H
#define STRESS_SIGNALS_H

void signals_init(void);
/* Puts the calling thread on the list; its seat. */
int signals_accept(void);
/* Takes it off; afterwards it gets no more of them. */
void signals_refuse(int seat);

/* A thread: sends until the run is over. */
void *signal_and_signal(void *rng);

#endif
