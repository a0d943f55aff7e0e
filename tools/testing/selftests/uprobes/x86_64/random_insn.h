/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Random instructions that change registers, flags and at most one place in
 * memory, which random_insn_aim() has registers point to.
 */
#ifndef UPROBE_TEST_RANDOM_INSN_H
#define UPROBE_TEST_RANDOM_INSN_H

#include <stdbool.h>
#include <stddef.h>

#include "random_state.h"

#define RANDOM_INSN_BYTES	24

struct random_insn {
	unsigned char bytes[RANDOM_INSN_BYTES];
	int size;
	/* The registers of its address, or -1. */
	int base, index;
	int scale;
	int displacement;
	/* Where its memory shall be. */
	uint32_t target;
};

/* What comes after the opcode. */
enum {
	MODRM = 1, MEMORY_ONLY = 2,
	/* The opcode has a register in it. */
	IN_OPCODE = 4,
	/* A number: of a byte; of four, or of two with a prefix; of eight with another. */
	BYTE = 8, LONG = 16, QUAD = 32,
};

struct random_form {
	unsigned char opcode, what;
	/* Of two bytes, of which the first is 0f. */
	bool is_long;
	/* A set of what the register field may be, or 0 for all. */
	unsigned char digits;
};

#define COMBINATION(n)					\
	{ 8 * (n) + 1, MODRM }, { 8 * (n) + 3, MODRM }, { 8 * (n) + 5, LONG }
#define COMBINATION_OF_BYTES(n)				\
	{ 8 * (n), MODRM }, { 8 * (n) + 2, MODRM }, { 8 * (n) + 4, BYTE }

/* Of these most can be executed without a step, if there is no prefix but REX. */
static const struct random_form common_forms[] = {
	COMBINATION(0), COMBINATION(1), COMBINATION(4), COMBINATION(5),
	COMBINATION(6), COMBINATION(7),
	{ 0x81, MODRM | LONG }, { 0x83, MODRM | BYTE }, { 0x83, MODRM | BYTE },
	{ 0x85, MODRM }, { 0xa9, LONG }, { 0xf7, MODRM | LONG, .digits = 1 },
	{ 0x80, MODRM | BYTE, .digits = 0x80 }, { 0xf6, MODRM | BYTE, .digits = 1 },
	{ 0x89, MODRM }, { 0x89, MODRM }, { 0x89, MODRM },
	{ 0x8b, MODRM }, { 0x8b, MODRM }, { 0x8b, MODRM },
	{ 0x8d, MODRM | MEMORY_ONLY }, { 0x8d, MODRM | MEMORY_ONLY },
	{ 0xb8, IN_OPCODE | QUAD }, { 0xc7, MODRM | LONG, .digits = 1 },
	{ 0x1f, MODRM, .is_long = true, .digits = 1 },
};

/* And these are not, however much they look like the others. */
static const struct random_form other_forms[] = {
	COMBINATION(2), COMBINATION(3),
	COMBINATION_OF_BYTES(0), COMBINATION_OF_BYTES(1), COMBINATION_OF_BYTES(2),
	COMBINATION_OF_BYTES(3), COMBINATION_OF_BYTES(4), COMBINATION_OF_BYTES(5),
	COMBINATION_OF_BYTES(6), COMBINATION_OF_BYTES(7),
	{ 0x80, MODRM | BYTE }, { 0x84, MODRM }, { 0x88, MODRM }, { 0x8a, MODRM },
	{ 0xa8, BYTE }, { 0xb0, IN_OPCODE | BYTE }, { 0xc6, MODRM | BYTE, .digits = 1 },
	{ 0x63, MODRM }, { 0x69, MODRM | LONG }, { 0x6b, MODRM | BYTE },
	{ 0x90 }, { 0x98 }, { 0x99 },
	/* not, neg, mul, imul; inc, dec */
	{ 0xf6, MODRM, .digits = 0x3c }, { 0xf7, MODRM, .digits = 0x3c },
	{ 0xfe, MODRM, .digits = 3 }, { 0xff, MODRM, .digits = 3 },
	/* cmovz, imul, movzx, movsx */
	{ 0x44, MODRM, .is_long = true }, { 0xaf, MODRM, .is_long = true },
	{ 0xb6, MODRM, .is_long = true }, { 0xbf, MODRM, .is_long = true },
};

#define PREFIX_16_BIT		0x66
#define PREFIX_ADDRESS		0x67
#define REX			0x40
#define REX_WIDE		8

/* The next number less than @end. */
static unsigned int next_below(unsigned int end)
{
	static uint64_t number = 1ull << 60;

	return random_of(number++) % end;
}

static void add_bytes(struct random_insn *insn, int count, uint64_t value)
{
	memcpy(insn->bytes + insn->size, &value, count);
	insn->size += count;
}

static bool one_in(unsigned int times)
{
	return !next_below(times);
}

/* Number 4 stands for none, and one register cannot be aimed by twice. */
static int any_index(int rex, int base)
{
	int index;

	do {
		index = next_below(8) | (rex & 2) << 2;
	} while (index == 4 || index == base);
	return index;
}

/*
 * ModRM, and what it asks for; without a base the displacement is the address,
 * or is relative to the end, from which @to_end bytes are then missing.
 */
static void add_memory(struct random_insn *insn, int field, int rex, uint32_t at, int to_end)
{
	bool has_base = !one_in(4), has_sib = one_in(2);
	int base = has_base ? (int)next_below(8) | (rex & 1) << 3 : -1;
	int mode = has_base ? 1 + next_below(2) : 0;

	has_sib |= has_base && base % 8 == 4;
	insn->base = base;
	/* With the bit of the prefix that is for it there is one. */
	insn->index = has_sib && (rex & 2 || one_in(2)) ? any_index(rex, base) : -1;
	insn->scale = next_below(4);
	insn->displacement = mode == 1 ? (signed char)next_below(256) : next_below(1u << 31) & ~7;
	add_bytes(insn, 1, mode << 6 | field << 3 | (has_sib ? 4 : has_base ? base % 8 : 5));
	if (has_sib)
		add_bytes(insn, 1, insn->scale << 6 | (insn->index < 0 ? 4 : insn->index % 8) << 3 |
			  (has_base ? base % 8 : 5));
	if (!has_base && !has_sib)
		insn->displacement = insn->target - (at + insn->size + 4 + to_end);
	else if (!has_base && insn->index < 0)
		insn->displacement = insn->target;
	add_bytes(insn, mode == 1 ? 1 : 4, insn->displacement);
}

static int number_bytes(const struct random_form *form, bool is_16_bit, int rex)
{
	if (form->what & BYTE)
		return 1;
	if (form->what & QUAD && rex & REX_WIDE)
		return 8;
	if (form->what & (LONG | QUAD))
		return is_16_bit && !(rex & REX_WIDE) ? 2 : 4;
	return 0;
}

static int any_digit(const struct random_form *form)
{
	int digit;

	do {
		digit = next_below(8);
	} while (form->digits && !(form->digits & 1 << digit));
	return digit;
}

/* One for the address @at, with its memory at @target. Both are below 2 GB. */
static struct random_insn random_insn_make(uint32_t at, uint32_t target)
{
	struct random_insn insn = { .base = -1, .index = -1, .target = target };
	bool is_common = !one_in(4);
	const struct random_form *form = is_common ?
		&common_forms[next_below(ARRAY_SIZE(common_forms))] :
		&other_forms[next_below(ARRAY_SIZE(other_forms))];
	bool is_16_bit = !is_common && one_in(4);
	int rex = one_in(4) ? 0 : next_below(16), number = number_bytes(form, is_16_bit, rex);

	if (is_16_bit)
		add_bytes(&insn, 1, PREFIX_16_BIT);
	if (!is_common && one_in(4))
		add_bytes(&insn, 1, PREFIX_ADDRESS);
	if (rex || one_in(8))
		add_bytes(&insn, 1, REX | rex);
	if (form->is_long)
		add_bytes(&insn, 1, 0x0f);
	add_bytes(&insn, 1, form->opcode | (form->what & IN_OPCODE ? next_below(8) : 0));
	if (form->what & MODRM && (form->what & MEMORY_ONLY || !one_in(3)))
		add_memory(&insn, any_digit(form), rex, at, number);
	else if (form->what & MODRM)
		add_bytes(&insn, 1, 0xc0 | any_digit(form) << 3 | next_below(8));
	add_bytes(&insn, number, random_value(next_below(1u << 31)));
	return insn;
}

/* Appends the jump back to random_run(). */
static size_t random_insn_write(const struct random_insn *insn, unsigned char *code)
{
	static const unsigned char jump[] = { 0xff, 0x24, 0x25 };
	uint32_t target = (uintptr_t)&random_way_back;

	memcpy(code, insn->bytes, insn->size);
	memcpy(code + insn->size, jump, sizeof(jump));
	memcpy(code + insn->size + sizeof(jump), &target, sizeof(target));
	return insn->size + sizeof(jump) + sizeof(target);
}

/* Has the registers of the address add up to the target. */
static void random_insn_aim(const struct random_insn *insn, struct random_state *state)
{
	uint64_t rest = insn->target - (int64_t)insn->displacement;

	if (insn->base >= 0 && insn->index >= 0)
		rest -= state->regs[insn->index] << insn->scale;
	if (insn->base >= 0)
		state->regs[insn->base] = rest;
	else if (insn->index >= 0)
		state->regs[insn->index] = (int64_t)rest >> insn->scale;
}

#endif
