// SPDX-License-Identifier: GPL-2.0
/*
 * A traced program that takes the area away, puts something else in its place,
 * or tries to get hold of its pages.
 */
#include <fcntl.h>
#include <sys/uio.h>

#include "attack.h"
#include "missing_page.h"

static void unmap_then_step(void *unused)
{
	make_area();
	munmap((void *)area.start, area.end - area.start);
	_exit(stepped(1) != 2);
}

TEST_F(attack, unmap_then_step)
{
	EXPECT_SIGNAL_OR_SUCCESS(SIGSEGV, unmap_then_step);
}

/* What the first block of slots holds beside the trampoline and stepped(). */
#define FIRST_BLOCK	(ARCH_BLOCK_SLOTS - 2)
#define MORE_SLOTS	(FIRST_BLOCK + 70)

/* To fault there is well, at the instruction that could not be stepped. */
static void check_fault(int sig, siginfo_t *info, void *context)
{
	unsigned long offset = arch_ip(context) - (unsigned long)many;

	_exit(offset % MANY_STRIDE == 0 && offset / MANY_STRIDE < MORE_SLOTS ? 0 : 103);
}

static void unmap_then_step_more(void *unused)
{
	struct sigaction action = { .sa_sigaction = check_fault, .sa_flags = SA_SIGINFO };

	sigaction(SIGSEGV, &action, NULL);
	make_area();
	for (int i = 0; i < FIRST_BLOCK; i++) {
		if (many_call(i, 1) != 1 + i)
			_exit(101);
	}
	munmap((void *)area.start, area.end - area.start);
	for (int i = FIRST_BLOCK; i < MORE_SLOTS; i++) {
		if (many_call(i, 1) != 1 + i)
			_exit(102);
	}
}

/*
 * New slots may come where the old ones were, but must not be taken for them.
 * Where a page has many blocks, all are gone.
 */
TEST_F(attack, unmap_then_step_more)
{
	struct trace_counter counter;

	ASSERT_EQ(0, trace_create(&counter, "attack", PROBE_ENTRY));
	ASSERT_EQ(0, trace_add_many(&counter, MORE_SLOTS));
	ASSERT_EQ(0, trace_enable(&counter));
	EXPECT_EQ(0, signal_of(unmap_then_step_more));
	trace_destroy(&counter);
}

static void unmap_then_return(void *unused)
{
	make_area();
	munmap((void *)area.start, area.end - area.start);
	_exit(recurse(3, NULL, NULL) != 3);
}

TEST_F(attack, unmap_then_return)
{
	EXPECT_SIGNAL_OR_SUCCESS(SIGSEGV, unmap_then_return);
}

static long unmap_here(void *unused)
{
	return munmap((void *)area.start, area.end - area.start);
}

static void unmap_while_pending(void *unused)
{
	make_area();
	_exit(recurse(3, unmap_here, NULL) != 3);
}

TEST_F(attack, unmap_while_pending)
{
	EXPECT_SIGNAL_OR_SUCCESS(SIGSEGV, unmap_while_pending);
}

static long unmap_and_fork(void *unused)
{
	int status;
	pid_t pid;

	unmap_here(NULL);
	pid = fork();
	if (!pid)	/* gets an area of its own, and returns through it */
		return 0;
	if (waitpid(pid, &status, 0) != pid)
		_exit(101);
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 102);
}

static void fork_without_the_area(void *unused)
{
	make_area();
	_exit(recurse(3, unmap_and_fork, NULL) != 3);
}

TEST_F(attack, fork_without_the_area)
{
	EXPECT_EQ(0, signal_of(fork_without_the_area));
}

static void unmap_and_exit(void *unused)
{
	make_area();
	munmap((void *)area.start, area.end - area.start);
}

TEST_F(attack, unmap_and_exit)
{
	EXPECT_EQ(0, signal_of(unmap_and_exit));
}

static void cover_then_step(void *unused)
{
	make_area();
	cover_area();
	/* Steps whatever is at the slot now: zeroes. */
	stepped(1);
}

TEST_F(attack, cover_then_step)
{
	EXPECT_SIGNAL_OR_SUCCESS(ARCH_SIGNAL_OF_ZEROES, cover_then_step);
}

static void cover_with_breakpoints(void *unused)
{
	make_area();
	arch_fill_with_breakpoints(cover_area(), area.end - area.start);
	__builtin___clear_cache((char *)area.start, (char *)area.end);
	stepped(1);
	_exit(101);
}

/* A step that ends in a breakpoint, instead of after the instruction. */
TEST_F(attack, cover_with_breakpoints)
{
	int sig;

	if (!implementation_is_rust())
		SKIP(return, "the C implementation warns");
	sig = signal_of(cover_with_breakpoints);
	EXPECT_LT(0, sig);
	EXPECT_NE(SIGALRM, sig);
}

static void protect_then_step(void *unused)
{
	make_area();
	if (mprotect((void *)area.start, PAGE, PROT_NONE))
		_exit(100);
	stepped(1);
	_exit(101);
}

TEST_F(attack, protect_then_step)
{
	EXPECT_EQ(SIGSEGV, signal_of(protect_then_step));
}

static void move_onto_area(void *unused)
{
	void *mine = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	make_area();
	if (mremap(mine, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, area.start) == MAP_FAILED)
		_exit(100);
	stepped(1);
}

/* Takes the area's place without unmapping it first. */
TEST_F(attack, move_onto_area)
{
	EXPECT_SIGNAL_OR_SUCCESS(ARCH_SIGNAL_OF_ZEROES, move_onto_area);
}

/* A file that is probed where the trampoline used to be. */
static void probe_where_the_trampoline_was(void *unused)
{
	unsigned char code[ARCH_CODE_MAX];
	int fd = code_file(1);

	make_area();
	code_write(fd, 0, code, arch_code_stepped(code, 1));
	if (probe_self_at(place_in_fd(fd, 0), PROBE_ENTRY) < 0 ||
	    mmap((void *)area.start, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED,
		 fd, 0) == MAP_FAILED)
		_exit(100);
	code_call((void *)area.start);
}

TEST_F(attack, probe_where_the_trampoline_was)
{
	EXPECT_SIGNAL_OR_SUCCESS(SIGILL, probe_where_the_trampoline_was);
}

/* Advice that takes pages away, in all ways that there are to give it. */
static void advise_by_pidfd(void *unused)
{
	static const int advice[] = {
		MADV_COLD, MADV_PAGEOUT, MADV_WILLNEED, MADV_DONTNEED, MADV_FREE, MADV_REMOVE,
	};
	int pidfd = syscall(SYS_pidfd_open, getpid(), 0);
	struct iovec all;

	make_area();
	all.iov_base = (void *)area.start;
	all.iov_len = area.end - area.start;
	for (size_t i = 0; i < ARRAY_SIZE(advice); i++) {
		syscall(SYS_process_madvise, pidfd, &all, 1, advice[i], 0);
		if (stepped(i) != i + 1 || recurse(3, NULL, NULL) != 3)
			_exit(101);
	}
}

TEST_F(attack, advise_by_pidfd)
{
	EXPECT_EQ(0, signal_of(advise_by_pidfd));
}

static void read_by_a_system_call(void *unused)
{
	char bytes[PAGE];
	struct iovec from, to = { bytes, sizeof(bytes) };

	make_area();
	from.iov_base = (void *)area.start;
	from.iov_len = PAGE;
	if (process_vm_readv(getpid(), &to, 1, &from, 1, 0) >= 0 ||
	    process_vm_writev(getpid(), &to, 1, &from, 1, 0) >= 0)
		_exit(101);
}

TEST_F(attack, read_by_a_system_call)
{
	EXPECT_EQ(0, signal_of(read_by_a_system_call));
}

static void keep_a_page(void *out)
{
	struct iovec page;

	make_area();
	page.iov_base = (void *)area.start;
	page.iov_len = PAGE;
	if (vmsplice(*(int *)out, &page, 1, 0) < 0)
		_exit(101);
	stepped(1);
}

/* A page in a pipe outlives its process, and nobody else has used it meanwhile. */
TEST_F(attack, keep_a_page)
{
	char bytes[PAGE];
	int fds[2], status;

	ASSERT_EQ(0, pipe(fds));
	status = run_in_child(keep_a_page, &fds[1]);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 101)
		SKIP(return, "the kernel does not give it away");
	ASSERT_EQ(0, status);
	ASSERT_EQ(PAGE, read(fds[0], bytes, PAGE));
	EXPECT_EQ(0, memcmp(bytes, arch_trampoline, sizeof(arch_trampoline)));
}

/* Nobody but the kernel says what is in a page of the area. */
static void be_asked_for_the_area(void *unused)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	make_area();
	range.range.start = area.start;
	range.range.len = area.end - area.start;
	if (fd >= 0 && !ioctl(fd, UFFDIO_API, &api) && !ioctl(fd, UFFDIO_REGISTER, &range))
		_exit(101);
	if (stepped(1) != 2)
		_exit(102);
}

TEST_F(attack, be_asked_for_the_area)
{
	EXPECT_EQ(0, signal_of(be_asked_for_the_area));
}

TEST_HARNESS_MAIN
