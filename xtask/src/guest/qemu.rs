// SPDX-License-Identifier: GPL-2.0

//! QEMU: its command line, and its life under a time limit.

use super::Job;
use crate::{
    arch::Flavour,
    cache::Cache,
    cmd::{self, Cmd},
    kernel::Kernel,
    ui,
};
use anyhow::{Context, Result, bail};
use std::{
    fs::File,
    io::{Read, Write, stdout},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Where the command's output goes. Not QEMU's `stdio`: that counts as closed
/// when there is no input, and then the guest's writes wait for ever.
const OUTPUT: [&str; 4] = [
    "-chardev",
    "file,id=port,path=/dev/stdout",
    "-device",
    "virtserialport,chardev=port,name=output",
];

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
    ///
    /// A guest that does not come to its first process is booted once more: QEMU before 8.1 loses
    /// a race, now and then, between a virtual CPU that writes code and one that translates it,
    /// and the kernel patches itself while it boots.
    pub(super) fn run(&self, job: &Job) -> Result<()> {
        let mut end = self.run_once(job)?;
        if end == End::NeverBegan {
            ui::note("the guest hangs before its first process; booting it again");
            end = self.run_once(job)?;
        }
        if end == End::ByItself {
            return Ok(());
        }
        let (logs, limit) = (self.logs(), job.limit.min(BOOT_LIMIT));
        bail!(
            "the guest was ended after {} s; the last of its output:\n{}\nand of its console:\n{}",
            if end == End::NeverBegan {
                limit
            } else {
                job.limit
            }
            .as_secs(),
            cmd::tail(&logs.output),
            cmd::tail(&logs.console)
        );
    }

    fn run_once(&self, job: &Job) -> Result<End> {
        let logs = self.logs();
        let mut child = self
            .command(&OUTPUT)?
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&logs.qemu)?)
            .spawn()
            .context("QEMU does not start")?;
        let output = child.stdout.take().context("QEMU has no output")?;
        let (file, show) = (File::create(&logs.output)?, job.show);
        let reader = thread::spawn(move || copy(output, file, show));
        let limits = Limits {
            boot: BOOT_LIMIT,
            whole: job.limit,
        };
        let ended = wait(&mut child, limits, &self.scratch.join("results/began"));
        let copied = reader.join();
        let end = ended?;
        copied.map_err(|_| anyhow::anyhow!("the reader of the guest's output failed"))??;
        let said = std::fs::read_to_string(&logs.qemu)?;
        if said.contains("qemu-system") {
            bail!("{}", cmd::tail(&logs.qemu));
        }
        Ok(end)
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

    fn command(&self, port: &[&str]) -> Result<std::process::Command> {
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

/// By when a guest has come to its first process, which takes seconds on an idle machine.
const BOOT_LIMIT: Duration = Duration::from_secs(180);

/// How a guest has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    ByItself,
    /// It took too long, and was ended.
    TimeLimit,
    /// It did not come to its first process, and was ended.
    NeverBegan,
}

/// How long a guest may take to its first process, and to its end.
#[derive(Clone, Copy)]
struct Limits {
    boot: Duration,
    whole: Duration,
}

/// Waits for the end, or brings it about. The first process makes the file `began`.
fn wait(child: &mut Child, limits: Limits, began: &Path) -> Result<End> {
    let start = Instant::now();
    let end = loop {
        if child.try_wait()?.is_some() {
            return Ok(End::ByItself);
        }
        if start.elapsed() >= limits.boot && !began.exists() {
            break End::NeverBegan;
        }
        if start.elapsed() >= limits.whole {
            break End::TimeLimit;
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
