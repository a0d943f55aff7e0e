// SPDX-License-Identifier: GPL-2.0
/*
 * Probed instructions that access memory, and that the kernel may execute by
 * itself: memory that has to be fetched first is, memory that may not be
 * accessed faults as it does without a probe, and nobody else's memory changes.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "emulated.h"
#include "kselftest_harness.h"
#include "missing_page.h"
#include "uprobe_test.h"

#define PAGE	4096
#define RW	(PROT_READ | PROT_WRITE)

static char *pages(int count)
{
	return mmap(NULL, count * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

#define PROBE(function)					\
({							\
	int _probe = probe_self(function, PROBE_ENTRY);	\
	ASSERT_GE(_probe, 0);				\
	_probe;						\
})

/* Where all memory is there, nothing is stepped. */
TEST(takes_no_slot)
{
	const void *functions[] = { mov_load, mov_store, mov_store_number, cmp_load };
	struct mapping area;
	long word = 7;
	int probes[4];

	for (int i = 0; i < 4; i++)
		probes[i] = PROBE(functions[i]);
	EXPECT_EQ(7, mov_load(&word));
	EXPECT_EQ(1, cmp_load(&word));
	mov_store(&word, -1);
	mov_store_number(&word);
	EXPECT_EQ(0xffffffff00000000 | NUMBER_STORED, word);
	EXPECT_EQ(0, cmp_load(&word));
	for (int i = 0; i < 4; i++)
		EXPECT_EQ(functions[i] == cmp_load ? 2 : 1, hits(probes[i]));
	if (!implementation_is_rust())
		SKIP(return, "the C implementation steps them");
	EXPECT_FALSE(find_mapping(XOL_NAME, &area));
}

TEST(never_touched)
{
	int load = PROBE(mov_load), compare = PROBE(cmp_load);
	int store = PROBE(mov_store), number = PROBE(mov_store_number);
	char *map = pages(4);

	EXPECT_EQ(0, mov_load(map));
	EXPECT_EQ(0, cmp_load(map + PAGE));
	mov_store(map + 2 * PAGE, 11);
	mov_store_number(map + 3 * PAGE);
	/* The first two are still all processes' page of zeroes. */
	mov_store(map, 12);
	mov_store_number(map + PAGE);
	EXPECT_EQ(12, *(long *)map);
	EXPECT_EQ(NUMBER_STORED, *(long *)(map + PAGE));
	EXPECT_EQ(11, *(long *)(map + 2 * PAGE));
	EXPECT_EQ(NUMBER_STORED, *(long *)(map + 3 * PAGE));
	EXPECT_EQ(0, mov_load(pages(1)));
	EXPECT_EQ(2, hits(load));
	EXPECT_EQ(1, hits(compare));
	EXPECT_EQ(2, hits(store));
	EXPECT_EQ(2, hits(number));
}

/* In the page cache, and sometimes nowhere else. */
TEST(thrown_away)
{
	int load = PROBE(mov_load), compare = PROBE(cmp_load), store = PROBE(mov_store);
	int fd = code_file(1);
	long value = 7;
	char *map = mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0);

	ASSERT_NE(MAP_FAILED, map);
	code_write(fd, 8, &value, sizeof(value));
	for (int i = 1; i <= 20; i++) {
		if (i % 2)
			ASSERT_EQ(0, madvise(map, PAGE, MADV_DONTNEED));
		EXPECT_EQ(7, mov_load(map + 8));
		ASSERT_EQ(0, madvise(map, PAGE, MADV_DONTNEED));
		EXPECT_EQ(1, cmp_load(map + 8));
		if (i % 2)
			ASSERT_EQ(0, madvise(map, PAGE, MADV_DONTNEED));
		mov_store(map + 16, i);
		ASSERT_EQ(sizeof(value), pread(fd, &value, sizeof(value), 16));
		EXPECT_EQ(i, value);
		EXPECT_EQ(i, hits(load));
		EXPECT_EQ(i, hits(compare));
		EXPECT_EQ(i, hits(store));
	}
}

static long *missing;

static void *load_missing(void *unused)
{
	return (void *)mov_load(missing);
}

static void *store_missing(void *unused)
{
	mov_store(missing, 13);
	return NULL;
}

static long after_waiting(void *(*access)(void *unused))
{
	int fd = missing_page_make(&missing);
	pthread_t thread;
	void *value;

	if (fd < 0)
		return fd;
	pthread_create(&thread, NULL, access, NULL);
	if (missing_page_wait(fd) || missing_page_fill(fd, missing, 4711))
		return -EIO;
	pthread_join(thread, &value);
	close(fd);
	return (long)value;
}

/* Whoever is asked for a page takes his time. */
TEST(provided_by_userfaultfd)
{
	int load = probe_cpu0(mov_load, PROBE_ENTRY), store = probe_cpu0(mov_store, PROBE_ENTRY);
	long value;

	ASSERT_GE(load, 0);
	ASSERT_GE(store, 0);
	run_on_cpu0();
	value = after_waiting(load_missing);
	if (value == -ENOSYS)
		SKIP(return, "no userfaultfd");
	EXPECT_EQ(4711, value);
	EXPECT_EQ(0, after_waiting(store_missing));
	EXPECT_EQ(13, *missing);
	EXPECT_EQ(1, hits(load));
	EXPECT_EQ(1, hits(store));
}

/* A signal, as its handler sees it; of the registers those that are known. */
struct fault {
	int signal, code;
	unsigned long addr, ip, sp, first_arg;
};

static struct fault fault;
static sigjmp_buf before_fault;

static void on_fault(int sig, siginfo_t *info, void *context)
{
	const ucontext_t *uc = context;

	fault = (struct fault){
		.signal = sig,
		.code = info->si_code,
		.addr = (unsigned long)info->si_addr,
		.ip = arch_ip(uc),
		.sp = uc->uc_mcontext.gregs[REG_RSP],
		.first_arg = uc->uc_mcontext.gregs[REG_RDI],
	};
	siglongjmp(before_fault, 1);
}

typedef void (*access_fn)(void *p, long value);

/* The state at the fault of an access of @p; no signal if there is none. */
static __attribute__((noinline)) struct fault fault_of(access_fn access, void *p)
{
	struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	fault = (struct fault){};
	if (!sigsetjmp(before_fault, 1))
		access(p, 17);
	return fault;
}

static const access_fn accesses[] = {
	(access_fn)mov_load, mov_store, (access_fn)mov_store_number, (access_fn)cmp_load,
};

/* Faults with a probe, as they were without; there is one unless @allowed. */
static void expect_same_fault(struct __test_metadata *_metadata, void *p, bool allowed)
{
	for (size_t i = 0; i < ARRAY_SIZE(accesses); i++) {
		struct fault without = fault_of(accesses[i], p), with;
		int probe = PROBE(accesses[i]);

		with = fault_of(accesses[i], p);
		EXPECT_EQ(1, hits(probe));
		close(probe);
		EXPECT_EQ(without.signal, with.signal);
		EXPECT_EQ(without.code, with.code);
		EXPECT_EQ(without.addr, with.addr);
		EXPECT_EQ(without.ip, with.ip);
		EXPECT_EQ(without.sp, with.sp);
		EXPECT_EQ(without.first_arg, with.first_arg);
		if (!allowed)
			EXPECT_EQ(SIGSEGV, with.signal);
		if (with.signal)
			EXPECT_EQ((unsigned long)accesses[i], with.ip);
	}
}

TEST(not_mapped)
{
	char *map = pages(1);

	ASSERT_EQ(0, munmap(map, PAGE));
	expect_same_fault(_metadata, map + 24, false);
	expect_same_fault(_metadata, NULL, false);
	expect_same_fault(_metadata, (void *)64, false);
}

TEST(not_allowed)
{
	char *map = pages(1);

	*map = 1;
	ASSERT_EQ(0, mprotect(map, PAGE, PROT_NONE));
	expect_same_fault(_metadata, map, false);
	ASSERT_EQ(0, mprotect(map, PAGE, PROT_READ));
	expect_same_fault(_metadata, map, true);
	EXPECT_EQ(1, *(long *)map);
	/* The program's own code. */
	expect_same_fault(_metadata, mov_load, true);
}

/* Pages that a thread has no access to for a while, by a register of its own. */
TEST(protection_key)
{
	int key = pkey_alloc(0, PKEY_DISABLE_WRITE);
	char *map = pages(1);

	if (key < 0)
		SKIP(return, "no protection keys");
	*map = 1;
	ASSERT_EQ(0, pkey_mprotect(map, PAGE, RW, key));
	EXPECT_EQ(1, mov_load(map));
	expect_same_fault(_metadata, map, true);
	EXPECT_EQ(SEGV_PKUERR, fault.code);
}

/* Behind all that a process can have, the kernel's, or no address at all. */
TEST(not_of_the_process)
{
	static const unsigned long addresses[] = {
		0x00007ffffffff000, 0x00007ffffffffffc, 0x0000800000000000,
		0x0123456789abcdef, 0x7fffffffffffffff, 0x8000000000000000,
		0xffff800000000000, 0xffffffff81000000, 0xffffffffff600000,
		0xfffffffffffffff8, 0xffffffffffffffff,
	};

	for (size_t i = 0; i < ARRAY_SIZE(addresses); i++)
		expect_same_fault(_metadata, (void *)addresses[i], true);
}

TEST(behind_the_end_of_a_file)
{
	int fd = code_file(1);
	char *map = mmap(NULL, 2 * PAGE, RW, MAP_SHARED, fd, 0);

	expect_same_fault(_metadata, map + PAGE, true);
	EXPECT_EQ(SIGBUS, fault.signal);
	expect_same_fault(_metadata, map + PAGE - 4, true);
}

/* The second of two pages that an access is in is not there. */
TEST(across_pages)
{
	int load = PROBE(mov_load), store = PROBE(mov_store);
	char *map = pages(2), *across = map + PAGE - 4;

	memset(map, 0x11, PAGE);
	EXPECT_EQ(0x11111111, mov_load(across));
	ASSERT_EQ(0, madvise(map + PAGE, PAGE, MADV_DONTNEED));
	mov_store(across, 0x2222222233333333);
	EXPECT_EQ(0x2222222233333333, *(long *)across);
	EXPECT_EQ(1, hits(load));
	EXPECT_EQ(1, hits(store));
}

TEST(across_pages_not_allowed)
{
	char *map = pages(2), *across = map + PAGE - 2;

	memset(map, 0x11, 2 * PAGE);
	ASSERT_EQ(0, mprotect(map + PAGE, PAGE, PROT_READ));
	expect_same_fault(_metadata, across, true);
	/* What was stored nowhere as a whole was not stored in part. */
	EXPECT_EQ(0x1111111111111111, *(long *)across);
	ASSERT_EQ(0, mprotect(map + PAGE, PAGE, PROT_NONE));
	expect_same_fault(_metadata, across, false);
	ASSERT_EQ(0, mprotect(map + PAGE, PAGE, RW));
	EXPECT_EQ(0x1111111111111111, *(long *)across);
	EXPECT_EQ((unsigned long)map + PAGE, fault.addr);
}

/* An instruction of which the kernel has to read two pages of the file. */
TEST(instruction_across_pages)
{
	static const unsigned char lea[] = { 0x48, 0x8d, 0x87, 0x78, 0x56, 0x34, 0x12, 0xc3 };
	int fd = code_file(2), probe;
	long (*function)(long x);

	code_write(fd, PAGE - 4, lea, sizeof(lea));
	function = code_map(fd, 2, PROT_READ | PROT_EXEC) + PAGE - 4;
	probe = probe_self_at(place_in_fd(fd, PAGE - 4), PROBE_ENTRY);
	ASSERT_GE(probe, 0);
	EXPECT_EQ(0x12345679, function(1));
	EXPECT_EQ(1, hits(probe));
}

static void store_in_child(void *p)
{
	mov_store(p, 20);
	if (mov_load(p) != 20)
		_exit(1);
	mov_store_number(p + PAGE);
	if (*(int *)(p + PAGE) != NUMBER_STORED)
		_exit(2);
}

/* Pages that are shared until one of two processes writes to them. */
TEST(copied_on_write)
{
	int store = probe_cpu0(mov_store, PROBE_ENTRY);
	int number = probe_cpu0(mov_store_number, PROBE_ENTRY);
	char *map = pages(2);

	ASSERT_GE(store, 0);
	ASSERT_GE(number, 0);
	run_on_cpu0();
	for (int i = 1; i <= 5; i++) {
		memset(map, 0x11, 2 * PAGE);
		EXPECT_EQ(0, run_in_child(store_in_child, map));
		EXPECT_EQ(0x1111111111111111, *(long *)map);
		EXPECT_EQ(0x1111111111111111, *(long *)(map + PAGE));
		EXPECT_EQ(i, hits(store));
		EXPECT_EQ(i, hits(number));
	}
}

/* The same, with the parent the first to write. */
TEST(copied_on_write_by_the_parent)
{
	int store = PROBE(mov_store), status;
	char *map = pages(1);
	int go[2];
	pid_t pid;

	ASSERT_EQ(0, pipe(go));
	memset(map, 0x11, PAGE);
	pid = fork();
	if (!pid) {
		char byte;

		if (read(go[0], &byte, 1) != 1)
			_exit(1);
		_exit(*(long *)map == 0x1111111111111111 ? 0 : 2);
	}
	mov_store(map, 21);
	ASSERT_EQ(1, write(go[1], "", 1));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(21, *(long *)map);
	EXPECT_EQ(1, hits(store));
}

/* A private mapping of a file: the file keeps what it has. */
TEST(private_mapping_of_a_file)
{
	int store = PROBE(mov_store), fd = code_file(1);
	char *map = mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, 0);
	long value = 1;

	EXPECT_EQ(0, *(volatile long *)map);
	mov_store(map, 22);
	EXPECT_EQ(22, *(long *)map);
	ASSERT_EQ(sizeof(value), pread(fd, &value, sizeof(value), 0));
	EXPECT_EQ(0, value);
	EXPECT_EQ(1, hits(store));
}

TEST_HARNESS_MAIN
