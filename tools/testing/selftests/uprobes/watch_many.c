// SPDX-License-Identifier: GPL-2.0
/*
 * Looking at very many probes, while they are hit and others come and go: the
 * list has each one that stays, once, and no hit waits until it is read.
 */
#include <pthread.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "kselftest_harness.h"
#include "multi.h"
#include "watch.h"

#define PAGE	4096
#define STAY	50000
#define STRIDE	32
#define PAGES	((STAY * STRIDE + PAGE - 1) / PAGE)
/* Those that come and go are in between, all over the file. */
#define GO	100
#define GO_AT(i)	((unsigned long)(i) * (STAY / GO) * STRIDE + STRIDE / 2)
#define VALUE	33
/* Looks at a part of the list, at the end of each of which there must have been hits. */
#define PARTS	5
/* Nobody waits for so long, however busy the machine is. */
#define LONGEST_WAIT_MS	2000
#define LONGEST_READ_MS	20000
#define STATS_READ	200

static long long now_ms(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000LL + time.tv_nsec / 1000000;
}

FIXTURE(watch_many)
{
	int fd, link;
	char *map;
	char device[32];
	unsigned long inode;
	struct multi stay, go;
	unsigned long *offsets;
	unsigned char *seen;
};

/* Hits one of them, all the time. */
static struct caller {
	const void *code;
	pthread_t thread;
	volatile long calls;
	volatile bool over;
	long wrong;
	long long longest_wait;
} caller;

static void *keep_calling(void *unused)
{
	long long before = now_ms(), now;

	while (!caller.over) {
		caller.wrong += code_call(caller.code) != VALUE;
		caller.calls++;
		now = now_ms();
		if (now - before > caller.longest_wait)
			caller.longest_wait = now - before;
		before = now;
	}
	return NULL;
}

static struct comer {
	struct multi *multi;
	struct multi_places places;
	pthread_t thread;
	volatile bool over;
	volatile int rounds;
	int error;
} comer;

static void *come_and_go(void *unused)
{
	while (!comer.over && !comer.error) {
		int link = multi_attach(comer.multi, &comer.places);

		if (link < 0)
			comer.error = link;
		else
			close(link);
		comer.rounds++;
	}
	return NULL;
}

FIXTURE_SETUP(watch_many)
{
	unsigned char code[ARCH_CODE_MAX];
	struct multi_places places = { .n = STAY };
	struct place place;
	struct stat st;

	if (!implementation_is_rust())
		SKIP(return, "the C implementation shows nothing of this");
	ASSERT_TRUE(watch_is_possible());
	self->fd = code_file(PAGES);
	place = place_in_fd(self->fd, 0);
	ASSERT_EQ(0, fstat(self->fd, &st));
	snprintf(self->device, sizeof(self->device), "%u:%u", major(st.st_dev), minor(st.st_dev));
	self->inode = st.st_ino;
	/* Of the others, which nobody maps, nobody looks at the code. */
	for (int at = 0; at < PAGE; at += STRIDE / 2)
		code_write(self->fd, at, code, arch_code_emulated(code, VALUE));
	self->map = code_map(self->fd, 1, PROT_READ | PROT_EXEC);
	self->seen = malloc(STAY);
	self->offsets = malloc(STAY * sizeof(*self->offsets));
	for (int i = 0; i < STAY; i++)
		self->offsets[i] = (unsigned long)i * STRIDE;
	places.path = place.path;
	places.offsets = self->offsets;
	ASSERT_EQ(0, multi_make(&self->stay, MULTI_ENTRY));
	ASSERT_EQ(0, multi_make(&self->go, MULTI_ENTRY));
	self->link = multi_attach(&self->stay, &places);
	ASSERT_GE(self->link, 0);
}

FIXTURE_TEARDOWN(watch_many)
{
	write_text(SEEN "statistics", "0");
}

static void start_calling(char *map)
{
	caller = (struct caller){ .code = map };
	pthread_create(&caller.thread, NULL, keep_calling, NULL);
}

static void stop_calling(void)
{
	caller.over = true;
	pthread_join(caller.thread, NULL);
}

static void start_coming(struct multi *multi, const char *path)
{
	static unsigned long offsets[GO];

	for (int i = 0; i < GO; i++)
		offsets[i] = GO_AT(i);
	comer = (struct comer){
		.multi = multi,
		.places = { .path = path, .offsets = offsets, .n = GO },
	};
	pthread_create(&comer.thread, NULL, come_and_go, NULL);
}

static void stop_coming(void)
{
	comer.over = true;
	pthread_join(comer.thread, NULL);
}

struct look {
	int malformed, strange, stayed, went, still;
	long long took;
};

/* Books a line of the list, unless it is of another file; true at the end of a part. */
static bool look_at(struct look *look, FIXTURE_DATA(watch_many) *self, const char *text)
{
	struct line line;
	unsigned long i;

	if (!parse_line(text, &line) || text[strlen(text) - 1] != '\n') {
		look->malformed++;
		return false;
	}
	if (line.inode != self->inode || strcmp(line.device, self->device))
		return false;
	if (line.offset % STRIDE == STRIDE / 2) {
		look->went++;
		return false;
	}
	i = line.offset / STRIDE;
	if (line.offset % STRIDE || i >= STAY || self->seen[i]++) {
		look->strange++;
		return false;
	}
	return ++look->stayed % (STAY / PARTS) == 0;
}

/* Reads all of the list; in how many parts of it there was no hit is counted. */
static struct look read_all(FIXTURE_DATA(watch_many) *self)
{
	FILE *file = fopen(SEEN "list", "re");
	struct look look = { .took = -now_ms() };
	long calls = caller.calls;
	char text[1024];

	memset(self->seen, 0, STAY);
	if (!file || !fgets(text, sizeof(text), file))
		return look;
	while (fgets(text, sizeof(text), file)) {
		if (look_at(&look, self, text)) {
			look.still += caller.calls == calls;
			calls = caller.calls;
		}
	}
	fclose(file);
	look.took += now_ms();
	return look;
}

static void expect_all(struct __test_metadata *_metadata, const struct look *look)
{
	EXPECT_EQ(0, look->malformed);
	EXPECT_EQ(0, look->strange);
	EXPECT_EQ(STAY, look->stayed);
	EXPECT_GT(LONGEST_READ_MS, look->took);
}

static void expect_list_while_hit(struct __test_metadata *_metadata,
				  FIXTURE_DATA(watch_many) *self)
{
	int rounds = comer.rounds;
	struct look look = read_all(self);

	expect_all(_metadata, &look);
	EXPECT_EQ(0, look.still);
	/* Some of them, or all; the order of the list meets none of them twice. */
	EXPECT_GE(GO, look.went);
	EXPECT_LT(rounds, comer.rounds);
}

/* Numbers that are read while they change are those of a moment in between. */
static void expect_stats_while_hit(struct __test_metadata *_metadata, long long begun)
{
	for (int i = 0; i < STATS_READ; i++) {
		long before = caller.calls;
		long long hits = stat_of("hits") - begun;

		ASSERT_LE(before, hits);
		/* The one that it is in is not booked as a call yet. */
		ASSERT_GE(caller.calls + 1, hits);
	}
}

/* One test, because it takes long to attach so many. */
TEST_F_TIMEOUT(watch_many, are_seen_while_they_are_hit, 240)
{
	struct place place = place_in_fd(self->fd, 0);
	struct look look = read_all(self);
	long long begun = stat_of("hits");

	expect_all(_metadata, &look);
	EXPECT_EQ(0, look.went);

	ASSERT_EQ(0, write_text(SEEN "statistics", "1"));
	start_calling(self->map);
	start_coming(&self->go, place.path);
	expect_list_while_hit(_metadata, self);
	expect_stats_while_hit(_metadata, begun);
	stop_coming();
	stop_calling();
	EXPECT_EQ(0, comer.error);
	EXPECT_EQ(0, caller.wrong);
	EXPECT_GT(LONGEST_WAIT_MS, caller.longest_wait);
	EXPECT_LT(STATS_READ, caller.calls);
	EXPECT_EQ(caller.calls, stat_of("hits") - begun);
	EXPECT_EQ(caller.calls, self->stay.count[0]);

	close(self->link);
	look = read_all(self);
	EXPECT_EQ(0, look.stayed + look.went);
	EXPECT_EQ(0, look.malformed);
}

TEST_HARNESS_MAIN
