/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A 32-bit program without a library, for compat.c to probe. Each probed
 * function stands behind a mark that finds it in the file. The program exits
 * with 0 if all its functions returned what they should.
 */
	.code32
	.text

	.ascii "@@emulated"
emulated:
	nop
	inc %eax
	ret

	.ascii "@@stepped"
stepped:
	lea 1(%eax), %eax
	ret

	/* In 64-bit mode these bytes are one move, and the other reads elsewhere. */
	.ascii "@@other_in_64_bit"
other_in_64_bit:
	.byte 0x40		/* inc %eax */
	.byte 0x89, 0xc0	/* mov %eax, %eax */
	ret

	.ascii "@@absolute"
absolute:
	mov answer, %ecx
	ret

	.ascii "@@recurse"
recurse:
	push %ebp
	mov %esp, %ebp
	test %eax, %eax
	je 1f
	dec %eax
	call recurse
	inc %eax
1:	pop %ebp
	ret

	.globl _start
_start:
	mov $10, %esi
2:	mov $40, %eax
	call emulated
	call stepped
	cmp $42, %eax
	jne 3f
	call other_in_64_bit
	cmp $43, %eax
	jne 3f
	xor %ecx, %ecx
	call absolute
	cmp $42, %ecx
	jne 3f
	mov $9, %eax
	call recurse
	cmp $9, %eax
	jne 3f
	dec %esi
	jnz 2b
	xor %ebx, %ebx
	jmp 4f
3:	mov $1, %ebx
4:	mov $1, %eax		/* exit */
	int $0x80

	.section .rodata
answer:
	.long 42

	.section .note.GNU-stack, "", @progbits
