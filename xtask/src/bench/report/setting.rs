// SPDX-License-Identifier: GPL-2.0

//! What the figures of a run hold for.

use crate::{arch::Arch, bench::Stage, cmd::Cmd};
use anyhow::Result;
use serde::Serialize;
use std::fs;

#[derive(Serialize)]
pub(super) struct Fact {
    pub(super) what: String,
    pub(super) is: String,
}

pub(super) fn facts(stages: &[Stage]) -> Result<Vec<Fact>> {
    let mut facts = Vec::new();
    let mut add = |what: &str, is: String| {
        facts.push(Fact {
            what: what.to_owned(),
            is,
        });
    };
    for stage in stages {
        let project = stage.project;
        let arch = project.arch;
        add(
            &format!("kernels ({arch})"),
            format!(
                "Linux {}, configured by base, {arch}, and impl-c or impl-rust of xtask/config",
                project.pins.kernel.release
            ),
        );
        add(&format!("guest ({arch})"), guest(arch)?);
    }
    if let Some(stage) = stages.first() {
        let clang = stage.project.toolchain.llvm_tool("clang");
        add("C compiler", first_line(Cmd::new(clang).arg("--version"))?);
    }
    add(
        "Rust compiler",
        first_line(Cmd::new("rustc").arg("--version"))?,
    );
    add("host", host());
    Ok(facts)
}

fn guest(arch: Arch) -> Result<String> {
    let facts = arch.facts();
    let version = first_line(Cmd::new(facts.qemu).arg("--version"))?;
    Ok(format!("{version}, {}", facts.qemu_machine.join(" ")))
}

fn first_line(command: Cmd) -> Result<String> {
    let text = command.read()?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

fn host() -> String {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let model = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = model
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("", |rest| rest.trim_start_matches([' ', '\t', ':']));
    format!("{cpus} CPUs {model}")
}
