/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How many functions there are at many[], and where: for C and for assembler.
 */
#ifndef UPROBE_TEST_MANY_H
#define UPROBE_TEST_MANY_H

/* More than there can be slots. */
#define MANY_COUNT	1200
#define MANY_STRIDE	16
/* So many of them do not fit into one block of slots, but into a few. */
#define MANY_BLOCKS	200

#endif
