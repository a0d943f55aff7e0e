// SPDX-License-Identifier: GPL-2.0

//! The source tree that kernels are built from: a copy of the unmodified
//! source with the overlay on it.
//!
//! Kept up to date file by file. A file that the overlay no longer has goes
//! back to what it is in the unmodified source.

use crate::{
    cache::{self, Cache, Stamp},
    cmd::Cmd,
    overlay::{self, Contents, Overlay},
    source::Source,
    ui,
};
use anyhow::{Context, Result};
use std::{
    fs,
    path::{Path, PathBuf},
};

pub(crate) fn prepare(cache: &Cache, source: &Source, overlay: &Overlay) -> Result<()> {
    let tree = path(cache, source);
    let list = tree.with_added_extension("overlay");
    overlay.check_new(&source.dir)?;
    let contents = overlay.on(&source.dir)?;
    let stamp = Stamp::of(&tree);
    let current = source.key.as_ref().is_some_and(|key| stamp.is(key));
    if !current {
        stamp.clear()?;
        let log = cache.log("work-tree");
        ui::step("copy the source to build from", || {
            copy(source, &tree, &list, &log)
        })?;
        stamp.write(source.key.as_deref().unwrap_or("own"))?;
    }
    put_back(&contents, &source.dir, &tree, &list)?;
    // Listed before it is written, so that whatever was begun is known.
    let names: Vec<String> = contents
        .keys()
        .map(|path| path.display().to_string())
        .collect();
    cache::write_atomically(&list, names.join("\n").as_bytes())?;
    let changed = overlay::install(&contents, &tree)?;
    if changed > 0 {
        ui::note(&format!(
            "{changed} files of the overlay put into {}",
            tree.display()
        ));
    }
    Ok(())
}

pub(crate) fn path(cache: &Cache, source: &Source) -> PathBuf {
    cache.path(format!("work/linux{}", source.suffix))
}

/// Copies what differs, except for what the overlay put there and what a build
/// inside the source left.
fn copy(source: &Source, tree: &Path, list: &Path, log: &Path) -> Result<()> {
    cache::make_dir(tree)?;
    let kept = listed(list)
        .iter()
        .map(|path| format!("/{}\n", path.display()))
        .collect::<String>();
    let excluded = format!(
        "/.git\n/.config\n/include/config\n/include/generated\n/arch/*/include/generated\n{kept}"
    );
    let filter = list.with_extension("exclude");
    cache::write_atomically(&filter, excluded.as_bytes())?;
    let from = format!("{}/", source.dir.display());
    Cmd::new("rsync")
        .args(["-a", "--delete", "--exclude-from"])
        .arg(&filter)
        .arg(from)
        .arg(tree)
        .run(log)
}

fn put_back(contents: &Contents, pristine: &Path, tree: &Path, list: &Path) -> Result<()> {
    for file in listed(list)
        .iter()
        .filter(|file| !contents.contains_key(*file))
    {
        let (from, to) = (pristine.join(file), tree.join(file));
        if from.is_file() {
            let text = fs::read(&from).with_context(|| from.display().to_string())?;
            overlay::install(&Contents::from([(file.clone(), text)]), tree)?;
        } else {
            cache::remove(&to)?;
        }
    }
    Ok(())
}

fn listed(list: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string(list).unwrap_or_default();
    text.lines().map(PathBuf::from).collect()
}
