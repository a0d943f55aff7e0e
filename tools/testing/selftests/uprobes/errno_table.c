// SPDX-License-Identifier: GPL-2.0
/*
 * What an attach answers: each refusal with its error, and what looks odd but
 * is accepted.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "kselftest_harness.h"
#include "multi.h"
#include "uprobe_test.h"

#define PAGE	4096
#define PROBED	0x40
#define RX	(PROT_READ | PROT_EXEC)

static int attach_path(const char *path, unsigned long offset)
{
	struct place place = { .offset = offset };

	snprintf(place.path, sizeof(place.path), "%s", path);
	return probe_self_at(place, PROBE_ENTRY);
}

static int attach(int fd, unsigned long offset)
{
	return probe_self_at(place_in_fd(fd, offset), PROBE_ENTRY);
}

/* A file of one page that holds @size bytes of @code, and its mapping. */
static int file_of(const unsigned char *code, size_t size, char **map)
{
	int fd = code_file(1);

	code_write(fd, PROBED, code, size);
	*map = code_map(fd, 1, RX);
	return fd;
}

TEST(no_such_file)
{
	EXPECT_EQ(-ENOENT, attach_path("/no/such/file", 0));
	EXPECT_EQ(-ENOTDIR, attach_path("/proc/self/maps/file", 0));
	EXPECT_EQ(-EINVAL, attach_path("", 0));
}

TEST(path_too_long)
{
	char path[PATH_MAX];

	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	EXPECT_EQ(-ENAMETOOLONG, attach_path(path, 0));
}

TEST(not_a_regular_file)
{
	int fds[2];

	ASSERT_EQ(0, pipe(fds));
	EXPECT_EQ(-EINVAL, attach_path("/", 0));
	EXPECT_EQ(-EINVAL, attach_path("/dev/null", 0));
	EXPECT_EQ(-EINVAL, attach(fds[0], 0));
}

/* A regular file that has no pages behind it. */
TEST(file_without_pages)
{
	EXPECT_EQ(-EIO, attach_path("/proc/self/maps", 0));
}

TEST(beyond_the_end)
{
	char *map;
	unsigned char code[ARCH_CODE_MAX];
	int fd = file_of(code, arch_code_stepped(code, 1), &map);

	EXPECT_EQ(-EINVAL, attach(fd, PAGE + ARCH_INSN_ALIGN));
	EXPECT_EQ(-EINVAL, attach(fd, 100 * PAGE));
}

/* Upstream lets the offset be the size; nothing is there, nothing is done. */
TEST(at_the_end)
{
	int fd = code_file(1), probe;

	probe = attach(fd, PAGE);
	EXPECT_GE(probe, 0);
}

/* The same, where the last page is mapped: there is nothing to read. */
TEST(at_the_end_in_a_page)
{
	int fd = code_file(1);

	ASSERT_EQ(0, ftruncate(fd, PROBED));
	code_map(fd, 1, RX);
	EXPECT_EQ(-EIO, attach(fd, PROBED));
}

TEST(empty_file)
{
	int fd = code_file(1);

	ASSERT_EQ(0, ftruncate(fd, 0));
	EXPECT_EQ(-EINVAL, attach(fd, ARCH_INSN_ALIGN));
	EXPECT_GE(attach(fd, 0), 0);
}

TEST(refused_instruction)
{
	char *map;
	unsigned char code[ARCH_CODE_MAX];
	int fd = file_of(code, arch_code_refused(code), &map);

	for (int i = 0; i < 3; i++)
		EXPECT_EQ(-ARCH_REFUSAL, attach(fd, PROBED));
	EXPECT_EQ(code[0], (unsigned char)map[PROBED]);
}

TEST(breakpoint_in_the_file)
{
	char *map;
	unsigned char code[ARCH_CODE_MAX];
	int fd = file_of(code, arch_code_breakpoint(code), &map);

	EXPECT_EQ(-ENOTSUPP, attach(fd, PROBED));
	EXPECT_EQ(code[0], (unsigned char)map[PROBED]);
}

/* Nobody looks at the instruction before somebody maps it. */
TEST(refused_instruction_unmapped)
{
	char *map;
	unsigned char code[ARCH_CODE_MAX];
	int probe, fd = file_of(code, arch_code_refused(code), &map);

	munmap(map, PAGE);
	probe = attach(fd, PROBED);
	EXPECT_GE(probe, 0);
	map = code_map(fd, 1, RX);
	EXPECT_EQ(code[0], (unsigned char)map[PROBED]);
	/* And once somebody has, the next one is told. */
	EXPECT_EQ(-ARCH_REFUSAL, attach(fd, PROBED));
}

/* A failure leaves nothing behind: what was wrong can be put right. */
TEST(refused_then_mended)
{
	char *map;
	unsigned char code[ARCH_CODE_MAX];
	int probe, fd = file_of(code, arch_code_refused(code), &map);

	EXPECT_EQ(-ARCH_REFUSAL, attach(fd, PROBED));
	code_write(fd, PROBED, code, arch_code_stepped(code, 5));
	probe = attach(fd, PROBED);
	ASSERT_GE(probe, 0);
	EXPECT_EQ(5, code_call(map + PROBED));
	EXPECT_EQ(1, hits(probe));
}

TEST(same_place_many_times)
{
	int probes[5];

	for (int i = 0; i < 5; i++) {
		probes[i] = probe_self(stepped, i % 2 ? PROBE_RETURN : PROBE_ENTRY);
		ASSERT_GE(probes[i], 0);
	}
	EXPECT_EQ(2, stepped(1));
	for (int i = 0; i < 5; i++)
		EXPECT_EQ(1, hits(probes[i]));
}

TEST(odd_reference_counter)
{
	struct probe_spec spec = {
		.place = place_of(stepped),
		.ref_ctr_offset = 1,
		.cpu = -1,
	};

	EXPECT_EQ(-EINVAL, probe_open(&spec));
}

TEST(without_the_capability)
{
	ASSERT_EQ(0, setuid(65534));
	EXPECT_EQ(-EACCES, probe_self(stepped, PROBE_ENTRY));
}

static void make_refused_file(int *fd, char **map)
{
	unsigned char code[ARCH_CODE_MAX];

	*fd = file_of(code, arch_code_refused(code), map);
}

/* tracefs passes the errors of its enable file on. */
TEST(through_tracefs)
{
	struct trace_counter counter;
	char *map;
	int fd;

	make_refused_file(&fd, &map);
	ASSERT_EQ(0, trace_create(&counter, "errors", PROBE_ENTRY));
	ASSERT_EQ(0, trace_add(&counter, place_in_fd(fd, PROBED)));
	EXPECT_EQ(-ARCH_REFUSAL, trace_enable(&counter));
	trace_destroy(&counter);
}

/* One bad place of an event takes the good ones back. */
TEST(one_bad_place_of_an_event)
{
	struct trace_counter counter;
	char *map;
	int fd;

	make_refused_file(&fd, &map);
	ASSERT_EQ(0, trace_create(&counter, "partly", PROBE_ENTRY));
	ASSERT_EQ(0, trace_add(&counter, place_of(stepped)));
	ASSERT_EQ(0, trace_add(&counter, place_in_fd(fd, PROBED)));
	ASSERT_EQ(0, trace_add(&counter, place_of(stepped_b)));
	EXPECT_EQ(-ARCH_REFUSAL, trace_enable(&counter));
	EXPECT_FALSE(arch_is_breakpoint(stepped));
	EXPECT_FALSE(arch_is_breakpoint(stepped_b));
	EXPECT_EQ(2, stepped(1));
	EXPECT_EQ(0, trace_hits(&counter));
	trace_destroy(&counter);
}

/* The same of a link of kind uprobe.multi, which does not come to be. */
TEST(one_bad_place_of_a_link)
{
	unsigned char code[ARCH_CODE_MAX];
	unsigned long offsets[] = { PROBED, 2 * PROBED, 3 * PROBED };
	struct multi_places places = { .n = 3, .offsets = offsets };
	struct place place;
	struct multi multi;
	char *map;
	int fd;

	fd = file_of(code, arch_code_stepped(code, 5), &map);
	code_write(fd, 3 * PROBED, code, arch_code_stepped(code, 5));
	code_write(fd, 2 * PROBED, code, arch_code_refused(code));
	place = place_in_fd(fd, 0);
	places.path = place.path;
	ASSERT_EQ(0, multi_make(&multi, MULTI_ENTRY));
	EXPECT_EQ(-ARCH_REFUSAL, multi_attach(&multi, &places));
	for (int i = 0; i < 3; i += 2) {
		EXPECT_FALSE(arch_is_breakpoint(map + offsets[i]));
		EXPECT_EQ(5, code_call(map + offsets[i]));
	}
	EXPECT_EQ(0, multi.count[0]);
	multi_destroy(&multi);
}

#include "errno_cases.h"

TEST_HARNESS_MAIN
