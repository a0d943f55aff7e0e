// SPDX-License-Identifier: GPL-2.0
/*
 * Killed while calling: see victims.h.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "calls.h"
#include "spawn.h"
#include "victims.h"

static bool may_be_optimised;

/* With C the kernel warns if who makes a call of a probe is killed meanwhile. */
void victims_init(void)
{
	may_be_optimised = implementation_is_rust();
}

static enum function any_victims_function(struct rng *rng)
{
	enum function function = any_function(rng);

	return function == F_OPTIMISED && !may_be_optimised ? F_EMULATED : function;
}

static void __attribute__((noreturn)) be_victim(struct rng *rng)
{
	/* Should nobody come to kill it. */
	alarm(60);
	for (;;)
		call_times(code_of(KILLED), any_victims_function(rng), 4);
}

void spawn_victim(struct rng *rng)
{
	struct rng childs = rng_of(rng_next(rng), 0);
	pid_t pid = fork_sharing_files();
	int status;

	if (!pid)
		be_victim(&childs);
	usleep(rng_below(rng, 4000));
	kill(pid, SIGKILL);
	if (waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		wrong(CHECK_PROCESSES, "a victim did not die of it: status %#x", status);
	if (mistake(CHECK_KILLED))
		code_call_function(code_of(KILLED), F_OWN, 0);
	book_deed(DEED_KILL);
}
