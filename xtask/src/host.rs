// SPDX-License-Identifier: GPL-2.0

//! Prepares the machine: the packages of its own distribution that builds need.
//!
//! What is missing is installed where the machine is a Debian one and the user
//! may do so. Elsewhere a missing tool is named by the step that misses it.

use crate::{
    arch::Arch,
    cache::Cache,
    cmd::{self, Cmd},
    pins::Pins,
    ui,
};
use anyhow::{Result, bail};
use std::collections::HashSet;

pub(crate) fn prepare(cache: &Cache, pins: &Pins, arch: Arch) -> Result<()> {
    check_rustc(pins)?;
    if cmd::find("dpkg-query").is_none() {
        ui::note("not a Debian system: the tools a build needs are taken as they are");
        return Ok(());
    }
    let mut wanted = pins.host_packages();
    wanted.push(arch.facts().qemu_package.to_owned());
    let missing = missing(&wanted, &installed()?);
    if missing.is_empty() {
        return Ok(());
    }
    if !is_root()? {
        bail!(
            "packages are missing; as root, run\n  apt-get install --no-install-recommends {}",
            missing.join(" ")
        );
    }
    ui::step(&format!("install {}", missing.join(" ")), || {
        install(cache, &missing)
    })
}

pub(crate) fn is_root() -> Result<bool> {
    Ok(Cmd::new("id").arg("-u").read()?.trim() == "0")
}

fn check_rustc(pins: &Pins) -> Result<()> {
    let wanted = &pins.rust.version;
    let version = Cmd::new("rustc").arg("--version").read()?;
    if version.split_whitespace().nth(1) != Some(wanted) {
        bail!(
            "this project is built with Rust {wanted}, and rustc says {}; try\n  \
             rustup toolchain install {wanted} --component clippy,rustfmt && \
             rustup override set {wanted}",
            version.trim()
        );
    }
    Ok(())
}

fn installed() -> Result<String> {
    let format = "${db:Status-Abbrev} ${Package}\n";
    Cmd::new("dpkg-query").args(["-W", "-f", format]).read()
}

fn missing(wanted: &[String], listing: &str) -> Vec<String> {
    let present: HashSet<&str> = listing
        .lines()
        .filter_map(|line| line.strip_prefix("ii "))
        .map(str::trim)
        .collect();
    wanted
        .iter()
        .filter(|name| !present.contains(name.as_str()))
        .cloned()
        .collect()
}

fn install(cache: &Cache, packages: &[String]) -> Result<()> {
    let log = cache.log("apt-install");
    let install = || {
        Cmd::new("apt-get")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .args(["install", "-y", "--no-install-recommends"])
            .args(packages)
            .run(&log)
    };
    // The machine's lists may be old, or absent as in a fresh container.
    install().or_else(|_| {
        Cmd::new("apt-get").arg("update").run(&log)?;
        install()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_fully_installed_counts() {
        let listing = "ii  bc\nrc  flex\nii  bison\n";
        let wanted = ["bc", "flex", "cpio"].map(str::to_owned);
        assert_eq!(missing(&wanted, listing), ["flex", "cpio"]);
    }
}
