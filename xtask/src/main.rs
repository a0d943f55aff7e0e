// SPDX-License-Identifier: GPL-2.0

//! `cargo xtask`: builds, boots, traces with and tests kernels whose uprobes
//! are written in Rust.
//!
//! Results go to standard output; what is being done goes to standard error.

mod apt;
mod arch;
mod cache;
mod cmd;
mod demo;
mod guest;
mod host;
mod kconfig;
mod kernel;
mod overlay;
mod pins;
mod project;
mod source;
mod suite;
mod toolchain;
mod ui;
mod upstream;
mod worktree;

use anyhow::Result;
use arch::{Arch, Flavour, Impl};
use clap::{Args, Parser, Subcommand};
use guest::Job;
use project::Project;
use std::process::ExitCode;

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    about = "Uprobes in Rust: build, boot, trace, test"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Args, Clone, Copy)]
struct Target {
    /// Architecture of the kernel and its guest
    #[arg(long, value_enum, default_value = "x86_64")]
    arch: Arch,
    /// Implementation of uprobes
    #[arg(long = "impl", value_enum, default_value = "rust")]
    imp: Impl,
    /// `debug` adds lockdep and the kernel's other run-time checks
    #[arg(long, value_enum, default_value = "release")]
    flavour: Flavour,
    /// Take the kernel as it was last built, without looking for changes
    #[arg(long)]
    as_built: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Boot a kernel and trace real programs with real tools
    Run(Target),
    /// Open a shell in a guest (ctrl-D ends it)
    Shell(Target),
    /// Build the kernel and print the path of its bootable image
    Image(Target),
    /// Run one command in a guest, as `cargo xtask exec -- uname -a`
    Exec {
        #[command(flatten)]
        target: Target,
        /// Seconds after which the guest is ended
        #[arg(long, default_value_t = 300)]
        limit: u64,
        /// Folder whose contents are put into the guest's /work
        #[arg(long)]
        folder: Option<std::path::PathBuf>,
        #[arg(required = true, trailing_var_arg = true)]
        command: Vec<String>,
    },
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Run(target) => trace(target),
        Command::Shell(target) => shell(target),
        Command::Image(target) => image(target),
        Command::Exec {
            target,
            limit,
            folder,
            command,
        } => {
            let mut job = Job::new("exec", command.join(" ")).limit(limit).show();
            job.folders.extend(folder);
            exec(target, &job)
        }
    }
}

fn trace(target: Target) -> Result<ExitCode> {
    let project = Project::open(target.arch, target.as_built)?;
    Ok(exit_code(demo::run(&project, target.imp, target.flavour)?))
}

fn exit_code(good: bool) -> ExitCode {
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn image(target: Target) -> Result<ExitCode> {
    let kernel = Project::open(target.arch, target.as_built)?.kernel(target.imp, target.flavour)?;
    println!("{}", kernel.image().display());
    Ok(ExitCode::SUCCESS)
}

fn shell(target: Target) -> Result<ExitCode> {
    let project = Project::open(target.arch, target.as_built)?;
    let guest = project.guest()?;
    let kernel = project.kernel(target.imp, target.flavour)?;
    guest.shell(&kernel, &Job::new("shell", "exec bash -l"))?;
    Ok(ExitCode::SUCCESS)
}

fn exec(target: Target, job: &Job) -> Result<ExitCode> {
    let project = Project::open(target.arch, target.as_built)?;
    let guest = project.guest()?;
    let kernel = project.kernel(target.imp, target.flavour)?;
    let ran = guest.run(&kernel, job)?;
    for line in ran.complaints() {
        eprintln!("kernel: {line}");
    }
    Ok(exit_code(ran.complaints().is_empty() && ran.status == 0))
}
