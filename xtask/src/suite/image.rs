// SPDX-License-Identifier: GPL-2.0

//! The images boot with nothing but an initramfs, on the serial console.
//!
//! As in a virtual machine of the user's own: no disk, no folder of the host.

use super::{Bench, Case, Suite, check_impl};
use crate::{
    arch::Impl,
    cache,
    cmd::{self, Cmd},
    kernel::Kernel,
    ui,
};
use anyhow::{Result, ensure};
use std::{fs, path::Path};

const MARK: &str = "initramfs: user space runs";
const TIME_LIMIT: &str = "60";
/// Linked statically, and thus enough for an initramfs; where it is here and in the guest's root.
const SHELL: &str = "/bin/busybox";
const PACKAGED: &str = "/usr/bin/busybox";

pub(crate) struct Image;

impl Suite for Image {
    fn name(&self) -> &'static str {
        "image"
    }

    fn about(&self) -> &'static str {
        "both images boot with only an initramfs on the serial console"
    }

    fn run(&self, bench: &Bench) -> Result<Vec<Case>> {
        let folder = bench.project.cache.temp_dir()?;
        let initramfs = initramfs(bench, folder.path())?;
        let boot = |imp: &Impl| {
            let result = bench
                .kernel(*imp)
                .and_then(|kernel| boots(bench, &kernel, &initramfs));
            Case::of(format!("image of {imp}"), result)
        };
        Ok(bench.impls.iter().map(boot).collect())
    }
}

fn boots(bench: &Bench, kernel: &Kernel, initramfs: &Path) -> Result<()> {
    let facts = kernel.variant.arch.facts();
    let name = kernel.variant.name();
    let log = bench.project.cache.log(&format!("image-{name}"));
    let options = format!(
        "console={} panic=-1 {}",
        facts.console, facts.kernel_options
    );
    let run = || {
        Cmd::new("timeout")
            .args([TIME_LIMIT, facts.qemu])
            .args(facts.qemu_machine)
            .args([
                "-nodefaults",
                "-nographic",
                "-no-reboot",
                "-m",
                "512",
                "-serial",
                "stdio",
            ])
            .arg("-kernel")
            .arg(kernel.image())
            .arg("-initrd")
            .arg(initramfs)
            .args(["-append", &options])
            .run(&log)
    };
    ui::step(&format!("boot the image of {name}"), run)?;
    let console = fs::read_to_string(&log)?;
    ensure!(
        console.contains(MARK),
        "user space did not run:\n{}",
        cmd::tail(&log)
    );
    check_impl(kernel.variant.imp, &console)
}

/// A shell, and a first process that says it runs and ends the machine.
fn initramfs(bench: &Bench, folder: &Path) -> Result<std::path::PathBuf> {
    let root = folder.join("root");
    let archive = folder.join("initramfs.gz");
    for part in ["bin", "proc", "dev"] {
        cache::make_dir(&root.join(part))?;
    }
    let shell = root.join("bin/busybox");
    bench.guest()?.take(PACKAGED, &shell)?;
    let init = format!(
        "#!{SHELL} sh\n{SHELL} mount -t proc proc /proc\n\
         echo '{MARK}'\necho b >/proc/sysrq-trigger\n{SHELL} sleep 5\n"
    );
    cache::write_atomically(&root.join("init"), init.as_bytes())?;
    let pack = "chmod 755 init && find . | cpio --quiet -o -H newc | gzip -1 >../initramfs.gz";
    let log = bench.project.cache.log("initramfs");
    Cmd::new("sh").args(["-ec", pack]).dir(&root).run(&log)?;
    Ok(archive)
}
