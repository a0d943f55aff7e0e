// SPDX-License-Identifier: GPL-2.0

//! `apply` and `patches` on the files of the real source: both give the same
//! tree, twice is once, and what does not fit changes nothing.

use super::{Bench, Case, Suite};
use crate::{
    apply, cache,
    cmd::Cmd,
    overlay::{Contents, Overlay},
    patches,
    project::Project,
};
use anyhow::{Context, Result, ensure};
use std::{
    fs,
    path::{Path, PathBuf},
};

pub(crate) struct OverlaySuite;

impl Suite for OverlaySuite {
    fn name(&self) -> &'static str {
        "overlay"
    }

    fn about(&self) -> &'static str {
        "apply and patches, on the files of the source that they change"
    }

    fn per_arch(&self) -> bool {
        false
    }

    fn run(&self, bench: &Bench) -> Result<Vec<Case>> {
        let project = bench.project;
        let overlay = Overlay::load(&project.repo)?;
        let work = Work {
            project,
            wanted: overlay.on(&project.pristine)?,
            overlay,
        };
        Ok(vec![
            Case::of("apply, twice", work.apply_twice()),
            Case::of("apply to what it does not fit", work.apply_in_vain()),
            Case::of("apply to another series", work.apply_to_another_series()),
            Case::of("apply to no kernel", work.apply_to_no_kernel()),
            Case::of("patches, git am", work.patches()),
        ])
    }
}

struct Work<'a> {
    project: &'a Project,
    overlay: Overlay,
    /// What the overlay makes of the source.
    wanted: Contents,
}

impl Work<'_> {
    fn apply_twice(&self) -> Result<()> {
        let tree = self.tree()?;
        let first = apply::apply(&self.overlay, &self.project.pins, tree.path())?;
        ensure!(
            first.files == self.wanted.len(),
            "{} files changed",
            first.files
        );
        self.check(tree.path())?;
        let second = apply::apply(&self.overlay, &self.project.pins, tree.path())?;
        ensure!(
            second.files == 0,
            "{} files changed the second time",
            second.files
        );
        Ok(())
    }

    /// One file that an edit is for holds something else.
    fn apply_in_vain(&self) -> Result<()> {
        let tree = self.tree()?;
        let edit = self.overlay.edits.last().context("no edits")?;
        let victim = edit.touched.last().context("an edit of nothing")?;
        fs::write(tree.path().join(victim), "another file\n")?;
        self.fails(tree.path(), "does not fit")
    }

    fn apply_to_another_series(&self) -> Result<()> {
        let tree = self.tree()?;
        let makefile = tree.path().join("Makefile");
        let text = fs::read_to_string(&makefile)?;
        fs::write(&makefile, text.replace("PATCHLEVEL = ", "PATCHLEVEL = 9"))?;
        self.fails(tree.path(), "not supported")
    }

    fn apply_to_no_kernel(&self) -> Result<()> {
        let tree = self.project.cache.temp_dir()?;
        self.fails(tree.path(), "not a Linux source tree")
    }

    fn patches(&self) -> Result<()> {
        let tree = self.tree()?;
        let out = self.project.cache.temp_dir()?;
        let series = patches::write(&self.overlay, &self.project.pristine, out.path())?;
        let git = |arguments: &[&str]| {
            let identity = ["-c", "user.name=test", "-c", "user.email=test@test.invalid"];
            Cmd::new("git")
                .args(identity)
                .args(arguments)
                .dir(tree.path())
                .read()
        };
        git(&["init", "--quiet"])?;
        git(&["add", "--all", "--force"])?;
        git(&["commit", "--quiet", "--message", "Linux"])?;
        let names: Vec<&str> = series.iter().filter_map(|path| path.to_str()).collect();
        git(&[&["am", "--quiet"], &names[..]].concat())?;
        self.check(tree.path())
    }

    /// The files of the source that the overlay looks at.
    fn tree(&self) -> Result<tempfile::TempDir> {
        let tree = self.project.cache.temp_dir()?;
        let known = ["Makefile", "kernel/events/uprobes.c"].map(PathBuf::from);
        let touched = self.overlay.edits.iter().flat_map(|edit| &edit.touched);
        for file in known.iter().chain(touched) {
            let copy = tree.path().join(file);
            cache::make_dir(copy.parent().context("a file has a folder")?)?;
            fs::copy(self.project.pristine.join(file), copy)?;
        }
        Ok(tree)
    }

    fn check(&self, tree: &Path) -> Result<()> {
        for (file, text) in &self.wanted {
            let present = fs::read(tree.join(file)).with_context(|| file.display().to_string())?;
            ensure!(
                present == *text,
                "{} is not as it should be",
                file.display()
            );
        }
        Ok(())
    }

    /// Applying fails, says `why`, and leaves every file as it was.
    fn fails(&self, tree: &Path, why: &str) -> Result<()> {
        let before = snapshot(tree)?;
        let error = apply::apply(&self.overlay, &self.project.pins, tree).err();
        let error = error.context("it did not fail")?;
        ensure!(
            format!("{error:#}").contains(why),
            "it failed otherwise: {error:#}"
        );
        ensure!(snapshot(tree)? == before, "it changed the tree");
        Ok(())
    }
}

fn snapshot(tree: &Path) -> Result<String> {
    Cmd::new("find")
        .args([".", "-type", "f", "-exec", "cksum", "{}", "+"])
        .dir(tree)
        .read()
}
