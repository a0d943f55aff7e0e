// SPDX-License-Identifier: GPL-2.0

//! What differs by architecture is in few places: C of the kernel's behind
//! `arch.rs`, argument registers, and the folders of the kselftests that are named after one.
//! Nothing else of the overlay may ask which one it is compiled for.

use crate::overlay::Overlay;
use anyhow::{Context, Result, ensure};
use std::{fs, path::Path};

/// How code asks.
const QUESTIONS: [&str; 8] = [
    "target_arch",
    "CONFIG_X86",
    "CONFIG_ARM",
    "CONFIG_RISCV",
    "__x86_64__",
    "__i386__",
    "__aarch64__",
    "core::arch",
];

/// Files and folders that may.
const ROOM: [&str; 8] = [
    "Documentation",
    "kernel/events/uprobes_rs/arch",
    "kernel/events/uprobes_rs/arch.rs",
    "kernel/events/uprobes_rs/shims.c",
    "kernel/events/uprobes_rs/shims.h",
    "rust/kernel/uprobes/arch.rs",
    "tools/testing/selftests/uprobes/arm64",
    "tools/testing/selftests/uprobes/x86_64",
];

pub(super) fn check(repo: &Path, overlay: &Overlay) -> Result<()> {
    let mut found = Vec::new();
    for file in overlay.files.iter().filter(|file| !is_in_room(file)) {
        let text =
            fs::read_to_string(repo.join(file)).with_context(|| file.display().to_string())?;
        let lines = questions(&text).map(|line| format!("{}:{line}", file.display()));
        found.extend(lines);
    }
    ensure!(
        found.is_empty(),
        "asks for the architecture outside of its room: {}",
        found.join(", ")
    );
    Ok(())
}

fn is_in_room(file: &Path) -> bool {
    ROOM.iter().any(|place| file.starts_with(place))
}

/// Numbers of the lines that ask.
fn questions(text: &str) -> impl Iterator<Item = usize> {
    let asks = |line: &str| QUESTIONS.iter().any(|question| line.contains(question));
    (1..)
        .zip(text.lines())
        .filter_map(move |(number, line)| asks(line).then_some(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_found() {
        let asked = "fn f() {}\n#[cfg(target_arch = \"x86_64\")]\nfn g() {}\n#ifdef __aarch64__\n";
        assert_eq!(questions(asked).collect::<Vec<_>>(), [2, 4]);
        assert_eq!(questions("#ifdef CONFIG_UPROBES\n").count(), 0);
    }

    #[test]
    fn the_room_is_small() {
        let inside = |file: &str| is_in_room(Path::new(file));
        assert!(inside("kernel/events/uprobes_rs/arch.rs"));
        assert!(inside("kernel/events/uprobes_rs/arch/x86.rs"));
        assert!(inside("tools/testing/selftests/uprobes/arm64/arch.h"));
        assert!(!inside("kernel/events/uprobes_rs/arch.rs.rs"));
        assert!(!inside("kernel/events/uprobes_rs/xol.rs"));
        assert!(!inside("tools/testing/selftests/uprobes/slots.c"));
    }
}
