// SPDX-License-Identifier: GPL-2.0
/*
 * The shared accounts: see accounts.h. Everything is an atomic in one mapping,
 * which survives fork() by being shared and execve() by its descriptor.
 */
#include <err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "accounts.h"

/* After so many of one kind the next ones say nothing new. */
#define WRONGS_SHOWN	8

static struct shared {
	struct tally tallies[FILES][FUNCTIONS];
	uint64_t deeds[DEEDS];
	uint64_t wrongs[CHECKS];
	bool mistakes[CHECKS];
	bool over;
	bool detached;
} *shared;

static int shared_fd;

static void map_shared(void)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, shared_fd, 0);
	if (shared == MAP_FAILED)
		err(EXIT_FAILURE, "map the accounts");
}

void accounts_init(void)
{
	shared_fd = memfd_create("stress_accounts", 0);
	if (shared_fd < 0 || ftruncate(shared_fd, sizeof(*shared)))
		err(EXIT_FAILURE, "memfd_create");
	map_shared();
}

void accounts_inherit(int fd)
{
	shared_fd = fd;
	map_shared();
}

int accounts_fd(void)
{
	return shared_fd;
}

void accounts_clear(void)
{
	memset(shared->tallies, 0, sizeof(shared->tallies));
	memset(shared->deeds, 0, sizeof(shared->deeds));
	shared->over = shared->detached = false;
}

static void add(uint64_t *count, uint64_t more)
{
	__atomic_fetch_add(count, more, __ATOMIC_SEQ_CST);
}

static uint64_t get(uint64_t *count)
{
	return __atomic_load_n(count, __ATOMIC_SEQ_CST);
}

void book_begun(enum file file, enum function function, uint64_t calls)
{
	add(&shared->tallies[file][function].begun, calls);
}

void book_done(enum file file, enum function function, uint64_t calls, uint64_t returned)
{
	struct tally *tally = &shared->tallies[file][function];

	add(&tally->returned, returned);
	add(&tally->done, calls);
}

struct tally tally(enum file file, enum function function)
{
	struct tally *tally = &shared->tallies[file][function];

	return (struct tally){
		.begun = get(&tally->begun),
		.done = get(&tally->done),
		.returned = get(&tally->returned),
	};
}

void book_deed(enum deed deed)
{
	add(&shared->deeds[deed], 1);
}

uint64_t deeds(enum deed deed)
{
	return get(&shared->deeds[deed]);
}

void wrong(enum check check, const char *format, ...)
{
	uint64_t before = __atomic_fetch_add(&shared->wrongs[check], 1, __ATOMIC_SEQ_CST);
	char line[256] = "# wrong: ";
	size_t size = strlen(line);
	va_list args;

	if (before >= WRONGS_SHOWN)
		return;
	va_start(args, format);
	size += vsnprintf(line + size, sizeof(line) - size - 1, format, args);
	va_end(args);
	if (size > sizeof(line) - 2)
		size = sizeof(line) - 2;
	line[size++] = '\n';
	/* One write, and no buffer that a fork would copy. */
	if (write(STDOUT_FILENO, line, size) < 0)
		_exit(EXIT_FAILURE);
}

uint64_t wrongs(enum check check)
{
	return get(&shared->wrongs[check]);
}

bool is_over(void)
{
	return __atomic_load_n(&shared->over, __ATOMIC_ACQUIRE);
}

void declare_over(void)
{
	__atomic_store_n(&shared->over, true, __ATOMIC_RELEASE);
}

bool is_detached(void)
{
	return __atomic_load_n(&shared->detached, __ATOMIC_ACQUIRE);
}

void declare_detached(void)
{
	__atomic_store_n(&shared->detached, true, __ATOMIC_RELEASE);
}

void allow_mistakes(void)
{
	memset(shared->mistakes, true, sizeof(shared->mistakes));
}

bool mistake(enum check check)
{
	return __atomic_load_n(&shared->mistakes[check], __ATOMIC_RELAXED) &&
	       __atomic_exchange_n(&shared->mistakes[check], false, __ATOMIC_RELAXED);
}
