/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Functions whose probed instructions the Rust implementation emulates, and the
 * C one steps: nobody must be able to tell. See functions.S.
 */
#ifndef UPROBE_TEST_EMULATED_H
#define UPROBE_TEST_EMULATED_H

/* First instruction probed; each accesses what @p points to. */
long mov_load(const void *p);
void mov_store(void *p, long value);
/* Stores NUMBER_STORED, of 32 bits. */
void mov_store_number(void *p);
#define NUMBER_STORED	0x12345678
/* Returns whether a quad is 7. */
long cmp_load(const void *p);

/* Of these instructions each but the last is probed, at walk_places. */
long walk(long x, long *memory);
extern const char walk_end[];
extern const void *const walk_places[] asm("__start_walk_places");
extern const void *const walk_places_end[] asm("__stop_walk_places");
/* The same with the trap flag set. */
long walk_trapping(long x, long *memory);
/* mov_load() with alignment checked, which it has to be to return. */
long mov_load_aligned(const void *p);

#endif
