/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What an architecture gives the tests: functions whose probed instruction is
 * known (functions.S), code to write into files, and the machine state that a
 * signal handler sees. x86_64 has a directory like this one.
 */
#ifndef UPROBE_TEST_ARCH_H
#define UPROBE_TEST_ARCH_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ucontext.h>

#include "../many.h"

/* First instruction emulated by the kernel; returns @x. */
long emulated(long x);
/* First instruction single-stepped, and not the same; each returns @x + 1. */
long stepped(long x);
long stepped_b(long x);
/* First instruction one that the kernel may make a call, elsewhere; returns @x. */
long optimised(long x);

/*
 * Calls itself @frames times below the first, calls @bottom(@arg) there unless
 * it is NULL, and returns what that returned plus @frames. The first
 * instruction is emulated. They and spin() keep frame pointers.
 */
long recurse(long frames, long (*bottom)(void *arg), void *arg);
long recurse_b(long frames, long (*bottom)(void *arg), void *arg);
extern const char recurse_end[];
/* Spends @rounds rounds between spin_at and spin_end; returns 0. */
long spin(void *rounds);
extern const char spin_at[], spin_end[];

/* Three functions of which each jumps to the next; returns 3. */
long tail_a(void);
long tail_b(void);
long tail_c(void);
/* Jumps to its own first instruction until @n is 0; returns 0. */
long tail_loop(long n);

/*
 * MANY_COUNT functions, MANY_STRIDE bytes apart; number i returns @x + i. It is
 * the first instruction that adds, so that no two of them are the same.
 */
extern const char many[];

/* First instruction stepped, and faults on a bad @p; returns *@p. */
long load(const long *p);
/* Executes an undefined instruction, from undefined_at to undefined_end. */
void undefined(void);
extern const char undefined_at[], undefined_end[];
/* Sets the stack pointer to @sp and pushes at the label; returns 0. */
long push_on(void *sp);
extern const char push_on_at[];
#define ARCH_PUSH_BYTES	16

/* Jumps to @target, as if it had been called by whoever called this. */
long jump_to(unsigned long target);
/* Jumps to @target with the stack pointer at @sp. */
long jump_on_stack(unsigned long target, unsigned long sp);
/* Returns to @target instead of to its caller. */
long return_to(unsigned long target);

#define ARCH_BREAKPOINT	0xd42000a0u		/* brk #5 */

static inline bool arch_is_breakpoint(const void *addr)
{
	return *(const volatile uint32_t *)addr == ARCH_BREAKPOINT;
}

#define ARCH_CODE_MAX	16

static inline size_t arch_code_words(unsigned char *code, const uint32_t *words, size_t size)
{
	memcpy(code, words, size);
	return size;
}

/* Code that returns @value; its first instruction is stepped. */
static inline size_t arch_code_stepped(unsigned char *code, int value)
{
	const uint32_t words[] = {
		0x52800000 | (value & 0xffff) << 5,		/* mov w0, #low */
		0x72a00000 | ((value >> 16) & 0xffff) << 5,	/* movk w0, #high, lsl #16 */
		0xd65f03c0,					/* ret */
	};

	return arch_code_words(code, words, sizeof(words));
}

/* Code that returns @value; its first instruction is emulated. */
static inline size_t arch_code_emulated(unsigned char *code, int value)
{
	const uint32_t nop = 0xd503201f;

	return arch_code_words(code, &nop, sizeof(nop)) +
	       arch_code_stepped(code + sizeof(nop), value);
}

/* An instruction that the kernel refuses to probe, and with which error. */
#define ARCH_REFUSAL	EINVAL

static inline size_t arch_code_refused(unsigned char *code)
{
	const uint32_t svc = 0xd4000001;

	return arch_code_words(code, &svc, sizeof(svc));
}

/* What the kernel takes for a breakpoint. */
static inline size_t arch_code_breakpoint(unsigned char *code)
{
	const uint32_t brk = ARCH_BREAKPOINT;

	return arch_code_words(code, &brk, sizeof(brk));
}

static inline void arch_fill_with_breakpoints(void *code, size_t size)
{
	for (size_t i = 0; i < size; i += sizeof(uint32_t))
		arch_code_breakpoint((unsigned char *)code + i);
}

/* Instructions begin at multiples of this. */
#define ARCH_INSN_ALIGN	4

/* What comes of executing zeroes: they are an undefined instruction. */
#define ARCH_SIGNAL_OF_ZEROES	SIGILL

/* A slot is as large as an instruction, and holds nothing else. */
#define ARCH_COPY_BYTES	4
#define ARCH_SLOT_BYTES	4
/* How many slots the kernel makes at once: a block of them. */
#define ARCH_BLOCK_SLOTS	62

/* The size of the first instruction of stepped(). */
#define ARCH_STEPPED_BYTES	4

/* The kernel's function that makes CPUs see a slot's new code. */
#define ARCH_SLOT_FLUSH	"sync_icache_aliases"

/* What a tracefs event writes to fetch what the first argument points to. */
#define ARCH_FETCH_FIRST_ARG	"+0(%x0):u64"

/* What the kernel puts into the first slot: the way back from a return probe. */
static const unsigned char arch_trampoline[] = {
	0xa0, 0x00, 0x20, 0xd4,			/* brk #5 */
};

static inline unsigned long arch_ip(const ucontext_t *uc)
{
	return uc->uc_mcontext.pc;
}

static inline void arch_set_ip(ucontext_t *uc, unsigned long ip)
{
	uc->uc_mcontext.pc = ip;
}

/* After a trap: lets what is at the breakpoint now be executed. */
static inline void arch_retry_breakpoint(ucontext_t *uc)
{
	/* That is where the instruction pointer is. */
}

static inline void arch_set_sp(ucontext_t *uc, unsigned long sp)
{
	uc->uc_mcontext.sp = sp;
}

/* The first argument of the function that was interrupted. */
static inline void arch_set_arg(ucontext_t *uc, unsigned long value)
{
	uc->uc_mcontext.regs[0] = value;
}

/*
 * True if the state that is restored would go on single-stepping: never, as the
 * kernel goes by what it knows of the task, and ignores the bit that it shows.
 */
static inline bool arch_is_stepping(const ucontext_t *uc)
{
	return false;
}

#endif
