// SPDX-License-Identifier: GPL-2.0

//! The versions everything is held to, read from `xtask/pins.toml`.
//!
//! The file is compiled in, so that a tool and its pins never disagree.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

const TEXT: &str = include_str!("../pins.toml");

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pins {
    pub(crate) kernel: Kernel,
    pub(crate) rust: Rust,
    pub(crate) llvm: Llvm,
    host: Host,
    pub(crate) guest: Guest,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kernel {
    /// The series the overlay fits, as `7.3`.
    pub(crate) series: String,
    /// The release it is tested on, as `7.3.4`.
    pub(crate) release: String,
    pub(crate) package: String,
    pub(crate) package_version: String,
    /// The suite that holds `package` and rustc's library source.
    pub(crate) suite: String,
    pub(crate) tarball: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rust {
    pub(crate) version: String,
    pub(crate) src_package: String,
    pub(crate) src_package_version: String,
    pub(crate) bindgen: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Llvm {
    pub(crate) major: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Host {
    packages: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Guest {
    pub(crate) suite: String,
    pub(crate) backports: String,
    /// `name=version` each.
    pub(crate) pinned: Vec<String>,
    pub(crate) packages: Vec<String>,
    /// What programs for guests of another architecture than the host's are built from.
    pub(crate) development: Vec<String>,
}

impl Pins {
    pub(crate) fn load() -> Result<Self> {
        Self::parse(TEXT).context("xtask/pins.toml")
    }

    fn parse(text: &str) -> Result<Self> {
        let pins: Self = toml::from_str(text)?;
        let kernel = &pins.kernel;
        ensure!(
            kernel.release.starts_with(&format!("{}.", kernel.series)),
            "kernel release {} is not of the series {}",
            kernel.release,
            kernel.series
        );
        for package in &pins.guest.pinned {
            ensure!(package.contains('='), "{package} has no version");
        }
        Ok(pins)
    }

    /// Names of the packages the host needs, whatever the architecture built for.
    pub(crate) fn host_packages(&self) -> Vec<String> {
        let llvm = self.llvm.major.to_string();
        let fill = |name: &String| name.replace("{llvm}", &llvm);
        self.host.packages.iter().map(fill).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_in_the_repository_is_good() {
        let pins = Pins::load().unwrap();
        assert!(pins.host_packages().contains(&"clang-22".to_owned()));
    }

    #[test]
    fn a_release_of_another_series_is_refused() {
        let text = TEXT.replace("series = \"7.3\"", "series = \"7.4\"");
        let error = Pins::parse(&text).unwrap_err().to_string();
        assert!(error.contains("7.4"), "{error}");
    }

    #[test]
    fn a_guest_package_without_version_is_refused() {
        let text = TEXT.replace("bpftrace=0.23.2-1", "bpftrace");
        assert!(Pins::parse(&text).is_err());
    }

    #[test]
    fn an_unknown_key_is_refused() {
        assert!(Pins::parse(&format!("{TEXT}\n[extra]\n")).is_err());
    }
}
