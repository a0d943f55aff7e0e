// SPDX-License-Identifier: GPL-2.0

//! What is built: the architecture, the implementation, the flavour.
//!
//! Everything that differs between architectures is a field of [`Facts`], so
//! that another architecture is another row and no further `match`.

use clap::ValueEnum;
use serde::Deserialize;
use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Arch {
    #[value(name = "x86_64")]
    #[serde(rename = "x86_64")]
    X86_64,
    Arm64,
}

/// Which implementation of uprobes a kernel has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Impl {
    C,
    Rust,
}

/// `Debug` adds lockdep and the kernel's other run-time checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Flavour {
    Release,
    Debug,
}

pub(crate) struct Facts {
    /// Name in file names, and of the fragment in `xtask/config`.
    pub(crate) name: &'static str,
    /// What `uname -m` says, and Rust.
    pub(crate) machine: &'static str,
    /// `ARCH=` of the kernel's build.
    pub(crate) kernel_arch: &'static str,
    /// Target of `make` that gives the bootable image, and where it is then.
    pub(crate) image_target: &'static str,
    pub(crate) image: &'static str,
    /// Name of the architecture for Debian's packages.
    pub(crate) debian: &'static str,
    /// Target of programs that are compiled for the guest.
    pub(crate) triple: &'static str,
    pub(crate) qemu: &'static str,
    pub(crate) qemu_package: &'static str,
    pub(crate) qemu_machine: &'static [&'static str],
    /// Serial console as the kernel calls it.
    pub(crate) console: &'static str,
    /// Added to the kernel's command line.
    pub(crate) kernel_options: &'static str,
    /// More of them for a kernel that checks itself.
    pub(crate) debug_options: &'static str,
    /// How the kernel's symbols begin at which an interrupt comes in.
    pub(crate) interrupts: &'static [&'static str],
}

const X86_64: Facts = Facts {
    name: "x86_64",
    machine: "x86_64",
    kernel_arch: "x86_64",
    image_target: "bzImage",
    image: "arch/x86/boot/bzImage",
    debian: "amd64",
    triple: "x86_64-linux-gnu",
    qemu: "qemu-system-x86_64",
    qemu_package: "qemu-system-x86",
    qemu_machine: &["-machine", "q35,accel=tcg", "-cpu", "max"],
    console: "ttyS0",
    // On a busy host, timers may come too late for the kernel to believe in them.
    kernel_options: "no_timer_check",
    // With five levels of page tables, QEMU 7.2 may show KASAN its first shadow after it has gone.
    debug_options: "no5lvl",
    interrupts: &[
        "asm_sysvec_",
        "asm_common_interrupt",
        "asm_spurious_interrupt",
        "asm_exc_nmi",
    ],
};

const ARM64: Facts = Facts {
    name: "arm64",
    machine: "aarch64",
    kernel_arch: "arm64",
    image_target: "Image",
    image: "arch/arm64/boot/Image",
    debian: "arm64",
    triple: "aarch64-linux-gnu",
    qemu: "qemu-system-aarch64",
    qemu_package: "qemu-system-arm",
    qemu_machine: &["-machine", "virt,accel=tcg", "-cpu", "max,pauth-impdef=on"],
    console: "ttyAMA0",
    kernel_options: "",
    debug_options: "",
    interrupts: &["el0t_64_irq", "el0t_64_fiq", "el1h_64_irq", "el1h_64_fiq"],
};

impl Arch {
    pub(crate) fn facts(self) -> &'static Facts {
        match self {
            Self::X86_64 => &X86_64,
            Self::Arm64 => &ARM64,
        }
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.facts().name)
    }
}

impl fmt::Display for Impl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::C => "c",
            Self::Rust => "rust",
        })
    }
}

impl fmt::Display for Flavour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Release => "release",
            Self::Debug => "debug",
        })
    }
}
