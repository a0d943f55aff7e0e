/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Functions named after their first instruction, which is probed. The kernel
 * emulates nop and ret, and steps the others.
 */
	.text

.macro function name
	.balign 16
	.globl \name
	.type \name, %function
\name:
.endm

function f_nop
	nop
	ret
	.size f_nop, . - f_nop

function f_stp
	stp x29, x30, [sp, #-16]!
	ldp x29, x30, [sp], #16
	ret
	.size f_stp, . - f_stp

function f_add
	add x0, x0, #1
	ret
	.size f_add, . - f_add

function f_add_b
	add x0, x0, #2
	ret
	.size f_add_b, . - f_add_b

function f_ret
	ret
	.size f_ret, . - f_ret

/* Never called: places for probes that only have to be there. */
	.balign 4096
	.globl crowd
crowd:
	.rept CROWD_MAX
	nop
	.endr

	.section .note.GNU-stack, "", %progbits
