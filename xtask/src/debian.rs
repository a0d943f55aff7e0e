// SPDX-License-Identifier: GPL-2.0

//! Unpacks packages of the guest's release, of any architecture.
//!
//! Nothing of what they hold is run, be it a maintainer's script or a program:
//! what those would have made is for the caller to make.

use crate::{
    apt::{self, Apt},
    arch::Arch,
    cmd::Cmd,
    host,
    pins::Guest,
};
use anyhow::{Context, Result, ensure};
use std::path::Path;

/// What a guest has no use for.
const LEFT_OUT: [&str; 3] = [
    "/usr/share/doc/*",
    "/usr/share/man/*",
    "/usr/share/locale/*",
];

/// Unpacks `packages`, and what they depend on, into the absent folder `into`.
///
/// # Errors
///
/// If apt is missing, or this is not run by root.
pub(crate) fn unpack<'a>(
    apt: Option<&Apt>,
    guest: &Guest,
    arch: Arch,
    packages: impl IntoIterator<Item = &'a String>,
    into: &Path,
    log: &Path,
) -> Result<()> {
    let apt = apt.context("what guests are made of is unpacked with mmdebstrap and apt")?;
    ensure!(
        host::is_root()?,
        "what guests are made of can only be unpacked by root"
    );
    let sources = apt.sources([&guest.suite, &guest.backports]);
    let settings = apt::transport_settings()?;
    Cmd::new("mmdebstrap")
        .args([
            "--mode=root",
            "--variant=extract",
            "--skip=cleanup/reproducible",
        ])
        .arg(format!("--architectures={}", arch.facts().debian))
        .args(packages.into_iter().map(|name| format!("--include={name}")))
        .args(settings.iter().map(|line| format!("--aptopt={line}")))
        .args(LEFT_OUT.map(|path| format!("--dpkgopt=path-exclude={path}")))
        .arg(&guest.suite)
        .arg(into)
        .args(sources.lines())
        .run(log)
}
