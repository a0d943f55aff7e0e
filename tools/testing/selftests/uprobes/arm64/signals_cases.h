/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What signals.c tests on arm64 only: an instruction that is probed although it
 * cannot be executed.
 */

static void skip_undefined(ucontext_t *uc)
{
	arch_set_ip(uc, (unsigned long)undefined_end);
}

TEST(undefined_instruction)
{
	int probe = probe_self(undefined_at, PROBE_ENTRY);

	ASSERT_GE(probe, 0);
	catch_fault(SIGILL, skip_undefined);
	for (int i = 1; i <= 20; i++) {
		undefined();
		EXPECT_EQ(i, fault.count);
		EXPECT_EQ((unsigned long)undefined_at, fault.ip);
		EXPECT_EQ(i, hits(probe));
	}
}
