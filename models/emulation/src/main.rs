// SPDX-License-Identifier: GPL-2.0

//! Counts by which means functions are got past their first instruction when they are probed: by the
//! kernel itself, by C's emulation, or by a step. Takes libraries or programs of x86_64.

use anyhow::{Context, Result};
use clap::Parser;
use object::{Object, ObjectSection, ObjectSymbol, SymbolKind};
use std::{collections::BTreeSet, fs, path::PathBuf};

#[allow(dead_code, reason = "the kernel uses more of it")]
#[path = "../../../kernel/events/uprobes_rs/arch/x86/decode.rs"]
mod decode;
#[allow(dead_code, reason = "the kernel uses more of it")]
#[path = "../../../kernel/events/uprobes_rs/arch/x86/insn.rs"]
mod insn;

/// What the kernel copies of an instruction.
const INSN_BYTES: usize = 16;

#[derive(Parser)]
#[command(about = "Counts how functions are got past their first instruction when they are probed")]
struct Options {
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

#[derive(Clone, Copy, Default)]
struct Count {
    functions: usize,
    /// Stepped if only C emulates.
    by_c: usize,
    /// Stepped all the same.
    here: usize,
}

fn main() -> Result<()> {
    println!("{:>9} {:>7} {:>7}  file", "functions", "C steps", "stepped");
    for path in Options::parse().files {
        let count = count(&fs::read(&path)?).with_context(|| path.display().to_string())?;
        let share = |number| 100.0 * number as f64 / count.functions as f64;
        println!(
            "{:>9} {:>5.1} % {:>5.1} %  {}",
            count.functions,
            share(count.by_c),
            share(count.here),
            path.display()
        );
    }
    Ok(())
}

fn count(file: &[u8]) -> Result<Count> {
    let file = object::File::parse(file)?;
    let mut count = Count::default();
    for address in functions(&file) {
        let Some(bytes) = bytes_at(&file, address) else {
            continue;
        };
        count.functions += 1;
        if !is_emulated_by_c(bytes) {
            count.by_c += 1;
            count.here += usize::from(decode::decode(bytes).is_none());
        }
    }
    Ok(count)
}

/// The addresses of what the file exports as functions.
fn functions(file: &object::File<'_>) -> BTreeSet<u64> {
    let exported = file
        .dynamic_symbols()
        .filter(|symbol| symbol.is_definition() && symbol.kind() == SymbolKind::Text);
    exported.map(|symbol| symbol.address()).collect()
}

fn bytes_at<'f>(file: &object::File<'f>, address: u64) -> Option<&'f [u8]> {
    let holds = |section: &object::Section<'f, '_>| {
        (section.address()..section.address() + section.size()).contains(&address)
    };
    let section = file.sections().find(holds)?;
    let bytes = section.data().ok()?;
    let bytes = bytes.get((address - section.address()) as usize..)?;
    Some(&bytes[..bytes.len().min(INSN_BYTES)])
}

/// `nop`, `push` of a register, and jumps and calls to somewhere near (`arch/x86/kernel/uprobes.c`).
fn is_emulated_by_c(bytes: &[u8]) -> bool {
    let is_nop = matches!(bytes, [0x90, ..] | [0x66, 0x90, ..] | [0x0f, 0x1f, ..]);
    let is_push = matches!(bytes, [0x50..=0x57, ..] | [0x40..=0x4f, 0x50..=0x57, ..]);
    let is_branch = matches!(
        bytes,
        [0x70..=0x7f | 0xe8 | 0xe9 | 0xeb, ..] | [0x0f, 0x80..=0x8f, ..]
    );
    is_nop || is_push || is_branch
}
