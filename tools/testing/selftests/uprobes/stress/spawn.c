// SPDX-License-Identifier: GPL-2.0
/*
 * Threads and processes that come and go: see spawn.h.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "calls.h"
#include "spawn.h"
#include "victims.h"

#define CALLS		8
#define STACK_SIZE	(64 * 1024)

static void call_some(struct rng *rng)
{
	for (int i = 0; i < CALLS; i++)
		call_anything(rng);
}

static void expect_success(pid_t pid, const char *what)
{
	int status;

	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		wrong(CHECK_PROCESSES, "%s: no child", what);
	else if (status)
		wrong(CHECK_PROCESSES, "%s: status %#x", what, status);
	book_deed(DEED_PROCESS);
}

pid_t fork_sharing_files(void)
{
	return syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
}

/* There is always somebody who detaches, and who executes must have a turn. */
static pthread_rwlock_t executions = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;

void hold_executions(void)
{
	pthread_rwlock_rdlock(&executions);
}

void let_executions(void)
{
	pthread_rwlock_unlock(&executions);
}

static void spawn_fork(struct rng *rng)
{
	struct rng childs = rng_of(rng_next(rng), 0);
	pid_t pid = fork_sharing_files();

	if (!pid) {
		call_some(&childs);
		_exit(mistake(CHECK_PROCESSES));
	}
	expect_success(pid, "fork");
}

static int share_memory(void *rng)
{
	call_some(rng);
	syscall(SYS_exit, EXIT_SUCCESS);
	return 0;
}

static void spawn_sharing_memory(struct rng *rng, int flags)
{
	char *stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct rng childs = rng_of(rng_next(rng), 0);

	flags |= CLONE_VM | CLONE_FILES | SIGCHLD;
	expect_success(clone(share_memory, stack + STACK_SIZE, flags, &childs), "clone");
	munmap(stack, STACK_SIZE);
}

static void spawn_clone_vm(struct rng *rng)
{
	spawn_sharing_memory(rng, 0);
}

/* But for the stack and the descriptors what vfork() does. */
static void spawn_vfork(struct rng *rng)
{
	spawn_sharing_memory(rng, CLONE_VFORK);
}

static void execute(struct rng *rng)
{
	char seed[32], accounts[16], changing[16];
	char *argv[] = { "stress", SPAWN_EXECUTED, seed, accounts, changing, NULL };
	char *envp[] = { NULL };

	snprintf(seed, sizeof(seed), "%llu", (unsigned long long)rng_next(rng));
	snprintf(accounts, sizeof(accounts), "%d", accounts_fd());
	snprintf(changing, sizeof(changing), "%d", code_changing_fd());
	execve("/proc/self/exe", argv, envp);
	_exit(EXIT_FAILURE);
}

int spawn_executed(char **argv)
{
	struct rng rng = rng_of(strtoull(argv[0], NULL, 0), 0);

	accounts_inherit(atoi(argv[1]));
	code_inherit(atoi(argv[2]));
	call_some(&rng);
	return EXIT_SUCCESS;
}

static void spawn_exec(struct rng *rng)
{
	struct rng childs = rng_of(rng_next(rng), 0);
	pid_t pid;

	pthread_rwlock_wrlock(&executions);
	pid = fork_sharing_files();
	if (!pid) {
		call_some(&childs);
		execute(&childs);
	}
	expect_success(pid, "exec");
	pthread_rwlock_unlock(&executions);
	book_deed(DEED_EXEC);
}

static void *be_thread(void *rng)
{
	call_some(rng);
	return NULL;
}

static void spawn_thread(struct rng *rng)
{
	struct rng childs = rng_of(rng_next(rng), 0);
	pthread_t thread;

	if (pthread_create(&thread, NULL, be_thread, &childs))
		return wrong(CHECK_PROCESSES, "no thread");
	call_some(rng);
	pthread_join(thread, NULL);
	book_deed(DEED_THREAD);
}

static long fork_here(void *child)
{
	*(pid_t *)child = fork_sharing_files();
	return 0;
}

/* Both return through all frames. */
static void spawn_below_returns(struct rng *rng)
{
	int frames = 1 + rng_below(rng, MAX_PENDING_RETURNS);
	pid_t child;

	call_above(frames, 2 * frames, fork_here, &child);
	expect_success(child, "fork below returns");
}

/* The child's frames never return, whether it ends or executes something. */
static long end_here(void *arg)
{
	struct rng childs = *(struct rng *)arg;
	pid_t pid = fork_sharing_files();

	if (!pid && rng_below(&childs, 2))
		_exit(EXIT_SUCCESS);
	if (!pid)
		execute(&childs);
	expect_success(pid, "end below returns");
	return 0;
}

static void spawn_ending_below_returns(struct rng *rng)
{
	int frames = 1 + rng_below(rng, MAX_PENDING_RETURNS);
	struct rng childs = rng_of(rng_next(rng), 0);

	pthread_rwlock_wrlock(&executions);
	call_above(frames, frames, end_here, &childs);
	pthread_rwlock_unlock(&executions);
}

void *spawn_and_spawn(void *arg)
{
	static void (*const ways[])(struct rng *rng) = {
		spawn_fork, spawn_vfork, spawn_clone_vm, spawn_exec, spawn_thread,
		spawn_below_returns, spawn_ending_below_returns, spawn_victim,
	};
	struct rng *rng = arg;

	while (!is_over())
		ways[rng_below(rng, sizeof(ways) / sizeof(ways[0]))](rng);
	return NULL;
}
