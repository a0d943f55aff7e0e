/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What an architecture gives the tests: functions whose probed instruction is
 * known (functions.S), code to write into files, and the machine state that a
 * signal handler sees. Another architecture has a directory like this one.
 */
#ifndef UPROBE_TEST_ARCH_H
#define UPROBE_TEST_ARCH_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/ucontext.h>

#include "../many.h"

/* First instruction emulated by the kernel; returns @x. */
long emulated(long x);
/* First instruction single-stepped, and not the same; each returns @x + 1. */
long stepped(long x);
long stepped_b(long x);
/* First instruction one that the kernel may make a call; returns @x. */
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
 * MANY_COUNT functions, MANY_STRIDE bytes apart; number i returns @x + i, of 32
 * bits. It is the first instruction that adds, and it is stepped, so that no two
 * of them are the same.
 */
extern const char many[];

/* First instruction stepped, and faults on a bad @p; returns *@p. */
long load(const long *p);
/* The same, from guard_page[0], addressed relative to the instruction. */
long load_relative(void);
extern long guard_page[512];
/* Divides @a by @b, from divide_at to divide_end. */
long divide(long a, long b);
extern const char divide_at[], divide_end[];
/* Set the stack pointer to @sp and push, or call, at the label; return 0. */
long push_on(void *sp);
extern const char push_on_at[];
#define ARCH_PUSH_BYTES	8
long call_on(void *sp);
extern const char call_on_at[];

/* Jumps to @target, as if it had been called by whoever called this. */
long jump_to(unsigned long target);
/* Returns to @target instead of to its caller. */
long return_to(unsigned long target);
/* Jumps to @target with the stack pointer at @sp. */
long jump_on_stack(unsigned long target, unsigned long sp);
/* The same, to make system call @nr. */
long jump_with_stack(unsigned long target, unsigned long sp, long nr);

/* The call that the kernel makes of the first instruction of optimised(). */
#define ARCH_CALL_BYTES		10
/* The page that it leads to, and its system call instruction. */
#define ARCH_CALLS_NAME		"[uprobes-trampoline]"
#define ARCH_CALLS_SYSCALL	11
/* Calls that page as the probe would, from a place that is none. */
void call_trampoline(unsigned long page);
/* The same, as if it was called from before @from; goes on there with @x. */
long call_trampoline_from(unsigned long page, unsigned long from, long x);

static inline bool arch_is_breakpoint(const void *addr)
{
	return *(const volatile unsigned char *)addr == 0xcc;
}

#define ARCH_CODE_MAX	16

/* Code that returns @value; its first instruction is stepped. */
static inline size_t arch_code_stepped(unsigned char *code, int value)
{
	const long wide = value;

	code[0] = 0x48;				/* movabs $value, %rax */
	code[1] = 0xb8;
	memcpy(code + 2, &wide, sizeof(wide));
	code[10] = 0xc3;			/* ret */
	return 11;
}

/* Code that returns @value; its first instruction is emulated. */
static inline size_t arch_code_emulated(unsigned char *code, int value)
{
	code[0] = 0x90;				/* nop */
	return 1 + arch_code_stepped(code + 1, value);
}

/* An instruction that the kernel refuses to probe, and with which error. */
#define ARCH_REFUSAL	ENOTSUPP

static inline size_t arch_code_refused(unsigned char *code)
{
	code[0] = 0xf4;				/* hlt */
	return 1;
}

/* What the kernel takes for a breakpoint. */
static inline size_t arch_code_breakpoint(unsigned char *code)
{
	code[0] = 0xcc;				/* int3 */
	return 1;
}

static inline void arch_fill_with_breakpoints(void *code, size_t size)
{
	memset(code, 0xcc, size);
}

/* Bytes that are no instruction. */
static inline size_t arch_code_undecodable(unsigned char *code)
{
	memset(code, 0x66, ARCH_CODE_MAX);	/* prefixes and nothing else */
	return ARCH_CODE_MAX;
}

/* Instructions begin at multiples of this. */
#define ARCH_INSN_ALIGN	1

/* What comes of executing zeroes: they store to where a register points to. */
#define ARCH_SIGNAL_OF_ZEROES	SIGSEGV

/*
 * A probed instruction's copy, with so much of what follows it, is found at the
 * start of a slot of this size.
 */
#define ARCH_COPY_BYTES	16
#define ARCH_SLOT_BYTES	128
/* How many slots the kernel makes at once: a block of them. */
#define ARCH_BLOCK_SLOTS	32

/* The size of the first instruction of stepped(). */
#define ARCH_STEPPED_BYTES	4

/* The kernel's function that makes CPUs see a slot's new code; none is needed. */
#define ARCH_SLOT_FLUSH	NULL

/* What a tracefs event writes to fetch what the first argument points to. */
#define ARCH_FETCH_FIRST_ARG	"+0(%di):u64"

/* What the kernel puts into the first slot: the way back from a return probe. */
static const unsigned char arch_trampoline[] = {
	0x50, 0x51, 0x41, 0x53,			/* push %rax; %rcx; %r11 */
	0x48, 0xc7, 0xc0, 0x4f, 0x01, 0, 0,	/* mov $__NR_uretprobe, %rax */
	0x0f, 0x05,				/* syscall */
	0x41, 0x5b, 0x59,			/* pop %r11; %rcx */
	0xc3, 0xcc,				/* ret; int3 */
};

/* Where in the trampoline the system call instruction is. */
#define ARCH_TRAMPOLINE_SYSCALL	11

#define ARCH_NR_URETPROBE	335
#define ARCH_NR_UPROBE		336

static inline unsigned long arch_ip(const ucontext_t *uc)
{
	return uc->uc_mcontext.gregs[REG_RIP];
}

static inline void arch_set_ip(ucontext_t *uc, unsigned long ip)
{
	uc->uc_mcontext.gregs[REG_RIP] = ip;
}

/* After a trap: lets what is at the breakpoint now be executed. */
static inline void arch_retry_breakpoint(ucontext_t *uc)
{
	arch_set_ip(uc, arch_ip(uc) - 1);
}

static inline void arch_set_sp(ucontext_t *uc, unsigned long sp)
{
	uc->uc_mcontext.gregs[REG_RSP] = sp;
}

/* The first argument of the function that was interrupted. */
static inline void arch_set_arg(ucontext_t *uc, unsigned long value)
{
	uc->uc_mcontext.gregs[REG_RDI] = value;
}

/* True if the state that is restored would go on single-stepping. */
static inline bool arch_is_stepping(const ucontext_t *uc)
{
	return uc->uc_mcontext.gregs[REG_EFL] & 0x100;
}

/*
 * The register that the kernel borrows for an instruction that addresses
 * memory relative to itself, set to @value around a call of load_relative().
 */
static inline long arch_load_relative_with_scratch(long value)
{
	long ret;

	asm volatile("call load_relative"
		     : "=a" (ret), "+S" (value) : : "memory", "cc");
	return ret;
}

static inline long arch_scratch(const ucontext_t *uc)
{
	return uc->uc_mcontext.gregs[REG_RSI];
}

#endif
