// SPDX-License-Identifier: GPL-2.0

//! What can be checked without a kernel: unit tests, formatting, lints.

use super::{Bench, Case, Suite, arch_room};
use crate::{cmd::Cmd, overlay::Overlay, ui};
use anyhow::{Context, Result, ensure};
use std::{fs, path::Path};

/// Unit tests of the workspace's crates.
pub(crate) struct Host;

/// Formatting and lints, of the workspace and of the kernel's files.
pub(crate) struct Style;

impl Suite for Host {
    fn name(&self) -> &'static str {
        "host"
    }

    fn about(&self) -> &'static str {
        "unit tests of the crates that run on the host"
    }

    fn per_arch(&self) -> bool {
        false
    }

    fn run(&self, bench: &Bench) -> Result<Vec<Case>> {
        let log = bench.project.cache.log("cargo-test");
        let test = || {
            let test = cargo(
                &bench.project.repo,
                &["test", "--workspace", "--no-fail-fast"],
            );
            // Failed tests are read from the log; anything else that fails is an error.
            let result = test.run(&log);
            let cases = libtest(&fs::read_to_string(&log)?, "cargo-test");
            let told = cases
                .iter()
                .any(|case| matches!(case.outcome, super::Outcome::Fail(_)));
            if told {
                Ok(cases)
            } else {
                result.map(|()| cases)
            }
        };
        ui::step("cargo test", test)
    }
}

impl Suite for Style {
    fn name(&self) -> &'static str {
        "style"
    }

    fn about(&self) -> &'static str {
        "rustfmt and clippy for the crates, rustfmt for the kernel's Rust files"
    }

    fn per_arch(&self) -> bool {
        false
    }

    fn run(&self, bench: &Bench) -> Result<Vec<Case>> {
        let repo = &bench.project.repo;
        let log = |name| bench.project.cache.log(name);
        let format = cargo(repo, &["fmt", "--all", "--check"]).run(&log("cargo-fmt"));
        let clippy = [
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "--deny",
            "warnings",
        ];
        let lints = ui::step("cargo clippy", || {
            cargo(repo, &clippy).run(&log("cargo-clippy"))
        });
        let overlay = Overlay::load(repo)?;
        Ok(vec![
            Case::of("cargo fmt", format),
            Case::of("cargo clippy", lints),
            Case::of(
                "rustfmt of the kernel's files",
                kernel_format(bench, &overlay),
            ),
            Case::of("SPDX lines", spdx(repo, &overlay)),
            Case::of(
                "architectures in their room only",
                arch_room::check(repo, &overlay),
            ),
        ])
    }
}

pub(super) fn cargo(repo: &Path, arguments: &[&str]) -> Cmd {
    Cmd::new("cargo").args(arguments).dir(repo)
}

/// With the kernel's own settings, which are beside its sources.
fn kernel_format(bench: &Bench, overlay: &Overlay) -> Result<()> {
    let project = bench.project;
    let rust = |file: &&std::path::PathBuf| file.extension().is_some_and(|end| end == "rs");
    let files: Vec<_> = overlay
        .files
        .iter()
        .filter(rust)
        .map(|file| project.repo.join(file))
        .collect();
    ensure!(!files.is_empty(), "the overlay has no Rust file");
    Cmd::new(project.toolchain.rustfmt())
        .args(["--check", "--edition", "2021", "--config-path"])
        .arg(project.tree.join(".rustfmt.toml"))
        .args(files)
        .run(&project.cache.log("rustfmt"))
}

fn spdx(repo: &Path, overlay: &Overlay) -> Result<()> {
    let code = ["rs", "c", "h", "S", "rst", "sh"];
    let mut missing = Vec::new();
    for file in &overlay.files {
        let end = file
            .extension()
            .and_then(|end| end.to_str())
            .unwrap_or_default();
        let text =
            fs::read_to_string(repo.join(file)).with_context(|| file.display().to_string())?;
        let named = text
            .lines()
            .take(2)
            .any(|line| line.contains("SPDX-License-Identifier:"));
        if code.contains(&end) && !named {
            missing.push(file.display().to_string());
        }
    }
    ensure!(
        missing.is_empty(),
        "no licence named in {}",
        missing.join(", ")
    );
    Ok(())
}

/// Cases of what `cargo test` prints, or another program in the same form.
pub(super) fn libtest(output: &str, log: &str) -> Vec<Case> {
    let parse = |line: &str| {
        let (name, result) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
        Some(match result {
            "ok" => Case::pass(name),
            "FAILED" => Case::fail(name, format!("see the log of {log}")),
            _ => Case::skip(name, result),
        })
    };
    output.lines().filter_map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_cargo_test_are_read() {
        let output = "running 3 tests\ntest a::b ... ok\ntest c - should panic ... FAILED\n\
                      test d ... ignored\ntest result: FAILED. 1 passed; 1 failed\n";
        let expected = [
            Case::pass("a::b"),
            Case::fail("c - should panic", "see the log of this"),
            Case::skip("d", "ignored"),
        ];
        assert_eq!(libtest(output, "this"), expected);
    }
}
