/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What signals.c tests on x86_64 only: instructions that use memory by
 * themselves, and a trap of arithmetic.
 */

static void allow_guard_page(ucontext_t *uc)
{
	mprotect(guard_page, sizeof(guard_page), PROT_READ | PROT_WRITE);
}

TEST(fault_of_a_relative_load)
{
	const long marker = 0x1234567890;
	int probe = probe_self(load_relative, PROBE_ENTRY);

	ASSERT_GE(probe, 0);
	guard_page[0] = 99;
	catch_fault(SIGSEGV, allow_guard_page);
	ASSERT_EQ(0, mprotect(guard_page, sizeof(guard_page), PROT_NONE));
	EXPECT_EQ(99, arch_load_relative_with_scratch(marker));
	EXPECT_EQ(1, fault.count);
	EXPECT_EQ((unsigned long)load_relative, fault.ip);
	EXPECT_EQ((unsigned long)guard_page, fault.addr);
	EXPECT_EQ(marker, arch_scratch(&fault.context));
	EXPECT_FALSE(fault.stepping);
	EXPECT_EQ(2, hits(probe));
}

static void skip_division(ucontext_t *uc)
{
	arch_set_ip(uc, (unsigned long)divide_end);
}

TEST(division_by_zero)
{
	int probe = probe_self(divide_at, PROBE_ENTRY);

	ASSERT_GE(probe, 0);
	ASSERT_EQ(7, divide(42, 6));
	catch_fault(SIGFPE, skip_division);
	divide(1, 0);
	EXPECT_EQ(1, fault.count);
	EXPECT_EQ((unsigned long)divide_at, fault.ip);
	EXPECT_EQ((unsigned long)divide_at, fault.addr);
	EXPECT_FALSE(fault.stepping);
	EXPECT_EQ(2, hits(probe));
}

/* Emulating this fails, so it is stepped, and faults there. */
TEST(call_without_a_stack)
{
	int probe = probe_self(call_on_at, PROBE_ENTRY);

	ASSERT_GE(probe, 0);
	catch_fault(SIGSEGV, give_good_stack);
	EXPECT_EQ(0, call_on((void *)64));
	EXPECT_EQ(1, fault.count);
	EXPECT_EQ((unsigned long)call_on_at, fault.ip);
	EXPECT_EQ(64 - sizeof(long), fault.addr);
	EXPECT_FALSE(fault.stepping);
	EXPECT_EQ(2, hits(probe));
}

static long faults_of_a_call(long unused)
{
	int before = fault.count;

	call_on((void *)64);
	return fault.count - before;
}

/* If there is no memory to step it either, it is tried again, and never left out. */
TEST(call_without_a_stack_or_memory)
{
	struct first_hit hit = { .call = faults_of_a_call, .result = 1 };
	int failures = 0;

	if (!fail_is_possible())
		SKIP(return, FAIL_NEEDS);
	share_the_report();
	run_on_cpu0();
	hit.probe = probe_cpu0(call_on_at, PROBE_ENTRY);
	ASSERT_GE(hit.probe, 0);
	catch_fault(SIGSEGV, give_good_stack);
	for (failing.nth = 1; ; failing.nth++) {
		ASSERT_EQ(0, run_in_child(hit_twice, &hit));
		EXPECT_TRUE(report->right);
		/* Before the fault, and after it. */
		EXPECT_LE(2, report->first);
		EXPECT_EQ(2, report->second);
		if (!report->failed)
			break;
		failures++;
	}
	EXPECT_LT(1, failures);
}
