// SPDX-License-Identifier: GPL-2.0
/*
 * Probes in code that is mapped by a huge page: the mapping is split for the
 * breakpoint, and may be whole again without it.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "kselftest_harness.h"
#include "uprobe_test.h"

#define HUGE	(2ul << 20)
#define PROBED	0x12340
#define VALUE	77
#define RX	(PROT_READ | PROT_EXEC)

FIXTURE(thp)
{
	char folder[32];
	char *map;
	int fd;
};

/* An address where a huge page may be mapped. */
static char *aligned_hole(void)
{
	char *hole = mmap(NULL, 2 * HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return (char *)(((unsigned long)hole + HUGE - 1) & -HUGE);
}

/* Whether a page table's whole entry maps this process's copy of the file. */
static bool is_huge(const char *map)
{
	char line[PATH_MAX + 128];
	unsigned long start, end, kb;
	bool ours = false, huge = false;
	FILE *f = fopen("/proc/self/smaps", "r");

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			ours = start == (unsigned long)map;
		else if (ours && (sscanf(line, "ShmemPmdMapped: %lu", &kb) == 1 ||
				  sscanf(line, "FilePmdMapped: %lu", &kb) == 1))
			huge |= kb == HUGE / 1024;
	}
	fclose(f);
	return huge;
}

FIXTURE_SETUP(thp)
{
	unsigned char code[ARCH_CODE_MAX];
	char path[64];

	strcpy(self->folder, "/tmp/uprobe_thp_XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->folder));
	if (mount("tmpfs", self->folder, "tmpfs", 0, "huge=always"))
		SKIP(return, "no huge pages in tmpfs");
	snprintf(path, sizeof(path), "%s/code", self->folder);
	self->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0700);
	ASSERT_GE(self->fd, 0);
	ASSERT_EQ(0, ftruncate(self->fd, HUGE));
	code_write(self->fd, PROBED, code, arch_code_stepped(code, VALUE));
	self->map = mmap(aligned_hole(), HUGE, RX, MAP_PRIVATE | MAP_FIXED, self->fd, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->map);
	ASSERT_EQ(VALUE, code_call(self->map + PROBED));
	if (!is_huge(self->map))
		SKIP(return, "the code is not mapped by a huge page");
}

FIXTURE_TEARDOWN(thp)
{
	munmap(self->map, HUGE);
	close(self->fd);
	umount(self->folder);
	rmdir(self->folder);
}

static int attach(int fd)
{
	return probe_self_at(place_in_fd(fd, PROBED), PROBE_ENTRY);
}

TEST_F(thp, probed)
{
	for (int i = 0; i < 5; i++) {
		int probe = attach(self->fd);

		ASSERT_GE(probe, 0);
		EXPECT_FALSE(is_huge(self->map));
		EXPECT_TRUE(arch_is_breakpoint(self->map + PROBED));
		for (int n = 1; n <= 10; n++) {
			EXPECT_EQ(VALUE, code_call(self->map + PROBED));
			EXPECT_EQ(n, hits(probe));
		}
		close(probe);
		EXPECT_FALSE(arch_is_breakpoint(self->map + PROBED));
		EXPECT_EQ(VALUE, code_call(self->map + PROBED));
	}
}

/* See page_returns_to_the_file in mapping.c for the second attach. */
TEST_F(thp, whole_again)
{
	char *any = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int probe, second;

	run_on_cpu0();
	probe = attach(self->fd);
	ASSERT_GE(probe, 0);
	madvise(any, 4096, MADV_COLD);
	second = attach(self->fd);
	ASSERT_GE(second, 0);
	EXPECT_EQ(VALUE, code_call(self->map + PROBED));
	EXPECT_FALSE(is_huge(self->map));
	madvise(any, 4096, MADV_COLD);
	close(probe);
	close(second);
	EXPECT_EQ(VALUE, code_call(self->map + PROBED));
	EXPECT_TRUE(is_huge(self->map));
}

TEST_HARNESS_MAIN
