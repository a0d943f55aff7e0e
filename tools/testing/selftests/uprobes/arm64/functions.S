/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The functions that arch.h and guarded.h declare. The kernel emulates nop,
 * branches, calls, returns and adr; it single-steps everything else.
 */
#include "../many.h"

	.text

.macro function name
	.balign 16
	.globl \name
	.type \name, @function
\name:
.endm

.macro label name
	.globl \name
\name:
.endm

function emulated
	nop
	mov x0, x0
	ret

function stepped
	add x0, x0, #1
	ret

function stepped_b
	adds x0, x0, #1
	ret

function optimised
	nop
	mov x0, x0
	ret

.irp name, recurse, recurse_b
function \name
	nop
	stp x29, x30, [sp, #-16]!
	mov x29, sp
	cbz x0, 1f
	sub x0, x0, #1
	bl \name
	add x0, x0, #1
	b 2f
1:	cbz x1, 2f
	mov x9, x1
	mov x0, x2
	blr x9
2:	ldp x29, x30, [sp], #16
	ret
label \name\()_end
.endr

function spin
	stp x29, x30, [sp, #-16]!
	mov x29, sp
label spin_at
	subs x0, x0, #1
	b.gt spin_at
label spin_end
	mov x0, #0
	ldp x29, x30, [sp], #16
	ret

function tail_a
	nop
	b tail_b
function tail_b
	nop
	b tail_c
function tail_c
	nop
	mov x0, #3
	ret

function tail_loop
	nop
	subs x0, x0, #1
	b.pl tail_loop
	mov x0, #0
	ret

	/* Their numbers fit an immediate of 12 bits. */
	.balign 16
label many
	.set i, 0
	.rept MANY_COUNT
	.balign MANY_STRIDE
	add x0, x0, #i
	ret
	.set i, i + 1
	.endr

function load
	ldr x0, [x0]
	ret

/*
 * Not #0, which is zero: it would not be written into an empty slot, and QEMU
 * before 8.1 may then execute what the page held in an earlier life.
 */
function undefined
label undefined_at
	udf #1
label undefined_end
	ret

function push_on
	mov x9, sp
	mov sp, x0
label push_on_at
	stp x29, x30, [sp, #-16]!
	mov sp, x9
	mov x0, #0
	ret

function jump_to
	br x0

function jump_on_stack
	mov sp, x1
	br x0

function return_to
	mov x30, x0
	ret

/*
 * guarded.h: pages that a program may ask the processor to guard. Each function
 * has a caller in the same page, which calls it without a pointer; where it
 * returns to begins with @after.
 */
	.arch armv8.5-a
	.section .guarded, "ax", @progbits
	.balign 4096
label guarded_start

.macro guarded name, after=nop
function \name\()_caller
	bti c
	stp x29, x30, [sp, #-16]!
label \name\()_call
	bl \name
	\after
	ldp x29, x30, [sp], #16
label \name\()_return
	ret
function \name
.endm

guarded landing_c
	bti c
	add x0, x0, #1
	ret

guarded landing_jc
	bti jc
	add x0, x0, #1
	ret

guarded no_landing
	add x0, x0, #1
	ret

/* As compilers sign and check it, with a frame in between. */
.macro signed name, sign, check:vararg
guarded \name
	\sign
	stp x29, x30, [sp, #-16]!
	mov x29, sp
	add x0, x0, #1
	ldp x29, x30, [sp], #16
	\check
.endm

signed signed_a, paciasp, autiasp; ret
signed signed_b, pacibsp, autibsp; ret
signed signed_a_combined, paciasp, retaa
signed signed_b_combined, pacibsp, retab

guarded returns_by_branch, after="bti j"
	bti c
	add x0, x0, #1
	mov x16, x30
	br x16

	.balign 4096
label guarded_end

	.text
/* prctl(PR_SET_SHADOW_STACK_STATUS, ...) */
.macro shadow_stack status
	mov x0, #75
	mov x1, #\status
	mov x2, #0
	mov x3, #0
	mov x4, #0
	mov x8, #167
	svc #0
.endm

function call_with_shadow_stack
	stp x29, x30, [sp, #-32]!
	stp x19, x20, [sp, #16]
	mov x19, x0
	mov x20, x1
	shadow_stack 1
	cbnz x0, 1f
	mov x0, x20
	blr x19
	mov x20, x0
	shadow_stack 0
	mov x0, x20
1:	ldp x19, x20, [sp, #16]
	ldp x29, x30, [sp], #32
	ret

	.section .note.GNU-stack, "", @progbits
