/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The functions that arch.h declares. Both implementations emulate nop, push and
 * relative branches; the Rust one also emulates moves, lea, and arithmetic that
 * is no more than adding, subtracting, comparing or combining bits. What is to be
 * stepped here, both step: multiplications, and addresses of 32 bits.
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
	mov %rdi, %rax
	ret

function stepped
	imul $1, %rdi, %rax
	inc %rax
	ret

	/* The same with a number of 32 bits, which an assembler would not choose. */
function stepped_b
	.byte 0x48, 0x69, 0xc7, 1, 0, 0, 0
	inc %rax
	ret

/* nopw %cs:0(%rax,%rax), all ten bytes of it. */
function optimised
	.byte 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0
	mov %rdi, %rax
	ret

.irp name, recurse, recurse_b
function \name
	push %rbp
	mov %rsp, %rbp
	test %rdi, %rdi
	je 1f
	dec %rdi
	call \name
	inc %rax
	jmp 2f
1:	xor %eax, %eax
	test %rsi, %rsi
	je 2f
	mov %rdx, %rdi
	call *%rsi
2:	pop %rbp
	ret
label \name\()_end
.endr

function spin
	push %rbp
	mov %rsp, %rbp
label spin_at
	dec %rdi
	jg spin_at
label spin_end
	xor %eax, %eax
	pop %rbp
	ret

function tail_a
	nop
	jmp tail_b
function tail_b
	nop
	jmp tail_c
function tail_c
	nop
	mov $3, %eax
	ret

function tail_loop
	nop
	dec %rdi
	jns tail_loop
	xor %eax, %eax
	ret

	.balign 16
label many
	.set i, 0
	.rept MANY_COUNT
	.balign MANY_STRIDE
	{disp32} lea i(%edi), %rax
	ret
	.set i, i + 1
	.endr

function load
	imul $1, (%rdi), %rax
	ret

function load_relative
	imul $1, guard_page(%rip), %rax
	ret

/* Those of emulated.h. */
function mov_load
	mov (%rdi), %rax
	ret

function mov_store
	mov %rsi, (%rdi)
	ret

function mov_store_number
	movl $0x12345678, (%rdi)
	ret

function cmp_load
	cmpq $7, (%rdi)
	sete %al
	movzbl %al, %eax
	ret

.macro probed insn:vararg
	.pushsection walk_places, "a", @progbits
	.quad 1f
	.popsection
1:	\insn
.endm

function walk
	probed endbr64
	probed mov %rdi, %rax
	probed mov (%rsi), %rdx
	probed sub $8, %rax
	probed mov %rax, 8(%rsi)
	probed nopl 8(%rax)
	probed lea 16(%rax,%rdx), %rcx
	probed cmpl $7, (%rsi)
	probed mov $5, %eax
	probed add %rcx, %rax
	ret
label walk_end

	/* So that each instruction of walk() traps, and hardly any other. */
function walk_trapping
	pushf
	orl $0x100, (%rsp)
	popf
	call walk
	pushf
	andl $~0x100, (%rsp)
	popf
	ret

	/* With the flag that makes the processor check alignment. */
function mov_load_aligned
	pushf
	orl $0x40000, (%rsp)
	popf
	call mov_load
	pushf
	andl $~0x40000, (%rsp)
	popf
	ret

function divide
	mov %rdi, %rax
	cqo
label divide_at
	idiv %rsi
label divide_end
	ret

function push_on
	mov %rsp, %rax
	mov %rdi, %rsp
	/* What follows goes wrong if it is executed anywhere else. */
label push_on_at
	push %rbp
	mov %rax, %rsp
	lea push_on_at(%rip), %rax
	sub push_on_address(%rip), %rax
	ret

	.data
	.balign 8
push_on_address:
	.quad push_on_at
	.text

function call_on
	mov %rsp, %rax
	mov %rdi, %rsp
label call_on_at
	call 1f
	mov %rax, %rsp
	xor %eax, %eax
	ret
1:	ret

function jump_to
	jmp *%rdi

function return_to
	mov %rdi, (%rsp)
	ret

function jump_on_stack
	mov %rsi, %rsp
	jmp *%rdi

	/* As the kernel's call does, below the red zone. */
function call_trampoline
	lea -0x80(%rsp), %rsp
	call *%rdi
	ret

function call_trampoline_from
	mov %rdi, %rax
	lea -0x80(%rsp), %rsp
	push %rsi
	mov %rdx, %rdi
	jmp *%rax

function jump_with_stack
	mov %rsi, %rsp
	mov %rdx, %rax
	jmp *%rdi

	.bss
	.balign 4096
label guard_page
	.skip 4096

	.section .note.GNU-stack, "", @progbits
