// SPDX-License-Identifier: GPL-2.0

//! Misuse of `kernel::uprobes` that has to be refused by the compiler.
//!
//! Each file of `xtask/compile-fail` holds a piece of code that compiles, and,
//! behind `cfg(misuse)`, what must not. It is compiled both ways, by the command
//! that compiled the sample of a consumer against the same kernel. The errors
//! must be those that the file names at its top:
//!
//! ```text
//! // error: E0382 use of moved value: `consumer`
//! ```

use super::{Bench, Case, Suite};
use crate::record::{self, Compiler};
use anyhow::{Context, Result, bail, ensure};
use std::{
    fs,
    path::{Path, PathBuf},
};

const FOLDER: &str = "xtask/compile-fail";

/// What the pieces have in common; itself none of them.
const COMMON: &str = "common.rs";

const SAMPLE: &str = "samples/rust/rust_uprobe";

/// The pieces are not documented, nor is all of them used. Nothing is written:
/// what is wrong is found before code is generated.
const OPTIONS: &str =
    "--crate-name misuse -Aunused -Amissing_docs -Aunreachable_pub -Zno-codegen --emit=obj";

pub(crate) struct CompileFail;

impl Suite for CompileFail {
    fn name(&self) -> &'static str {
        "compile-fail"
    }

    fn about(&self) -> &'static str {
        "misuse of kernel::uprobes does not compile"
    }

    fn per_arch(&self) -> bool {
        false
    }

    fn run(&self, bench: &Bench) -> Result<Vec<Case>> {
        let imp = bench.impls.last().context("no implementation to test")?;
        let compiler = record::compiler(&bench.kernel(*imp)?.objects, SAMPLE)?;
        let pieces = pieces(&bench.project.repo.join(FOLDER))?;
        Ok(pieces.iter().map(|piece| case(&compiler, piece)).collect())
    }
}

fn pieces(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut pieces = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        pieces.push(entry?.path());
    }
    pieces
        .retain(|path| path.extension().is_some_and(|end| end == "rs") && !path.ends_with(COMMON));
    pieces.sort();
    Ok(pieces)
}

fn case(compiler: &Compiler, piece: &Path) -> Case {
    let name = piece.file_stem().unwrap_or_default().to_string_lossy();
    Case::of(name, check(compiler, piece))
}

fn check(compiler: &Compiler, piece: &Path) -> Result<()> {
    let text = fs::read_to_string(piece)?;
    let wanted = Errors::wanted(&text);
    ensure!(!wanted.0.is_empty(), "the file names no error");
    compile(compiler, piece, "").context("the code without the misuse does not compile")?;
    match compile(compiler, piece, "--cfg misuse") {
        Ok(()) => bail!("the misuse compiles"),
        Err(error) => wanted.check(&format!("{error:#}")),
    }
}

fn compile(compiler: &Compiler, piece: &Path, options: &str) -> Result<()> {
    let out = tempfile::tempdir()?;
    let command = format!(
        "{} {OPTIONS} --out-dir {} {options} {}",
        compiler.command,
        out.path().display(),
        piece.display()
    );
    compiler.run(&command).read().map(drop)
}

/// Error codes, each with a part of its message.
#[derive(Debug, PartialEq)]
struct Errors(Vec<(String, String)>);

impl Errors {
    fn wanted(piece: &str) -> Self {
        let lines = piece
            .lines()
            .filter_map(|line| line.strip_prefix("// error: "));
        let split = lines.filter_map(|line| line.split_once(' '));
        Self(
            split
                .map(|(code, text)| (code.to_owned(), text.to_owned()))
                .collect(),
        )
    }

    /// Whether the compiler said these, and no other error.
    fn check(&self, said: &str) -> Result<()> {
        for (code, text) in &self.0 {
            let is_said = said.contains(&format!("error[{code}]")) && said.contains(text);
            ensure!(is_said, "no error {code} `{text}`:\n{said}");
        }
        let codes = said.split("error[").skip(1);
        let mut codes = codes.filter_map(|rest| rest.split(']').next());
        let other = codes.find(|said| self.0.iter().all(|(code, _)| code != said));
        match other {
            Some(code) => bail!("another error, {code}:\n{said}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_the_named_errors_are_right() {
        let wanted = Errors::wanted("// error: E0001 moved\n// other\n");
        assert_eq!(wanted, Errors(vec![("E0001".into(), "moved".into())]));
        wanted.check("error[E0001]: it was moved\n").unwrap();
        assert!(wanted.check("error[E0002]: it was moved\n").is_err());
        assert!(wanted.check("error[E0001]: it was borrowed\n").is_err());
        let two = "error[E0001]: it was moved\nerror[E0002]: and more\n";
        assert!(wanted.check(two).is_err());
    }
}
