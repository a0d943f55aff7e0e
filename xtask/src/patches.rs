// SPDX-License-Identifier: GPL-2.0

//! `cargo xtask patches`: the overlay as a series for `git am`.
//!
//! git itself writes the series, from a scratch repository that holds only the
//! files concerned. New files come first, and the edits that make the kernel
//! build them last, so that every step of the series builds.

use crate::{
    cache,
    cmd::Cmd,
    overlay::{self, Contents, Overlay},
};
use anyhow::{Context, Result, ensure};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// What one patch of new files holds: where they are, and its message.
struct Part {
    folders: &'static [&'static str],
    message: &'static str,
}

const PARTS: [Part; 4] = [
    Part {
        folders: &["rust", "include"],
        message: "rust: add the abstractions that uprobes need\n\n\
                  Locks, RCU flavours and helpers without which uprobes cannot be\n\
                  written in Rust, and the interface for consumers written in it.\n",
    },
    Part {
        folders: &["kernel"],
        message: "uprobes: add an implementation in Rust\n\n\
                  It stands beside the one in C, behind the same functions, and is\n\
                  selected when the kernel is configured.\n",
    },
    Part {
        folders: &["tools"],
        message: "selftests: uprobes: test what no other test asserts\n\n\
                  They hold for both implementations.\n",
    },
    Part {
        folders: &["Documentation", "samples"],
        message: "uprobes: document and show the implementation in Rust\n",
    },
];

const EDITS: &str = "uprobes: let the configuration select the implementation in Rust\n\n\
    The only changes of existing files: the build and the configuration learn\n\
    of the new ones.\n";

/// Writes the series into `out`, which must hold no patches yet; their paths.
pub(crate) fn write(overlay: &Overlay, pristine: &Path, out: &Path) -> Result<Vec<PathBuf>> {
    let contents = overlay.on(pristine)?;
    let scratch = Scratch::new(overlay, pristine)?;
    for part in &PARTS {
        let belongs = |file: &&PathBuf| part.folders.iter().any(|folder| file.starts_with(folder));
        let files: Vec<&PathBuf> = overlay.files.iter().filter(belongs).collect();
        if !files.is_empty() {
            scratch.commit(&pick(&contents, files), part.message)?;
        }
    }
    let edited = overlay.edits.iter().flat_map(|edit| &edit.touched);
    scratch.commit(&pick(&contents, edited), EDITS)?;
    scratch.format(out)
}

fn pick<'a>(contents: &Contents, files: impl IntoIterator<Item = &'a PathBuf>) -> Contents {
    files
        .into_iter()
        .map(|file| (file.clone(), contents[file].clone()))
        .collect()
}

/// A repository that begins with the existing files that are edited.
struct Scratch {
    folder: tempfile::TempDir,
    /// Who wrote the overlay, and when it last changed.
    author: String,
    date: String,
}

impl Scratch {
    fn new(overlay: &Overlay, pristine: &Path) -> Result<Self> {
        let last = |format: &str| {
            let log = Cmd::new("git")
                .args(["log", "-1", format])
                .dir(overlay.repo());
            Ok::<_, anyhow::Error>(log.read()?.trim().to_owned())
        };
        let scratch = Self {
            folder: tempfile::tempdir()?,
            author: last("--format=%an <%ae>")?,
            date: last("--format=%aI")?,
        };
        scratch.git(&["init", "--quiet"])?;
        let mut base = Contents::new();
        for file in overlay.edits.iter().flat_map(|edit| &edit.touched) {
            let path = pristine.join(file);
            let text = fs::read(&path).with_context(|| path.display().to_string())?;
            base.insert(file.clone(), text);
        }
        scratch.commit(&base, "base")?;
        scratch.git(&["tag", "base"])?;
        Ok(scratch)
    }

    fn commit(&self, contents: &Contents, message: &str) -> Result<()> {
        overlay::install(contents, self.folder.path())?;
        self.git(&["add", "--all", "--force"])?;
        let author = format!("--author={}", self.author);
        let date = format!("--date={}", self.date);
        self.git(&[
            "commit",
            "--quiet",
            "--no-verify",
            &author,
            &date,
            "--message",
            message,
        ])?;
        Ok(())
    }

    fn format(&self, out: &Path) -> Result<Vec<PathBuf>> {
        cache::make_dir(out)?;
        ensure!(
            patches_in(out)?.is_empty(),
            "{} holds patches already",
            out.display()
        );
        let out = out.canonicalize()?;
        let folder = out.to_str().context("the folder's name is not UTF-8")?;
        self.git(&[
            "format-patch",
            "--quiet",
            "--output-directory",
            folder,
            "base",
        ])?;
        patches_in(&out)
    }

    /// Independent of what the user has configured for git.
    fn git(&self, arguments: &[&str]) -> Result<String> {
        Cmd::new("git")
            .args([
                "-c",
                "user.name=uprobes-rs",
                "-c",
                "user.email=",
                "-c",
                "commit.gpgsign=false",
            ])
            .args([
                "-c",
                "core.autocrlf=false",
                "-c",
                "core.hooksPath=/dev/null",
            ])
            .args(arguments)
            .dir(self.folder.path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .read()
    }
}

fn patches_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        paths.push(entry?.path());
    }
    paths.retain(|path| path.extension().is_some_and(|end| end == "patch"));
    paths.sort();
    Ok(paths)
}
