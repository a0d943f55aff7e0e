// SPDX-License-Identifier: GPL-2.0

//! `cargo xtask doc`: the Rust documentation of the kernel crate, with
//! `kernel::uprobes`, and of the implementation, with what is private there.
//!
//! The kernel's own makefile knows how to document the first and the crates
//! below it. The second is documented as it is compiled: by the command that
//! `make` has recorded. A warning of either is an error.

use crate::{cmd::Cmd, kernel::Kernel, project::Project, record, ui};
use anyhow::{Result, ensure};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Where the kernel's makefile puts it, in the object tree.
const OUTPUT: &str = "Documentation/output/rust/rustdoc";

const IMPLEMENTATION: &str = "kernel/events/uprobes_rs/uprobes";

/// All is documented, so links may lead to what is private. The last option is
/// what the kernel's makefile has too: rustdoc takes crates for different that
/// were compiled alike.
const OPTIONS: [&str; 3] = [
    "--document-private-items",
    "-Arustdoc::private_intra_doc_links",
    "-Cunsafe-allow-abi-mismatch=fixed-x18",
];

/// Builds it; the page to begin with.
pub(crate) fn build(project: &Project, kernel: &Kernel) -> Result<PathBuf> {
    let log = project.cache.log("rustdoc");
    ui::step("document the kernel crate", || {
        project.make(kernel).arg("rustdoc").run(&log)
    })?;
    check(&log)?;
    let log = project.cache.log("rustdoc-uprobes");
    ui::step("document the implementation", || {
        implementation(&kernel.objects)?.run(&log)
    })?;
    check(&log)?;
    Ok(kernel
        .objects
        .join(OUTPUT)
        .join("kernel/uprobes/index.html"))
}

fn implementation(objects: &Path) -> Result<Cmd> {
    let compiler = record::compiler(objects, IMPLEMENTATION)?;
    let command = format!(
        "{} --crate-name uprobes {} --output {OUTPUT} {}",
        for_rustdoc(&compiler.command),
        OPTIONS.join(" "),
        compiler.source
    );
    Ok(compiler.run(&command))
}

/// The compiler's command with rustdoc in its place, which takes the same options but one.
fn for_rustdoc(command: &str) -> String {
    let command = command.replacen("/rustc ", "/rustdoc ", 1);
    let known = |word: &&str| !word.starts_with("--remap-path-scope=");
    command
        .split(' ')
        .filter(known)
        .collect::<Vec<_>>()
        .join(" ")
}

fn check(log: &Path) -> Result<()> {
    let text = fs::read_to_string(log)?;
    let warnings: Vec<&str> = text.lines().filter(|line| is_warning(line)).collect();
    ensure!(
        warnings.is_empty(),
        "{}\nthe whole log: {}",
        warnings.join("\n"),
        log.display()
    );
    Ok(())
}

fn is_warning(line: &str) -> bool {
    line.starts_with("warning") || line.starts_with("error")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rustdoc_takes_the_place_of_rustc() {
        assert_eq!(
            for_rustdoc("A=b /bin/rustc -O --remap-path-scope=macro -L x"),
            "A=b /bin/rustdoc -O -L x"
        );
    }

    #[test]
    fn warnings_are_errors() {
        let log = tempfile::NamedTempFile::new().unwrap();
        fs::write(log.path(), "  RUSTDOC lib.rs\n").unwrap();
        check(log.path()).unwrap();
        fs::write(log.path(), "warning: unresolved link to `x`\n  --> y\n").unwrap();
        let error = check(log.path()).unwrap_err().to_string();
        assert!(error.contains("link to `x`"), "{error}");
    }
}
