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

/* What the other tests rely on: the pages are guarded indeed. */
TEST(landing_is_enforced)
{
	int status;

	if (!(getauxval(AT_HWCAP2) & HWCAP2_BTI))
		SKIP(return, "the processor has no landing pads");
	EXPECT_EQ(0, WEXITSTATUS(run_in_child(call_without_landing, NULL)));
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
};

static long recurse_deep(long x)
{
	return recurse(x, NULL, NULL) + 1;
}

FIXTURE_VARIANT_ADD(shadow_stack, stepped) { .function = stepped };
FIXTURE_VARIANT_ADD(shadow_stack, landing_c) { .function = landing_c };
FIXTURE_VARIANT_ADD(shadow_stack, signed_a) { .function = signed_a };
FIXTURE_VARIANT_ADD(shadow_stack, signed_a_combined) { .function = signed_a_combined };
FIXTURE_VARIANT_ADD(shadow_stack, caller) { .function = landing_c_caller };
FIXTURE_VARIANT_ADD(shadow_stack, recursion) { .function = recurse_deep };

FIXTURE_SETUP(shadow_stack)
{
	if (!(getauxval(AT_HWCAP) & HWCAP_GCS))
		SKIP(return, "the processor has no shadow stacks");
	ASSERT_EQ(2, call_with_shadow_stack(variant->function, 1));
}

FIXTURE_TEARDOWN(shadow_stack)
{
}

static void expect_shadowed(struct __test_metadata *_metadata,
			    const FIXTURE_VARIANT(shadow_stack) *variant, int probe)
{
	for (long i = 1; i <= CALLS; i++) {
		ASSERT_EQ(i + 1, call_with_shadow_stack(variant->function, i));
		EXPECT_EQ(i, hits(probe));
	}
}

TEST_F(shadow_stack, entry)
{
	int probe = probe_self(variant->function, PROBE_ENTRY);

	ASSERT_GE(probe, 0);
	expect_shadowed(_metadata, variant, probe);
}

TEST_F(shadow_stack, return)
{
	int probe = probe_self(variant->function, PROBE_RETURN);

	ASSERT_GE(probe, 0);
	expect_shadowed(_metadata, variant, probe);
}

TEST_F(shadow_stack, every_frame_of_a_recursion)
{
	int entry = probe_self(recurse, PROBE_ENTRY);
	int ret = probe_self(recurse, PROBE_RETURN);

	ASSERT_GE(entry, 0);
	ASSERT_GE(ret, 0);
	ASSERT_EQ(10, call_with_shadow_stack(recurse_deep, 9));
	EXPECT_EQ(10, hits(entry));
	EXPECT_EQ(10, hits(ret));
}

TEST_HARNESS_MAIN
