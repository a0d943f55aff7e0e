// SPDX-License-Identifier: GPL-2.0
/*
 * The files of functions, and where they are: see code.h. A copy is of whole
 * pages of this program, so that what is at an address here is at the same
 * distance from its start there; the functions do not care where they are.
 */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "code.h"

#define PAGE	sysconf(_SC_PAGESIZE)

static struct {
	struct place lasting;
	const char *start;
	unsigned long size;
	int fds[FILES];
	char *maps[FILES];
	char paths[FILES][PATH_MAX];
} code;

static const char *address(enum function function)
{
	static const void *const named[] = {
		[F_EMULATED] = emulated,
		[F_STEPPED] = stepped,
		[F_STEPPED_B] = stepped_b,
		[F_OPTIMISED] = optimised,
		[F_TAIL_A] = tail_a,
		[F_TAIL_B] = tail_b,
		[F_TAIL_C] = tail_c,
		[F_RECURSE] = recurse,
		[F_RECURSE_B] = recurse_b,
	};

	if (function >= F_COUNTED)
		return many + MANY_STRIDE * (MANY_CALLED + function - F_COUNTED);
	if (function >= F_MANY && function < F_RECURSE)
		return many + MANY_STRIDE * (function - F_MANY);
	return named[function];
}

long code_adds(enum function function)
{
	if (function == F_STEPPED || function == F_STEPPED_B)
		return 1;
	if (function >= F_MANY && function != F_RECURSE && function != F_RECURSE_B)
		return (address(function) - many) / MANY_STRIDE;
	return 0;
}

static void find_pages(void)
{
	const char *first = address(0), *last = first;

	for (int f = 0; f < FUNCTIONS; f++) {
		if (address(f) < first)
			first = address(f);
		if (address(f) > last)
			last = address(f);
	}
	code.start = (const char *)((uintptr_t)first & -PAGE);
	code.size = ((last + MANY_STRIDE - code.start) + PAGE - 1) & -PAGE;
	code.lasting = place_of(code.start);
	code.maps[LASTING] = (char *)code.start;
	snprintf(code.paths[LASTING], PATH_MAX, "%s", code.lasting.path);
	code.fds[LASTING] = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (code.fds[LASTING] < 0)
		err(EXIT_FAILURE, "/proc/self/exe");
}

/* The code for execution, and behind it the counters for writing. */
static void map_copy(enum file file)
{
	int fd = code.fds[file];
	char *map = mmap(NULL, code.size + PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);

	if (map == MAP_FAILED || mmap(map + code.size, PAGE, PROT_READ | PROT_WRITE,
				      MAP_PRIVATE | MAP_FIXED, fd, code.size) == MAP_FAILED)
		err(EXIT_FAILURE, "map a copy");
	code.maps[file] = map;
}

static void make_copy(enum file file)
{
	int fd = memfd_create("stress_code", 0);

	if (fd < 0 || ftruncate(fd, code.size + PAGE))
		err(EXIT_FAILURE, "memfd_create");
	code_write(fd, 0, code.start, code.size);
	code.fds[file] = fd;
	snprintf(code.paths[file], PATH_MAX, "/proc/%d/fd/%d", getpid(), fd);
	map_copy(file);
}

void code_init(void)
{
	find_pages();
	make_copy(CHANGING);
	make_copy(KILLED);
}

void code_inherit(int fd)
{
	find_pages();
	code.fds[CHANGING] = fd;
	map_copy(CHANGING);
}

int code_changing_fd(void)
{
	return code.fds[CHANGING];
}

struct code code_of(enum file file)
{
	return (struct code){ .file = file, .start = code.maps[file] };
}

int code_lasting_fd(void)
{
	return code.fds[LASTING];
}

unsigned long code_lasting_offset(void)
{
	return code.lasting.offset;
}

unsigned long code_size(void)
{
	return code.size;
}

const char *code_path(enum file file)
{
	return code.paths[file];
}

unsigned long code_offset(enum file file, enum function function)
{
	unsigned long start = file == LASTING ? code.lasting.offset : 0;

	return start + (address(function) - code.start);
}

struct place code_place(enum file file, enum function function)
{
	struct place place = { .offset = code_offset(file, function) };

	memcpy(place.path, code_path(file), sizeof(place.path));
	return place;
}

long code_call_function(struct code at, enum function function, long x)
{
	return ((long (*)(long))(at.start + (address(function) - code.start)))(x);
}

unsigned long code_counter_offset(enum function function)
{
	return code.size + (function - F_COUNTED) * sizeof(unsigned short);
}

unsigned short code_counter(enum function function)
{
	return *(volatile unsigned short *)(code.maps[CHANGING] + code_counter_offset(function));
}
