// SPDX-License-Identifier: GPL-2.0

//! The small changes of existing kernel files, as unified diffs.
//!
//! They fit exactly or not at all: a diff that had to be fitted by guesswork
//! might end up in the wrong place.

use crate::cmd::Cmd;
use anyhow::{Context, Result, ensure};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// One patch of existing files.
pub(crate) struct Edit {
    pub(crate) path: PathBuf,
    pub(crate) touched: Vec<PathBuf>,
}

impl Edit {
    pub(crate) fn load(path: PathBuf) -> Result<Self> {
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let touched = touched(&text);
        ensure!(!touched.is_empty(), "{} changes no file", path.display());
        Ok(Self { path, touched })
    }

    fn name(&self) -> String {
        self.path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    }

    /// Applies it to the files in `tree`, unless they hold it already.
    pub(crate) fn apply(&self, tree: &Path) -> Result<()> {
        if self.patch(tree, &["--dry-run", "--reverse"]).is_ok() {
            return Ok(());
        }
        self.patch(tree, &[]).with_context(|| {
            format!(
                "{} does not fit this tree; if the tree holds another version of the overlay, \
                 begin with a clean one",
                self.name()
            )
        })?;
        Ok(())
    }

    fn patch(&self, tree: &Path, options: &[&str]) -> Result<String> {
        Cmd::new("patch")
            .args([
                "-p1",
                "--force",
                "--fuzz=0",
                "--silent",
                "--no-backup-if-mismatch",
                "--reject-file=-",
            ])
            .args(options)
            .arg("-i")
            .arg(&self.path)
            .dir(tree)
            .read()
    }
}

/// The edits in `folder`, in the order of their names.
pub(crate) fn load(folder: &Path) -> Result<Vec<Edit>> {
    let mut paths = Vec::new();
    if folder.is_dir() {
        for entry in fs::read_dir(folder)? {
            paths.push(entry?.path());
        }
    }
    paths.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "patch")
    });
    paths.sort();
    paths.into_iter().map(Edit::load).collect()
}

fn touched(patch: &str) -> Vec<PathBuf> {
    let names = patch.lines().filter_map(|line| line.strip_prefix("+++ b/"));
    names
        .map(|name| PathBuf::from(name.split('\t').next().unwrap_or(name)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_touched_files_are_read_from_the_patch() {
        let patch = "--- a/kernel/Makefile\n+++ b/kernel/Makefile\n@@ -1 +1,2 @@\n one\n+new\n";
        assert_eq!(touched(patch), [PathBuf::from("kernel/Makefile")]);
        assert!(touched("nothing").is_empty());
    }
}
