// SPDX-License-Identifier: GPL-2.0

//! Hits under QEMU's plugin: what the kernel did in each, free of interrupts.
//!
//! The guest's program is `laps`; it hits the same probe on every CPU. The
//! plugin (`meters/plugin`) knows of hits by the marks that `laps` executes.

mod contention;
mod functions;
mod symbols;

use super::{Stage, hits::COUNTING, program, row::Figure};
use crate::{arch::Impl, cmd::Cmd, guest::Job, kernel::Kernel, project::Project, suite, ui};
use anyhow::{Context, Result, ensure};
use hit_book::{Mode, Options, Section};
use std::{fs, path::PathBuf};
use symbols::Symbols;

pub(super) use contention::Contention;
pub(super) use functions::Functions;

/// How the virtual CPUs take their turns.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turns {
    /// One after the other, by the number of instructions: the same on every host, however busy.
    Counted,
    /// As threads of the host: all at once, with a timer's ticks in real time.
    Parallel,
}

impl Turns {
    /// QEMU's options for it.
    fn options(self) -> &'static [&'static str] {
        match self {
            Self::Counted => &COUNTING,
            Self::Parallel => &[],
        }
    }
}

/// What to run.
struct Course {
    mode: Mode,
    cpus: u32,
    turns: Turns,
    /// Of each row, to see how far they lie apart.
    rounds: usize,
    /// Of each CPU in each round.
    calls: u32,
    /// All if none is named.
    functions: &'static [&'static str],
}

/// One row of the guest's program.
struct Laps {
    name: String,
    rounds: Vec<Section>,
}

/// What one implementation did, and the names of what did it.
struct Run {
    laps: Vec<Laps>,
    symbols: Symbols,
}

const TIME_LIMIT: u64 = 900;

/// Hits that an interrupt fell into, of all. With more of them, a figure would say little of hits.
const DISTURBED_MOST: f64 = 0.5;

impl Course {
    fn run(&self, stage: &Stage, imp: Impl) -> Result<Run> {
        let folder = stage.project.cache.temp_dir()?;
        program::build(stage, "laps", folder.path())?;
        let kernel = stage.kernel(imp)?;
        let symbols = Symbols::of(&kernel)?;
        let found = stage.project.cache.temp_dir()?;
        let out = found.path().join("sections");
        let options = Options {
            mode: self.mode,
            out: out.clone(),
            interrupts: symbols.beginning_with(stage.project.arch.facts().interrupts),
        };
        ensure!(!options.interrupts.is_empty(), "no interrupt has a symbol");
        let plugin = format!("{},{options}", build_plugin(stage.project)?.display());
        let functions = self.functions.join(" ");
        let command = format!("./laps {} {} {functions}", self.rounds, self.calls);
        let job = Job::new(format!("bench-{}-{imp}", self.mode.name()), command)
            .folder(folder.path())
            .cpus(self.cpus)
            .machine_options(self.turns.options())
            .machine_options(&["-plugin", &plugin])
            // Symbols are where the linker put them.
            .kernel_options("nokaslr")
            .limit(TIME_LIMIT);
        let names = self.hit(stage, &kernel, &job)?;
        let sections = fs::read(&out).context("the plugin wrote nothing")?;
        let sections: Vec<Section> = serde_json::from_slice(&sections)?;
        Ok(Run {
            laps: self.pair(&names, sections)?,
            symbols,
        })
    }

    /// Runs the guest; the names of its rows.
    fn hit(&self, stage: &Stage, kernel: &Kernel, job: &Job) -> Result<Vec<String>> {
        let (name, cpus) = (kernel.variant.name(), self.cpus);
        let title = format!("book {} of hits ({name}, CPUs: {cpus})", self.mode.name());
        let guest = stage.project.guest()?;
        let ran = ui::step(&title, || guest.run(kernel, job))?;
        ensure!(ran.status == 0, "laps failed:\n{}", ran.output);
        suite::check_log(kernel.variant.imp, &ran)?;
        let lines = ran.output.lines();
        Ok(lines.map(|line| line.replace('\t', " ")).collect())
    }

    /// Gives each row its sections.
    fn pair(&self, names: &[String], sections: Vec<Section>) -> Result<Vec<Laps>> {
        ensure!(
            !names.is_empty() && sections.len() == names.len() * self.rounds,
            "the plugin saw {} sections of {} rows with {} rounds",
            sections.len(),
            names.len(),
            self.rounds
        );
        for section in &sections {
            self.check(section)?;
        }
        let sum = |count: fn(&Section) -> u64| sections.iter().map(count).sum::<u64>();
        let (hits, disturbed) = (sum(|each| each.hits), sum(|each| each.disturbed));
        ui::note(&format!(
            "{disturbed} of {} hits are left out: interrupts fell into them",
            hits + disturbed
        ));
        let mut sections = sections.into_iter();
        let laps = |name: &String| Laps {
            name: name.clone(),
            rounds: sections.by_ref().take(self.rounds).collect(),
        };
        Ok(names.iter().map(laps).collect())
    }

    fn check(&self, section: &Section) -> Result<()> {
        let all = u64::from(self.calls) * u64::from(self.cpus);
        let (hits, disturbed) = (section.hits, section.disturbed);
        ensure!(
            hits + disturbed == all,
            "the plugin saw {hits} + {disturbed} hits of {all}"
        );
        ensure!(
            section.vcpus == self.cpus as usize && disturbed as f64 <= all as f64 * DISTURBED_MOST,
            "interrupts fell into {disturbed} of {all} hits"
        );
        Ok(())
    }
}

impl Laps {
    fn hits(&self) -> u64 {
        self.rounds.iter().map(|section| section.hits).sum()
    }

    /// What `count` counts, by hit, of all rounds together; the spread is from the round with the
    /// least of it to that with the most.
    fn per_hit(&self, count: impl Fn(&Section) -> u64) -> Figure {
        let counts = self.rounds.iter().map(&count);
        let each = |section: &Section| count(section) as f64 / section.hits.max(1) as f64;
        let each: Vec<f64> = self.rounds.iter().map(each).collect();
        let most = each.iter().copied().fold(0.0, f64::max);
        let least = each.iter().copied().fold(most, f64::min);
        Figure {
            value: counts.sum::<u64>() as f64 / self.hits().max(1) as f64,
            spread: most - least,
        }
    }
}

/// The rows of both implementations, side by side.
fn pair<'a>(c: &'a Run, rust: &'a Run) -> Result<impl Iterator<Item = (&'a Laps, &'a Laps)>> {
    let names = |run: &'a Run| run.laps.iter().map(|laps| &laps.name);
    ensure!(names(c).eq(names(rust)), "C and Rust gave different rows");
    Ok(c.laps.iter().zip(&rust.laps))
}

/// Builds the plugin beside this tool.
fn build_plugin(project: &Project) -> Result<PathBuf> {
    let target = project.repo.join("target");
    ui::step("build the plugin for QEMU", || {
        Cmd::new("cargo")
            .args(["build", "--package", "hit-plugin", "--target-dir"])
            .arg(&target)
            .dir(&project.repo)
            .run(&project.cache.log("hit-plugin"))
    })?;
    Ok(target.join("debug/libhit_plugin.so"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const COURSE: Course = Course {
        mode: Mode::Lines,
        cpus: 2,
        turns: Turns::Counted,
        rounds: 2,
        calls: 10,
        functions: &[],
    };

    fn section(hits: u64, disturbed: u64) -> Section {
        Section {
            vcpus: 2,
            hits,
            disturbed,
            ..Section::default()
        }
    }

    #[test]
    fn rows_get_their_sections_in_order() {
        let names = ["a", "b"].map(str::to_owned);
        let sections = [20, 19, 18, 17].map(|hits| section(hits, 20 - hits));
        let laps = COURSE.pair(&names, sections.into()).unwrap();
        assert_eq!((laps[0].hits(), laps[1].hits()), (39, 35));
        assert_eq!(laps[1].name, "b");
    }

    #[test]
    fn figures_are_of_all_hits_and_spread_over_rounds() {
        let laps = Laps {
            name: String::new(),
            rounds: vec![section(10, 0), section(30, 0)],
        };
        let figure = laps.per_hit(|section| if section.hits == 10 { 20 } else { 30 });
        assert_eq!((figure.value, figure.spread), (1.25, 1.0));
    }

    #[test]
    fn sections_that_do_not_add_up_are_refused() {
        let names = ["a".to_owned()];
        let pair = |sections: [Section; 2]| COURSE.pair(&names, sections.into());
        assert!(pair([section(20, 0), section(20, 0)]).is_ok());
        assert!(pair([section(20, 0), section(18, 1)]).is_err(), "lost");
        assert!(pair([section(20, 0), section(8, 12)]).is_err(), "disturbed");
        assert!(COURSE.pair(&names, vec![section(20, 0)]).is_err());
        assert!(COURSE.pair(&[], Vec::new()).is_err());
    }
}
