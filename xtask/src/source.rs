// SPDX-License-Identifier: GPL-2.0

//! The unmodified kernel source: the user's own tree, the distribution's
//! package, or a tarball, in this order. Nothing ever writes into it.

use crate::{
    apt::Apt,
    cache::{Cache, make_dir},
    cmd::Cmd,
    pins::{self, Pins},
    ui,
};
use anyhow::{Context, Result, bail};
use std::{
    env, fs,
    path::{Path, PathBuf},
};

pub(crate) struct Source {
    pub(crate) dir: PathBuf,
    /// Tells trees of the user's own apart; empty for the pinned source.
    pub(crate) suffix: String,
    /// What the tree is made of, for stamps; none if it can change any time.
    pub(crate) key: Option<String>,
}

impl Source {
    pub(crate) fn get(cache: &Cache, pins: &Pins, apt: Option<&Apt>) -> Result<Self> {
        match env::var_os("KERNEL_SRC") {
            Some(dir) => Self::own(Path::new(&dir), pins),
            None => Self::pinned(cache, pins, apt),
        }
    }

    fn own(dir: &Path, pins: &Pins) -> Result<Self> {
        let shown = dir.display();
        let dir = dir
            .canonicalize()
            .with_context(|| format!("KERNEL_SRC={shown}"))?;
        check_series(&dir, &pins.kernel).with_context(|| format!("KERNEL_SRC={shown}"))?;
        let suffix = dir.to_string_lossy().replace('/', "-");
        Ok(Self {
            dir,
            suffix,
            key: None,
        })
    }

    fn pinned(cache: &Cache, pins: &Pins, apt: Option<&Apt>) -> Result<Self> {
        let kernel = &pins.kernel;
        let key = format!("linux {}", kernel.release);
        let place = format!("src/{}", kernel.package);
        let dir = cache.produce(&place, &key, |made| {
            ui::step(
                &format!("fetch and unpack the source of Linux {}", kernel.release),
                || fetch(cache, kernel, apt, made),
            )
        })?;
        Ok(Self {
            dir,
            suffix: String::new(),
            key: Some(key),
        })
    }
}

fn fetch(cache: &Cache, kernel: &pins::Kernel, apt: Option<&Apt>, made: &Path) -> Result<()> {
    let package = made.with_extension("package");
    let tarball = match fetch_package(kernel, apt, &package) {
        Ok(tarball) => tarball,
        Err(error) => {
            ui::note(&format!(
                "no source package ({error:#}); trying {}",
                kernel.tarball
            ));
            fetch_tarball(cache, kernel, &package)?
        }
    };
    make_dir(made)?;
    let log = cache.log("unpack-source");
    Cmd::new("tar")
        .args(["-x", "--strip-components=1", "-C"])
        .arg(made)
        .arg("-f")
        .arg(tarball)
        .run(&log)?;
    let release = release_of(made)?;
    if release != kernel.release {
        bail!("the source is Linux {release}, not {}", kernel.release);
    }
    Ok(())
}

fn fetch_package(kernel: &pins::Kernel, apt: Option<&Apt>, into: &Path) -> Result<PathBuf> {
    let apt = apt.context("no apt here")?;
    apt.unpack(&kernel.package, &kernel.package_version, into)?;
    Ok(into.join(format!("usr/src/{}.tar.xz", kernel.package)))
}

fn fetch_tarball(cache: &Cache, kernel: &pins::Kernel, into: &Path) -> Result<PathBuf> {
    make_dir(into)?;
    let file = into.join("linux.tar.xz");
    Cmd::new("curl")
        .args([
            "--fail",
            "--silent",
            "--show-error",
            "--location",
            "--output",
        ])
        .arg(&file)
        .arg(&kernel.tarball)
        .run(&cache.log("fetch-tarball"))?;
    Ok(file)
}

/// Refuses a folder that is no kernel tree, or one the overlay does not fit.
pub(crate) fn check_series(dir: &Path, kernel: &pins::Kernel) -> Result<String> {
    let release = release_of(dir)?;
    let series = &kernel.series;
    if !release.starts_with(&format!("{series}.")) {
        bail!("Linux {release} is not supported; this overlay is for {series}.x");
    }
    Ok(release)
}

fn release_of(dir: &Path) -> Result<String> {
    let text = fs::read_to_string(dir.join("Makefile")).unwrap_or_default();
    let looks_right = dir.join("kernel/events/uprobes.c").is_file();
    match parse_release(&text) {
        Some(release) if looks_right => Ok(release),
        _ => bail!("{} is not a Linux source tree", dir.display()),
    }
}

fn parse_release(makefile: &str) -> Option<String> {
    let field = |name: &str| {
        let line = makefile.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.trim_start().strip_prefix('=')?.trim().to_owned())
    };
    let (version, patch) = (field("VERSION")?, field("PATCHLEVEL")?);
    Some(format!("{version}.{patch}.{}", field("SUBLEVEL")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAKEFILE: &str =
        "# SPDX\nVERSION = 7\nPATCHLEVEL = 3\nSUBLEVEL = 4\nEXTRAVERSION =\nNAME = x\n";

    fn tree(makefile: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("kernel/events")).unwrap();
        fs::write(dir.path().join("kernel/events/uprobes.c"), "").unwrap();
        fs::write(dir.path().join("Makefile"), makefile).unwrap();
        dir
    }

    #[test]
    fn the_release_is_read_from_the_makefile() {
        assert_eq!(parse_release(MAKEFILE).unwrap(), "7.3.4");
        assert_eq!(parse_release("all:\n\techo\n"), None);
    }

    #[test]
    fn another_series_is_refused_and_another_release_of_the_series_is_not() {
        let pins = Pins::load().unwrap();
        let newer = tree(&MAKEFILE.replace("SUBLEVEL = 4", "SUBLEVEL = 9"));
        assert_eq!(check_series(newer.path(), &pins.kernel).unwrap(), "7.3.9");
        let other = tree(&MAKEFILE.replace("PATCHLEVEL = 3", "PATCHLEVEL = 30"));
        let error = check_series(other.path(), &pins.kernel)
            .unwrap_err()
            .to_string();
        assert!(error.contains("7.30.4 is not supported"), "{error}");
    }

    #[test]
    fn a_folder_without_a_kernel_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let pins = Pins::load().unwrap();
        let error = check_series(dir.path(), &pins.kernel)
            .unwrap_err()
            .to_string();
        assert!(error.contains("is not a Linux source tree"), "{error}");
    }
}
