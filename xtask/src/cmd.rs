// SPDX-License-Identifier: GPL-2.0

//! Runs other programs: their output goes to a log, whose end is shown if they fail.
//!
//! A program started here ends with this tool, however the tool ends.

use crate::cache;
use anyhow::{Context, Result, bail};
use std::{
    ffi::{OsStr, OsString},
    fs::{self, File},
    io::ErrorKind,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
};

const TAIL_LINES: usize = 30;

pub(crate) struct Cmd {
    program: String,
    command: Command,
}

impl Cmd {
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Self {
        let program = program.as_ref();
        // The kernel ends the program when this tool dies without a chance to do it.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM", "--"]).arg(program);
        command.stdin(Stdio::null());
        for name in cargo_variables() {
            command.env_remove(name);
        }
        Self {
            program: program.to_string_lossy().into_owned(),
            command,
        }
    }

    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    pub(crate) fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.command.args(args);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn dir(mut self, dir: &Path) -> Self {
        self.command.current_dir(dir);
        self
    }

    /// Runs to the end, output into `log`; an error holds the end of the log.
    pub(crate) fn run(mut self, log: &Path) -> Result<()> {
        cache::make_dir(log.parent().context("a log needs a folder")?)?;
        let file = File::create(log).with_context(|| log.display().to_string())?;
        self.command.stdout(file.try_clone()?).stderr(file);
        let status = self.status()?;
        if !status.success() {
            bail!("{} failed ({status})\n{}", self.program, tail(log));
        }
        Ok(())
    }

    /// Runs to the end and returns what it wrote on standard output.
    pub(crate) fn read(mut self) -> Result<String> {
        self.find_program()?;
        let output = self
            .command
            .output()
            .with_context(|| self.program.clone())?;
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr);
            bail!(
                "{} failed ({})\n{}",
                self.program,
                output.status,
                errors.trim_end()
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The command itself, for a caller that waits in its own way.
    pub(crate) fn into_command(self) -> Result<Command> {
        self.find_program()?;
        Ok(self.command)
    }

    fn status(&mut self) -> Result<ExitStatus> {
        self.find_program()?;
        self.command.status().with_context(|| self.program.clone())
    }

    /// `setpriv` would only say that it could not run something.
    fn find_program(&self) -> Result<()> {
        let found = find(&self.program).is_some();
        if !found {
            bail!("the tool `{}` is missing on this machine", self.program);
        }
        Ok(())
    }
}

/// What cargo says of this tool's own package; clippy would take it for the
/// kernel's.
fn cargo_variables() -> impl Iterator<Item = OsString> {
    let names = std::env::vars_os().map(|(name, _)| name);
    names.filter(|name| name.to_string_lossy().starts_with("CARGO_PKG_"))
}

/// Where `program` is, if it can be run.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(PathBuf::from(program)).filter(|path| path.is_file());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|dir| dir.join(program))
        .find(|file| file.is_file())
}

/// The last lines of a log, and where the rest is.
pub(crate) fn tail(log: &Path) -> String {
    let bytes = match fs::read(log) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        Err(error) => return format!("no log: {}: {error}", log.display()),
    };
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    let last = lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n  | ");
    let full = text.contains("No space left on device") || is_full(log);
    let hint = if full {
        "\nthe disk is full: free some space and run the command again"
    } else {
        ""
    };
    format!("  | {last}\nthe whole log: {}{hint}", log.display())
}

/// Whether the disk that a log is on has no room; the log itself may be cut short.
fn is_full(log: &Path) -> bool {
    let free = Cmd::new("df")
        .args(["--output=avail", "--block-size=1M"])
        .arg(log)
        .read();
    let free = free
        .ok()
        .and_then(|text| text.lines().nth(1)?.trim().parse::<u64>().ok());
    free == Some(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_tool_is_named() {
        let error = Cmd::new("no-such-tool-here")
            .read()
            .unwrap_err()
            .to_string();
        assert!(error.contains("no-such-tool-here"), "{error}");
    }

    #[test]
    fn a_failure_shows_the_end_of_the_log() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let script = "for i in $(seq 50); do echo line $i; done; exit 3";
        let error = Cmd::new("sh")
            .args(["-c", script])
            .run(&log)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("| line 50") && !error.contains("line 20\n"),
            "{error}"
        );
        assert!(error.contains(log.to_str().unwrap()));
    }

    #[test]
    fn a_full_disk_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        fs::write(&log, "cp: write error: No space left on device\n").unwrap();
        assert!(tail(&log).contains("the disk is full"));
    }
}
