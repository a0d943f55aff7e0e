// SPDX-License-Identifier: GPL-2.0

//! This project's kselftests, on each implementation.
//!
//! They assert what uprobes owe their users, so both implementations have to
//! pass; a case that only one of them can pass says so itself, by skipping.

use super::{Bench, Case, Suite, boot, kernel_log, tap};
use crate::{arch::Impl, cmd::Cmd, guest::Job, project::Project, ui};
use anyhow::{Context, Result};
use std::{
    fs,
    path::{Path, PathBuf},
};

const FOLDER: &str = "tools/testing/selftests/uprobes";

/// What one of the programs loads. It belongs to one kernel.
const MODULE: &str = "samples/rust/rust_uprobe.ko";

/// Begins the output of one program in the output of all.
const MARK: &str = "=== ";

pub(crate) struct Selftests;

impl Suite for Selftests {
    fn name(&self) -> &'static str {
        "selftests"
    }

    fn about(&self) -> &'static str {
        "kselftests of what upstream asserts nowhere"
    }

    fn run(&self, bench: &Bench) -> Result<Vec<Case>> {
        let folder = bench.project.cache.temp_dir()?;
        let programs = build(bench.project, folder.path())?;
        let mut cases = Vec::new();
        for imp in bench.impls {
            cases.extend(run(bench, *imp, folder.path(), &programs)?);
        }
        Ok(cases)
    }
}

/// Builds the programs into `folder`; their names.
fn build(project: &Project, folder: &Path) -> Result<Vec<String>> {
    let make = Cmd::new("make")
        .arg("-C")
        .arg(project.tree.join(FOLDER))
        .arg(format!("OUTPUT={}", folder.display()))
        .args(project.userland()?.make_arguments())
        .arg("all");
    let log = project.cache.log("selftests-build");
    ui::step("build the kselftests", || make.run(&log))?;
    programs(folder)
}

fn programs(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path: PathBuf = entry?.path();
        let name = path
            .file_name()
            .context("a file has a name")?
            .to_string_lossy();
        if path.is_file() && !name.contains('.') {
            names.push(name.into_owned());
        }
    }
    names.sort();
    Ok(names)
}

fn run(bench: &Bench, imp: Impl, folder: &Path, programs: &[String]) -> Result<Vec<Case>> {
    // A program that hangs is ended, and the others still run.
    let command: String = programs
        .iter()
        .map(|name| format!("echo '{MARK}{name}'; timeout 300 ./{name} 2>&1\n"))
        .collect();
    let module = bench.project.cache.temp_dir()?;
    copy_into(&bench.kernel(imp)?.objects.join(MODULE), module.path())?;
    let job = Job::new(format!("selftests-{imp}"), command)
        .folder(folder)
        .folder(module.path())
        .limit(1800);
    let ran = boot(bench, imp, &job)?;
    let mut cases = Vec::new();
    for name in programs {
        let output = part(&ran.output, name);
        cases.extend(tap::cases(&format!("{name} ({imp})"), output));
    }
    cases.push(kernel_log("selftests", imp, &ran));
    Ok(cases)
}

fn copy_into(file: &Path, folder: &Path) -> Result<()> {
    let name = file.file_name().context("a file has a name")?;
    fs::copy(file, folder.join(name)).with_context(|| file.display().to_string())?;
    Ok(())
}

/// What one program said; nothing if it never began.
fn part<'a>(output: &'a str, name: &str) -> &'a str {
    let begin = format!("{MARK}{name}\n");
    let rest = output.split_once(&begin).map_or("", |(_, rest)| rest);
    rest.split(MARK).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_of_programs_are_told_apart() {
        let output = "=== a\n1..1\nok 1 x\n=== ab\n1..0\n";
        assert_eq!(part(output, "a"), "1..1\nok 1 x\n");
        assert_eq!(part(output, "ab"), "1..0\n");
        assert_eq!(part(output, "c"), "");
    }
}
