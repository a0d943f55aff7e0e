# SPDX-License-Identifier: GPL-2.0
# What only arm64 has.

TEST_GEN_PROGS += guarded
