// SPDX-License-Identifier: GPL-2.0

//! A copy of the kernel tree that holds only the self-tests about uprobes.
//!
//! `selftests/bpf` has no way to build a few of its tests: it takes every
//! source in `prog_tests` and `progs`, and writes beside them. So they are
//! copied and the rest is taken away. Which BPF programs stay follows from
//! what the kept tests include, not from a list that would age.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use anyhow::{Context, Result, ensure};
use regex::Regex;

use crate::{cache, cmd::Cmd};

/// What the builds read, relative to the top of the kernel tree.
pub(super) const PARTS: [&str; 21] = [
    "arch/arm64/include/uapi/asm",
    "include/uapi",
    "kernel/bpf",
    "mm/gup_test.h",
    "scripts",
    "tools/arch",
    "tools/bpf",
    "tools/build",
    "tools/include",
    "tools/lib",
    "tools/objtool",
    "tools/scripts",
    "tools/testing/selftests/bpf",
    "tools/testing/selftests/clone3",
    "tools/testing/selftests/ftrace",
    "tools/testing/selftests/kselftest.h",
    "tools/testing/selftests/kselftest_harness.h",
    "tools/testing/selftests/lib.mk",
    "tools/testing/selftests/mm",
    "tools/testing/selftests/seccomp",
    // `mm`'s makefile asks scripts of these what the compiler can do.
    "tools/testing/selftests/x86",
];

/// The tests of `test_progs` that are kept.
const TESTS: [&str; 13] = [
    "attach_probe",
    "bpf_cookie",
    "build_id",
    "fill_link_info",
    "get_func_ip_test",
    "tailcalls",
    "task_pt_regs",
    "uprobe",
    "uprobe_autoattach",
    "uprobe_multi_test",
    "uprobe_syscall",
    "uretprobe_stack",
    "usdt",
];

/// Programs that are linked into the skeleton of another one.
const LINKED: [&str; 1] = ["test_usdt_multispec"];

/// The pruned copy.
pub(super) struct Tree {
    top: PathBuf,
}

impl Tree {
    /// Copies what is needed of `source` into the absent folder `top`.
    pub(super) fn make(source: &Path, top: PathBuf, log: &Path) -> Result<Self> {
        cache::make_dir(&top)?;
        let tree = Self { top };
        Cmd::new("cp")
            .args(["-a", "--no-preserve=ownership", "--parents"])
            .args(PARTS)
            .arg(&tree.top)
            .dir(source)
            .run(log)?;
        tree.prune()?;
        tree.register_uretprobe_stack()?;
        tree.read_long_symbols()?;
        Ok(tree)
    }

    pub(super) fn top(&self) -> &Path {
        &self.top
    }

    pub(super) fn selftests(&self, name: &str) -> PathBuf {
        self.top.join("tools/testing/selftests").join(name)
    }

    fn prune(&self) -> Result<()> {
        let tests = TESTS.map(str::to_owned).into();
        let bpf = self.selftests("bpf");
        let (tests_dir, programs_dir) = (bpf.join("prog_tests"), bpf.join("progs"));
        keep(&tests_dir, &tests)?;
        let mut programs = BTreeSet::from(LINKED.map(str::to_owned));
        for dir in [&tests_dir, &bpf.join("benchs")] {
            for source in sources(dir)? {
                programs.extend(included(&source, ".skel.h")?);
            }
        }
        keep(&programs_dir, &with_included(&programs_dir, programs)?)
    }

    /// The runner's list of tests is made of the lines that begin with `void`,
    /// which this one does not: upstream never runs it.
    fn register_uretprobe_stack(&self) -> Result<()> {
        self.mend(
            "bpf/prog_tests/uretprobe_stack.c",
            "\n__weak void test_",
            "\nvoid test_",
        )
    }

    /// The kernel's symbols are read to the first line with more than 255
    /// characters, which Rust's names may have.
    fn read_long_symbols(&self) -> Result<()> {
        self.mend(
            "bpf/trace_helpers.c",
            "char func[256], buf[256];",
            "char func[1024], buf[1024];",
        )
    }

    fn mend(&self, file: &str, wrong: &str, right: &str) -> Result<()> {
        let path = self.selftests(file);
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        ensure!(text.contains(wrong), "{} has changed", path.display());
        fs::write(&path, text.replace(wrong, right)).with_context(|| path.display().to_string())
    }
}

/// Every program that `programs` take in, be it through others.
fn with_included(dir: &Path, programs: BTreeSet<String>) -> Result<BTreeSet<String>> {
    let mut all = BTreeSet::new();
    let mut new: Vec<String> = programs.into_iter().collect();
    while let Some(program) = new.pop() {
        let path = dir.join(format!("{program}.c"));
        if all.insert(program) {
            new.extend(included(&path, ".c")?);
        }
    }
    Ok(all)
}

/// Names that `source` includes, less `suffix`; only those with it.
fn included(source: &Path, suffix: &str) -> Result<Vec<String>> {
    static LINE: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r#"(?m)^#include "(?:\.\./)?([A-Za-z0-9_.]+)""#).expect("a literal")
    });
    let text = fs::read_to_string(source).with_context(|| source.display().to_string())?;
    let names = LINE.captures_iter(&text);
    Ok(names
        .filter_map(|name| name[1].strip_suffix(suffix).map(str::to_owned))
        .collect())
}

fn sources(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(dir).with_context(|| dir.display().to_string())?;
    let paths = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    Ok(paths
        .into_iter()
        .filter(|path| path.extension().is_some_and(|e| e == "c"))
        .collect())
}

/// Removes every C file of `dir` that `names` does not hold; each must be there.
fn keep(dir: &Path, names: &BTreeSet<String>) -> Result<()> {
    let mut kept = 0;
    for path in sources(dir)? {
        let name = path
            .file_stem()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if names.contains(name) {
            kept += 1;
        } else {
            cache::remove(&path)?;
        }
    }
    let (dir, want) = (dir.display(), names.len());
    ensure!(
        kept == want,
        "{dir} has {kept} of the {want} sources of upstream's tests"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tests_include_is_followed() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
        write("a.c", "#include \"b.c\"\n#include \"x.h\"\n");
        write("b.c", "#include <z.c>\n");
        write("c.c", "");
        let all = with_included(dir.path(), ["a".to_owned()].into()).unwrap();
        assert_eq!(all, ["a".to_owned(), "b".to_owned()].into());
        keep(dir.path(), &all).unwrap();
        assert!(!dir.path().join("c.c").exists());
    }

    #[test]
    fn a_source_that_is_gone_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let error = keep(dir.path(), &["a".to_owned()].into())
            .unwrap_err()
            .to_string();
        assert!(error.contains("0 of the 1"), "{error}");
    }
}
