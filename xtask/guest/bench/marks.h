/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Says to QEMU's plugin what the program is about to do, by instructions that do
 * nothing (mark() of arch.h): meters/book/src/mark.rs has the same numbers, and
 * their meaning.
 */
#ifndef BENCH_MARKS_H
#define BENCH_MARKS_H

#define MARK_WATCH	0
#define MARK_SECTION	1
#define MARK_LAP	2
#define MARK_REST	3
#define MARK_FINISH	4

#endif
