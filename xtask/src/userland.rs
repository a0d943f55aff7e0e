// SPDX-License-Identifier: GPL-2.0

//! The compiler for programs that run in guests.
//!
//! Programs of this machine's own architecture are left to its own compiler and
//! libraries, which makefiles take by themselves. Programs of another are made by
//! the kernel's clang from packages of the guest's release, which are unpacked into
//! a folder: nothing foreign is installed on the machine.

use crate::{
    apt::Apt,
    arch::{Arch, Facts},
    cache::Cache,
    cmd::Cmd,
    debian,
    pins::Pins,
    toolchain::Toolchain,
    ui,
};
use anyhow::Result;
use std::{env, path::PathBuf};

pub(crate) struct Userland<'a> {
    toolchain: &'a Toolchain,
    facts: &'static Facts,
    /// Headers and libraries; none for the machine's own.
    sysroot: Option<PathBuf>,
}

impl<'a> Userland<'a> {
    pub(crate) fn get(
        cache: &Cache,
        pins: &Pins,
        apt: Option<&Apt>,
        toolchain: &'a Toolchain,
        arch: Arch,
    ) -> Result<Self> {
        let facts = arch.facts();
        let native = facts.machine == env::consts::ARCH;
        Ok(Self {
            toolchain,
            facts,
            sysroot: (!native)
                .then(|| sysroot(cache, pins, apt, arch))
                .transpose()?,
        })
    }

    /// clang for programs in C of one file.
    pub(crate) fn clang(&self) -> Cmd {
        Cmd::new(self.toolchain.llvm_tool("clang"))
            .arg(format!("--target={}", self.facts.triple))
            .args(self.sysroot_arguments())
    }

    /// The compiler and its tools, for makefiles in the manner of kselftest's.
    pub(crate) fn make_arguments(&self) -> Vec<String> {
        let mut arguments = vec![format!("ARCH={}", self.facts.kernel_arch)];
        if self.sysroot.is_some() {
            let tool = |name: &str| self.toolchain.llvm_tool(name);
            let target = format!("--target={}", self.facts.triple);
            arguments.extend([
                format!("CROSS_COMPILE={}-", self.facts.triple),
                format!("CC={} {target}", self.bpf_clang()),
                format!("LD={}", tool("ld.lld")),
                format!("AR={}", tool("llvm-ar")),
                format!("OBJCOPY={}", tool("llvm-objcopy")),
            ]);
        }
        arguments
    }

    /// clang, for makefiles that name the target themselves, as for BPF programs.
    pub(crate) fn bpf_clang(&self) -> String {
        let mut words = vec![self.toolchain.llvm_tool("clang")];
        words.extend(self.sysroot_arguments());
        words.join(" ")
    }

    fn sysroot_arguments(&self) -> Vec<String> {
        self.sysroot
            .iter()
            .flat_map(|sysroot| {
                [
                    format!("--sysroot={}", sysroot.display()),
                    "-fuse-ld=lld".to_owned(),
                    // A page of the file in one segment only, and at the same distance in all:
                    // tests of pages that are not there, and finders of semaphores, rely on it.
                    "-Wl,-z,separate-loadable-segments".to_owned(),
                    // It is said for every file that is only compiled.
                    "-Wno-unused-command-line-argument".to_owned(),
                ]
            })
            .collect()
    }
}

fn sysroot(cache: &Cache, pins: &Pins, apt: Option<&Apt>, arch: Arch) -> Result<PathBuf> {
    let guest = &pins.guest;
    let key = format!("{} {}", guest.suite, guest.development.join(" "));
    cache.produce(&format!("guest/sysroot-{arch}"), &key, |made| {
        let title = format!("unpack headers and libraries of {arch}");
        let log = cache.log("guest-sysroot");
        ui::step(&title, || {
            debian::unpack(apt, guest, arch, &guest.development, made, &log)
        })
    })
}
