/* SPDX-License-Identifier: GPL-2.0 */
/* See x86_64/arch.h. */
#ifndef BENCH_ARCH_H
#define BENCH_ARCH_H

static inline double clock_ns(void)
{
	unsigned long count, frequency;

	asm volatile("isb; mrs %0, cntvct_el0" : "=r" (count) : : "memory");
	asm volatile("mrs %0, cntfrq_el0" : "=r" (frequency));
	return count * (1e9 / frequency);
}

#define mark(number)	\
	asm volatile("movz xzr, #0x5500 + %0" : : "i" (number) : "memory")

void f_nop(void);
void f_stp(void);
void f_add(void);
void f_add_b(void);
void f_ret(void);

#define FUNCTIONS						\
	{ "nop", f_nop },					\
	{ "stp", f_stp },					\
	{ "add", f_add },					\
	{ "ret", f_ret },					\
	{ "add+add", f_add, f_add_b },

#endif
