// SPDX-License-Identifier: GPL-2.0

//! The same job in a guest of each implementation, as often as a meter likes,
//! and what all of them together gave.

use super::{Stage, row::Figure};
use crate::{arch::Impl, guest::Job, suite, ui};
use anyhow::{Context, Result, ensure};

/// The values that a guest gave for each row, by the row's name.
pub(super) type Values = Vec<(String, Vec<f64>)>;

/// Values of both implementations.
#[derive(Default)]
pub(super) struct Pair {
    c: Values,
    rust: Values,
}

impl Pair {
    /// One more round: a guest with C, then one with Rust.
    pub(super) fn run(
        &mut self,
        stage: &Stage,
        job: impl Fn(Impl) -> Job,
        parse: impl Fn(&str) -> Result<Values>,
    ) -> Result<()> {
        for (imp, values) in [(Impl::C, &mut self.c), (Impl::Rust, &mut self.rust)] {
            merge(values, parse(&run(stage, imp, &job(imp))?)?)?;
        }
        Ok(())
    }

    /// Of each row, the figures of C and of Rust.
    pub(super) fn figures(self) -> Result<Vec<(String, [Figure; 2])>> {
        let names = |values: &Values| -> Vec<String> {
            values.iter().map(|(name, _)| name.clone()).collect()
        };
        ensure!(
            names(&self.c) == names(&self.rust),
            "C and Rust gave different rows"
        );
        let pairs = self.c.into_iter().zip(self.rust);
        pairs
            .map(|((name, c), (_, rust))| {
                let figure = |values| Figure::of(values).context(format!("{name}: no value"));
                let figures = [figure(c)?, figure(rust)?];
                Ok((name, figures))
            })
            .collect()
    }
}

/// What the guest's command printed; it has to succeed, and the kernel to be content.
pub(super) fn run(stage: &Stage, imp: Impl, job: &Job) -> Result<String> {
    let kernel = stage.kernel(imp)?;
    let guest = stage.project.guest()?;
    let title = format!("{} on {}", job.name, kernel.variant.name());
    let ran = ui::step(&title, || guest.run(&kernel, job))?;
    ensure!(ran.status == 0, "{} failed:\n{}", job.name, ran.output);
    suite::check_log(imp, &ran)?;
    Ok(ran.output)
}

fn merge(all: &mut Values, more: Values) -> Result<()> {
    if all.is_empty() {
        *all = more;
        return Ok(());
    }
    ensure!(all.len() == more.len(), "two guests gave different rows");
    for ((name, values), (other, added)) in all.iter_mut().zip(more) {
        ensure!(*name == other, "two guests gave different rows");
        values.extend(added);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(name: &str, values: &[f64]) -> Values {
        vec![(name.to_owned(), values.to_vec())]
    }

    #[test]
    fn rounds_are_put_together() {
        let mut all = Values::new();
        merge(&mut all, values("a", &[1.0])).unwrap();
        merge(&mut all, values("a", &[3.0, 2.0])).unwrap();
        assert_eq!(all, values("a", &[1.0, 3.0, 2.0]));
        assert!(merge(&mut all, values("b", &[1.0])).is_err());
    }

    #[test]
    fn both_must_give_the_same_rows() {
        let pair = |c, rust| Pair {
            c: values(c, &[2.0]),
            rust: values(rust, &[1.0]),
        };
        let figures = pair("a", "a").figures().unwrap();
        assert_eq!((figures[0].1[0].value, figures[0].1[1].value), (2.0, 1.0));
        assert!(pair("a", "b").figures().is_err());
    }
}
