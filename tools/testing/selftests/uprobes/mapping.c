// SPDX-License-Identifier: GPL-2.0
/*
 * Mappings of a probed file that come, go, move and change: where the
 * breakpoint is, where it is not, and that a hit is counted wherever the code
 * is called. The file holds one function at PROBED and no other code.
 */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "uprobe_test.h"

#define PAGE	4096
#define PROBED	0x40
#define VALUE	1234
#define RX	(PROT_READ | PROT_EXEC)

FIXTURE(mapping)
{
	int fd;
	char *map;
};

FIXTURE_VARIANT(mapping)
{
	size_t (*code)(unsigned char *code, int value);
};

FIXTURE_VARIANT_ADD(mapping, stepped) { .code = arch_code_stepped };
FIXTURE_VARIANT_ADD(mapping, emulated) { .code = arch_code_emulated };

FIXTURE_SETUP(mapping)
{
	unsigned char code[ARCH_CODE_MAX];
	size_t size = variant->code(code, VALUE);

	self->fd = code_file(2);
	code_write(self->fd, PROBED, code, size);
	self->map = code_map(self->fd, 2, RX);
}

FIXTURE_TEARDOWN(mapping)
{
}

#define ATTACH(kind)						\
({								\
	int _probe = probe_self_at(place_in_fd(self->fd, PROBED), kind); \
	ASSERT_GE(_probe, 0);					\
	_probe;							\
})

/* Calls the function in @map, which adds @more to the hits of @probe. */
#define CALL(map, probe, more)					\
do {								\
	long long _before = hits(probe);			\
	EXPECT_EQ(VALUE, code_call((map) + PROBED));		\
	EXPECT_EQ(_before + (more), hits(probe));		\
} while (0)

TEST_F(mapping, breakpoint_is_in_memory_only)
{
	unsigned char in_file, original = self->map[PROBED];
	int probe = ATTACH(PROBE_ENTRY);

	EXPECT_TRUE(arch_is_breakpoint(self->map + PROBED));
	ASSERT_EQ(1, pread(self->fd, &in_file, 1, PROBED));
	EXPECT_EQ(original, in_file);
	CALL(self->map, probe, 1);
	close(probe);
	EXPECT_EQ(original, (unsigned char)self->map[PROBED]);
	EXPECT_EQ(VALUE, code_call(self->map + PROBED));
}

/*
 * A page that is new, or that was just found active, waits in a queue of its
 * CPU, which holds a reference; this advice, for any page, empties the queues.
 */
static void empty_page_queues(void)
{
	void *any = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	madvise(any, PAGE, MADV_COLD);
	munmap(any, PAGE);
}

/*
 * A page that is the file's again, and nobody else's, is given back. The second
 * attach is there because the kernel's second look at a page makes it active.
 */
TEST_F(mapping, page_returns_to_the_file)
{
	int probe, second;

	run_on_cpu0();
	ASSERT_EQ(VALUE, code_call(self->map + PROBED));
	EXPECT_FALSE(page_is_private_copy(self->map));
	probe = ATTACH(PROBE_ENTRY);
	EXPECT_TRUE(page_is_private_copy(self->map));
	empty_page_queues();
	second = ATTACH(PROBE_ENTRY);
	CALL(self->map, probe, 1);
	empty_page_queues();
	close(probe);
	EXPECT_TRUE(page_is_private_copy(self->map));
	close(second);
	EXPECT_EQ(VALUE, code_call(self->map + PROBED));
	EXPECT_FALSE(page_is_private_copy(self->map));
}

/* Somebody who wants to be asked for missing pages is not made to miss one. */
TEST_F(mapping, page_is_kept_for_userfaultfd)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = {
		.range = { .start = (unsigned long)self->map, .len = 2 * PAGE },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC), probe, second;

	if (uffd < 0)
		SKIP(return, "no userfaultfd");
	run_on_cpu0();
	probe = ATTACH(PROBE_ENTRY);
	empty_page_queues();
	second = ATTACH(PROBE_ENTRY);
	empty_page_queues();
	ASSERT_EQ(0, ioctl(uffd, UFFDIO_API, &api));
	ASSERT_EQ(0, ioctl(uffd, UFFDIO_REGISTER, &range));
	CALL(self->map, probe, 1);
	close(probe);
	close(second);
	EXPECT_TRUE(page_is_private_copy(self->map));
	EXPECT_EQ(VALUE, code_call(self->map + PROBED));
}

/* A page that its owner has changed elsewhere is kept. */
TEST_F(mapping, changed_page_is_kept)
{
	int probe;

	ASSERT_EQ(0, mprotect(self->map, PAGE, RX | PROT_WRITE));
	self->map[PAGE - 1] = 1;
	ASSERT_EQ(0, mprotect(self->map, PAGE, RX));
	probe = ATTACH(PROBE_ENTRY);
	CALL(self->map, probe, 1);
	close(probe);
	EXPECT_EQ(1, self->map[PAGE - 1]);
	EXPECT_EQ(VALUE, code_call(self->map + PROBED));
	EXPECT_TRUE(page_is_private_copy(self->map));
}

TEST_F(mapping, mapped_after_the_attach)
{
	int probe;
	char *map;

	munmap(self->map, 2 * PAGE);
	probe = ATTACH(PROBE_ENTRY);
	map = code_map(self->fd, 2, RX);
	CALL(map, probe, 1);
}

TEST_F(mapping, unmapped_and_mapped_again)
{
	int probe = ATTACH(PROBE_ENTRY);

	for (int i = 0; i < 20; i++) {
		char *map = code_map(self->fd, 1 + i % 2, RX);

		CALL(map, probe, 1);
		ASSERT_EQ(0, munmap(map, PAGE * (1 + i % 2)));
		CALL(self->map, probe, 1);
		ASSERT_EQ(0, munmap(self->map, 2 * PAGE));
		self->map = code_map(self->fd, 2, RX);
		CALL(self->map, probe, 1);
	}
}

TEST_F(mapping, mapped_twice)
{
	char *second = code_map(self->fd, 1, RX);
	int probe = ATTACH(PROBE_ENTRY);

	CALL(self->map, probe, 1);
	CALL(second, probe, 1);
	ASSERT_EQ(0, munmap(self->map, 2 * PAGE));
	CALL(second, probe, 1);
}

TEST_F(mapping, moved)
{
	int probe = ATTACH(PROBE_ENTRY);
	int ret = ATTACH(PROBE_RETURN);

	for (int i = 1; i <= 20; i++) {
		char *hole = mmap(NULL, 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		char *moved = mremap(self->map, 2 * PAGE, 2 * PAGE,
				     MREMAP_MAYMOVE | MREMAP_FIXED, hole);

		ASSERT_EQ(hole, moved);
		self->map = moved;
		CALL(moved, probe, 1);
		EXPECT_EQ(i, hits(ret));
	}
	close(probe);
	close(ret);
	EXPECT_FALSE(arch_is_breakpoint(self->map + PROBED));
	EXPECT_EQ(VALUE, code_call(self->map + PROBED));
}

TEST_F(mapping, shrunk_and_grown)
{
	int probe = ATTACH(PROBE_ENTRY);

	ASSERT_EQ(self->map, mremap(self->map, 2 * PAGE, PAGE, 0));
	CALL(self->map, probe, 1);
	self->map = mremap(self->map, PAGE, 2 * PAGE, MREMAP_MAYMOVE);
	ASSERT_NE(MAP_FAILED, (void *)self->map);
	CALL(self->map, probe, 1);
}

TEST_F(mapping, split)
{
	int probe = ATTACH(PROBE_ENTRY);

	ASSERT_EQ(0, mprotect(self->map + PAGE, PAGE, PROT_READ));
	CALL(self->map, probe, 1);
	ASSERT_EQ(0, munmap(self->map + PAGE, PAGE));
	CALL(self->map, probe, 1);
}

static void call_code(void *map)
{
	code_call(map + PROBED);
}

static int signal_of_call(char *map)
{
	int status = run_in_child(call_code, map);

	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

TEST_F(mapping, not_executable_for_a_while)
{
	int probe = ATTACH(PROBE_ENTRY);

	CALL(self->map, probe, 1);
	ASSERT_EQ(0, mprotect(self->map, PAGE, PROT_READ));
	EXPECT_EQ(SIGSEGV, signal_of_call(self->map));
	ASSERT_EQ(0, mprotect(self->map, PAGE, PROT_NONE));
	EXPECT_EQ(SIGSEGV, signal_of_call(self->map));
	ASSERT_EQ(0, mprotect(self->map, PAGE, RX));
	CALL(self->map, probe, 1);
}

/* What may become executable gets the breakpoint before it does. */
TEST_F(mapping, executable_after_the_attach)
{
	int probe;

	ASSERT_EQ(0, mprotect(self->map, 2 * PAGE, PROT_READ));
	probe = ATTACH(PROBE_ENTRY);
	EXPECT_TRUE(arch_is_breakpoint(self->map + PROBED));
	ASSERT_EQ(0, mprotect(self->map, 2 * PAGE, RX));
	CALL(self->map, probe, 1);
}

/* No breakpoint is written under somebody who may write there as well. */
TEST_F(mapping, writable)
{
	int probe;

	ASSERT_EQ(0, mprotect(self->map, 2 * PAGE, RX | PROT_WRITE));
	probe = ATTACH(PROBE_ENTRY);
	CALL(self->map, probe, 0);
	EXPECT_FALSE(arch_is_breakpoint(self->map + PROBED));
}

/* A breakpoint that is there is kept when the mapping becomes writable. */
TEST_F(mapping, writable_for_a_while)
{
	int probe = ATTACH(PROBE_ENTRY);

	ASSERT_EQ(0, mprotect(self->map, 2 * PAGE, RX | PROT_WRITE));
	CALL(self->map, probe, 1);
	self->map[PAGE - 1] = 1;
	ASSERT_EQ(0, mprotect(self->map, 2 * PAGE, RX));
	CALL(self->map, probe, 1);
	close(probe);
	EXPECT_FALSE(arch_is_breakpoint(self->map + PROBED));
}

/* A program that writes over the breakpoint keeps what it has written. */
TEST_F(mapping, breakpoint_overwritten)
{
	unsigned char code[ARCH_CODE_MAX];
	size_t size = variant->code(code, VALUE + 1);
	int probe = ATTACH(PROBE_ENTRY);

	ASSERT_EQ(0, mprotect(self->map, 2 * PAGE, RX | PROT_WRITE));
	memcpy(self->map + PROBED, code, size);
	__builtin___clear_cache(self->map + PROBED, self->map + PROBED + size);
	ASSERT_EQ(0, mprotect(self->map, 2 * PAGE, RX));
	EXPECT_EQ(VALUE + 1, code_call(self->map + PROBED));
	EXPECT_EQ(0, hits(probe));
	close(probe);
	EXPECT_EQ(0, memcmp(self->map + PROBED, code, size));
	EXPECT_EQ(VALUE + 1, code_call(self->map + PROBED));
}

TEST_F(mapping, shared)
{
	char *shared = mmap(NULL, PAGE, RX, MAP_SHARED, self->fd, 0);
	int probe = ATTACH(PROBE_ENTRY);

	ASSERT_NE(MAP_FAILED, (void *)shared);
	CALL(shared, probe, 0);
	CALL(self->map, probe, 1);
}

TEST_F(mapping, replaced_in_place)
{
	int probe = ATTACH(PROBE_ENTRY);
	char *anon;

	CALL(self->map, probe, 1);
	anon = mmap(self->map, 2 * PAGE, RX, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	ASSERT_EQ(self->map, anon);
	EXPECT_FALSE(arch_is_breakpoint(self->map + PROBED));
	ASSERT_EQ(self->map, (char *)mmap(self->map, 2 * PAGE, RX, MAP_PRIVATE | MAP_FIXED,
					  self->fd, 0));
	CALL(self->map, probe, 1);
}

/*
 * Whoever throws the page away throws the breakpoint away with it: the file's
 * page comes instead, until the file is mapped anew.
 */
TEST_F(mapping, page_thrown_away)
{
	int probe = ATTACH(PROBE_ENTRY);

	CALL(self->map, probe, 1);
	ASSERT_EQ(0, madvise(self->map, 2 * PAGE, MADV_DONTNEED));
	CALL(self->map, probe, 0);
	munmap(self->map, 2 * PAGE);
	self->map = code_map(self->fd, 2, RX);
	CALL(self->map, probe, 1);
}

TEST_F(mapping, truncated)
{
	unsigned char code[ARCH_CODE_MAX];
	size_t size = variant->code(code, VALUE);
	int probe = ATTACH(PROBE_ENTRY);

	CALL(self->map, probe, 1);
	ASSERT_EQ(0, ftruncate(self->fd, 0));
	EXPECT_EQ(SIGBUS, signal_of_call(self->map));
	ASSERT_EQ(0, ftruncate(self->fd, 2 * PAGE));
	code_write(self->fd, PROBED, code, size);
	CALL(self->map, probe, 0);
	munmap(self->map, 2 * PAGE);
	self->map = code_map(self->fd, 2, RX);
	CALL(self->map, probe, 1);
	close(probe);
	EXPECT_EQ(VALUE, code_call(self->map + PROBED));
}

/* There is no page to take the breakpoint out of, and no harm in that. */
TEST_F(mapping, detached_while_truncated)
{
	unsigned char code[ARCH_CODE_MAX];
	size_t size = variant->code(code, VALUE);
	int probe;

	if (!implementation_is_rust())
		SKIP(return, "the C implementation leaks the probe");
	probe = ATTACH(PROBE_ENTRY);
	CALL(self->map, probe, 1);
	ASSERT_EQ(0, ftruncate(self->fd, 0));
	close(probe);
	ASSERT_EQ(0, ftruncate(self->fd, 2 * PAGE));
	code_write(self->fd, PROBED, code, size);
	EXPECT_EQ(VALUE, code_call(self->map + PROBED));
	probe = ATTACH(PROBE_ENTRY);
	CALL(self->map, probe, 1);
}

#define MANY_MAPPINGS	3000

/* More of them than fit into a few pages, were they to be listed. */
TEST_F(mapping, mapped_many_times)
{
	static char *maps[MANY_MAPPINGS];
	int probe;

	for (int i = 0; i < MANY_MAPPINGS; i++)
		maps[i] = code_map(self->fd, 1, RX);
	probe = ATTACH(PROBE_ENTRY);
	for (int i = 0; i < MANY_MAPPINGS; i += 7)
		CALL(maps[i], probe, 1);
	close(probe);
	for (int i = 0; i < MANY_MAPPINGS; i++) {
		ASSERT_FALSE(arch_is_breakpoint(maps[i] + PROBED));
		ASSERT_EQ(VALUE, code_call(maps[i] + PROBED));
	}
}

static void unmap_in_child(void *map)
{
	if (munmap(map, 2 * PAGE))
		_exit(1);
}

TEST_F(mapping, unmapped_by_a_child)
{
	int probe = ATTACH(PROBE_ENTRY);

	CALL(self->map, probe, 1);
	EXPECT_EQ(0, run_in_child(unmap_in_child, self->map));
	CALL(self->map, probe, 1);
}

/* The process is left with a file that it no longer maps. */
TEST_F(mapping, detached_while_unmapped)
{
	int probe = ATTACH(PROBE_ENTRY);

	CALL(self->map, probe, 1);
	munmap(self->map, 2 * PAGE);
	close(probe);
	self->map = code_map(self->fd, 2, RX);
	EXPECT_FALSE(arch_is_breakpoint(self->map + PROBED));
	EXPECT_EQ(VALUE, code_call(self->map + PROBED));
}

/* Locked memory is never without its page. */
TEST_F(mapping, locked)
{
	int probe;

	ASSERT_EQ(0, mlock(self->map, 2 * PAGE));
	probe = ATTACH(PROBE_ENTRY);
	CALL(self->map, probe, 1);
	close(probe);
	EXPECT_EQ(VALUE, code_call(self->map + PROBED));
}

TEST_HARNESS_MAIN
