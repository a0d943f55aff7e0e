// SPDX-License-Identifier: GPL-2.0

//! What this repository puts on a kernel tree: new files, and small edits of
//! existing ones.
//!
//! Everything that is to be in the tree is worked out first, in memory and in
//! a scratch folder. The tree is written only once all of it is known to fit.

use crate::{
    cache::make_dir,
    cmd::Cmd,
    edits::{self, Edit},
};
use anyhow::{Context, Result, ensure};
use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// Folders that mirror the kernel's.
const FOLDERS: [&str; 6] = [
    "include",
    "rust",
    "kernel",
    "samples",
    "tools/testing/selftests",
    "Documentation",
];
const EDITS: &str = "xtask/kernel-edits";

pub(crate) struct Overlay {
    repo: PathBuf,
    /// Paths of the new files, the same here and in the kernel tree.
    pub(crate) files: Vec<PathBuf>,
    pub(crate) edits: Vec<Edit>,
}

/// Path in the kernel tree -> what is to be there.
pub(crate) type Contents = BTreeMap<PathBuf, Vec<u8>>;

impl Overlay {
    pub(crate) fn load(repo: &Path) -> Result<Self> {
        let listing = Cmd::new("git")
            .args([
                "ls-files",
                "-z",
                "--cached",
                "--others",
                "--exclude-standard",
                "--",
            ])
            .args(FOLDERS)
            .dir(repo)
            .read()
            .context("the overlay's files are those that git knows")?;
        let mut files: Vec<PathBuf> = listing.split_terminator('\0').map(PathBuf::from).collect();
        files.retain(|file| repo.join(file).is_file());
        files.sort();
        files.dedup();
        Ok(Self {
            repo: repo.to_owned(),
            files,
            edits: edits::load(&repo.join(EDITS))?,
        })
    }

    /// The tree `base` with the overlay on it, as far as it differs from `base`.
    ///
    /// An edit that `base` holds already counts as applied.
    pub(crate) fn on(&self, base: &Path) -> Result<Contents> {
        let mut contents = self.edited(base)?;
        for file in &self.files {
            let path = self.repo.join(file);
            let text = fs::read(&path).with_context(|| path.display().to_string())?;
            contents.insert(file.clone(), text);
        }
        Ok(contents)
    }

    /// The checkout that the overlay is of.
    pub(crate) fn repo(&self) -> &Path {
        &self.repo
    }

    /// Refuses new files whose place another file has in the kernel itself.
    pub(crate) fn check_new(&self, pristine: &Path) -> Result<()> {
        for file in &self.files {
            let taken = pristine.join(file).exists();
            ensure!(
                !taken,
                "{} is a file of the kernel's: edit it in {EDITS}",
                file.display()
            );
        }
        Ok(())
    }

    /// Folders of the kernel's build that hold Rust of ours, beside the crates
    /// that every kernel with Rust builds.
    pub(crate) fn rust_folders(&self) -> Vec<PathBuf> {
        let ours = |file: &&PathBuf| {
            file.extension().is_some_and(|end| end == "rs") && !file.starts_with("rust")
        };
        let folders = self
            .files
            .iter()
            .filter(ours)
            .filter_map(|file| file.parent());
        let mut folders: Vec<PathBuf> = folders.map(Path::to_owned).collect();
        folders.dedup();
        folders
    }

    fn edited(&self, base: &Path) -> Result<Contents> {
        let scratch = tempfile::tempdir()?;
        let touched: Vec<&PathBuf> = self.edits.iter().flat_map(|edit| &edit.touched).collect();
        for file in &touched {
            let copy = scratch.path().join(file);
            make_dir(copy.parent().context("a file in a tree has a folder")?)?;
            fs::copy(base.join(file), &copy)
                .with_context(|| format!("the tree has no {}", file.display()))?;
        }
        for edit in &self.edits {
            edit.apply(scratch.path())?;
        }
        let read = |file: &PathBuf| Ok((file.clone(), fs::read(scratch.path().join(file))?));
        touched.into_iter().map(read).collect()
    }
}

/// Writes what differs and returns how many files that were. Unchanged files
/// keep their time stamps, so that `make` builds only what changed.
///
/// All of it is on the disk, beside its place, before the first file changes.
pub(crate) fn install(contents: &Contents, tree: &Path) -> Result<usize> {
    let mut ready = Vec::new();
    for (file, text) in contents {
        let target = tree.join(file);
        if fs::read(&target).is_ok_and(|present| present == *text) {
            continue;
        }
        let written = write_beside(&target, text);
        ready.push((
            written.with_context(|| format!("cannot write {}", target.display()))?,
            target,
        ));
    }
    let count = ready.len();
    for (temp, target) in ready {
        temp.persist(&target)
            .with_context(|| format!("cannot write {}", target.display()))?;
    }
    Ok(count)
}

fn write_beside(target: &Path, text: &[u8]) -> Result<tempfile::NamedTempFile> {
    let folder = target.parent().context("a file in a tree has a folder")?;
    make_dir(folder)?;
    let mut temp = tempfile::NamedTempFile::new_in(folder)?;
    std::io::Write::write_all(&mut temp, text)?;
    let mode = fs::metadata(target).map_or(0o644, |data| data.permissions().mode());
    let script = text.starts_with(b"#!");
    let mode = if script { mode | 0o111 } else { mode };
    temp.as_file()
        .set_permissions(fs::Permissions::from_mode(mode))?;
    Ok(temp)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATCH: &str =
        "--- a/kernel/Makefile\n+++ b/kernel/Makefile\n@@ -1,3 +1,4 @@\n one\n two\n+new\n three\n";

    struct World {
        dir: tempfile::TempDir,
        overlay: Overlay,
    }

    /// A kernel tree of one file, and an overlay with one new file and one edit.
    fn world() -> World {
        let dir = tempfile::tempdir().unwrap();
        let repo = dir.path().join("repo");
        let tree = dir.path().join("tree");
        make_dir(&repo.join("kernel")).unwrap();
        make_dir(&tree.join("kernel")).unwrap();
        fs::write(repo.join("kernel/new.rs"), "new\n").unwrap();
        fs::write(repo.join("a.patch"), PATCH).unwrap();
        fs::write(tree.join("kernel/Makefile"), "one\ntwo\nthree\n").unwrap();
        let overlay = Overlay {
            files: vec!["kernel/new.rs".into()],
            edits: vec![Edit::load(repo.join("a.patch")).unwrap()],
            repo,
        };
        World { dir, overlay }
    }

    impl World {
        fn tree(&self) -> PathBuf {
            self.dir.path().join("tree")
        }

        fn makefile(&self) -> String {
            fs::read_to_string(self.tree().join("kernel/Makefile")).unwrap()
        }
    }

    #[test]
    fn applying_twice_changes_nothing_more() {
        let world = world();
        let tree = world.tree();
        assert_eq!(
            install(&world.overlay.on(&tree).unwrap(), &tree).unwrap(),
            2
        );
        assert_eq!(world.makefile(), "one\ntwo\nnew\nthree\n");
        assert_eq!(
            install(&world.overlay.on(&tree).unwrap(), &tree).unwrap(),
            0
        );
    }

    #[test]
    fn an_edit_that_does_not_fit_changes_nothing() {
        let world = world();
        fs::write(
            world.tree().join("kernel/Makefile"),
            "quite\nanother\nfile\n",
        )
        .unwrap();
        let error = format!("{:#}", world.overlay.on(&world.tree()).unwrap_err());
        assert!(error.contains("a.patch does not fit"), "{error}");
        assert!(!world.tree().join("kernel/new.rs").exists());
        assert_eq!(world.makefile(), "quite\nanother\nfile\n");
    }

    #[test]
    fn a_new_file_may_not_take_the_place_of_one_of_the_kernels() {
        let world = world();
        fs::write(world.tree().join("kernel/new.rs"), "theirs").unwrap();
        assert!(world.overlay.check_new(&world.tree()).is_err());
    }
}
