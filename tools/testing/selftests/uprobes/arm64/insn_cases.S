/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The instructions of arm64 that insn.c probes. A case is
 *
 *	begin name
 *		...		// what comes before
 *	at			// the next instruction is the probed one
 *		...
 *	end name [hits=...] [error=...]
 *
 * It is called with x2 = 3, x3 = 0, x4 and x5 pointing into insn_memory, and
 * returns by the ret that "end" adds. Registers and flags are those of struct
 * insn_state.
 *
 * Loads of vector registers from a literal are missing: the kernel takes them
 * for harmless, and so they load from beside the slot.
 */
#define EINVAL		22

	.arch armv8.5-a

/* sizeof(struct insn_case) without its first six members */
#define STATE_WORDS	(31 + 1 + 2 + 32)
#define RESULT_WORDS	(8 * STATE_WORDS)

.macro begin name
	.text
	.balign 32
insn_\name:
.endm

.macro at
88:
.endm

.macro end name, hits=1, error=0
	ret
	.pushsection .rodata
77:	.asciz "\name"
	.popsection
	.pushsection insn_cases, "aw", @progbits
	.quad 77b, insn_\name, 88b, \hits, \error, 0
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
end \name, error=EINVAL
.endm

/*
 * No operation, and what is one on processors that do not know it
 */
one nop, nop
one bti, bti
one bti_c, bti c
one bti_j, bti j
one bti_jc, bti jc
refuse yield, yield
refuse wfe, wfe
refuse wfi, wfi
refuse sev, sev
refuse esb, esb
refuse csdb, csdb
refuse clearbhb, hint #22

/*
 * Pointer authentication; the stack pointer differs between two runs, so what
 * it signs is not kept
 */
begin paciasp
at
	paciasp
	autiasp
end paciasp
begin pacibsp
at
	pacibsp
	autibsp
end pacibsp
begin paciaz
at
	paciaz
	mov x0, x30
	autiaz
end paciaz
begin pacibz
at
	pacibz
	mov x0, x30
	autibz
end pacibz
one pacia1716, pacia1716
one pacib1716, pacib1716
begin xpaclri
	paciaz
at
	xpaclri
	mov x0, x30
end xpaclri
refuse autiasp, autiasp
refuse autibsp, autibsp
refuse autia1716, autia1716
refuse retaa, retaa
refuse retab, retab
refuse braa, braa x0, x1
refuse blraa, blraa x0, x1
refuse braaz, braaz x0
refuse eretaa, .inst 0xd69f0bff

/*
 * Branches, calls and returns
 */
begin b
at
	b 1f
	udf #0
1:
end b
begin b_back
	b 1f
2:	mov x0, #1
	b 3f
1:
at
	b 2b
3:
end b_back
begin b_loop
1:	subs x2, x2, #1
	b.mi 2f
at
	b 1b
2:
end b_loop, hits=3
begin bl
	mov x10, x30
at
	bl 1f
	b 2f
1:	mov x0, x30
	ret
2:	mov x30, x10
end bl
begin bl_next
	mov x10, x30
at
	bl 1f
1:	mov x0, x30
	mov x30, x10
end bl_next
begin br
	adr x0, 1f
at
	br x0
	udf #0
1:
end br
begin blr
	mov x10, x30
	adr x0, 1f
at
	blr x0
	b 2f
1:	mov x1, x30
	ret
2:	mov x30, x10
end blr
begin blr_link
	mov x10, x30
	adr x30, 1f
at
	blr x30
	b 2f
1:	mov x1, x30
	ret
2:	mov x30, x10
end blr_link
one ret, ret
begin ret_other
	mov x10, x30
at
	ret x10
	udf #0
end ret_other

.irp cc, eq, ne, cs, cc, mi, pl, vs, vc, hi, ls, ge, lt, gt, le, al
begin b_\cc
	mov x0, #1
at
	b.\cc 1f
	mov x0, #2
1:
end b_\cc
one csel_\cc, csel x0, x1, x6, \cc
.endr

.irp reg, 2, 3
begin cbz_x\reg
	mov x0, #1
at
	cbz x\reg, 1f
	mov x0, #2
1:
end cbz_x\reg
begin cbz_w\reg
	mov x0, #1
at
	cbz w\reg, 1f
	mov x0, #2
1:
end cbz_w\reg
begin cbnz_x\reg
	mov x0, #1
at
	cbnz x\reg, 1f
	mov x0, #2
1:
end cbnz_x\reg
begin cbnz_w\reg
	mov x0, #1
at
	cbnz w\reg, 1f
	mov x0, #2
1:
end cbnz_w\reg
.endr
/* Half of the register is zero. */
begin cbz_high_half
	mov x0, #1
	lsl x1, x1, #32
at
	cbz x1, 1f
	mov x0, #2
1:
end cbz_high_half
begin cbz_low_half
	mov x0, #1
	lsl x1, x1, #32
at
	cbz w1, 1f
	mov x0, #2
1:
end cbz_low_half
begin cbnz_loop
	mov x0, #0
1:	add x0, x0, #1
	sub x2, x2, #1
at
	cbnz x2, 1b
end cbnz_loop, hits=3
begin cbz_zero_register
	mov x0, #1
at
	cbz xzr, 1f
	mov x0, #2
1:
end cbz_zero_register
.irp bit, 0, 1, 2, 31, 32, 56, 63
begin tbz_\bit
	mov x0, #1
at
	tbz x6, #\bit, 1f
	mov x0, #2
1:
end tbz_\bit
begin tbnz_\bit
	mov x0, #1
at
	tbnz x6, #\bit, 1f
	mov x0, #2
1:
end tbnz_\bit
.endr

/*
 * Addresses relative to the instruction
 */
one adr, adr x0, insn_target
one adr_zero_register, adr xzr, insn_target
one adr_link, .inst 0x10000020		/* adr x0, . + 4 */
one adrp, adrp x0, insn_memory
begin adrp_add
at
	adrp x0, insn_memory
	add x0, x0, :lo12:insn_memory
end adrp_add
refuse ldr_literal, ldr x0, insn_memory_init
refuse ldr_literal_w, ldr w0, insn_memory_init
refuse ldrsw_literal, ldrsw x0, insn_memory_init
refuse prfm_literal, prfm pldl1keep, insn_memory_init

/*
 * Moves and arithmetic
 */
one mov_register, mov x0, x1
one mov_w, mov w0, w1
one movz, movz x0, #0x1234, lsl #16
one movn, movn x0, #0x1234
one movk, movk x0, #0x1234, lsl #32
one add_imm, add x0, x1, #0x123
one add_imm_shifted, add x0, x1, #0x123, lsl #12
one add_register, add x0, x1, x6, lsl #3
one add_extended, add x0, x1, w6, sxtw #2
one adds, adds x0, x1, x6
one adc, adc x0, x1, x6
one adcs, adcs x0, x1, x6
one sbc, sbc x0, x1, x6
one sub, sub x0, x1, x6
one subs, subs w0, w1, w6
one cmp, cmp x1, x6
one cmn, cmn x1, x6
one tst, tst x1, x6
one neg, neg x0, x1
one and_imm, and x0, x1, #0xff00ff00ff00ff00
one orr, orr x0, x1, x6, ror #7
one eor, eor x0, x1, x6
one bic, bic x0, x1, x6
one mvn, mvn x0, x1
one ubfx, ubfx x0, x1, #4, #20
one sbfx, sbfx x0, x1, #4, #20
one bfi, bfi x0, x1, #12, #9
one extr, extr x0, x1, x6, #17
one lsl_register, lsl x0, x1, x2
one asr_imm, asr x0, x1, #3
one csinc, csinc x0, x1, x6, eq
one csneg, csneg x0, x1, x6, mi
one ccmp, ccmp x1, x6, #5, ne
one mul, mul x0, x1, x6
one madd, madd x0, x1, x6, x7
one umulh, umulh x0, x1, x6
one udiv, udiv x0, x7, x2
one udiv_by_zero, udiv x0, x7, x3
one sdiv, sdiv x0, x7, x2
one clz, clz x0, x1
one rbit, rbit x0, x1
one rev, rev x0, x1

/*
 * Loads and stores
 */
one ldr, ldr x0, [x4, #8]
one ldr_w, ldr w0, [x4, #8]
one ldr_pre, ldr x0, [x4, #8]!
one ldr_post, ldr x0, [x4], #8
one ldr_register, ldr x0, [x4, x2, lsl #3]
one ldur, ldur x0, [x5, #-7]
one ldrb, ldrb w0, [x4, #9]
one ldrsb, ldrsb x0, [x4, #9]
one ldrh, ldrh w0, [x4, #10]
one ldrsw, ldrsw x0, [x4, #12]
one ldar, ldar x0, [x4]
one ldp, ldp x0, x1, [x4, #16]
one ldp_post, ldp x0, x1, [x4], #16
one ldpsw, ldpsw x0, x1, [x4, #16]
one prfm, prfm pldl1keep, [x4]
one str, str x1, [x5, #8]
one str_zero_register, str xzr, [x5, #8]
one str_pre, str x1, [x5, #8]!
one str_post, str x1, [x5], #8
one str_register, str x1, [x5, x2, lsl #3]
one strb, strb w1, [x5, #9]
one strh, strh w1, [x5, #10]
one stlr, stlr x1, [x5]
one stp, stp x1, x6, [x5, #16]
one stp_post, stp x1, x6, [x5], #16
begin stp_push
at
	stp x29, x30, [sp, #-16]!
	ldp x0, x1, [sp], #16
end stp_push
begin ldp_pop
	stp x1, x6, [sp, #-16]!
at
	ldp x7, x8, [sp], #16
end ldp_pop
begin sub_sp
at
	sub sp, sp, #64
	add sp, sp, #64
end sub_sp
begin mov_from_sp
at
	mov x0, sp
	mov x6, sp
	sub x0, x0, x6		/* where the stack is differs between runs */
	mov x6, #0
end mov_from_sp
refuse ldxr, ldxr x0, [x4]
refuse ldaxr, ldaxr x0, [x4]
refuse ldxp, ldxp x0, x1, [x4]
refuse stxr, stxr w0, x1, [x5]
refuse stlxr, stlxr w0, x1, [x5]
refuse stxp, stxp w0, x1, x6, [x5]
refuse cpyfp, .inst 0x19010440		/* cpyfp [x0]!, [x1]!, x2! */
refuse setp, .inst 0x19c10440		/* setp [x0]!, x2!, x1 */

/*
 * Vectors and floating point
 */
one fmov, fmov d0, x1
begin fmov_back
	fmov d0, x1
at
	fmov x0, d0
end fmov_back
one scvtf, scvtf d0, x1
begin fadd
	fmov d0, #1.5
	fmov d1, #2.25
at
	fadd d0, d0, d1
end fadd
begin fcmp
	fmov d0, #1.5
	fmov d1, #2.25
at
	fcmp d0, d1
end fcmp
one movi, movi v0.16b, #0x5a
one dup, dup v0.4s, w1
one ldr_vector, ldr q0, [x4, #16]
begin str_vector
	dup v0.2d, x1
at
	str q0, [x5, #16]
end str_vector
begin add_vector
	dup v0.2d, x1
at
	add v0.16b, v0.16b, v0.16b
end add_vector

/*
 * The system
 */
one dmb, dmb ish
one dsb, dsb sy
one isb, isb
one dc_cvau, dc cvau, x4
one mrs_nzcv, mrs x0, nzcv
one mrs_thread_pointer, mrs x0, tpidr_el0
one mrs_fpcr, mrs x0, fpcr
refuse mrs_daif, mrs x0, daif
refuse msr_nzcv, msr nzcv, x1
refuse msr_thread_pointer, msr tpidr_el0, x1
refuse msr_immediate, msr daifset, #2
refuse svc, svc #0
refuse hvc, hvc #0
refuse smc, smc #0
refuse brk, brk #0
refuse hlt, hlt #0
refuse eret, eret

	.text
	.balign 8
insn_target:

/*
 * void insn_run(void (*function)(void), struct insn_state *state)
 */
	.globl insn_run
insn_run:
	stp x29, x30, [sp, #-112]!
	stp x19, x20, [sp, #16]
	stp x21, x22, [sp, #32]
	stp x23, x24, [sp, #48]
	stp x25, x26, [sp, #64]
	stp x27, x28, [sp, #80]
	str x1, [sp, #96]
	mov x30, x0
	ldr x2, [x1, #31*8]
	msr nzcv, x2
	ldp x2, x3, [x1, #2*8]
	ldp x4, x5, [x1, #4*8]
	ldp x6, x7, [x1, #6*8]
	ldp x8, x9, [x1, #8*8]
	ldp x10, x11, [x1, #10*8]
	ldp x12, x13, [x1, #12*8]
	ldp x14, x15, [x1, #14*8]
	ldp x16, x17, [x1, #16*8]
	ldp x18, x19, [x1, #18*8]
	ldp x20, x21, [x1, #20*8]
	ldp x22, x23, [x1, #22*8]
	ldp x24, x25, [x1, #24*8]
	ldp x26, x27, [x1, #26*8]
	ldp x28, x29, [x1, #28*8]
	ldp x0, x1, [x1]
	movi v0.2d, #0
	blr x30
	str x0, [sp, #104]
	ldr x0, [sp, #96]
	str x1, [x0, #1*8]
	stp x2, x3, [x0, #2*8]
	stp x4, x5, [x0, #4*8]
	stp x6, x7, [x0, #6*8]
	stp x8, x9, [x0, #8*8]
	stp x10, x11, [x0, #10*8]
	stp x12, x13, [x0, #12*8]
	stp x14, x15, [x0, #14*8]
	stp x16, x17, [x0, #16*8]
	stp x18, x19, [x0, #18*8]
	stp x20, x21, [x0, #20*8]
	stp x22, x23, [x0, #22*8]
	stp x24, x25, [x0, #24*8]
	stp x26, x27, [x0, #26*8]
	stp x28, x29, [x0, #28*8]
	str x30, [x0, #30*8]
	ldr x1, [sp, #104]
	str x1, [x0]
	mrs x1, nzcv
	str x1, [x0, #31*8]
	str q0, [x0, #32*8]
	ldp x19, x20, [sp, #16]
	ldp x21, x22, [sp, #32]
	ldp x23, x24, [sp, #48]
	ldp x25, x26, [sp, #64]
	ldp x27, x28, [sp, #80]
	ldp x29, x30, [sp], #112
	ret

	.section .rodata
	.balign 16
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
