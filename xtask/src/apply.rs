// SPDX-License-Identifier: GPL-2.0

//! `cargo xtask apply`: puts the overlay on a tree of the user's own.
//!
//! Either all of it is put there or nothing; a second time changes nothing.

use crate::{
    overlay::{self, Overlay},
    pins::Pins,
    source,
};
use anyhow::{Result, ensure};
use std::{fs, path::Path};

pub(crate) struct Applied {
    /// The release of the kernel that the tree holds.
    pub(crate) release: String,
    /// How many files changed or are new.
    pub(crate) files: usize,
}

pub(crate) fn apply(overlay: &Overlay, pins: &Pins, tree: &Path) -> Result<Applied> {
    let release = source::check_series(tree, &pins.kernel)?;
    let contents = overlay.on(tree)?;
    for file in &overlay.files {
        let present = fs::read(tree.join(file));
        ensure!(
            present.is_err() || present.is_ok_and(|present| present == contents[file]),
            "the tree has another {} already; begin with a tree that has none",
            file.display()
        );
    }
    let files = overlay::install(&contents, tree)?;
    Ok(Applied { release, files })
}
