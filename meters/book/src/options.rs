// SPDX-License-Identifier: GPL-2.0

//! What the driver tool asks of the plugin, as both say it: the part of QEMU's
//! option `-plugin file,…` that follows the file.

use std::{collections::BTreeSet, fmt, path::PathBuf};

/// What is booked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Accesses of memory.
    Lines,
    Instructions,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    pub mode: Mode,
    /// File for what was found, in JSON: a list of [`crate::Section`]. QEMU takes
    /// no comma in it.
    pub out: PathBuf,
    /// Addresses where interrupts come into the kernel.
    pub interrupts: BTreeSet<u64>,
}

impl Mode {
    const ALL: [Self; 2] = [Self::Lines, Self::Instructions];

    pub fn name(self) -> &'static str {
        match self {
            Self::Lines => "lines",
            Self::Instructions => "instructions",
        }
    }

    fn named(name: &str) -> Result<Self, String> {
        let mut all = Self::ALL.into_iter();
        let found = all.find(|mode| mode.name() == name);
        found.ok_or_else(|| format!("no mode is called {name}"))
    }
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mode, out) = (self.mode.name(), self.out.display());
        let interrupts: Vec<String> = self.interrupts.iter().map(|pc| format!("{pc:x}")).collect();
        write!(
            f,
            "mode={mode},out={out},interrupts={}",
            interrupts.join(":")
        )
    }
}

impl Options {
    /// The arguments as QEMU takes them apart, one for each comma.
    pub fn parse<S: AsRef<str>>(arguments: &[S]) -> Result<Self, String> {
        let value = |name: &str| {
            let arguments = arguments
                .iter()
                .filter_map(|text| text.as_ref().split_once('='));
            let mut values = arguments.filter(|(key, _)| *key == name);
            let found = values.next().map(|(_, value)| value);
            found.ok_or_else(|| format!("no {name}= is given"))
        };
        let address = |text| u64::from_str_radix(text, 16).map_err(|why| format!("{text}: {why}"));
        Ok(Self {
            mode: Mode::named(value("mode")?)?,
            out: value("out")?.into(),
            interrupts: value("interrupts")?
                .split(':')
                .map(address)
                .collect::<Result<_, _>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Options, String> {
        Options::parse(&text.split(',').collect::<Vec<_>>())
    }

    #[test]
    fn what_one_side_says_the_other_understands() {
        for mode in Mode::ALL {
            let options = Options {
                mode,
                out: "/some/where".into(),
                interrupts: [0xffff_ffff_8100_0c70, 0x10].into(),
            };
            assert_eq!(parse(&options.to_string()), Ok(options));
        }
    }

    #[test]
    fn what_is_missing_or_wrong_is_said() {
        let wrong = |text: &str| parse(text).unwrap_err();
        assert!(wrong("out=x,interrupts=1").contains("mode="));
        assert!(wrong("mode=all,out=x,interrupts=1").contains("all"));
        assert!(wrong("mode=lines,out=x,interrupts=1:g").contains('g'));
        assert!(parse("mode=lines,out=x,interrupts=").is_err());
    }
}
