// SPDX-License-Identifier: GPL-2.0

//! QEMU: its command line, and its life under a time limit.

use super::{
    Job,
    end::{End, Limits, to_first_process},
};
use crate::{
    arch::Flavour,
    cache::Cache,
    cmd::{self, Cmd},
    kernel::Kernel,
};
use anyhow::{Context, Result, bail};
use std::{
    ffi::OsStr,
    fs::File,
    io::{Read, Write, stdout},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Has the command's output go to `file`. Not to QEMU's `stdio`: that counts as closed
/// when there is no input, and then the guest's writes wait for ever.
pub(super) fn output_to(file: &Path) -> [String; 4] {
    [
        "-chardev".to_owned(),
        format!("file,id=port,path={}", file.display()),
        "-device".to_owned(),
        "virtserialport,chardev=port,name=output".to_owned(),
    ]
}

/// The user's terminal; ctrl-C belongs to the guest.
const TERMINAL: [&str; 4] = [
    "-chardev",
    "stdio,id=port,signal=off",
    "-device",
    "virtconsole,chardev=port",
];

pub(super) struct Machine<'a> {
    pub(super) cache: &'a Cache,
    pub(super) kernel: &'a Kernel,
    pub(super) root: &'a Path,
    pub(super) scratch: &'a Path,
    pub(super) job: &'a Job,
}

pub(super) struct Logs {
    /// What the kernel said.
    pub(super) console: PathBuf,
    /// What the command said.
    pub(super) output: PathBuf,
    /// What QEMU itself said.
    qemu: PathBuf,
}

impl Machine<'_> {
    pub(super) fn logs(&self) -> Logs {
        let log = |what| self.job.log(self.cache, self.kernel.variant.arch, what);
        Logs {
            console: log("console"),
            output: log("output"),
            qemu: log("qemu"),
        }
    }

    /// Runs until the guest ends itself, or ends it at the time limit.
    pub(super) fn run(&self) -> Result<()> {
        let end = to_first_process(|| self.run_once())?;
        self.check_end(end)
    }

    fn run_once(&self) -> Result<End> {
        let port = output_to(Path::new("/dev/stdout"));
        let mut child = self.spawn(self.command(&port)?.stdin(Stdio::null()))?;
        let output = child.stdout.take().context("QEMU has no output")?;
        let (file, show) = (File::create(self.logs().output)?, self.job.show);
        let reader = thread::spawn(move || copy(output, file, show));
        let ended = wait(&mut child, self.limits(), &self.began());
        let copied = reader.join();
        let end = ended?;
        copied.map_err(|_| anyhow::anyhow!("the reader of the guest's output failed"))??;
        self.check_complaints()?;
        Ok(end)
    }

    /// Starts QEMU; what it writes on standard output is the caller's.
    pub(super) fn spawn(&self, command: &mut Command) -> Result<Child> {
        command
            .stdout(Stdio::piped())
            .stderr(File::create(self.logs().qemu)?)
            .spawn()
            .context("QEMU does not start")
    }

    /// Fails if QEMU itself had something to say.
    pub(super) fn check_complaints(&self) -> Result<()> {
        let log = self.logs().qemu;
        if std::fs::read_to_string(&log)?.contains("qemu-system") {
            bail!("{}", cmd::tail(&log));
        }
        Ok(())
    }

    /// Fails unless the guest ended itself.
    pub(super) fn check_end(&self, end: End) -> Result<()> {
        let limit = match end {
            End::ByItself => return Ok(()),
            End::TimeLimit => self.limits().whole,
            End::NeverBegan => self.limits().boot,
        };
        let logs = self.logs();
        bail!(
            "the guest was ended after {} s; the last of its output:\n{}\nand of its console:\n{}",
            limit.as_secs(),
            cmd::tail(&logs.output),
            cmd::tail(&logs.console)
        );
    }

    pub(super) fn limits(&self) -> Limits {
        Limits::of(self.job)
    }

    /// What the first process makes.
    pub(super) fn began(&self) -> PathBuf {
        self.scratch.join("results/began")
    }

    /// Runs with the terminal as the guest's, for as long as the user likes.
    pub(super) fn attach(&self) -> Result<()> {
        let status = self
            .command(&TERMINAL)?
            .stdin(Stdio::inherit())
            .status()
            .context("QEMU does not start")?;
        if !status.success() {
            bail!("QEMU failed ({status})");
        }
        Ok(())
    }

    /// QEMU's command, with `port` for what the guest's command writes.
    pub(super) fn command(&self, port: &[impl AsRef<OsStr>]) -> Result<Command> {
        let facts = self.kernel.variant.arch.facts();
        let logs = self.logs();
        let disk =
            |image: &Path| format!("file={},if=virtio,format=raw,snapshot=on", image.display());
        let share = format!(
            "local,path={},mount_tag=results,security_model=none",
            self.scratch.join("results").display()
        );
        let flavour_options = match self.kernel.variant.flavour {
            Flavour::Release => "",
            Flavour::Debug => facts.debug_options,
        };
        let options = format!(
            "console={} root=/dev/vda rw init=/disk-init panic=-1 oops=panic net.ifnames=0 {} {} {}",
            facts.console, facts.kernel_options, flavour_options, self.job.kernel_options
        );
        Cmd::new(facts.qemu)
            .args(facts.qemu_machine)
            .args(["-nodefaults", "-display", "none", "-no-reboot"])
            .args(["-m", &self.job.memory_mb.to_string()])
            .args(["-smp", &self.job.cpus.to_string()])
            .arg("-kernel")
            .arg(self.kernel.image())
            .args(["-append", options.trim_end()])
            .args(["-drive", &disk(self.root)])
            .args(["-drive", &disk(&self.scratch.join("work.img"))])
            .args(["-virtfs", &share])
            .args(["-serial", &format!("file:{}", logs.console.display())])
            .args(["-device", "virtio-rng-pci"])
            .args(["-device", "virtio-serial-pci"])
            .args(port)
            .args(&self.job.machine_options)
            // QEMU keeps what the guest writes in a file that it deletes at once.
            .env("TMPDIR", self.scratch)
            .into_command()
    }
}

/// Waits for the end, or brings it about. The first process makes the file `began`.
fn wait(child: &mut Child, limits: Limits, began: &Path) -> Result<End> {
    let start = Instant::now();
    let end = loop {
        if child.try_wait()?.is_some() {
            return Ok(End::ByItself);
        }
        if let Some(end) = limits.passed(start, began) {
            break end;
        }
        thread::sleep(Duration::from_millis(50));
    };
    child.kill()?;
    child.wait()?;
    Ok(end)
}

fn copy(mut from: ChildStdout, mut file: File, show: bool) -> Result<()> {
    let mut buffer = [0; 4096];
    loop {
        let count = from.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        file.write_all(&buffer[..count])?;
        if show {
            stdout().write_all(&buffer[..count])?;
            stdout().flush()?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    const LIMITS: Limits = Limits {
        boot: Duration::from_millis(100),
        whole: Duration::from_millis(300),
    };

    fn end_of(program: &str, began: &Path) -> End {
        let mut child = Command::new(program).arg("60").spawn().unwrap();
        let end = wait(&mut child, LIMITS, began).unwrap();
        assert!(child.try_wait().unwrap().is_some());
        end
    }

    #[test]
    fn a_guest_is_ended_by_what_it_does_not_reach() {
        let folder = tempfile::tempdir().unwrap();
        let (here, nowhere) = (folder.path(), folder.path().join("began"));
        assert_eq!(end_of("true", &nowhere), End::ByItself);
        assert_eq!(end_of("sleep", &nowhere), End::NeverBegan);
        assert_eq!(end_of("sleep", here), End::TimeLimit);
    }
}
