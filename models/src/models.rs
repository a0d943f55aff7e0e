// SPDX-License-Identifier: GPL-2.0

//! The models, by the names that they have on the command line.
//!
//! Each is a small program with threads. It is executed in all orders in which its steps can come, and
//! with all values that weakly ordered memory can show, and panics if one of these goes wrong.

pub(crate) mod book;
pub(crate) mod cache;
pub(crate) mod lease;
pub(crate) mod returns;
pub(crate) mod slots;
pub(crate) mod timer;
pub(crate) mod tree;

/// A model and what checks it.
type Model = (&'static str, fn());

pub(crate) const ALL: &[Model] = &[
    ("book", book::check),
    ("cache", cache::check),
    ("lease", lease::check),
    ("returns", returns::check),
    ("slots", slots::check),
    ("timer", timer::check),
    ("tree", tree::check),
];
