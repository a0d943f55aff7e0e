// SPDX-License-Identifier: GPL-2.0

//! The kernel configuration: fragments over `tinyconfig`, and the check that
//! every line of them took effect.
//!
//! Kconfig drops what it does not know or cannot enable without a word; a
//! configuration that lacks something asked for is refused here.

use crate::arch::{Arch, Flavour, Impl};
use anyhow::{Context, Result, bail};
use std::{collections::HashMap, fs, path::Path};

/// The fragments that make up one configuration, as one text.
pub(crate) fn fragments(repo: &Path, arch: Arch, imp: Impl, flavour: Flavour) -> Result<String> {
    let mut names = vec!["base".to_owned(), arch.to_string(), imp_fragment(imp)];
    if flavour == Flavour::Debug {
        names.push("debug".to_owned());
    }
    let read = |name: &String| {
        let path = repo.join("xtask/config").join(format!("{name}.config"));
        fs::read_to_string(&path).with_context(|| path.display().to_string())
    };
    names.iter().map(read).collect()
}

fn imp_fragment(imp: Impl) -> String {
    format!("impl-{imp}")
}

/// Fails with a list of all lines of `wanted` that `config` does not honour.
pub(crate) fn check(wanted: &str, config: &str) -> Result<()> {
    let got = parse(config);
    let mut wrong: Vec<String> = parse(wanted)
        .into_iter()
        .filter(|(name, value)| got.get(name).copied().flatten() != *value)
        .map(|(name, value)| {
            let is = got.get(name).copied().flatten().unwrap_or("not set");
            format!(
                "  {name}: asked for {}, is {is}",
                value.unwrap_or("not set")
            )
        })
        .collect();
    wrong.sort();
    if !wrong.is_empty() {
        bail!(
            "the kernel cannot be configured as asked:\n{}",
            wrong.join("\n")
        );
    }
    Ok(())
}

/// Symbol -> value, `None` for "is not set". A later line wins, as in Kconfig.
fn parse(text: &str) -> HashMap<&str, Option<&str>> {
    text.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<(&str, Option<&str>)> {
    if let Some(rest) = line.strip_prefix("# ") {
        let name = rest.strip_suffix(" is not set")?;
        return name.starts_with("CONFIG_").then_some((name, None));
    }
    let (name, value) = line.split_once('=')?;
    name.starts_with("CONFIG_").then_some((name, Some(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_as_asked_passes() {
        let wanted = "# why\nCONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=64\n";
        check(wanted, "CONFIG_C=64\nCONFIG_A=y\nCONFIG_D=y\n").unwrap();
    }

    #[test]
    fn what_was_not_set_is_listed() {
        let wanted = "CONFIG_A=y\nCONFIG_B=y\n# CONFIG_C is not set\nCONFIG_D=2\n";
        let error = check(wanted, "CONFIG_B=y\nCONFIG_C=y\nCONFIG_D=1\n").unwrap_err();
        let text = error.to_string();
        assert!(text.contains("CONFIG_A: asked for y, is not set"), "{text}");
        assert!(text.contains("CONFIG_C: asked for not set, is y"), "{text}");
        assert!(text.contains("CONFIG_D: asked for 2, is 1"), "{text}");
        assert!(!text.contains("CONFIG_B"), "{text}");
    }

    #[test]
    fn a_later_fragment_wins() {
        check("CONFIG_A=y\n# CONFIG_A is not set\n", "").unwrap();
    }
}
