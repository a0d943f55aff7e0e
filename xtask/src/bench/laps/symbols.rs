// SPDX-License-Identifier: GPL-2.0

//! Names of what is where in a kernel, and the files that functions are from.
//!
//! Relies on the kernel being where it was linked to (`nokaslr`).

use crate::{cmd::Cmd, kernel::Kernel, project::Project};
use anyhow::{Context, Result, ensure};
use std::{
    collections::{BTreeSet, HashMap},
    fs,
    ops::Range,
    path::{Path, PathBuf},
};

pub(super) struct Symbols {
    vmlinux: PathBuf,
    /// In the order of their addresses.
    symbols: Vec<(u64, String)>,
    image: Range<u64>,
}

impl Symbols {
    pub(super) fn of(kernel: &Kernel) -> Result<Self> {
        let path = kernel.objects.join("System.map");
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        Self::parse(&text, kernel.vmlinux())
    }

    fn parse(map: &str, vmlinux: PathBuf) -> Result<Self> {
        let parse = |line: &str| -> Option<(u64, String)> {
            let mut fields = line.split(' ');
            let address = u64::from_str_radix(fields.next()?, 16).ok()?;
            Some((address, fields.nth(1)?.to_owned()))
        };
        let mut symbols: Vec<(u64, String)> = map.lines().filter_map(parse).collect();
        symbols.sort_by_key(|(address, _)| *address);
        let address = |name: &str| {
            let found = symbols.iter().find(|(_, symbol)| symbol == name);
            found
                .map(|(address, _)| *address)
                .context(format!("no symbol {name}"))
        };
        Ok(Self {
            image: address("_text")?..address("_end")?,
            vmlinux,
            symbols,
        })
    }

    /// Addresses of symbols that begin with one of `prefixes`.
    pub(super) fn beginning_with(&self, prefixes: &[&str]) -> BTreeSet<u64> {
        let wanted = |name: &str| prefixes.iter().any(|prefix| name.starts_with(prefix));
        let symbols = self.symbols.iter().filter(|(_, name)| wanted(name));
        symbols.map(|(address, _)| *address).collect()
    }

    /// Address and name of the symbol that `address` is in, if it is in the kernel's image.
    fn find(&self, address: u64) -> Option<&(u64, String)> {
        if !self.image.contains(&address) {
            return None;
        }
        let after = self.symbols.partition_point(|(start, _)| *start <= address);
        self.symbols.get(after.checked_sub(1)?)
    }

    /// What is at `address`, for a reader.
    pub(super) fn data(&self, address: u64) -> String {
        let found = self.find(address);
        found.map_or("allocated memory".to_owned(), |(_, name)| readable(name))
    }

    /// What each of the instructions at `pcs` belongs to.
    pub(super) fn places(&self, project: &Project, pcs: &BTreeSet<u64>) -> Result<Places> {
        let (inside, outside): (Vec<u64>, Vec<u64>) =
            pcs.iter().partition(|pc| self.image.contains(pc));
        // Guests have no modules, so nothing else was put there.
        let bpf = Place {
            function: "BPF programs".to_owned(),
            ..Place::default()
        };
        let mut places: Places = outside.into_iter().map(|pc| (pc, bpf.clone())).collect();
        let found = self.symbolize(project, &inside)?;
        ensure!(
            found.len() == inside.len(),
            "some instructions are of no function"
        );
        places.extend(inside.into_iter().zip(found));
        Ok(places)
    }

    fn symbolize(&self, project: &Project, pcs: &[u64]) -> Result<Vec<Place>> {
        let folder = project.cache.temp_dir()?;
        // More than fit into a command line.
        let list = folder.path().join("pcs");
        let lines: Vec<String> = pcs.iter().map(|pc| format!("{pc:#x}")).collect();
        fs::write(&list, lines.join("\n"))?;
        let found = Cmd::new(project.toolchain.llvm_tool("llvm-symbolizer"))
            .args(["--inlines", "--output-style=LLVM"])
            .arg(format!("--obj={}", self.vmlinux.display()))
            .arg(format!("@{}", list.display()))
            .read()?;
        let stacks = found.split_terminator("\n\n");
        // Some headers are made where the kernel is built.
        let built = self.vmlinux.parent().unwrap_or(&project.tree);
        let folders = [&*project.tree, built];
        Ok(stacks.map(|stack| place(stack, folders)).collect())
    }
}

/// Instruction -> what it belongs to.
pub(super) type Places = HashMap<u64, Place>;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) function: String,
    /// Path in the kernel's tree; empty if there is none.
    pub(super) file: String,
    pub(super) line: String,
}

/// What an instruction belongs to, of the functions that it was inlined into, the
/// innermost first: two lines for each. Those of headers and of libraries, which
/// are everywhere, say less than what they are called by. Files are named from whichever of
/// `folders` they are in.
fn place(stack: &str, folders: [&Path; 2]) -> Place {
    let lines: Vec<&str> = stack.lines().collect();
    let frames = lines.chunks_exact(2).map(|frame| {
        let mut place = frame[1].split(':');
        let path = Path::new(place.next().unwrap_or_default());
        Place {
            function: frame[0].to_owned(),
            file: folders
                .into_iter()
                .find_map(|folder| path.strip_prefix(folder).ok())
                .unwrap_or(path)
                .display()
                .to_string(),
            line: place.next().unwrap_or_default().to_owned(),
        }
    });
    let frames: Vec<Place> = frames.collect();
    let telling = frames.iter().find(|frame| !is_library(&frame.file));
    telling.or(frames.last()).cloned().unwrap_or_default()
}

fn is_library(file: &str) -> bool {
    file.starts_with('/') || file.starts_with("rust/") || file.contains("include/")
}

fn readable(name: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAP: &str = "0000000000000000 A zero\n\
                       ffffffff81000000 T _text\n\
                       ffffffff81000010 T asm_sysvec_reboot\n\
                       ffffffff81000020 t _RNvNtCs6IRKtVpB45U_7uprobes6lookup9speculate\n\
                       ffffffff81000030 B _end\n";

    fn symbols() -> Symbols {
        Symbols::parse(MAP, PathBuf::new()).unwrap()
    }

    #[test]
    fn an_address_is_in_the_symbol_before_it() {
        assert_eq!(symbols().data(0xffff_ffff_8100_0000), "_text");
        let rust = symbols().data(0xffff_ffff_8100_002f);
        assert_eq!(rust, "uprobes::lookup::speculate");
        assert_eq!(symbols().data(0xff11_0000_0000_0000), "allocated memory");
    }

    #[test]
    fn an_instruction_belongs_to_the_innermost_function_that_is_no_library() {
        let stack = "set_bit\n/tree/include/asm/bitops.h:1:2\nmap\n/dl/core/option.rs:3:4\n\
                     take\n/tree/kernel/a.c:5:6\nuse\n/tree/kernel/b.c:7:8\n";
        let place = |stack| place(stack, ["/tree", "/build"].map(Path::new));
        let found = place(stack);
        assert_eq!(
            (&*found.function, &*found.file, &*found.line),
            ("take", "kernel/a.c", "5")
        );
        assert_eq!(place("f\n/tree/include/f.h:1:2\n").file, "include/f.h");
        assert_eq!(place("g\n/build/./include/g.h:1:2\n").file, "include/g.h");
        assert_eq!(place("").function, "");
    }

    #[test]
    fn symbols_are_found_by_how_they_begin() {
        let found = symbols().beginning_with(&["_end", "asm_sysvec_"]);
        assert_eq!(found, [0xffff_ffff_8100_0010, 0xffff_ffff_8100_0030].into());
    }
}
