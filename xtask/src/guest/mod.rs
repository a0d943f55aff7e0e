// SPDX-License-Identifier: GPL-2.0

//! A virtual machine that runs one command under a kernel of ours.
//!
//! QEMU is started directly: what is needed of it is one machine, two disks,
//! one shared folder and a time limit, the same for every architecture. The
//! guest's changes are discarded; what it leaves in `/results` comes back.

mod end;
pub(crate) mod log;
mod qemu;
mod root;
mod turns;

use crate::{
    arch::Arch,
    cache::{self, Cache, Lock},
    cmd::Cmd,
    kernel::Kernel,
};
use anyhow::{Context, Result, bail, ensure};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

pub(crate) use root::root;

/// One command to run in a guest.
pub(crate) struct Job {
    /// Names the logs.
    pub(crate) name: String,
    /// Shell commands, run in `/disk`.
    pub(crate) command: String,
    /// Folders of the host whose contents are the guest's `/disk`.
    pub(crate) folders: Vec<PathBuf>,
    pub(crate) limit: Duration,
    pub(crate) memory_mb: u32,
    pub(crate) cpus: u32,
    /// Added to the kernel's command line.
    pub(crate) kernel_options: String,
    /// Added to QEMU's command line.
    pub(crate) machine_options: Vec<String>,
    /// Whether the user sees the command's output as it comes.
    pub(crate) show: bool,
}

/// What a guest did. It ran to the end of its command and no further.
pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) output: String,
    /// The kernel's log.
    pub(crate) console: String,
    pub(crate) results: tempfile::TempDir,
}

/// What a guest needs to run once.
struct Prepared<'a> {
    guest: &'a Guest,
    kernel: &'a Kernel,
    job: &'a Job,
    scratch: tempfile::TempDir,
    _logs: Lock,
}

/// Makes guests of one root file system.
#[derive(Clone)]
pub(crate) struct Guest {
    pub(crate) cache: Cache,
    /// Folder of the scripts that guests run.
    pub(crate) scripts: PathBuf,
    pub(crate) root: PathBuf,
}

impl Job {
    pub(crate) fn new(name: impl Into<String>, command: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            command: command.into(),
            folders: Vec::new(),
            limit: Duration::from_secs(300),
            memory_mb: 2048,
            cpus: 2,
            kernel_options: String::new(),
            machine_options: Vec::new(),
            show: false,
        }
    }

    pub(crate) fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folders.push(folder.into());
        self
    }

    pub(crate) fn limit(mut self, seconds: u64) -> Self {
        self.limit = Duration::from_secs(seconds);
        self
    }

    pub(crate) fn kernel_options(mut self, options: &str) -> Self {
        self.kernel_options = options.to_owned();
        self
    }

    pub(crate) fn cpus(mut self, cpus: u32) -> Self {
        self.cpus = cpus;
        self
    }

    pub(crate) fn machine_options(mut self, options: &[&str]) -> Self {
        let options = options.iter().map(|option| (*option).to_owned());
        self.machine_options.extend(options);
        self
    }

    pub(crate) fn show(mut self) -> Self {
        self.show = true;
        self
    }

    /// Where `what` of this job's guest is kept.
    pub(crate) fn log(&self, cache: &Cache, arch: Arch, what: &str) -> PathBuf {
        cache.log(&format!("{}-{arch}-{what}", self.name))
    }
}

impl Ran {
    /// Lines of the kernel's log that no healthy run has.
    pub(crate) fn complaints(&self) -> Vec<String> {
        log::complaints(&self.console)
    }
}

impl Guest {
    pub(crate) fn run(&self, kernel: &Kernel, job: &Job) -> Result<Ran> {
        let prepared = self.prepare(kernel, job)?;
        prepared.machine().run()?;
        prepared.leave()
    }

    /// Runs two guests that take turns, so that the host is as fast for one as for the other.
    pub(crate) fn run_in_turns(&self, both: [(&Kernel, &Job); 2]) -> Result<[Ran; 2]> {
        let [one, other] = both;
        let (one, other) = (self.prepare(one.0, one.1)?, self.prepare(other.0, other.1)?);
        turns::run([&one.machine(), &other.machine()])?;
        Ok([one.leave()?, other.leave()?])
    }

    fn prepare<'a>(&'a self, kernel: &'a Kernel, job: &'a Job) -> Result<Prepared<'a>> {
        // Two guests with one name would write into, and read, the same logs.
        let arch = kernel.variant.arch;
        let logs = self.cache.lock(&format!("logs of {} {arch}", job.name))?;
        // What an earlier one left must not pass for what this one says.
        for what in ["console", "output"] {
            cache::remove(&job.log(&self.cache, arch, what))?;
        }
        let scratch = self.scratch(kernel, job)?;
        Ok(Prepared {
            guest: self,
            kernel,
            job,
            scratch,
            _logs: logs,
        })
    }

    /// Gives the terminal to a shell in the guest.
    pub(crate) fn shell(&self, kernel: &Kernel, job: &Job) -> Result<()> {
        let scratch = self.scratch(kernel, job)?;
        self.machine(kernel, job, scratch.path()).attach()
    }

    /// Copies one file out of the root file system.
    pub(crate) fn take(&self, file: &str, to: &Path) -> Result<()> {
        Cmd::new("debugfs")
            .arg("-R")
            .arg(format!("dump -p {file} {}", to.display()))
            .arg(&self.root)
            .run(&self.cache.log("guest-take"))?;
        // It does not fail whatever it finds.
        ensure!(to.is_file(), "the guest's root has no {file}");
        Ok(())
    }

    fn machine<'a>(
        &'a self,
        kernel: &'a Kernel,
        job: &'a Job,
        scratch: &'a Path,
    ) -> qemu::Machine<'a> {
        qemu::Machine {
            cache: &self.cache,
            kernel,
            root: &self.root,
            scratch,
            job,
        }
    }

    /// A folder with the guest's disk `/disk` and the shared `/results`.
    fn scratch(&self, kernel: &Kernel, job: &Job) -> Result<tempfile::TempDir> {
        let scratch = self.cache.temp_dir()?;
        let log = job.log(&self.cache, kernel.variant.arch, "disk");
        let staged = scratch.path().join("staged");
        cache::make_dir(&scratch.path().join("results"))?;
        cache::make_dir(&staged.join("guest"))?;
        for folder in &job.folders {
            stage(folder, &staged, &log)?;
        }
        stage(&self.scripts, &staged.join("guest"), &log)?;
        fs::write(staged.join("guest/command"), &job.command)?;
        disk(&staged, &scratch.path().join("work.img"), &log)?;
        cache::remove(&staged)?;
        Ok(scratch)
    }
}

impl Prepared<'_> {
    fn machine(&self) -> qemu::Machine<'_> {
        self.guest
            .machine(self.kernel, self.job, self.scratch.path())
    }

    /// What the guest that has run left.
    fn leave(self) -> Result<Ran> {
        let logs = self.machine().logs();
        let results = self.guest.cache.temp_dir()?;
        fs::rename(
            self.scratch.path().join("results"),
            results.path().join("results"),
        )?;
        let status = fs::read_to_string(results.path().join("results/status"));
        let Some(status) = status.ok().and_then(|text| text.trim().parse().ok()) else {
            bail!(
                "the guest ended before its command did; the last of its console:\n{}",
                crate::cmd::tail(&logs.console)
            );
        };
        Ok(Ran {
            status,
            output: lossy(&logs.output)?,
            console: lossy(&logs.console)?,
            results,
        })
    }
}

fn stage(folder: &Path, into: &Path, log: &Path) -> Result<()> {
    let contents = format!("{}/.", folder.display());
    Cmd::new("cp")
        .args(["-a", "--reflink=auto", &contents])
        .arg(into)
        .run(log)
}

/// Room for the guest to write beside what is there.
const SPARE_MB: u64 = 512;

/// Makes a disk image of a folder; the image is sparse.
fn disk(folder: &Path, image: &Path, log: &Path) -> Result<()> {
    let size = Cmd::new("du")
        .args(["-s", "-m", "--apparent-size"])
        .arg(folder)
        .read()?;
    let used: u64 = size
        .split_whitespace()
        .next()
        .context("du says nothing")?
        .parse()?;
    Cmd::new("mke2fs")
        .args(["-q", "-F", "-t", "ext4", "-O", "^has_journal", "-d"])
        .arg(folder)
        .arg(image)
        .arg(format!("{}M", used + used / 4 + SPARE_MB))
        .run(log)
}

fn lossy(path: &Path) -> Result<String> {
    let bytes = fs::read(path).with_context(|| path.display().to_string())?;
    Ok(String::from_utf8_lossy(&bytes).replace('\r', ""))
}
