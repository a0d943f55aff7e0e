// SPDX-License-Identifier: GPL-2.0

//! What a meter finds: one row for one kind of work, with the figure of each
//! implementation and what is asked of them.
//!
//! Relies on nothing; meters make rows, reports and the record read them.

use crate::arch::Arch;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A measured value and how far repetitions lay apart, both in the row's unit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figure {
    pub(crate) value: f64,
    pub(crate) spread: f64,
}

/// What a row has of both implementations.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Figures {
    pub(crate) c: Figure,
    pub(crate) rust: Figure,
    /// Rust to C, if C has something to divide by.
    pub(crate) ratio: Option<Figure>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Row {
    /// The meter's name.
    pub(crate) meter: String,
    pub(crate) name: String,
    pub(crate) arch: String,
    /// Of both figures, as `instructions`.
    pub(crate) unit: String,
    pub(crate) better: Better,
    pub(crate) c: Figure,
    pub(crate) rust: Figure,
    /// See [`Figures::ratio`].
    ratio: Option<Figure>,
    pub(crate) targets: Vec<Target>,
    /// What the figures are made up of, the most first; empty where nobody looked.
    pub(crate) parts: Vec<Part>,
}

/// A part of both figures of a row; an implementation that has no such part has 0.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) c: f64,
    pub(crate) rust: f64,
}

impl Part {
    /// The parts of each implementation, by name, side by side.
    pub(crate) fn pair(c: BTreeMap<String, f64>, rust: BTreeMap<String, f64>) -> Vec<Self> {
        let names: BTreeSet<&String> = c.keys().chain(rust.keys()).collect();
        let of =
            |parts: &BTreeMap<String, f64>, name: &String| parts.get(name).copied().unwrap_or(0.0);
        let part = |name: &String| Self {
            name: name.clone(),
            c: of(&c, name),
            rust: of(&rust, name),
        };
        let mut parts: Vec<Self> = names.into_iter().map(part).collect();
        parts.sort_by(|a, b| f64::total_cmp(&b.most(), &a.most()));
        parts
    }

    fn most(&self) -> f64 {
        self.c.max(self.rust)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Better {
    Less,
    More,
}

/// What is asked of the Rust implementation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Target {
    /// Rust to C.
    RatioAtMost(f64),
    RatioAtLeast(f64),
    /// The Rust figure itself.
    ValueAtMost(f64),
    /// The Rust figure to that of a simpler row, also in Rust.
    GrowthAtMost {
        base: f64,
        limit: f64,
    },
}

/// Whether a target is met, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    Met,
    /// Not met, but not by more than repetitions differ.
    Unclear,
    Missed,
}

impl Row {
    /// A row without targets, of which less is better.
    pub(crate) fn new(
        meter: &str,
        name: impl Into<String>,
        arch: Arch,
        unit: impl Into<String>,
        figures: impl Into<Figures>,
    ) -> Self {
        let Figures { c, rust, ratio } = figures.into();
        Self {
            meter: meter.to_owned(),
            name: name.into(),
            arch: arch.to_string(),
            unit: unit.into(),
            better: Better::Less,
            c,
            rust,
            ratio,
            targets: Vec::new(),
            parts: Vec::new(),
        }
    }

    pub(crate) fn more_is_better(mut self) -> Self {
        self.better = Better::More;
        self
    }

    pub(crate) fn target(mut self, target: Target) -> Self {
        self.targets.push(target);
        self
    }

    /// Rust to C, if C has a figure to divide by.
    pub(crate) fn ratio(&self) -> Option<f64> {
        self.ratio.map(|ratio| ratio.value)
    }

    /// What is compared with earlier runs: the ratio, or where C has nothing to
    /// divide by, the Rust figure.
    pub(crate) fn score(&self) -> f64 {
        self.ratio().unwrap_or(self.rust.value)
    }

    /// How far apart the ratios of single repetitions lie, or can lie.
    pub(crate) fn ratio_spread(&self) -> Option<f64> {
        self.ratio.map(|ratio| ratio.spread)
    }

    pub(crate) fn missed(&self) -> impl Iterator<Item = Target> {
        let missed = |target: &Target| target.judge(self) == Verdict::Missed;
        self.targets.iter().copied().filter(missed)
    }

    /// What comes of all targets together; nothing if there is none.
    pub(crate) fn verdict(&self) -> Option<Verdict> {
        let verdicts = self.targets.iter().map(|target| target.judge(self));
        verdicts.max()
    }
}

impl Target {
    /// What is held against the limit, unless C has nothing to divide by.
    pub(crate) fn reached(self, row: &Row) -> Option<f64> {
        match self {
            Self::RatioAtMost(_) | Self::RatioAtLeast(_) => row.ratio(),
            Self::ValueAtMost(_) => Some(row.rust.value),
            Self::GrowthAtMost { base, .. } => (base > 0.0).then(|| row.rust.value / base),
        }
    }

    pub(crate) fn judge(self, row: &Row) -> Verdict {
        let ratio = row.ratio().zip(row.ratio_spread());
        let value = row.rust.value;
        match self {
            Self::RatioAtMost(limit) => ratio.map_or(Verdict::Missed, |(ratio, spread)| {
                Verdict::of(limit - ratio, spread)
            }),
            Self::RatioAtLeast(limit) => ratio.map_or(Verdict::Missed, |(ratio, spread)| {
                Verdict::of(ratio - limit, spread)
            }),
            Self::ValueAtMost(limit) => Verdict::of(limit - value, row.rust.spread),
            Self::GrowthAtMost { base, limit } => {
                Verdict::of(base * limit - value, row.rust.spread)
            }
        }
    }
}

impl Verdict {
    /// `margin` is what is left to the target.
    fn of(margin: f64, spread: f64) -> Self {
        if margin >= 0.0 {
            Self::Met
        } else if -margin <= spread {
            Self::Unclear
        } else {
            Self::Missed
        }
    }
}

impl Figures {
    /// Of values of C, each with the one of Rust that was measured beside it: whatever made one
    /// of them high or low had as much to do with the other, so that the ratio is that of pairs.
    pub(crate) fn of_pairs(pairs: &[[f64; 2]]) -> Option<Self> {
        let figure = |value: fn(&[f64; 2]) -> f64| Figure::of(pairs.iter().map(value).collect());
        let [c, rust] = [figure(|pair| pair[0])?, figure(|pair| pair[1])?];
        let ratio = figure(|[c, rust]| rust / c);
        Some(Self {
            c,
            rust,
            ratio: ratio.filter(|_| pairs.iter().all(|[c, _]| *c > 0.0)),
        })
    }
}

/// Of figures that were measured on their own.
impl From<[Figure; 2]> for Figures {
    fn from([c, rust]: [Figure; 2]) -> Self {
        let part = |figure: Figure| {
            if figure.value > 0.0 {
                figure.spread / figure.value
            } else {
                0.0
            }
        };
        let value = rust.value / c.value;
        let ratio = Figure {
            value,
            spread: value * (part(c) + part(rust)),
        };
        Self {
            c,
            rust,
            ratio: (c.value > 0.0).then_some(ratio),
        }
    }
}

impl Figure {
    /// The median of repetitions; its spread is that of their middle half.
    pub(crate) fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let at = |part: f64| {
            let last = values.len().checked_sub(1)?;
            // The index is far below what a float holds exactly.
            values.get((last as f64 * part).round() as usize).copied()
        };
        Some(Self {
            value: at(0.5)?,
            spread: at(0.75)? - at(0.25)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(value: f64) -> Figure {
        Figure { value, spread: 1.0 }
    }

    fn row(c: f64, rust: f64) -> Row {
        Row::new("m", "r", Arch::X86_64, "u", [figure(c), figure(rust)])
    }

    #[test]
    fn a_figure_is_the_median_and_the_middle_half() {
        let figure = Figure::of(vec![9.0, 1.0, 3.0, 2.0, 100.0]).unwrap();
        assert_eq!((figure.value, figure.spread), (3.0, 7.0));
        assert_eq!(Figure::of(Vec::new()), None);
    }

    #[test]
    fn ratios_are_of_rust_to_c() {
        assert_eq!(row(200.0, 150.0).ratio(), Some(0.75));
        assert_eq!(row(0.0, 150.0).ratio(), None);
        assert_eq!(row(100.0, 50.0).ratio_spread(), Some(0.5 * (0.01 + 0.02)));
    }

    #[test]
    fn ratios_of_pairs_do_not_see_what_changed_both() {
        let figures = Figures::of_pairs(&[[2.0, 1.0], [20.0, 10.0], [200.0, 100.0]]).unwrap();
        let ratio = Figure {
            value: 0.5,
            spread: 0.0,
        };
        assert_eq!((figures.c.value, figures.rust.value), (20.0, 10.0));
        assert_eq!(figures.ratio, Some(ratio));
        assert_eq!(Figures::of_pairs(&[]), None);
        assert_eq!(Figures::of_pairs(&[[0.0, 1.0]]).unwrap().ratio, None);
    }

    #[test]
    fn parts_of_both_are_side_by_side_and_the_most_is_first() {
        let parts = |parts: &[(&str, f64)]| {
            let part = |(name, value): &(&str, f64)| (String::from(*name), *value);
            parts.iter().map(part).collect()
        };
        let c = parts(&[("shared", 2.0), ("only C", 1.0)]);
        let rust = parts(&[("only Rust", 3.0), ("shared", 1.0)]);
        let paired = Part::pair(c, rust).into_iter();
        let paired: Vec<_> = paired.map(|part| (part.name, part.c, part.rust)).collect();
        let wanted = [
            ("only Rust", 0.0, 3.0),
            ("shared", 2.0, 1.0),
            ("only C", 1.0, 0.0),
        ];
        assert_eq!(
            paired,
            wanted.map(|(name, c, rust)| (name.to_owned(), c, rust))
        );
    }

    #[test]
    fn a_row_is_as_good_as_its_worst_target() {
        let good = row(100.0, 80.0).target(Target::RatioAtMost(0.87));
        assert_eq!(good.verdict(), Some(Verdict::Met));
        let unclear = good.clone().target(Target::ValueAtMost(79.5));
        assert_eq!(unclear.verdict(), Some(Verdict::Unclear));
        let missed = unclear.target(Target::RatioAtLeast(1.0));
        assert_eq!(missed.verdict(), Some(Verdict::Missed));
        assert!(missed.missed().eq([Target::RatioAtLeast(1.0)]));
        assert_eq!(row(1.0, 1.0).verdict(), None);
    }

    #[test]
    fn growth_is_compared_with_the_base() {
        let grown = |base| {
            let target = Target::GrowthAtMost { base, limit: 1.02 };
            row(1.0, 102.0).target(target).verdict()
        };
        assert_eq!(grown(100.0), Some(Verdict::Met));
        assert_eq!(grown(98.0), Some(Verdict::Missed));
    }

    #[test]
    fn a_target_that_cannot_be_judged_is_missed() {
        let row = row(0.0, 1.0).target(Target::RatioAtMost(0.87));
        assert_eq!(row.verdict(), Some(Verdict::Missed));
    }
}
