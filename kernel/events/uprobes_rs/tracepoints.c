// SPDX-License-Identifier: GPL-2.0
/* Defines the tracepoints of the Rust uprobes, for C and for trace.rs. */
#define CREATE_TRACE_POINTS
#define CREATE_RUST_TRACE_POINTS
#include <trace/events/uprobes_rs.h>
