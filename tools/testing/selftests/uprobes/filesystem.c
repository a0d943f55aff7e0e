// SPDX-License-Identifier: GPL-2.0
/*
 * Probes in files of file systems that cannot be written to: breakpoints go
 * into memory and need nothing of the file system. Only a page that the file
 * system would have to make first is an error.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>

#include "kselftest_harness.h"
#include "uprobe_test.h"

#define PAGE	4096
#define FOLDER	"/tmp"
#define PROBED	0x40
#define HOLE	PAGE
#define VALUE	55
#define RX	(PROT_READ | PROT_EXEC)

FIXTURE(filesystem)
{
	int fd;
	char *map;
};

FIXTURE_SETUP(filesystem)
{
	unsigned char code[ARCH_CODE_MAX];

	/* Nobody else sees this file system, and it goes with the test. */
	ASSERT_EQ(0, unshare(CLONE_NEWNS));
	ASSERT_EQ(0, mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL));
	ASSERT_EQ(0, mount("tmpfs", FOLDER, "tmpfs", 0, "size=64k"));
	self->fd = open(FOLDER "/code", O_RDWR | O_CREAT | O_CLOEXEC, 0700);
	ASSERT_GE(self->fd, 0);
	ASSERT_EQ(0, ftruncate(self->fd, 2 * PAGE));
	code_write(self->fd, PROBED, code, arch_code_stepped(code, VALUE));
	close(self->fd);
	self->fd = open(FOLDER "/code", O_RDONLY | O_CLOEXEC);
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(filesystem)
{
}

static int attach(unsigned long offset, enum probe_kind kind)
{
	struct place place = { .path = FOLDER "/code", .offset = offset };

	return probe_self_at(place, kind);
}

#define EXPECT_WORKS()						\
do {								\
	int _entry = attach(PROBED, PROBE_ENTRY);		\
	int _ret = attach(PROBED, PROBE_RETURN);		\
	ASSERT_GE(_entry, 0);					\
	ASSERT_GE(_ret, 0);					\
	for (int _i = 1; _i <= 3; _i++) {			\
		EXPECT_EQ(VALUE, code_call(self->map + PROBED)); \
		EXPECT_EQ(_i, hits(_entry));			\
		EXPECT_EQ(_i, hits(_ret));			\
	}							\
	close(_entry);						\
	close(_ret);						\
	EXPECT_FALSE(arch_is_breakpoint(self->map + PROBED));	\
	EXPECT_EQ(VALUE, code_call(self->map + PROBED));	\
} while (0)

TEST_F(filesystem, read_only)
{
	ASSERT_EQ(0, mount(NULL, FOLDER, NULL, MS_REMOUNT | MS_RDONLY, NULL));
	self->map = code_map(self->fd, 2, RX);
	EXPECT_WORKS();
}

TEST_F(filesystem, read_only_after_the_attach)
{
	int probe = attach(PROBED, PROBE_ENTRY);

	ASSERT_GE(probe, 0);
	self->map = code_map(self->fd, 2, RX);
	ASSERT_EQ(0, mount(NULL, FOLDER, NULL, MS_REMOUNT | MS_RDONLY, NULL));
	EXPECT_EQ(VALUE, code_call(self->map + PROBED));
	EXPECT_EQ(1, hits(probe));
	close(probe);
	EXPECT_WORKS();
}

static void fill_up(struct __test_metadata *_metadata)
{
	static const char page[PAGE] = "x";
	int fd = open(FOLDER "/filling", O_WRONLY | O_CREAT | O_CLOEXEC, 0700);

	ASSERT_GE(fd, 0);
	while (write(fd, page, PAGE) == PAGE)
		;
	ASSERT_EQ(ENOSPC, errno);
	close(fd);
}

TEST_F(filesystem, full)
{
	fill_up(_metadata);
	self->map = code_map(self->fd, 2, RX);
	EXPECT_WORKS();
}

/* The page of a hole would have to be allocated to be probed. */
TEST_F(filesystem, hole_of_a_full_one)
{
	fill_up(_metadata);
	self->map = code_map(self->fd, 2, RX);
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(-ENOSPC, attach(HOLE, PROBE_ENTRY));
	EXPECT_WORKS();
	/* With room for it, it can. */
	ASSERT_EQ(0, unlink(FOLDER "/filling"));
	EXPECT_LE(0, attach(HOLE, PROBE_ENTRY));
	EXPECT_TRUE(arch_is_breakpoint(self->map + HOLE));
}

/* A file that has lost its name is still what it was. */
TEST_F(filesystem, unlinked)
{
	int probe = attach(PROBED, PROBE_ENTRY);

	ASSERT_GE(probe, 0);
	ASSERT_EQ(0, unlink(FOLDER "/code"));
	self->map = code_map(self->fd, 2, RX);
	EXPECT_EQ(VALUE, code_call(self->map + PROBED));
	EXPECT_EQ(1, hits(probe));
	close(probe);
	EXPECT_FALSE(arch_is_breakpoint(self->map + PROBED));
}

/* A file system that is unmounted under a probe stays until nobody uses it. */
TEST_F(filesystem, unmounted)
{
	int probe = attach(PROBED, PROBE_ENTRY);

	ASSERT_GE(probe, 0);
	self->map = code_map(self->fd, 2, RX);
	EXPECT_EQ(-1, umount(FOLDER));
	ASSERT_EQ(0, umount2(FOLDER, MNT_DETACH));
	EXPECT_EQ(VALUE, code_call(self->map + PROBED));
	EXPECT_EQ(1, hits(probe));
	munmap(self->map, 2 * PAGE);
	close(self->fd);
	close(probe);
}

TEST_HARNESS_MAIN
