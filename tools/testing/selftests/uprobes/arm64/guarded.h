/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Functions in pages that can be guarded (functions.S): an indirect branch into
 * them must land on an instruction that is meant for it. Each returns @x + 1;
 * its _caller calls it without a pointer.
 */
#ifndef UPROBE_TEST_GUARDED_H
#define UPROBE_TEST_GUARDED_H

#define GUARDED(name) long name(long x), name##_caller(long x)

GUARDED(landing_c);		/* bti c */
GUARDED(landing_jc);		/* bti jc */
GUARDED(no_landing);		/* add */
GUARDED(signed_a);		/* paciasp ... autiasp; ret */
GUARDED(signed_b);		/* pacibsp ... autibsp; ret */
GUARDED(signed_a_combined);	/* paciasp ... retaa */
GUARDED(signed_b_combined);	/* pacibsp ... retab */
GUARDED(returns_by_branch);	/* bti c ... br x16 */

/* Where the caller of landing_c() calls it, and where it returns itself. */
extern const char landing_c_call[], landing_c_return[];

extern char guarded_start[], guarded_end[];

/*
 * Calls @function(@x) with a shadow stack (GCS), and returns what it returned;
 * or returns -errno if there is none.
 */
long call_with_shadow_stack(long (*function)(long x), long x);

#endif
