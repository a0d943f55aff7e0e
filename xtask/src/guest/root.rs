// SPDX-License-Identifier: GPL-2.0

//! The guest's root file system: a disk image with a small Debian in it.
//!
//! Its release and tools are pinned, so that the guest is the same on every
//! host. It holds nothing of this project's but the first step of its start.
//! Its packages are unpacked, not installed: the host need not be able to run
//! programs of the guest's architecture.

use crate::{
    apt::Apt,
    arch::Arch,
    cache::{self, Cache},
    cmd::Cmd,
    debian,
    pins::{Guest, Pins},
    ui,
};
use anyhow::{Context, Result};
use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

/// Mounts the disk that the rest of the guest's start is on.
const FIRST_STEP: &str = "#!/bin/sh\n\
    mount -t proc proc /proc\n\
    mkdir -p /disk\n\
    mount /dev/vdb /disk\n\
    exec /disk/guest/init.sh\n";

/// Everything that a Debian system cannot be without.
const ESSENTIAL: &str = "?essential";

/// Where `base-passwd` has what its script makes the users and groups of.
const USERS: &str = "usr/share/base-passwd";

/// Names of programs that several packages could have.
const ALTERNATIVES: [(&str, &str); 2] = [("awk", "gawk"), ("which", "which.debianutils")];

const SIZE: &str = "2G";

/// What the image is made of beside the pins.
const RECIPE: &str = include_str!("root.rs");

/// The image for `arch`, made unless it was made from the same pins.
pub(crate) fn root(cache: &Cache, pins: &Pins, apt: Option<&Apt>, arch: Arch) -> Result<PathBuf> {
    let guest = &pins.guest;
    let key = format!("{} {}\n{RECIPE}", guest.suite, packages(guest).join(" "));
    cache.produce(&format!("guest/root-{arch}.img"), &key, |made| {
        let title = format!("make the guest's root file system ({} {arch})", guest.suite);
        ui::step(&title, || {
            let folder = made.with_extension("root");
            let log = cache.log("guest-root");
            debian::unpack(apt, guest, arch, &packages(guest), &folder, &log)?;
            finish(&folder)?;
            image(&folder, made, &log)?;
            cache::remove(&folder)
        })
    })
}

fn packages(guest: &Guest) -> Vec<String> {
    let mut packages = vec![ESSENTIAL.to_owned()];
    packages.extend_from_slice(&guest.pinned);
    packages.extend_from_slice(&guest.packages);
    packages
}

/// Makes what the packages' scripts would have made, as far as guests use it.
fn finish(root: &Path) -> Result<()> {
    for list in ["passwd", "group"] {
        let from = root.join(USERS).join(format!("{list}.master"));
        fs::copy(&from, root.join("etc").join(list)).with_context(|| from.display().to_string())?;
    }
    for (name, program) in ALTERNATIVES {
        symlink(program, root.join("usr/bin").join(name)).with_context(|| name.to_owned())?;
    }
    let first = root.join("disk-init");
    fs::write(&first, FIRST_STEP).with_context(|| first.display().to_string())?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&first, mode).with_context(|| first.display().to_string())
}

fn image(folder: &Path, made: &Path, log: &Path) -> Result<()> {
    Cmd::new("mke2fs")
        .args(["-q", "-F", "-t", "ext4", "-d"])
        .arg(folder)
        .arg(made)
        .arg(SIZE)
        .run(log)
}
