// SPDX-License-Identifier: GPL-2.0
/*
 * Probed pages that are swapped out: the breakpoint is in the swapped page, so
 * it comes back with it, and can be removed from it and put into it there.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/swap.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "uprobe_test.h"

#define PAGE		4096
#define PROBED		0x40
#define VALUE		99
#define RX		(PROT_READ | PROT_EXEC)
#define SWAP_PAGES	512
/* Pages of code, each with its probe, and one of data. */
#define PAGES		64
#define COUNTER		(PAGES * PAGE + 0x100)

FIXTURE(swap)
{
	char swap_file[32];
	char *map;
	int fd;
};

/* The header that mkswap writes; what is left out may be zero. */
static void write_swap_header(int fd)
{
	char page[PAGE] = {};
	unsigned int *version = (unsigned int *)(page + 1024), *last_page = version + 1;

	*version = 1;
	*last_page = SWAP_PAGES - 1;
	memcpy(page + PAGE - 10, "SWAPSPACE2", 10);
	code_write(fd, 0, page, sizeof(page));
}

/* In the current folder, because swap cannot be in tmpfs. */
static bool swap_on(char *path)
{
	static const char zeroes[PAGE];
	bool on;
	int fd;

	strcpy(path, "uprobe_swap_XXXXXX");
	fd = mkstemp(path);
	if (fd < 0)
		return false;
	for (int i = 0; i < SWAP_PAGES; i++)
		code_write(fd, i * PAGE, zeroes, PAGE);
	write_swap_header(fd);
	fsync(fd);
	on = !swapon(path, 0);
	close(fd);
	return on;
}

FIXTURE_SETUP(swap)
{
	unsigned char code[ARCH_CODE_MAX];

	/* A page that waits in a queue of another CPU would not be swapped out. */
	run_on_cpu0();
	if (!swap_on(self->swap_file))
		SKIP(return, "no swap in this folder");
	self->fd = code_file(PAGES + 1);
	for (int i = 0; i < PAGES; i++)
		code_write(self->fd, i * PAGE + PROBED, code, arch_code_stepped(code, VALUE));
	self->map = code_map(self->fd, PAGES, RX);
}

FIXTURE_TEARDOWN(swap)
{
	swapoff(self->swap_file);
	unlink(self->swap_file);
}

static bool is_swapped_out(const char *page)
{
	const uint64_t swapped = 1ull << 62;
	uint64_t entry = 0;
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	if (pread(fd, &entry, sizeof(entry), (unsigned long)page / PAGE * sizeof(entry)) < 0)
		entry = 0;
	close(fd);
	return entry & swapped;
}

/* The kernel may refuse a page that is in use; it is not for long. */
static bool swap_out(char *page)
{
	for (int i = 0; i < 1000 && !is_swapped_out(page); i++) {
		madvise(page, PAGE, MADV_PAGEOUT);
		usleep(5000);
	}
	return is_swapped_out(page);
}

static int attach(int fd)
{
	return probe_self_at(place_in_fd(fd, PROBED), PROBE_ENTRY);
}

TEST_F(swap, breakpoint_comes_back)
{
	int probe = attach(self->fd);

	ASSERT_GE(probe, 0);
	for (int i = 1; i <= 5; i++) {
		ASSERT_TRUE(swap_out(self->map));
		EXPECT_EQ(VALUE, code_call(self->map + PROBED));
		EXPECT_EQ(i, hits(probe));
	}
}

TEST_F(swap, detached_while_out)
{
	int probe = attach(self->fd);

	ASSERT_GE(probe, 0);
	EXPECT_EQ(VALUE, code_call(self->map + PROBED));
	ASSERT_TRUE(swap_out(self->map));
	close(probe);
	EXPECT_FALSE(arch_is_breakpoint(self->map + PROBED));
	EXPECT_EQ(VALUE, code_call(self->map + PROBED));
}

TEST_F(swap, attached_while_out)
{
	int probe;

	/* A private copy, which alone is swapped. */
	ASSERT_EQ(0, mprotect(self->map, PAGE, RX | PROT_WRITE));
	self->map[PAGE - 1] = 1;
	ASSERT_EQ(0, mprotect(self->map, PAGE, RX));
	ASSERT_TRUE(swap_out(self->map));
	probe = attach(self->fd);
	ASSERT_GE(probe, 0);
	EXPECT_EQ(VALUE, code_call(self->map + PROBED));
	EXPECT_EQ(1, hits(probe));
	EXPECT_EQ(1, self->map[PAGE - 1]);
}

TEST_F(swap, counter_comes_back)
{
	struct probe_spec spec = {
		.place = place_in_fd(self->fd, PROBED),
		.ref_ctr_offset = COUNTER,
		.cpu = -1,
	};
	char *data = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, self->fd,
			  COUNTER & -PAGE);
	volatile short *counter = (short *)(data + COUNTER % PAGE);

	ASSERT_NE(MAP_FAILED, data);
	for (int i = 0; i < 3; i++) {
		int probe;

		*counter = 5;
		ASSERT_TRUE(swap_out(data));
		probe = probe_open(&spec);
		ASSERT_GE(probe, 0);
		ASSERT_TRUE(swap_out(data));
		EXPECT_EQ(VALUE, code_call(self->map + PROBED));
		close(probe);
		EXPECT_EQ(5, *counter);
	}
}

static void disable_and_be_killed(struct trace_counter *counter, int ready)
{
	if (write(ready, "", 1) == 1)
		trace_disable(counter);
	pause();
}

/* Who is being killed cannot read a page in; his breakpoints go all the same. */
TEST_F(swap, detached_by_one_who_is_killed)
{
	struct trace_counter counter;
	int ready[2], calls = 0, killed_late = 0;
	char byte;

	if (!implementation_is_rust())
		SKIP(return, "the C implementation leaks the probes");
	ASSERT_EQ(0, pipe(ready));
	ASSERT_EQ(0, trace_create(&counter, "swap", PROBE_ENTRY));
	for (int i = 0; i < PAGES; i++)
		ASSERT_EQ(0, trace_add(&counter, place_in_fd(self->fd, i * PAGE + PROBED)));
	for (int round = 0; round < 8; round++) {
		pid_t pid;

		ASSERT_EQ(0, trace_enable(&counter));
		for (int i = 0; i < PAGES; i++)
			ASSERT_EQ(VALUE, code_call(self->map + i * PAGE + PROBED));
		calls += PAGES;
		for (int i = 0; i < PAGES; i++)
			ASSERT_TRUE(swap_out(self->map + i * PAGE));
		pid = fork();
		if (!pid)
			disable_and_be_killed(&counter, ready[1]);
		ASSERT_EQ(1, read(ready[0], &byte, 1));
		usleep(500 << round);
		ASSERT_EQ(0, kill(pid, SIGKILL));
		ASSERT_EQ(pid, waitpid(pid, NULL, 0));
		/* On a slow machine he may have been killed before he began. */
		if (!trace_is_enabled(&counter))
			killed_late++;
		ASSERT_EQ(0, trace_disable(&counter));
		for (int i = 0; i < PAGES; i++) {
			ASSERT_FALSE(arch_is_breakpoint(self->map + i * PAGE + PROBED));
			ASSERT_EQ(VALUE, code_call(self->map + i * PAGE + PROBED));
		}
		EXPECT_EQ(calls, trace_hits(&counter));
	}
	EXPECT_LT(0, killed_late);
	trace_destroy(&counter);
}

TEST_HARNESS_MAIN
