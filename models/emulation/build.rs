// SPDX-License-Identifier: GPL-2.0

//! Names what the kernel's configuration asks for in its files, and nobody here sets.

fn main() {
    println!("cargo::rustc-check-cfg=cfg(CONFIG_UPROBES_RUST_KUNIT_TEST)");
    println!("cargo::rerun-if-changed=build.rs");
}
