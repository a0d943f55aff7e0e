// SPDX-License-Identifier: GPL-2.0

//! The same job in a guest of each implementation, as often as a meter likes,
//! and what all of them together gave.
//!
//! Relies on guests that take turns and keep step. Promises that each value of C stands beside the
//! one of Rust that was measured at the same time, and that kernels with complaints give none.

use super::{Stage, row::Figures};
use crate::{
    arch::Impl,
    guest::{Job, Ran},
    suite, ui,
};
use anyhow::{Context, Result, ensure};

/// The values that a guest gave for each row, by the row's name.
pub(super) type Values = Vec<(String, Vec<f64>)>;

/// Of each row, the values of C, each with the one of Rust that was measured beside it.
#[derive(Default)]
pub(super) struct Pair(Vec<(String, Vec<[f64; 2]>)>);

impl Pair {
    /// One more round: a guest with C and one with Rust, which take turns.
    pub(super) fn run(
        &mut self,
        stage: &Stage,
        job: impl Fn(Impl) -> Job,
        parse: impl Fn(&str) -> Result<Values>,
    ) -> Result<()> {
        let (c_kernel, rust_kernel) = (stage.kernel(Impl::C)?, stage.kernel(Impl::Rust)?);
        let (c_job, rust_job) = (job(Impl::C), job(Impl::Rust));
        let guest = stage.project.guest()?;
        let title = format!(
            "{} and {} on {}, in turns",
            c_job.name, rust_job.name, stage.project.arch
        );
        let both = [(&c_kernel, &c_job), (&rust_kernel, &rust_job)];
        let [c, rust] = ui::step(&title, || guest.run_in_turns(both))?;
        let c = parse(&output(Impl::C, &c_job, c)?)?;
        let rust = parse(&output(Impl::Rust, &rust_job, rust)?)?;
        self.add(round(c, rust)?)
    }

    /// The figures of each row, of all rounds together.
    pub(super) fn figures(self) -> Result<Vec<(String, Figures)>> {
        let rows = self.0.into_iter().map(|(name, pairs)| {
            let figures = Figures::of_pairs(&pairs);
            let figures = figures.with_context(|| format!("{name}: no values"))?;
            Ok((name, figures))
        });
        rows.collect()
    }

    fn add(&mut self, round: Self) -> Result<()> {
        if self.0.is_empty() {
            *self = round;
            return Ok(());
        }
        ensure!(
            self.0.len() == round.0.len(),
            "two rounds gave different rows"
        );
        for ((name, pairs), (other, more)) in self.0.iter_mut().zip(round.0) {
            ensure!(*name == other, "two rounds gave different rows");
            pairs.extend(more);
        }
        Ok(())
    }
}

/// One round: what both guests gave, side by side.
fn round(c: Values, rust: Values) -> Result<Pair> {
    ensure!(c.len() == rust.len(), "C and Rust gave different rows");
    let row = |((name, c), (other, rust)): ((String, Vec<f64>), (String, Vec<f64>))| {
        ensure!(name == other, "C and Rust gave different rows");
        ensure!(
            c.len() == rust.len(),
            "{name}: C and Rust gave different numbers of values"
        );
        let pairs = c.into_iter().zip(rust);
        Ok((name, pairs.map(|(c, rust)| [c, rust]).collect()))
    };
    Ok(Pair(
        c.into_iter().zip(rust).map(row).collect::<Result<_>>()?,
    ))
}

/// What the guest's command printed; it has to succeed, and the kernel to be content.
pub(super) fn run(stage: &Stage, imp: Impl, job: &Job) -> Result<String> {
    let kernel = stage.kernel(imp)?;
    let guest = stage.project.guest()?;
    let title = format!("{} on {}", job.name, kernel.variant.name());
    let ran = ui::step(&title, || guest.run(&kernel, job))?;
    output(imp, job, ran)
}

fn output(imp: Impl, job: &Job, ran: Ran) -> Result<String> {
    ensure!(ran.status == 0, "{} failed:\n{}", job.name, ran.output);
    suite::check_log(imp, &ran)?;
    Ok(ran.output)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(name: &str, values: &[f64]) -> Values {
        vec![(name.to_owned(), values.to_vec())]
    }

    #[test]
    fn rounds_are_put_together() {
        let mut all = Pair::default();
        let more = |name, c, rust| round(values(name, c), values(name, rust)).unwrap();
        all.add(more("a", &[2.0, 4.0], &[1.0, 3.0])).unwrap();
        all.add(more("a", &[8.0], &[2.0])).unwrap();
        assert!(all.add(more("b", &[1.0], &[1.0])).is_err());
        let figures = all.figures().unwrap();
        let [(name, figures)] = &figures[..] else {
            panic!("there is one row")
        };
        let ratio = figures.ratio.unwrap();
        assert_eq!(
            (name.as_str(), figures.c.value, ratio.value),
            ("a", 4.0, 0.5)
        );
    }

    #[test]
    fn both_must_give_the_same_rows_and_as_many_values() {
        let fails = |c, rust| round(c, rust).is_err();
        assert!(fails(values("a", &[1.0]), values("b", &[1.0])));
        assert!(fails(values("a", &[1.0]), Values::new()));
        assert!(fails(values("a", &[1.0]), values("a", &[1.0, 2.0])));
    }
}
