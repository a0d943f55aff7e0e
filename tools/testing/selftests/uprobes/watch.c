// SPDX-License-Identifier: GPL-2.0
/*
 * What debugfs says of probes, and tracepoints of what rarely happens to them.
 * The C implementation says nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "uprobe_test.h"

#define DEBUGFS		"/sys/kernel/debug/"
#define SEEN		DEBUGFS "uprobes/"
#define CALLS		100

struct line {
	char device[32];
	unsigned long inode;
	unsigned long offset;
	unsigned long counter;
	char execution[16];
	int mappings;
	char consumers[256];
	char path[256];
};

static bool parse_line(const char *text, struct line *line)
{
	return sscanf(text, "%31s %lu %lx %lx %15s %d %255s %255s", line->device, &line->inode,
		      &line->offset, &line->counter, line->execution, &line->mappings,
		      line->consumers, line->path) == 8;
}

/* How many probes are listed of the file and offset of @place; @line is the last. */
static int listed(struct place place, struct line *line)
{
	FILE *file = fopen(SEEN "list", "re");
	struct line each;
	struct stat st;
	char text[1024];
	int count = 0;

	if (!file || stat(place.path, &st) || !fgets(text, sizeof(text), file))
		return -1;
	while (fgets(text, sizeof(text), file)) {
		if (!parse_line(text, &each))
			return -1;
		if (each.inode == st.st_ino && each.offset == place.offset) {
			*line = each;
			count++;
		}
	}
	fclose(file);
	return count;
}

static long long stat_of(const char *name)
{
	FILE *file = fopen(SEEN "stats", "re");
	long long value = -1, each;
	char line[64];

	while (file && fscanf(file, "%63s %lld", line, &each) == 2)
		if (!strcmp(line, name))
			value = each;
	if (file)
		fclose(file);
	return value;
}

static int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

FIXTURE(watch) { };

FIXTURE_SETUP(watch)
{
	if (!implementation_is_rust())
		SKIP(return, "the C implementation shows nothing of this");
	if (access(SEEN "list", F_OK))
		mount("debugfs", DEBUGFS, "debugfs", 0, NULL);
	ASSERT_EQ(0, access(SEEN "list", F_OK));
}

FIXTURE_TEARDOWN(watch)
{
	write_text(SEEN "statistics", "0");
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

/* An instance of tracefs with the tracepoints on. */
#define INSTANCE	"/sys/kernel/tracing/instances/uprobe_watch"

static bool traced(const char *event)
{
	FILE *file = fopen(INSTANCE "/trace", "re");
	bool found = false;
	char line[256];

	while (file && fgets(line, sizeof(line), file))
		if (line[0] != '#' && strstr(line, event))
			found = true;
	if (file)
		fclose(file);
	return found;
}

static int trace_rare_events(void)
{
	if (access("/sys/kernel/tracing/events", F_OK))
		mount("tracefs", "/sys/kernel/tracing", "tracefs", 0, NULL);
	if (mkdir(INSTANCE, 0700) && errno != EEXIST)
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
	EXPECT_TRUE(traced("uprobe_return_omitted"));
	close(probe);
	rmdir(INSTANCE);
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
	EXPECT_TRUE(traced("uprobe_lease_expired"));
	EXPECT_EQ(3, hits(probe));
	close(probe);
	rmdir(INSTANCE);
}

#define CROWD		1000
#define CODE_PAGES	8

static void *come_and_go(void *arg)
{
	struct trace_counter *crowd = arg;
	long failed = 0;

	for (int i = 0; i < 20; i++) {
		failed |= trace_enable(crowd);
		failed |= trace_disable(crowd);
	}
	return (void *)failed;
}

/* Each line that is read is whole, whatever happens meanwhile. */
TEST_F(watch, list_is_read_while_probes_come_and_go)
{
	int fd = code_file(CODE_PAGES), looks = 0, most = 0;
	unsigned char code[ARCH_CODE_MAX];
	size_t size = arch_code_emulated(code, 1);
	struct trace_counter crowd;
	struct line line;
	pthread_t thread;
	void *failed;

	ASSERT_EQ(0, trace_create(&crowd, "crowd", PROBE_ENTRY));
	for (int i = 0; i < CROWD; i++) {
		code_write(fd, i * 32, code, size);
		ASSERT_EQ(0, trace_add(&crowd, place_in_fd(fd, i * 32)));
	}
	ASSERT_EQ(0, pthread_create(&thread, NULL, come_and_go, &crowd));
	while (pthread_tryjoin_np(thread, &failed)) {
		int count = listed(place_in_fd(fd, 32), &line);

		ASSERT_GE(count, 0);
		most = count > most ? count : most;
		looks++;
	}
	EXPECT_EQ(NULL, failed);
	EXPECT_EQ(1, most);
	EXPECT_LT(1, looks);
	trace_destroy(&crowd);
	close(fd);
}

TEST_HARNESS_MAIN
