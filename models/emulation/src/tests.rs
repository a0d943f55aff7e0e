// SPDX-License-Identifier: GPL-2.0

//! What is compared, and with what.

mod agree;
mod mistakes;
mod others;
