// SPDX-License-Identifier: GPL-2.0

//! `cargo xtask`: builds, boots, traces with and tests kernels whose uprobes
//! are written in Rust.
//!
//! Results go to standard output; what is being done goes to standard error.

mod apply;
mod apt;
mod arch;
mod bench;
mod cache;
mod cmd;
mod debian;
mod demo;
mod doc;
mod edits;
mod guest;
mod host;
mod kconfig;
mod kernel;
mod overlay;
mod patches;
mod pins;
mod project;
mod record;
mod source;
mod stress;
mod suite;
mod toolchain;
mod trust;
mod ui;
mod upstream;
mod userland;
mod worktree;

use anyhow::Result;
use arch::{Arch, Flavour, Impl};
use bench::row::Verdict;
use clap::{Args, Parser, Subcommand, ValueEnum};
use guest::Job;
use overlay::Overlay;
use pins::Pins;
use project::Project;
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};
use stress::Order;
use suite::{Bench, runner};

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

/// What is tested: every architecture and both implementations unless one is named.
#[derive(Args, Clone, Copy)]
struct Tested {
    /// Only this architecture of the kernels and their guests
    #[arg(long, value_enum)]
    arch: Option<Arch>,
    /// Only this implementation of uprobes
    #[arg(long = "impl", value_enum)]
    imp: Option<Impl>,
    /// `debug` adds lockdep, KASAN and the kernel's other run-time checks
    #[arg(long, value_enum, default_value = "release")]
    flavour: Flavour,
    /// Take the kernels as they were last built, without looking for changes
    #[arg(long)]
    as_built: bool,
}

/// What is measured, and where it goes.
#[derive(Args)]
struct Measured {
    /// Meters to run; all if none is named
    meters: Vec<String>,
    /// Architectures to measure
    #[arg(long, value_enum, value_delimiter = ',', default_value = "x86_64")]
    arch: Vec<Arch>,
    /// Only what the test command measures
    #[arg(long)]
    quick: bool,
    /// Make what the quick run finds what the test command compares with
    #[arg(long, conflicts_with = "meters")]
    record: bool,
    /// Put the figures into the documentation too
    #[arg(long)]
    document: bool,
    /// Folder for the report
    #[arg(long, default_value = "target/bench")]
    out: PathBuf,
    /// Take the kernels as they were last built, without looking for changes
    #[arg(long)]
    as_built: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Boot a kernel and trace real programs with real tools
    Run(Target),
    /// Run the project's tests
    Test {
        #[command(flatten)]
        target: Tested,
        /// Suites to run; all if none is named
        suites: Vec<String>,
    },
    /// Open a shell in a guest (ctrl-D ends it)
    Shell(Target),
    /// Build the kernel and print the path of its bootable image
    Image(Target),
    /// Put the overlay on a kernel tree of one's own
    Apply {
        /// The tree; its release must be of the supported series
        #[arg(long)]
        kernel: PathBuf,
    },
    /// Write the overlay as a series of patches for `git am`
    Patches {
        /// Folder for the series; made if need be
        #[arg(long)]
        out: PathBuf,
    },
    /// Run one command in a guest, as `cargo xtask exec -- uname -a`
    Exec {
        #[command(flatten)]
        target: Target,
        /// Seconds after which the guest is ended
        #[arg(long, default_value_t = 300)]
        limit: u64,
        /// Folder whose contents are put into the guest's /disk
        #[arg(long)]
        folder: Option<PathBuf>,
        #[arg(required = true, trailing_var_arg = true)]
        command: Vec<String>,
    },
    /// Measure Rust beside C: a table, JSON and pictures
    Bench(Measured),
    /// Stress uprobes, and account for every hit
    Stress {
        #[command(flatten)]
        target: Target,
        /// Hits of the probes that stay attached, at least
        #[arg(long, default_value_t = 1_000_000)]
        hits: u64,
        /// Makes all who work in it do the same again
        #[arg(long)]
        seed: Option<u64>,
    },
    /// Count what has to be trusted: unsafe Rust, and C
    Trust {
        /// Put the table into the documentation, too
        #[arg(long)]
        write: bool,
    },
    /// Build the Rust documentation and print the path of its first page
    Doc(Target),
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
        Command::Test { target, suites } => test(target, &suites),
        Command::Apply { kernel } => apply(&kernel),
        Command::Patches { out } => patches(&out),
        Command::Shell(target) => shell(target),
        Command::Image(target) => image(target),
        Command::Trust { write } => trust(write),
        Command::Bench(chosen) => bench(&chosen),
        Command::Stress { target, hits, seed } => stress(target, &Order { hits, seed }),
        Command::Doc(target) => doc(target),
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

fn stress(target: Target, order: &Order) -> Result<ExitCode> {
    let project = Project::open(target.arch, target.as_built)?;
    let good = stress::run(&project, target.imp, target.flavour, order)?;
    Ok(exit_code(good))
}

fn test(target: Tested, names: &[String]) -> Result<ExitCode> {
    let suites = runner::select(suite::all(), names)?;
    let both = [Impl::C, Impl::Rust];
    let impls = target.imp.map_or(both.to_vec(), |imp| vec![imp]);
    let every = Arch::value_variants().to_vec();
    let archs = target.arch.map_or(every, |arch| vec![arch]);
    let projects = archs
        .into_iter()
        .map(|arch| Project::open(arch, target.as_built))
        .collect::<Result<Vec<_>>>()?;
    let bench = |project| Bench {
        project,
        impls: &impls,
        flavour: target.flavour,
    };
    let benches: Vec<Bench> = projects.iter().map(bench).collect();
    Ok(exit_code(runner::run(&suites, &benches)))
}

fn apply(tree: &Path) -> Result<ExitCode> {
    let overlay = Overlay::load(&project::repository()?)?;
    let applied = apply::apply(&overlay, &Pins::load()?, tree)?;
    println!(
        "Linux {} in {}: {} files new or changed; select UPROBES_RUST when configuring it",
        applied.release,
        tree.display(),
        applied.files
    );
    Ok(ExitCode::SUCCESS)
}

fn patches(out: &Path) -> Result<ExitCode> {
    let overlay = Overlay::load(&project::repository()?)?;
    let pristine = project::pristine()?;
    for path in patches::write(&overlay, &pristine, out)? {
        println!("{}", path.display());
    }
    Ok(ExitCode::SUCCESS)
}

fn trust(write: bool) -> Result<ExitCode> {
    let overlay = Overlay::load(&project::repository()?)?;
    let table = trust::table(&overlay)?;
    println!("{table}");
    if write {
        trust::write(&overlay, &table)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn bench(chosen: &Measured) -> Result<ExitCode> {
    let open = |arch: &Arch| Project::open(*arch, chosen.as_built);
    let projects: Vec<Project> = chosen.arch.iter().map(open).collect::<Result<_>>()?;
    if chosen.record {
        return record_bench(&projects);
    }
    let quick = chosen.quick;
    let stage = |project| bench::Stage { project, quick };
    let stages: Vec<bench::Stage> = projects.iter().map(stage).collect();
    let report = bench::run(&stages, &chosen.meters)?;
    report.write(&chosen.out)?;
    if chosen.document {
        report.document(&project::repository()?)?;
    }
    println!("{}", report.terminal());
    Ok(exit_code(report.count(Verdict::Missed) == 0))
}

fn record_bench(projects: &[Project]) -> Result<ExitCode> {
    for project in projects {
        bench::record::write(&project.repo, project.arch, &bench::quick_rows(project)?)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn doc(target: Target) -> Result<ExitCode> {
    let project = Project::open(target.arch, target.as_built)?;
    let kernel = project.kernel(target.imp, target.flavour)?;
    println!("{}", doc::build(&project, &kernel)?.display());
    Ok(ExitCode::SUCCESS)
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
