// SPDX-License-Identifier: GPL-2.0
/*
 * The area that instructions are stepped in and returns go through: when it is
 * there, what is in it, and that its process cannot change it.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "uprobe_test.h"

#define PAGE	4096

static struct mapping area;

static void make_area_by_step(struct __test_metadata *_metadata)
{
	ASSERT_GE(probe_self(stepped, PROBE_ENTRY), 0);
	ASSERT_EQ(2, stepped(1));
	ASSERT_TRUE(find_mapping(XOL_NAME, &area));
}

static void make_area_by_return(struct __test_metadata *_metadata)
{
	ASSERT_GE(probe_self(emulated, PROBE_RETURN), 0);
	ASSERT_EQ(1, emulated(1));
	ASSERT_TRUE(find_mapping(XOL_NAME, &area));
}

TEST(not_there_before_it_is_needed)
{
	int probe = probe_self(emulated, PROBE_ENTRY);

	ASSERT_GE(probe, 0);
	EXPECT_FALSE(find_mapping(XOL_NAME, &area));
	ASSERT_EQ(1, emulated(1));
	EXPECT_EQ(1, hits(probe));
	EXPECT_FALSE(find_mapping(XOL_NAME, &area));
}

static void expect_protection(struct __test_metadata *_metadata)
{
	EXPECT_STREQ("--xp", area.perms);
	EXPECT_LE(PAGE, area.end - area.start);
	EXPECT_EQ(0, (area.end - area.start) % PAGE);
}

TEST(there_after_a_step)
{
	make_area_by_step(_metadata);
	expect_protection(_metadata);
}

TEST(there_after_a_return)
{
	make_area_by_return(_metadata);
	expect_protection(_metadata);
}

TEST(stays_after_the_probe)
{
	struct mapping before;
	int probe = probe_self(stepped, PROBE_ENTRY);

	ASSERT_GE(probe, 0);
	ASSERT_EQ(2, stepped(1));
	ASSERT_TRUE(find_mapping(XOL_NAME, &before));
	close(probe);
	make_area_by_step(_metadata);
	EXPECT_EQ(before.start, area.start);
}

/*
 * A copy of the area's first page, or NULL where the processor keeps what is
 * only executable from being read.
 */
static const unsigned char *area_bytes(void)
{
	static unsigned char bytes[PAGE];
	int fd = code_file(1);
	bool readable = pwrite(fd, (void *)area.start, PAGE, 0) == PAGE &&
			pread(fd, bytes, PAGE, 0) == PAGE;

	close(fd);
	return readable ? bytes : NULL;
}

#define AREA_BYTES()							\
({									\
	const unsigned char *_bytes = area_bytes();			\
	if (!_bytes)							\
		SKIP(return, "executable memory cannot be read");	\
	_bytes;								\
})

static bool is_unused(const unsigned char *bytes, size_t size)
{
	static const unsigned char zeroes[ARCH_INSN_ALIGN];

	for (size_t i = 0; i < size; i += ARCH_INSN_ALIGN) {
		if (memcmp(bytes + i, zeroes, ARCH_INSN_ALIGN) && !arch_is_breakpoint(bytes + i))
			return false;
	}
	return true;
}

/* Nothing of the kernel's but the way back; the rest is empty or traps. */
TEST(holds_the_trampoline_alone)
{
	const size_t size = sizeof(arch_trampoline);
	const unsigned char *bytes;

	make_area_by_return(_metadata);
	ASSERT_EQ(PAGE, area.end - area.start);
	bytes = AREA_BYTES();
	EXPECT_EQ(0, memcmp(bytes, arch_trampoline, size));
	EXPECT_TRUE(is_unused(bytes + size, PAGE - size));
}

/* Each used slot begins with an instruction of the program's. */
TEST(holds_what_was_stepped)
{
	unsigned char original[ARCH_STEPPED_BYTES];
	const size_t size = sizeof(arch_trampoline);
	const unsigned char *bytes, *slot;
	int used = 0;

	memcpy(original, stepped, sizeof(original));
	make_area_by_step(_metadata);
	ASSERT_EQ(PAGE, area.end - area.start);
	bytes = AREA_BYTES();
	EXPECT_EQ(0, memcmp(bytes, arch_trampoline, size));
	EXPECT_TRUE(is_unused(bytes + size, ARCH_SLOT_BYTES - size));
	for (slot = bytes + ARCH_SLOT_BYTES; slot < bytes + PAGE; slot += ARCH_SLOT_BYTES) {
		if (is_unused(slot, ARCH_SLOT_BYTES))
			continue;
		used++;
		/* The first instruction; what follows it is not executed. */
		EXPECT_EQ(0, memcmp(slot, original, sizeof(original)));
		EXPECT_TRUE(is_unused(slot + ARCH_COPY_BYTES, ARCH_SLOT_BYTES - ARCH_COPY_BYTES));
	}
	EXPECT_EQ(1, used);
}

static void write_to_area(void *unused)
{
	*(volatile char *)area.start = 0;
}

TEST(cannot_be_written)
{
	char byte = 0;
	int status, mem = open("/proc/self/mem", O_RDWR);

	make_area_by_step(_metadata);
	status = run_in_child(write_to_area, NULL);
	ASSERT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(SIGSEGV, WTERMSIG(status));
	ASSERT_GE(mem, 0);
	EXPECT_EQ(-1, pwrite(mem, &byte, 1, area.start));
	EXPECT_EQ(EIO, errno);
	EXPECT_EQ(0, memcmp(AREA_BYTES(), arch_trampoline, sizeof(arch_trampoline)));
}

TEST(cannot_be_made_writable)
{
	static const int prots[] = {
		PROT_READ, PROT_WRITE, PROT_READ | PROT_EXEC, PROT_WRITE | PROT_EXEC,
		PROT_READ | PROT_WRITE | PROT_EXEC,
	};

	make_area_by_step(_metadata);
	for (size_t i = 0; i < ARRAY_SIZE(prots); i++) {
		EXPECT_EQ(-1, mprotect((void *)area.start, PAGE, prots[i]));
		EXPECT_EQ(EACCES, errno);
	}
	ASSERT_TRUE(find_mapping(XOL_NAME, &area));
	expect_protection(_metadata);
	EXPECT_EQ(2, stepped(1));
}

TEST(cannot_be_moved)
{
	const size_t size = PAGE;
	void *hole = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned long start;

	make_area_by_step(_metadata);
	start = area.start;
	EXPECT_EQ(MAP_FAILED, mremap((void *)start, size, size, MREMAP_MAYMOVE | MREMAP_FIXED,
				     hole));
	EXPECT_EQ(MAP_FAILED, mremap((void *)start, size, 2 * size, MREMAP_MAYMOVE));
	ASSERT_TRUE(find_mapping(XOL_NAME, &area));
	EXPECT_EQ(start, area.start);
	EXPECT_EQ(2, stepped(1));
}

TEST(survives_advice)
{
	static const int advice[] = {
		MADV_DONTNEED, MADV_FREE, MADV_DONTFORK, MADV_DOFORK, MADV_COLD, MADV_PAGEOUT,
		MADV_REMOVE, MADV_MERGEABLE, MADV_HUGEPAGE, MADV_DONTDUMP, MADV_DODUMP,
	};
	long value = 0;

	make_area_by_step(_metadata);
	for (size_t i = 0; i < ARRAY_SIZE(advice); i++) {
		madvise((void *)area.start, PAGE, advice[i]);
		EXPECT_EQ(value + 1, stepped(value));
		value++;
		EXPECT_EQ(0, memcmp(AREA_BYTES(), arch_trampoline, sizeof(arch_trampoline)));
	}
}

TEST_HARNESS_MAIN
