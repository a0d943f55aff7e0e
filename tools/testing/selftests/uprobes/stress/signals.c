// SPDX-License-Identifier: GPL-2.0
/*
 * Signals: see signals.h. A sender goes to the next thread after each, and waits
 * a little, or the threads would execute nothing but handlers.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <err.h>

#include "calls.h"
#include "signals.h"

#define SEATS 16

/* The lock makes sure that a seat is not signalled after it was given up. */
static struct list {
	pthread_mutex_t lock;
	struct {
		pid_t process;
		pid_t thread;
	} seats[SEATS];
} *list;

static void call_in_handler(int sig)
{
	call_once(code_of(LASTING), F_STEPPED_B, sig);
	call_once(code_of(LASTING), F_EMULATED, sig);
}

void signals_init(void)
{
	struct sigaction action = { .sa_handler = call_in_handler, .sa_flags = SA_RESTART };
	pthread_mutexattr_t attr;

	list = mmap(NULL, sizeof(*list), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (list == MAP_FAILED)
		err(EXIT_FAILURE, "map the list");
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(&list->lock, &attr);
	sigaction(SIGUSR1, &action, NULL);
}

int signals_accept(void)
{
	int seat = 0;

	pthread_mutex_lock(&list->lock);
	while (list->seats[seat].thread)
		seat++;
	list->seats[seat].process = getpid();
	list->seats[seat].thread = syscall(SYS_gettid);
	pthread_mutex_unlock(&list->lock);
	return seat;
}

void signals_refuse(int seat)
{
	pthread_mutex_lock(&list->lock);
	list->seats[seat].thread = 0;
	pthread_mutex_unlock(&list->lock);
}

static void signal_seat(int seat)
{
	pthread_mutex_lock(&list->lock);
	if (list->seats[seat].thread &&
	    !syscall(SYS_tgkill, list->seats[seat].process, list->seats[seat].thread, SIGUSR1))
		book_deed(DEED_SIGNAL);
	pthread_mutex_unlock(&list->lock);
}

void *signal_and_signal(void *arg)
{
	struct rng *rng = arg;

	for (int seat = 0; !is_over(); seat = (seat + 1) % SEATS) {
		signal_seat(seat);
		usleep(rng_below(rng, 400));
	}
	return NULL;
}
