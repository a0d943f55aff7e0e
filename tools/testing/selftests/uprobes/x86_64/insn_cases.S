/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The instructions of x86_64 that insn.c probes. A case is
 *
 *	begin name
 *		...		# what comes before
 *	at			# the next instruction is the probed one
 *		...
 *	end name [hits=...] [error=...] [ignore=...]
 *
 * It is called with cx = 3, si and di pointing into insn_memory, and returns by
 * the ret that "end" adds. Registers and flags are those of struct insn_state.
 *
 * Two are missing because a step of them runs on into what follows: syscall,
 * wherever it is run, and pause under QEMU's TCG.
 */
#define ENOEXEC		8
#define ENOTSUPP	524
#define IGNORE_TRAP_FLAG_IN_AX	1

/* sizeof(struct insn_case) without its first six members */
#define STATE_WORDS	(16 + 2 + 32)
#define RESULT_WORDS	(8 * STATE_WORDS)

.macro begin name
	.text
	.balign 32
insn_\name:
.endm

.macro at
88:
.endm

.macro end name, hits=1, error=0, ignore=0
	ret
	.pushsection .rodata
77:	.asciz "\name"
	.popsection
	.pushsection insn_cases, "aw", @progbits
	.quad 77b, insn_\name, 88b, \hits, \error, \ignore
	.fill RESULT_WORDS, 8, 0
	.popsection
.endm

/* A case of one instruction. */
.macro one name, insn:vararg
begin \name
at
	\insn
end \name
.endm

.macro refuse name, insn:vararg
begin \name
at
	\insn
end \name, error=ENOTSUPP
.endm

/*
 * No operation
 */
one nop, nop
one nop_2, .byte 0x66, 0x90
one nop_3, .byte 0x0f, 0x1f, 0x00
one nop_5, .byte 0x0f, 0x1f, 0x44, 0x00, 0x00
one nop_9, .byte 0x66, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0
one nop_10_optimised, .byte 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0
refuse nop_11, .byte 0x66, 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0
one endbr64, endbr64

/*
 * Stack
 */
.irp reg, rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15
begin push_\reg
at
	push %\reg
	pop %rax
	.ifc \reg, rsp
	sub %rsp, %rax		/* where the stack is differs between runs */
	.endif
end push_\reg
.endr
begin push_16_bit
at
	pushw %dx
	popw %ax
end push_16_bit
begin push_imm8
at
	push $-5
	pop %rax
end push_imm8
begin push_imm32
at
	push $-500000
	pop %rax
end push_imm32
begin push_memory
at
	pushq insn_memory(%rip)
	pop %rax
end push_memory
begin pop
	push %rdx
at
	pop %rax
end pop
begin pop_memory
	push %rdx
at
	popq insn_memory+16(%rip)
end pop_memory
begin sub_rsp
at
	sub $64, %rsp
	add $64, %rsp
	xor %eax, %eax		/* flags that do not tell where the stack is */
end sub_rsp
begin enter
at
	enter $16, $0
	leave
end enter
begin leave
	push %rbp
	mov %rsp, %rbp
	lea -24(%rsp), %rsp
at
	leave
end leave

/*
 * Flags
 */
begin pushf
at
	pushf
	pop %rax
end pushf, ignore=IGNORE_TRAP_FLAG_IN_AX
begin popf
	push $0xad7
at
	popf
end popf
one cmc, cmc
one cld, cld
begin lahf
at
	lahf
end lahf

/*
 * Calls, jumps and returns
 */
begin call
at
	call 1f
	jmp 2f
1:	mov (%rsp), %rax
	ret
2:
end call
begin call_next
at
	call 1f
1:	pop %rax
end call_next
begin call_register
	lea 1f(%rip), %rbx
at
	call *%rbx
	jmp 2f
1:	mov (%rsp), %rax
	ret
2:
end call_register
begin call_memory
	lea 1f(%rip), %rbx
	mov %rbx, insn_memory(%rip)
at
	call *insn_memory(%rip)
	jmp 2f
1:	mov (%rsp), %rax
	ret
2:
end call_memory
begin call_stack
	lea 1f(%rip), %rbx
	push %rbx
at
	call *(%rsp)
	jmp 2f
1:	mov (%rsp), %rax
	ret
2:	pop %rbx
end call_stack
begin jmp_short
at
	jmp 1f
	ud2
1:
end jmp_short
begin jmp_near
at
	{disp32} jmp 1f
	ud2
1:
end jmp_near
begin jmp_back
	jmp 1f
2:	mov $1, %eax
	jmp 3f
1:
at
	jmp 2b
3:
end jmp_back
begin jmp_register
	lea 1f(%rip), %rbx
at
	jmp *%rbx
	ud2
1:
end jmp_register
begin jmp_memory
	lea 1f(%rip), %rbx
	mov %rbx, insn_memory(%rip)
at
	jmp *insn_memory(%rip)
	ud2
1:
end jmp_memory
one ret, ret
one rep_ret, .byte 0xf3, 0xc3
begin ret_pop
	pop %rdx
	sub $16, %rsp
	push %rdx
	xor %edx, %edx
at
	ret $16
end ret_pop

.irp cc, o, no, b, nb, z, nz, be, nbe, s, ns, p, np, l, nl, le, nle
begin j\cc\()_short
	mov $1, %eax
at
	j\cc 1f
	mov $2, %eax
1:
end j\cc\()_short
begin j\cc\()_near
	mov $1, %eax
at
	{disp32} j\cc 1f
	mov $2, %eax
1:
end j\cc\()_near
one set\cc, set\cc %al
one cmov\cc, cmov\cc %rdx, %rax
.endr

begin loop
	xor %eax, %eax
1:	inc %eax
at
	loop 1b
end loop, hits=3
begin loope
	xor %eax, %eax
1:	inc %eax
	cmp %eax, %eax
at
	loope 1b
end loope, hits=3
begin loopne
	xor %eax, %eax
1:	inc %eax
	cmp $2, %eax
at
	loopne 1b
end loopne, hits=2
begin loop_to_itself
at
1:	loop 1b
end loop_to_itself, hits=3
begin jrcxz
at
	jrcxz 1f
	mov $2, %eax
1:
end jrcxz
begin jrcxz_taken
	xor %ecx, %ecx
at
	jrcxz 1f
	mov $2, %eax
1:
end jrcxz_taken

/*
 * Moves and arithmetic
 */
one mov_register, mov %rdx, %rax
one mov_imm32, mov $0x12345678, %eax
one mov_imm64, movabs $0x123456789abcdef0, %rax
one mov_load, mov 8(%rsi), %rax
one mov_store, mov %rdx, 8(%rdi)
one mov_load_relative, mov insn_memory+8(%rip), %rax
one mov_load_relative_si, mov insn_memory+8(%rip), %rsi
one mov_load_relative_di, mov insn_memory+8(%rip), %rdi
one mov_store_relative, mov %rdx, insn_memory+8(%rip)
one mov_store_relative_si, mov %rsi, insn_memory+8(%rip)
one mov_store_relative_r14, mov %r14, insn_memory+8(%rip)
one mov_imm_relative, movl $0x1234567, insn_memory+8(%rip)
one mov_thread_pointer, mov %fs:0, %rax
one movzx, movzbl insn_memory+9(%rip), %eax
one lea_relative, lea insn_memory(%rip), %rax
one lea, lea 5(%rsi,%rcx,8), %rax
one xchg, xchg %rdx, %rax
one xchg_relative, xchg %rdx, insn_memory+8(%rip)
one cmpxchg_relative, cmpxchg %rdx, insn_memory+8(%rip)
one cmpxchg8b_relative, cmpxchg8b insn_memory+8(%rip)
one xadd, xadd %rdx, insn_memory+8(%rip)
one add_memory, add %rdx, insn_memory+8(%rip)
one inc_memory, incl insn_memory+8(%rip)
one test, test %rdx, %rdx
one test_memory, testb $1, insn_memory+8(%rip)
one cmp, cmp %rdx, %rax
one cmp_memory, cmpq $7, insn_memory+8(%rip)
one xor, xor %eax, %eax
one imul, imul %rdx, %rax
one mul_relative, mulq insn_memory+8(%rip)
begin div
	xor %edx, %edx
at
	div %rcx
end div
one shl, shl %cl, %rax
one bt, bt %rcx, %rdx
one bsf, bsf %rdx, %rax
one bswap, bswap %rax
one cqo, cqo
one cpuid, cpuid

/*
 * Moves and simple arithmetic in all of their forms, which the Rust
 * implementation emulates, and next to them some that it does not
 */
one nop_8, .byte 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0
one nop_of_r8, .byte 0x41, 0x0f, 0x1f, 0x00
one mov_long, mov %edx, %eax
one mov_load_form, {load} mov %rdx, %r9
one mov_r14_to_r9, mov %r14, %r9
one mov_r9_to_bp_long, mov %r9d, %ebp
one mov_imm_negative, mov $-5, %rax
one mov_imm_r15_long, mov $0x87654321, %r15d
one mov_imm_c7_long, .byte 0xc7, 0xc0, 0xff, 0xff, 0xff, 0xff
one mov_load_long, mov 12(%rsi), %edx
one mov_load_sib, mov 8(%rsi,%rcx,8), %rax
one mov_load_sib_relative, mov -8(%rdi,%rcx,2), %r12d
one mov_load_absolute, mov insn_memory+8, %rax
one mov_load_index_only, mov insn_memory(,%rcx,8), %rax
one mov_load_disp32, {disp32} mov 8(%rsi), %rax
one mov_load_itself, mov (%rsi), %rsi
one mov_load_relative_r15_long, mov insn_memory+8(%rip), %r15d
one mov_store_long, mov %r10d, 4(%rdi)
one mov_store_sib, mov %r14, 8(%rsi,%rcx,8)
one mov_store_itself, mov %rdi, (%rdi)
one mov_store_unaligned, mov %rdx, 3(%rdi)
one mov_imm_store, movl $0x87654321, 8(%rdi)
one mov_imm_store_quad, movq $-2, 8(%rdi,%rcx,4)
one mov_imm_store_relative_quad, movq $0x7654321, insn_memory+8(%rip)
one mov_16_bit, mov %dx, %ax
one mov_imm_16_bit, mov $0x1234, %ax
one mov_8_bit, mov %dl, %ah
one mov_imm_store_8_bit, movb $5, 8(%rdi)
one mov_load_addr32, mov 8(%esi), %rax
one lea_long, lea 5(%rsi,%rcx,8), %edx
one lea_relative_r11, lea insn_memory(%rip), %r11
one lea_16_bit, lea 5(%rsi,%rcx,8), %ax
one lea_addr32, lea 5(%r15d), %rax
.irp base, rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15
begin lea_\base
at
	lea 0x10(%\base), %rax
	.ifc \base, rsp
	sub %rsp, %rax
	.endif
end lea_\base
begin lea_\base\()_with_index
at
	lea (%\base,%rcx,2), %rax
	.ifc \base, rsp
	sub %rsp, %rax
	.endif
end lea_\base\()_with_index
.ifnc \base, rsp
one lea_index_\base, lea -0x12345(%rdx,%\base,4), %r8
one lea_index_only_\base, lea 0x12345(,%\base,8), %r8
.endif
.endr

.irp op, add, or, and, sub, xor, cmp
one \op\()_register, \op %rdx, %r9
one \op\()_register_long, \op %r15d, %ecx
one \op\()_itself, \op %rbx, %rbx
one \op\()_load_form, {load} \op %rdx, %rax
one \op\()_load, \op 8(%rsi), %rdx
one \op\()_load_sib_long, \op 4(%rsi,%rcx,4), %r10d
one \op\()_load_relative, \op insn_memory+16(%rip), %r13
one \op\()_short, \op $-5, %r8
one \op\()_short_long, \op $0x7f, %r15d
one \op\()_number, \op $-0x12345678, %rdx
one \op\()_number_long, \op $0x12345678, %ebp
one \op\()_accumulator, \op $-0x12345678, %rax
one \op\()_accumulator_long, \op $0x12345678, %eax
one \op\()_8_bit, \op %dl, %ah
one \op\()_16_bit, \op %dx, %ax
one \op\()_store, \op %rdx, 8(%rdi)
one \op\()_store_number_long, \op\()l $0x1234567, 8(%rdi)
one \op\()_store_short, \op\()q $-3, 8(%rdi)
one \op\()_store_8_bit, \op\()b $0x71, 9(%rdi)
.endr
one adc, adc %rdx, %rax
one adc_number, adc $-5, %r9
one sbb, sbb %rdx, %rax
one sbb_itself, sbb %eax, %eax
begin add_zero_sum
	mov $-4, %rdx
at
	add $4, %rdx
end add_zero_sum
begin add_overflow
	mov $0x7fffffff, %edx
at
	add $1, %edx
end add_overflow
begin sub_borrow
	xor %edx, %edx
at
	sub $1, %rdx
end sub_borrow
begin cmp_equal_bytes
	movb $0x80, 8(%rdi)
at
	cmpb $0x80, 8(%rdi)
end cmp_equal_bytes
one test_long, test %r10d, %edx
one test_negative, test %r15, %r15
one test_load, test %rdx, 8(%rsi)
one test_load_relative_long, test %edx, insn_memory+8(%rip)
one test_accumulator, test $-0x12345678, %rax
one test_accumulator_long, test $0x1000, %eax
one test_number, test $0x12345678, %r14
one test_load_number, testq $-2, 8(%rsi,%rcx,8)
one test_load_number_long, testl $0x80000000, 4(%rsi)
one test_8_bit, test %al, %al
one test_load_8_bit, testb $0x81, 9(%rsi,%rcx)
one test_number_8_bit, test $1, %cl

/* The stack pointer, of which the rest depends on where the stack is. */
begin mov_rsp_to_rbp
at
	mov %rsp, %rbp
	sub %rsp, %rbp
end mov_rsp_to_rbp
begin mov_rbp_to_rsp
	mov %rsp, %rbp
	lea -64(%rsp), %rsp
at
	mov %rbp, %rsp
	xor %ebp, %ebp
end mov_rbp_to_rsp
begin and_rsp
	mov %rsp, %rbp
at
	and $-64, %rsp
	mov %rbp, %rsp
	xor %ebp, %ebp
end and_rsp
begin lea_rsp_from_rsp
at
	lea -64(%rsp), %rsp
	lea 64(%rsp), %rsp
end lea_rsp_from_rsp
begin mov_load_stack
	push %r13
at
	mov (%rsp), %rax
	lea 8(%rsp), %rsp
end mov_load_stack
begin mov_store_stack
	push %r13
at
	mov %r14, (%rsp)
	pop %rax
end mov_store_stack

/*
 * Strings: a repeated one is probed, and counted, for each repetition
 */
one movsb, movsb
one stosq, stosq
one lodsq, lodsq
one scasb, scasb
one cmpsb, cmpsb
begin rep_movsb
at
	rep movsb
end rep_movsb, hits=3
begin rep_stosq
at
	rep stosq
end rep_stosq, hits=3
begin rep_movsb_none
	xor %ecx, %ecx
at
	rep movsb
end rep_movsb_none

/*
 * Vectors and floating point
 */
begin movq_to_xmm
at
	movq %rdx, %xmm0
end movq_to_xmm
begin movdqa_relative
at
	movdqa insn_memory(%rip), %xmm0
end movdqa_relative
begin paddq_relative
	movq %rdx, %xmm0
at
	paddq insn_memory(%rip), %xmm0
end paddq_relative
begin cvtsi2sd
at
	cvtsi2sd %rdx, %xmm0
end cvtsi2sd
begin fld
at
	fld1
	fistpl insn_memory+8(%rip)
end fld

/*
 * Refused: what may not be stepped, or cannot be decoded
 */
refuse cli, cli
refuse sti, sti
refuse hlt, hlt
refuse int3, int3
refuse int1, .byte 0xf1
refuse int80, int $0x80
refuse in_al, in $0x60, %al
refuse out_dx, out %al, %dx
refuse insb, insb
refuse outsb, outsb
refuse iretq, iretq
refuse mov_ss, mov %eax, %ss
refuse lock_inc, lock incl insn_memory(%rip)
refuse cs_prefix, .byte 0x2e, 0x8b, 0x07
refuse ds_prefix, .byte 0x3e, 0x8b, 0x07
refuse jmp_16_bit, .byte 0x66, 0xe9, 1, 0, 0, 0
refuse call_16_bit, .byte 0x66, 0xe8, 1, 0, 0, 0
refuse push_es_of_32_bit, .byte 0x06
begin only_prefixes
at
	.fill 16, 1, 0x66
end only_prefixes, error=ENOEXEC

/*
 * void insn_run(void (*function)(void), struct insn_state *state)
 */
	.text
	.globl insn_run
insn_run:
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	push %rsi		/* state, above what the function sees */
	push %rdi		/* function */
	pushq 15*8(%rsi)
	popf
	mov 0*8(%rsi), %rax
	mov 1*8(%rsi), %rbx
	mov 2*8(%rsi), %rcx
	mov 3*8(%rsi), %rdx
	mov 5*8(%rsi), %rdi
	mov 6*8(%rsi), %rbp
	mov 7*8(%rsi), %r8
	mov 8*8(%rsi), %r9
	mov 9*8(%rsi), %r10
	mov 10*8(%rsi), %r11
	mov 11*8(%rsi), %r12
	mov 12*8(%rsi), %r13
	mov 13*8(%rsi), %r14
	mov 14*8(%rsi), %r15
	mov 4*8(%rsi), %rsi
	movq insn_zero(%rip), %xmm0
	call *(%rsp)
	pushf
	push %rsi
	mov 3*8(%rsp), %rsi
	mov %rax, 0*8(%rsi)
	mov %rbx, 1*8(%rsi)
	mov %rcx, 2*8(%rsi)
	mov %rdx, 3*8(%rsi)
	popq 4*8(%rsi)
	mov %rdi, 5*8(%rsi)
	mov %rbp, 6*8(%rsi)
	mov %r8, 7*8(%rsi)
	mov %r9, 8*8(%rsi)
	mov %r10, 9*8(%rsi)
	mov %r11, 10*8(%rsi)
	mov %r12, 11*8(%rsi)
	mov %r13, 12*8(%rsi)
	mov %r14, 13*8(%rsi)
	mov %r15, 14*8(%rsi)
	popq 15*8(%rsi)
	movdqu %xmm0, 16*8(%rsi)
	cld
	pop %rdi
	pop %rsi
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	ret

	.section .rodata
	.balign 16
insn_zero:
	.quad 0, 0
	.globl insn_memory_init
insn_memory_init:
	.set i, 0
	.rept 32
	.quad 0x0102030405060708 * (i + 1)
	.set i, i + 1
	.endr

	.bss
	.balign 16
	.globl insn_memory
insn_memory:
	.skip 32 * 8

	.section .note.GNU-stack, "", @progbits
