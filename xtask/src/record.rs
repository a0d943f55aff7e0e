// SPDX-License-Identifier: GPL-2.0

//! How the kernel's makefile compiles Rust, from what it records beside each
//! object.

use crate::cmd::Cmd;
use anyhow::{Context, Result};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// The compiler, as it was called for one object.
#[derive(Debug)]
pub(crate) struct Compiler {
    objects: PathBuf,
    /// For a shell, without the source, and without what is made of it.
    pub(crate) command: String,
    pub(crate) source: String,
}

/// Reads the record of an object, which is named without its `.o`.
pub(crate) fn compiler(objects: &Path, object: &str) -> Result<Compiler> {
    let (folder, name) = object.rsplit_once('/').context("an object has a folder")?;
    let record = objects.join(folder).join(format!(".{name}.o.cmd"));
    let text = fs::read_to_string(&record).with_context(|| record.display().to_string())?;
    let (command, source) =
        parse(&text).with_context(|| format!("no compiler in {}", record.display()))?;
    Ok(Compiler {
        objects: objects.to_owned(),
        command,
        source,
    })
}

impl Compiler {
    /// Another command of this kind, to be run where this one was.
    pub(crate) fn run(&self, command: &str) -> Cmd {
        Cmd::new("sh")
            .args(["-c", command])
            .dir(&self.objects)
            .env("RUSTC_BOOTSTRAP", "1")
    }
}

fn parse(record: &str) -> Option<(String, String)> {
    let (_, command) = record.lines().next()?.split_once(":= ")?;
    let mut kept = Vec::new();
    let mut words = command.split_whitespace();
    while let Some(word) = words.next() {
        match word {
            "--out-dir" => drop(words.next()),
            _ if word.starts_with("--emit=") => {}
            _ if word.ends_with(".rs") => return Some((kept.join(" "), word.to_owned())),
            _ => kept.push(word),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compiler_is_found_in_a_record() {
        let record = "savedcmd_a.o := X=y rustc -O --out-dir a/ -L z \
                      --emit=dep-info=a.d --emit=obj=a.o /src/a.rs ; ld b.rs\nnext\n";
        let (command, source) = parse(record).unwrap();
        assert_eq!(command, "X=y rustc -O -L z");
        assert_eq!(source, "/src/a.rs");
        assert!(parse("savedcmd_a.o := cc a.c\n").is_none());
    }
}
