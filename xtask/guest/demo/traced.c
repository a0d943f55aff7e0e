// SPDX-License-Identifier: GPL-2.0
/*
 * A program whose every call can be counted: `traced N` calls each function
 * and fires its static probe N times, and says how often the probe's semaphore
 * was raised. Hand-made static probe, so that no header beside libc's is needed.
 */
#include <stdio.h>
#include <stdlib.h>

#define NOINLINE __attribute__((noinline))

/* Raised by the kernel while someone listens (ref_ctr_offset). */
__attribute__((section(".probes"), used)) volatile unsigned short tick_semaphore;

/* The note is what tools read; see <sys/sdt.h> of SystemTap for the format. */
#define TICK(value)							\
	asm volatile("990:	nop\n"					\
		     "	.pushsection .note.stapsdt,\"\",\"note\"\n"	\
		     "	.balign 4\n"					\
		     "	.4byte 992f-991f, 994f-993f, 3\n"		\
		     "991:	.asciz \"stapsdt\"\n"			\
		     "992:	.balign 4\n"				\
		     "993:	.8byte 990b\n"				\
		     "	.8byte _.stapsdt.base\n"			\
		     "	.8byte tick_semaphore\n"			\
		     "	.asciz \"traced\"\n"				\
		     "	.asciz \"tick\"\n"				\
		     "	.asciz \"8@%0\"\n"				\
		     "994:	.balign 4\n"				\
		     "	.popsection\n"					\
		     :: "r"(value))

/* Tells tools by how much the addresses in the note were moved. */
asm("	.pushsection .stapsdt.base,\"a\",\"progbits\"\n"
    "	.hidden _.stapsdt.base\n"
    "	.globl _.stapsdt.base\n"
    "_.stapsdt.base:	.space 1\n"
    "	.popsection\n");

NOINLINE long work(long value)
{
	asm volatile("" : "+r"(value));
	return 2 * value;
}

#define STAGE(number)							\
	NOINLINE long stage_##number(long value)			\
	{								\
		asm volatile("" : "+r"(value));				\
		return value + number;					\
	}

STAGE(1)
STAGE(2)
STAGE(3)
STAGE(4)

int main(int argc, char **argv)
{
	long count = argc > 1 ? atol(argv[1]) : 1;
	long raised = 0, sum = 0;

	for (long i = 0; i < count; i++) {
		sum += work(i);
		sum += stage_1(i) + stage_2(i) + stage_3(i) + stage_4(i);
		raised += tick_semaphore > 0;
		TICK(i);
	}
	printf("raised %ld of %ld (sum %ld)\n", raised, count, sum);
	return 0;
}
