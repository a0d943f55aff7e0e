// SPDX-License-Identifier: GPL-2.0
/*
 * Probes in a 32-bit program, whose area is below 4 GB and whose returns come
 * through a breakpoint instead of a system call.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "uprobe_test.h"

#define TARGET	"compat_target.elf"
#define ROUNDS	10
#define FRAMES	10

/* The program lies beside this one. */
static void target_path(char *path, size_t size)
{
	ssize_t len = readlink("/proc/self/exe", path, size - sizeof(TARGET));

	path[len < 0 ? 0 : len] = '\0';
	strcpy(strrchr(path, '/') + 1, TARGET);
}

/* Where the function behind @mark is in the program's file. */
static int find_function(const char *mark, struct place *place)
{
	struct stat stat;
	const char *file, *found;
	int fd;

	target_path(place->path, sizeof(place->path));
	fd = open(place->path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &stat))
		return -errno;
	file = mmap(NULL, stat.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	found = memmem(file, stat.st_size, mark, strlen(mark));
	if (found)
		place->offset = found + strlen(mark) - file;
	/* The kernel decodes an instruction once, as that of whoever maps it first. */
	munmap((void *)file, stat.st_size);
	close(fd);
	return found ? 0 : -ENOENT;
}

static int probe_function(const char *mark, enum probe_kind kind)
{
	struct place place = {};
	int error = find_function(mark, &place);

	return error ?: probe_cpu0_at(place, kind);
}

static void exec_target(void *unused)
{
	char path[PATH_MAX];

	target_path(path, sizeof(path));
	execl(path, TARGET, NULL);
	_exit(errno == ENOEXEC ? KSFT_SKIP : 100);
}

static int run_target(void)
{
	int status = run_in_child(exec_target, NULL);

	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

FIXTURE(compat)
{
};

FIXTURE_SETUP(compat)
{
	run_on_cpu0();
	if (run_target() == KSFT_SKIP)
		SKIP(return, "no 32-bit programs");
}

FIXTURE_TEARDOWN(compat)
{
}

TEST_F(compat, entries)
{
	int emulated = probe_function("@@emulated", PROBE_ENTRY);
	int stepped = probe_function("@@stepped", PROBE_ENTRY);
	int recurse = probe_function("@@recurse", PROBE_ENTRY);

	ASSERT_GE(emulated, 0);
	ASSERT_GE(stepped, 0);
	ASSERT_GE(recurse, 0);
	for (int i = 1; i <= 3; i++) {
		ASSERT_EQ(0, run_target());
		EXPECT_EQ(ROUNDS * i, hits(emulated));
		EXPECT_EQ(ROUNDS * i, hits(stepped));
		EXPECT_EQ(ROUNDS * FRAMES * i, hits(recurse));
	}
}

/* What is another instruction in 64-bit mode, where the kernel may execute it itself. */
TEST_F(compat, other_in_64_bit_mode)
{
	int other = probe_function("@@other_in_64_bit", PROBE_ENTRY);
	int absolute = probe_function("@@absolute", PROBE_ENTRY);

	ASSERT_GE(other, 0);
	ASSERT_GE(absolute, 0);
	for (int i = 1; i <= 3; i++) {
		ASSERT_EQ(0, run_target());
		EXPECT_EQ(ROUNDS * i, hits(other));
		EXPECT_EQ(ROUNDS * i, hits(absolute));
	}
}

TEST_F(compat, returns)
{
	int stepped = probe_function("@@stepped", PROBE_ENTRY);
	int stepped_ret = probe_function("@@stepped", PROBE_RETURN);
	int recurse = probe_function("@@recurse", PROBE_RETURN);

	ASSERT_GE(stepped, 0);
	ASSERT_GE(stepped_ret, 0);
	ASSERT_GE(recurse, 0);
	for (int i = 1; i <= 3; i++) {
		ASSERT_EQ(0, run_target());
		EXPECT_EQ(ROUNDS * i, hits(stepped));
		EXPECT_EQ(ROUNDS * i, hits(stepped_ret));
		EXPECT_EQ(ROUNDS * FRAMES * i, hits(recurse));
	}
}

TEST_HARNESS_MAIN
