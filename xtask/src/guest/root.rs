// SPDX-License-Identifier: GPL-2.0

//! The guest's root file system: a disk image with a small Debian in it.
//!
//! Its release and tools are pinned, so that the guest is the same on every
//! host. It holds nothing of this project's but the first step of its start.

use crate::{
    apt::{self, Apt},
    arch::Arch,
    cache::{self, Cache},
    cmd::Cmd,
    host,
    pins::Pins,
    ui,
};
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};

/// Mounts the disk that the rest of the guest's start is on.
const FIRST_STEP: &str = "#!/bin/sh\n\
    mount -t proc proc /proc\n\
    mkdir -p /disk\n\
    mount /dev/vdb /disk\n\
    exec /disk/guest/init.sh\n";

const SIZE: &str = "2G";

/// The image for `arch`, made unless it was made from the same pins.
pub(crate) fn root(cache: &Cache, pins: &Pins, apt: Option<&Apt>, arch: Arch) -> Result<PathBuf> {
    let guest = &pins.guest;
    let packages = [guest.pinned.clone(), guest.packages.clone()]
        .concat()
        .join(",");
    let key = format!("{} {packages} {SIZE}\n{FIRST_STEP}", guest.suite);
    cache.produce(&format!("guest/root-{arch}.img"), &key, |made| {
        ensure!(
            host::is_root()?,
            "the guest's root file system can only be made by root"
        );
        let apt = apt.context("the guest's root file system is made with mmdebstrap and apt")?;
        ui::step(
            &format!("make the guest's root file system ({})", guest.suite),
            || make(cache, pins, apt, arch, &packages, made),
        )
    })
}

fn make(
    cache: &Cache,
    pins: &Pins,
    apt: &Apt,
    arch: Arch,
    packages: &str,
    made: &Path,
) -> Result<()> {
    let guest = &pins.guest;
    let folder = made.with_extension("root");
    let log = cache.log("guest-root");
    let sources = apt.sources([&guest.suite, &guest.backports]);
    let options = apt::transport_settings()?;
    Cmd::new("mmdebstrap")
        .args([
            "--mode=root",
            "--variant=essential",
            "--skip=cleanup/reproducible",
        ])
        .arg(format!("--architectures={}", arch.facts().debian))
        .arg(format!("--include={packages}"))
        .args(options.iter().map(|option| format!("--aptopt={option}")))
        .args(
            [
                "/usr/share/doc/*",
                "/usr/share/man/*",
                "/usr/share/locale/*",
            ]
            .map(|path| format!("--dpkgopt=path-exclude={path}")),
        )
        .arg(&guest.suite)
        .arg(&folder)
        .args(sources.lines())
        .run(&log)?;
    let first = folder.join("disk-init");
    cache::write_atomically(&first, FIRST_STEP.as_bytes())?;
    Cmd::new("chmod").arg("755").arg(&first).run(&log)?;
    Cmd::new("mke2fs")
        .args(["-q", "-F", "-t", "ext4", "-d"])
        .arg(&folder)
        .arg(made)
        .arg(SIZE)
        .run(&log)?;
    cache::remove(&folder)
}
