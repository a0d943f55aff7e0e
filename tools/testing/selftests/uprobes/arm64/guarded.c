// SPDX-License-Identifier: GPL-2.0
/*
 * Probes on functions that begin with what guards them: landing pads (BTI) in
 * pages where they are enforced, signatures of return addresses (PAC), shadow
 * stacks (GCS). They are called with and without a pointer, do what they do
 * without a probe, and return where they should.
 */
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "guarded.h"
#include "kselftest_harness.h"
#include "uprobe_test.h"

#ifndef PROT_BTI
#define PROT_BTI	0x10
#endif
#ifndef HWCAP_GCS
#define HWCAP_GCS	(1ul << 32)
#endif

#define CALLS	20

FIXTURE(guarded)
{
};

FIXTURE_VARIANT(guarded)
{
	long (*function)(long x);
	long (*caller)(long x);
	unsigned long hwcap;
};

#define VARIANT(name, needed)						\
	FIXTURE_VARIANT_ADD(guarded, name) {				\
		.function = name, .caller = name##_caller, .hwcap = needed \
	}

VARIANT(landing_c, 0);
VARIANT(landing_jc, 0);
VARIANT(signed_a, 0);
VARIANT(signed_b, 0);
VARIANT(signed_a_combined, HWCAP_PACA);
VARIANT(signed_b_combined, HWCAP_PACA);
VARIANT(returns_by_branch, 0);

static int guard_pages(void)
{
	return mprotect(guarded_start, guarded_end - guarded_start,
			PROT_READ | PROT_EXEC | PROT_BTI);
}

FIXTURE_SETUP(guarded)
{
	if (!(getauxval(AT_HWCAP2) & HWCAP2_BTI))
		SKIP(return, "the processor has no landing pads");
	if ((getauxval(AT_HWCAP) & variant->hwcap) != variant->hwcap)
		SKIP(return, "the processor does not sign addresses");
	ASSERT_EQ(0, guard_pages());
}

FIXTURE_TEARDOWN(guarded)
{
}

/* Each call, with and without a pointer, is one more hit of each probe. */
static void expect_calls(struct __test_metadata *_metadata,
			 const FIXTURE_VARIANT(guarded) *variant, int first, int second)
{
	long (*volatile function)(long x) = variant->function;
	long (*volatile caller)(long x) = variant->caller;

	for (long i = 1; i <= CALLS; i++) {
		ASSERT_EQ(i + 1, function(i));
		ASSERT_EQ(i + 1, caller(i));
		EXPECT_EQ(2 * i, hits(first));
		EXPECT_EQ(2 * i, hits(second));
	}
}

TEST_F(guarded, entry)
{
	int probe = probe_self(variant->function, PROBE_ENTRY);

	ASSERT_GE(probe, 0);
	expect_calls(_metadata, variant, probe, probe);
}

TEST_F(guarded, return)
{
	int probe = probe_self(variant->function, PROBE_RETURN);

	ASSERT_GE(probe, 0);
	expect_calls(_metadata, variant, probe, probe);
}

TEST_F(guarded, entry_and_return)
{
	int entry = probe_self(variant->function, PROBE_ENTRY);
	int ret = probe_self(variant->function, PROBE_RETURN);

	ASSERT_GE(entry, 0);
	ASSERT_GE(ret, 0);
	expect_calls(_metadata, variant, entry, ret);
}

/* The one that is called by pointer and the one that calls it are both probed. */
TEST_F(guarded, caller_as_well)
{
	int entry = probe_self(variant->function, PROBE_ENTRY);
	int ret = probe_self(variant->function, PROBE_RETURN);
	int caller = probe_self(variant->caller, PROBE_RETURN);

	ASSERT_GE(entry, 0);
	ASSERT_GE(ret, 0);
	ASSERT_GE(caller, 0);
	expect_calls(_metadata, variant, entry, ret);
	EXPECT_EQ(CALLS, hits(caller));
}

static int call_by_pointer(long (*function)(long x))
{
	long (*volatile pointer)(long x) = function;

	return pointer(1) == 2 ? 0 : 1;
}

static void call_without_landing(void *unused)
{
	_exit(call_by_pointer(no_landing));
}

/*
 * What the other tests rely on: the pages are guarded indeed. Nobody calls this
 * function before, as QEMU keeps what it has translated without the guard.
 */
TEST(landing_is_enforced)
{
	int status;

	if (!(getauxval(AT_HWCAP2) & HWCAP2_BTI))
		SKIP(return, "the processor has no landing pads");
	ASSERT_EQ(0, guard_pages());
	EXPECT_EQ(2, no_landing_caller(1));
	status = run_in_child(call_without_landing, NULL);
	ASSERT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(SIGILL, WTERMSIG(status));
}

FIXTURE(shadow_stack)
{
};

FIXTURE_VARIANT(shadow_stack)
{
	long (*function)(long x);
	const void *at;
	enum probe_kind kind;
	int hits_per_call;
};

static long recurse_deep(long x)
{
	return recurse(9, NULL, NULL) - 9 + x + 1;
}

#define SHADOWED(name, called, probed, k, n)				\
	FIXTURE_VARIANT_ADD(shadow_stack, name) {			\
		.function = called, .at = probed, .kind = k, .hits_per_call = n \
	}

SHADOWED(stepped, stepped, stepped, PROBE_ENTRY, 1);
SHADOWED(stepped_returns, stepped, stepped, PROBE_RETURN, 1);
SHADOWED(landing, landing_c, landing_c, PROBE_ENTRY, 1);
SHADOWED(landing_returns, landing_c, landing_c, PROBE_RETURN, 1);
SHADOWED(signed, signed_a, signed_a, PROBE_ENTRY, 1);
SHADOWED(signed_returns, signed_a, signed_a, PROBE_RETURN, 1);
SHADOWED(combined, signed_a_combined, signed_a_combined, PROBE_ENTRY, 1);
SHADOWED(combined_returns, signed_a_combined, signed_a_combined, PROBE_RETURN, 1);
/* The kernel emulates these, together with what they do to shadow stacks. */
SHADOWED(call, landing_c_caller, landing_c_call, PROBE_ENTRY, 1);
SHADOWED(return, landing_c_caller, landing_c_return, PROBE_ENTRY, 1);
SHADOWED(recursion, recurse_deep, recurse, PROBE_ENTRY, 10);
SHADOWED(recursion_returns, recurse_deep, recurse, PROBE_RETURN, 10);

FIXTURE_SETUP(shadow_stack)
{
	if (!(getauxval(AT_HWCAP) & HWCAP_GCS))
		SKIP(return, "the processor has no shadow stacks");
}

FIXTURE_TEARDOWN(shadow_stack)
{
}

/* What is called with a shadow stack, and what that hits how often. */
static const FIXTURE_VARIANT(shadow_stack) *shadowed;
static int shadowed_probe;

/* Which call went wrong, or 0. */
static long call_shadowed(long calls)
{
	for (long i = 1; i <= calls; i++) {
		if (shadowed->function(i) != i + 1 ||
		    hits(shadowed_probe) != i * shadowed->hits_per_call)
			return i;
	}
	return 0;
}

/* All calls in one go: a process cannot have a shadow stack twice. */
TEST_F(shadow_stack, probed)
{
	shadowed = variant;
	shadowed_probe = probe_self(variant->at, variant->kind);
	ASSERT_GE(shadowed_probe, 0);
	EXPECT_EQ(0, call_with_shadow_stack(call_shadowed, CALLS));
}

TEST_HARNESS_MAIN
