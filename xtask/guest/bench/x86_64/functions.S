/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Functions named after their first instruction, which is probed. The kernel
 * emulates nop and push, and replaces the 10-byte nop by a call when it was hit
 * once. It steps ret and imul; lea, endbr64 and load (a mov from memory) are
 * stepped by the C implementation, and emulated by the Rust one.
 */
	.text

.macro function name
	.balign 16
	.globl \name
	.type \name, @function
\name:
.endm

function f_nop
	nop
	ret
	.size f_nop, . - f_nop

function f_push
	push %rbp
	pop %rbp
	ret
	.size f_push, . - f_push

function f_lea
	lea 1(%rdi), %rax
	ret
	.size f_lea, . - f_lea

function f_lea_b
	lea 2(%rdi), %rax
	ret
	.size f_lea_b, . - f_lea_b

function f_ret
	ret
	.size f_ret, . - f_ret

function f_endbr64
	endbr64
	ret
	.size f_endbr64, . - f_endbr64

function f_load
	mov (%rsp), %rax
	ret
	.size f_load, . - f_load

function f_nop10
	.byte 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0
	ret
	.size f_nop10, . - f_nop10

function f_imul
	imul $1, %rdi, %rax
	ret
	.size f_imul, . - f_imul

function f_imul_b
	imul $2, %rdi, %rax
	ret
	.size f_imul_b, . - f_imul_b

/* Never called: places for probes that only have to be there. */
	.balign 4096
	.globl crowd
crowd:
	.rept CROWD_MAX
	nop
	.balign CROWD_STRIDE, 0x90
	.endr

	.section .note.GNU-stack, "", @progbits
