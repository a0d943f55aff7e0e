/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What an architecture gives the meters: a clock that reads instructions when
 * the machine counts them, marks, and the functions of functions.S.
 */
#ifndef BENCH_ARCH_H
#define BENCH_ARCH_H

/*
 * Nanoseconds of the virtual machine's clock. Under -icount shift=0 the time
 * stamp counter goes on by one with every instruction.
 */
static inline double clock_ns(void)
{
	return __builtin_ia32_rdtsc();
}

/* A no-op that no compiler emits; @number is one of marks.h. */
#define mark(number)							\
	asm volatile(".byte 0x0f, 0x1f, 0x80, %c0, 0x4d, 0x52, 0x55"	\
		     : : "i" (number) : "memory")

void f_nop(void);
void f_push(void);
void f_lea(void);
void f_lea_b(void);
void f_ret(void);
void f_endbr64(void);
void f_load(void);
void f_nop10(void);
void f_imul(void);
void f_imul_b(void);

/* The first of the last is stepped by each implementation, which memory.c wants. */
#define FUNCTIONS						\
	{ "nop", f_nop },					\
	{ "push", f_push },					\
	{ "lea", f_lea },					\
	{ "ret", f_ret },					\
	{ "endbr64", f_endbr64 },				\
	{ "load", f_load },					\
	{ "nop10", f_nop10 },					\
	{ "lea+lea", f_lea, f_lea_b },				\
	{ "imul", f_imul },					\
	{ "imul+imul", f_imul, f_imul_b },

#endif
