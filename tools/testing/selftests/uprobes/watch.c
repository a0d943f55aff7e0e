// SPDX-License-Identifier: GPL-2.0
/*
 * What debugfs says of probes, and tracepoints of what rarely happens to them.
 * The C implementation says nothing.
 */
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "kselftest_harness.h"
#include "multi.h"
#include "watch.h"

#define CALLS		100
#define PAGE		4096
#define VALUE		77
/* A place that no other test has: what is left of the probe there stays until the next boot. */
#define STUCK		0xa74

FIXTURE(watch) { };

FIXTURE_SETUP(watch)
{
	if (!implementation_is_rust())
		SKIP(return, "the C implementation shows nothing of this");
	ASSERT_TRUE(watch_is_possible());
}

/* An instance of tracefs with the tracepoints on. */
#define INSTANCE	"/sys/kernel/tracing/instances/uprobe_watch"

FIXTURE_TEARDOWN(watch)
{
	write_text(SEEN "statistics", "0");
	rmdir(INSTANCE);
}

/* From the first look to the last. */
TEST_F(watch, list_follows_a_probe)
{
	struct place place = place_of(stepped);
	struct line line;
	struct stat st;
	char device[32];
	int probe;

	ASSERT_EQ(0, listed(place, &line));
	probe = probe_self(stepped, PROBE_ENTRY);
	ASSERT_GE(probe, 0);
	ASSERT_EQ(1, listed(place, &line));
	EXPECT_STREQ("unhit", line.execution);
	EXPECT_EQ(1, line.mappings);
	EXPECT_EQ(0, line.counter);
	EXPECT_NE(NULL, strstr(line.consumers, "uprobe"));
	EXPECT_STREQ(strrchr(place.path, '/'), strrchr(line.path, '/'));
	ASSERT_EQ(0, stat(place.path, &st));
	snprintf(device, sizeof(device), "%u:%u", major(st.st_dev), minor(st.st_dev));
	EXPECT_STREQ(device, line.device);
	stepped(0);
	ASSERT_EQ(1, listed(place, &line));
	EXPECT_STREQ("stepped", line.execution);
	close(probe);
	EXPECT_EQ(0, listed(place, &line));
}

TEST_F(watch, list_names_all_consumers)
{
	int first = probe_self(emulated, PROBE_ENTRY), second = probe_self(emulated, PROBE_RETURN);
	struct line line;

	ASSERT_GE(first, 0);
	ASSERT_GE(second, 0);
	ASSERT_EQ(1, listed(place_of(emulated), &line));
	EXPECT_NE(NULL, strchr(line.consumers, ','));
	emulated(0);
	ASSERT_EQ(1, listed(place_of(emulated), &line));
	EXPECT_STREQ("emulated", line.execution);
	close(second);
	ASSERT_EQ(1, listed(place_of(emulated), &line));
	EXPECT_EQ(NULL, strchr(line.consumers, ','));
	close(first);
}

TEST_F(watch, statistics_count_while_they_are_on)
{
	int probe = probe_self(stepped, PROBE_RETURN);
	long long hits, cached, steps, returns;

	ASSERT_GE(probe, 0);
	EXPECT_EQ(-EINVAL, write_text(SEEN "statistics", "2"));
	hits = stat_of("hits");
	ASSERT_GE(hits, 0);
	stepped(0);
	EXPECT_EQ(hits, stat_of("hits"));
	cached = stat_of("lookups_cached");
	steps = stat_of("single_steps");
	returns = stat_of("returns");
	ASSERT_EQ(0, write_text(SEEN "statistics", "1"));
	for (int i = 0; i < CALLS; i++)
		stepped(0);
	ASSERT_EQ(0, write_text(SEEN "statistics", "0"));
	EXPECT_EQ(hits + CALLS, stat_of("hits"));
	EXPECT_EQ(steps + CALLS, stat_of("single_steps"));
	EXPECT_EQ(returns + CALLS, stat_of("returns"));
	/* The first may have to search; and nothing is remembered for ever. */
	EXPECT_LE(cached + CALLS / 2, stat_of("lookups_cached"));
	EXPECT_LE(1, stat_of("slots_in_use"));
	close(probe);
}

/* How often it was told since trace_rare_events(). */
static int traced(const char *event)
{
	FILE *file = fopen(INSTANCE "/trace", "re");
	char line[256];
	int count = 0;

	while (file && fgets(line, sizeof(line), file))
		if (line[0] != '#' && strstr(line, event))
			count++;
	if (file)
		fclose(file);
	return count;
}

static int trace_rare_events(void)
{
	if (access("/sys/kernel/tracing/events", F_OK))
		mount("tracefs", "/sys/kernel/tracing", "tracefs", 0, NULL);
	/* What a test that was killed has left. */
	rmdir(INSTANCE);
	if (mkdir(INSTANCE, 0700))
		return -errno;
	return write_text(INSTANCE "/events/uprobes_rs/enable", "1");
}

static long omit_returns(void *unused)
{
	return 0;
}

TEST_F(watch, omitted_returns_are_told)
{
	int probe = probe_self(recurse, PROBE_RETURN);
	long long omitted = stat_of("returns_omitted");

	ASSERT_GE(probe, 0);
	ASSERT_EQ(0, trace_rare_events());
	ASSERT_EQ(MAX_PENDING_RETURNS + 9,
		  recurse(MAX_PENDING_RETURNS + 9, omit_returns, NULL));
	EXPECT_EQ(omitted + 10, stat_of("returns_omitted"));
	EXPECT_EQ(10, traced("uprobe_return_omitted"));
	close(probe);
}

static long outlast_the_lease(void *unused)
{
	usleep(500000);
	return 0;
}

TEST_F(watch, expired_leases_are_told)
{
	int probe = probe_self(recurse, PROBE_RETURN);
	long long expired = stat_of("leases_expired");

	ASSERT_GE(probe, 0);
	ASSERT_EQ(0, trace_rare_events());
	recurse(2, outlast_the_lease, NULL);
	EXPECT_EQ(expired + 3, stat_of("leases_expired"));
	EXPECT_EQ(3, traced("uprobe_lease_expired"));
	EXPECT_EQ(3, hits(probe));
	close(probe);
}

/* A process with more stepped instructions than there are slots. */
TEST_F_TIMEOUT(watch, reclaimed_slots_are_told, 120)
{
	long long reclaimed = stat_of("slots_reclaimed");
	struct place place = place_of(many);
	unsigned long offsets[MANY_COUNT];
	struct multi_places places = {
		.path = place.path, .n = MANY_COUNT, .offsets = offsets,
	};
	struct multi multi;
	int link;

	/* Another CPU of an old QEMU would execute what a slot held before. */
	run_on_cpu0();
	for (int i = 0; i < MANY_COUNT; i++)
		offsets[i] = place.offset + i * MANY_STRIDE;
	ASSERT_EQ(0, multi_make(&multi, MULTI_ENTRY));
	link = multi_attach(&multi, &places);
	ASSERT_GE(link, 0);
	ASSERT_EQ(0, trace_rare_events());
	for (int i = 0; i < MANY_COUNT; i++)
		ASSERT_EQ(1 + i, many_call(i, 1));
	reclaimed = stat_of("slots_reclaimed") - reclaimed;
	EXPECT_LT(0, reclaimed);
	EXPECT_GT(MANY_COUNT, reclaimed);
	EXPECT_EQ(reclaimed, traced("uprobe_slot_reclaimed: slot="));
	EXPECT_EQ(MANY_COUNT, multi.count[0]);
	close(link);
}

/*
 * Keeps all, be it the kernel on its own behalf, from writing to a page: they
 * fail. Returns a descriptor that ends this when it is closed, or -errno.
 */
static int forbid_writing(char *page)
{
	const struct uffdio_range range = { .start = (unsigned long)page, .len = PAGE };
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_SIGBUS,
	};
	struct uffdio_register reg = { .range = range, .mode = UFFDIO_REGISTER_MODE_WP };
	struct uffdio_writeprotect forbid = {
		.range = range, .mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &reg) ||
	    ioctl(fd, UFFDIO_WRITEPROTECT, &forbid))
		return -errno;
	return fd;
}

/* The breakpoint of a probe that has gone stays, and so does what the kernel knows of it. */
TEST_F(watch, failed_removals_are_told)
{
	int fd = code_file(1), probe, forbidden;
	struct place place = place_in_fd(fd, STUCK);
	unsigned char code[ARCH_CODE_MAX];
	char *map, told[128];
	struct line line;
	struct stat st;

	code_write(fd, STUCK, code, arch_code_stepped(code, VALUE));
	map = code_map(fd, 1, PROT_READ | PROT_EXEC);
	probe = probe_self_at(place, PROBE_ENTRY);
	ASSERT_GE(probe, 0);
	forbidden = forbid_writing(map);
	if (forbidden == -ENOSYS || forbidden == -EINVAL)
		SKIP(return, "needs userfaultfd that protects pages from writing");
	ASSERT_GE(forbidden, 0);
	ASSERT_EQ(0, trace_rare_events());
	close(probe);
	ASSERT_EQ(0, fstat(fd, &st));
	snprintf(told, sizeof(told), "uprobe_restore_failed: dev=%u:%u ino=%lu offset=%#x error=%d",
		 major(st.st_dev), minor(st.st_dev), (unsigned long)st.st_ino, STUCK, -EFAULT);
	EXPECT_EQ(1, traced("uprobe_restore_failed"));
	EXPECT_EQ(1, traced(told));

	/* It is stepped over, and nobody hears of it. */
	EXPECT_EQ(0, listed(place, &line));
	EXPECT_TRUE(arch_is_breakpoint(map + STUCK));
	EXPECT_EQ(VALUE, code_call(map + STUCK));
	/* Once it may be written to, the next probe takes it over, and takes it away. */
	close(forbidden);
	probe = probe_self_at(place, PROBE_ENTRY);
	ASSERT_GE(probe, 0);
	EXPECT_EQ(1, listed(place, &line));
	EXPECT_EQ(VALUE, code_call(map + STUCK));
	EXPECT_EQ(1, hits(probe));
	close(probe);
	EXPECT_FALSE(arch_is_breakpoint(map + STUCK));
	EXPECT_EQ(VALUE, code_call(map + STUCK));
	EXPECT_EQ(1, traced("uprobe_restore_failed"));
}

#define CROWD		1000
#define CODE_PAGES	8

struct crowd {
	struct multi multi;
	struct multi_places places;
};

static void *come_and_go(void *arg)
{
	const struct crowd *crowd = arg;
	long failed = 0;

	for (int i = 0; i < 20; i++) {
		int link = multi_attach(&crowd->multi, &crowd->places);

		if (link < 0)
			failed = link;
		else
			close(link);
	}
	return (void *)failed;
}

/* Each line that is read is whole, whatever happens meanwhile. */
TEST_F(watch, list_is_read_while_probes_come_and_go)
{
	int fd = code_file(CODE_PAGES), looks = 0, most = 0;
	struct place place = place_in_fd(fd, 32);
	unsigned char code[ARCH_CODE_MAX];
	size_t size = arch_code_emulated(code, 1);
	unsigned long offsets[CROWD];
	struct crowd crowd = {
		.places = { .path = place.path, .n = CROWD, .offsets = offsets },
	};
	struct line line;
	pthread_t thread;
	void *failed;

	for (int i = 0; i < CROWD; i++) {
		offsets[i] = i * 32;
		code_write(fd, offsets[i], code, size);
	}
	ASSERT_EQ(0, multi_make(&crowd.multi, MULTI_ENTRY));
	ASSERT_EQ(0, pthread_create(&thread, NULL, come_and_go, &crowd));
	while (pthread_tryjoin_np(thread, &failed)) {
		int count = listed(place, &line);

		ASSERT_GE(count, 0);
		most = count > most ? count : most;
		looks++;
	}
	EXPECT_EQ(NULL, failed);
	EXPECT_EQ(1, most);
	EXPECT_LT(1, looks);
	close(fd);
}

TEST_HARNESS_MAIN
