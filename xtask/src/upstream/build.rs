// SPDX-License-Identifier: GPL-2.0

//! Builds upstream's programs in a pruned copy of the kernel tree, and lays
//! them out as the guest runs them: a folder for each kind of test.
//!
//! One build serves both implementations: what the BPF programs take from a
//! kernel's type information is relocated when they are loaded.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    thread,
};

use anyhow::{Context, Result};

use super::copy::Tree;
use crate::{
    cache::{self, Cache},
    cmd::Cmd,
    toolchain::Toolchain,
    ui,
    userland::Userland,
};

/// What the programs are built from.
pub(crate) struct Inputs<'a> {
    /// The kernel's source; not written to.
    pub(crate) source: &'a Path,
    /// A built kernel, for its type information.
    pub(crate) vmlinux: &'a Path,
    pub(crate) userland: &'a Userland<'a>,
    pub(crate) toolchain: &'a Toolchain,
}

/// The recipe's own part of the key that a build is stamped with.
pub(super) const RECIPE: &str = concat!(include_str!("build.rs"), include_str!("copy.rs"));

/// What the guest gets of `selftests/bpf`, beside the module.
const BPF_PROGRAMS: [&str; 5] = [
    "test_progs",
    "bench",
    "urandom_read",
    "liburandom_read.so",
    "uprobe_multi",
];

const FTRACE_SCRIPTS: [&str; 5] = [
    "ftracetest",
    "test.d/functions",
    "test.d/dynevent/add_remove_uprobe.tc",
    "test.d/dynevent/dynevent_limitations.tc",
    "test.d/kprobe/uprobe_syntax_errors.tc",
];

/// Builds everything in the folder `work` and lays it out in the absent folder `stage`.
pub(super) fn programs(inputs: &Inputs, work: &Path, stage: &Path, cache: &Cache) -> Result<()> {
    let tree = ui::step("copy upstream's tests", || {
        Tree::make(
            inputs.source,
            work.join("tree"),
            &cache.log("upstream-copy"),
        )
    })?;
    let build = Build {
        inputs,
        tree: &tree,
        work,
        stage,
        cache,
    };
    ui::step("build upstream's test_progs and bench", || build.bpf())?;
    ui::step("build upstream's other tests", || {
        build.headers()?;
        build.plain("seccomp", "seccomp_bpf")?;
        build.plain("mm", "merge")?;
        build.ftrace()
    })
}

struct Build<'a> {
    inputs: &'a Inputs<'a>,
    tree: &'a Tree,
    work: &'a Path,
    stage: &'a Path,
    cache: &'a Cache,
}

impl Build<'_> {
    fn headers(&self) -> Result<()> {
        make_in(self.inputs.source)
            .arg(format!("O={}", self.work.join("headers").display()))
            .args(self.inputs.userland.make_arguments())
            .arg(format!(
                "INSTALL_HDR_PATH={}",
                self.tree.top().join("usr").display()
            ))
            .arg("headers_install")
            .run(&self.cache.log("upstream-headers"))
    }

    /// The variables keep `make` from everything that the pruned tests do not use.
    fn bpf(&self) -> Result<()> {
        let out = self.out("bpf")?;
        // Beside its `vmlinux.o`, make's own rules would take it for a program to link.
        let vmlinux = self.work.join("vmlinux");
        symlink(self.inputs.vmlinux, &vmlinux).context("no link to vmlinux")?;
        let llvm = |name| self.inputs.toolchain.llvm_tool(name);
        let extra = ["urandom_read", "liburandom_read.so", "uprobe_multi"];
        let extra = extra
            .map(|name| out.join(name).display().to_string())
            .join(" ");
        self.make("bpf", &out)
            .arg(format!("VMLINUX_BTF={}", vmlinux.display()))
            .args([
                format!("CLANG={}", self.inputs.userland.bpf_clang()),
                format!("LLC={}", llvm("llc")),
                format!("LLVM_STRIP={}", llvm("llvm-strip")),
                format!("LLVM_CONFIG={}", llvm("llvm-config")),
            ])
            .args([
                "SKIP_DOCS=1",
                "SKIP_LLVM=1",
                "SKIP_LIBBFD=1",
                "SKIP_CRYPTO=1",
            ])
            .args([
                "LSKELS=",
                "LSKELS_EXTRA=",
                "LSKELS_SIGNED=",
                "LINKED_SKELS=test_usdt.skel.h",
            ])
            .arg("LINKED_BPF_SRCS=test_usdt.c test_usdt_multispec.c")
            .args(["LIBARENA_SKEL=", "CLANG_HAS_ARENA_ASAN="])
            .arg(format!("TRUNNER_EXTRA_FILES={extra}"))
            // The tests that are kept run no bpftool: none has to be made for the guest.
            .arg("TRUNNER_BPFTOOL=$(DEFAULT_BPFTOOL)")
            .args(["test_progs", "bench"])
            .run(&self.cache.log("upstream-bpf"))?;
        self.take("bpf", &BPF_PROGRAMS)
    }

    /// A test that is one program and has nothing special about its build.
    fn plain(&self, test: &str, program: &str) -> Result<()> {
        let out = self.out(test)?;
        self.make(test, &out)
            .arg(out.join(program))
            .run(&self.cache.log(&format!("upstream-{test}")))?;
        self.take(test, &[program])
    }

    fn make(&self, test: &str, out: &Path) -> Cmd {
        make_in(&self.tree.selftests(test))
            .arg(format!("OUTPUT={}", out.display()))
            .args(self.inputs.userland.make_arguments())
    }

    /// Shell scripts; there is nothing to build.
    fn ftrace(&self) -> Result<()> {
        let to = self.stage.join("ftrace");
        cache::make_dir(&to)?;
        Cmd::new("cp")
            .args(["-a", "--parents"])
            .args(FTRACE_SCRIPTS)
            .arg(&to)
            .dir(&self.tree.selftests("ftrace"))
            .run(&self.cache.log("upstream-ftrace"))
    }

    fn out(&self, test: &str) -> Result<PathBuf> {
        let out = self.work.join("out").join(test);
        cache::make_dir(&out)?;
        Ok(out)
    }

    fn take(&self, test: &str, programs: &[&str]) -> Result<()> {
        let (from, to) = (self.work.join("out").join(test), self.stage.join(test));
        cache::make_dir(&to)?;
        for program in programs {
            let built = from.join(program);
            fs::copy(&built, to.join(program))
                .with_context(|| format!("the build made no {}", built.display()))?;
        }
        Ok(())
    }
}

fn make_in(dir: &Path) -> Cmd {
    let jobs = thread::available_parallelism().map_or(1, usize::from);
    Cmd::new("make").arg(format!("-j{jobs}")).dir(dir)
}
