// SPDX-License-Identifier: GPL-2.0

//! The plugin's arguments on QEMU's command line.

use std::{collections::HashSet, path::PathBuf};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Lines,
    Instructions,
}

pub(crate) struct Options {
    pub(crate) mode: Mode,
    pub(crate) out: PathBuf,
    pub(crate) interrupts: HashSet<u64>,
}

impl Options {
    pub(crate) fn parse(arguments: &[String]) -> Result<Self, String> {
        let value = |name: &str| {
            let pairs = arguments.iter().filter_map(|text| text.split_once('='));
            let mut values = pairs
                .filter(|(key, _)| *key == name)
                .map(|(_, value)| value);
            values.next().ok_or(format!("hit-plugin: no {name}="))
        };
        let mode = match value("mode")? {
            "lines" => Mode::Lines,
            "instructions" => Mode::Instructions,
            other => return Err(format!("hit-plugin: no mode is called {other}")),
        };
        let address =
            |text| u64::from_str_radix(text, 16).map_err(|error| format!("{text}: {error}"));
        let interrupts = value("interrupts")?.split(':').map(address);
        Ok(Self {
            mode,
            out: value("out")?.into(),
            interrupts: interrupts.collect::<Result<_, _>>()?,
        })
    }
}
