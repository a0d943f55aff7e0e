// SPDX-License-Identifier: GPL-2.0

//! The verdict on every case: C against the list, Rust against C.
//!
//! Rules: a case that one run lacks fails, so does one that the list lacks;
//! C must give what the list says, be it better or worse, lest the list rot;
//! Rust must give what C gave in the same run, and may give more, which is
//! said. Where only one of the two was to be run, Rust is held to the list.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::upstream::plan::{Expected, Outcome};

/// What is to be said of one case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// As the list says, with both implementations.
    Good,
    /// Rust passes where C, as listed, does not.
    RustBetter,
    /// C differs from the list.
    NotAsListed,
    /// Rust differs from C.
    RustWorse,
    MissingWithC,
    MissingWithRust,
    NotListed,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Good => "as expected",
            Self::RustBetter => "passes with Rust only",
            Self::NotAsListed => "C differs from the list",
            Self::RustWorse => "Rust differs from C",
            Self::MissingWithC => "no result with C",
            Self::MissingWithRust => "no result with Rust",
            Self::NotListed => "not in the list",
        })
    }
}

/// One case and everything known about it.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) expected: Option<Outcome>,
    /// Why C does not pass, where it does not.
    pub(crate) why: Option<String>,
    pub(crate) c: Option<Outcome>,
    pub(crate) rust: Option<Outcome>,
    pub(crate) verdict: Verdict,
}

type Outcomes = BTreeMap<String, Outcome>;

/// Judges every case that the list or one of the runs names. An implementation
/// that was not to be run is `None`.
pub(crate) fn compare(
    listed: &BTreeMap<String, Expected>,
    c: Option<&Outcomes>,
    rust: Option<&Outcomes>,
) -> Vec<Case> {
    let ran = [c, rust].into_iter().flatten();
    let names: BTreeSet<&String> = listed.keys().chain(ran.flat_map(Outcomes::keys)).collect();
    let case = |name: &String| {
        let listed = listed.get(name);
        let expected = listed.map(Expected::outcome);
        let give = |of: Option<&Outcomes>| of.map(|given| given.get(name).copied());
        let (c, rust) = (give(c), give(rust));
        Case {
            name: name.clone(),
            expected,
            why: listed.and_then(Expected::why).map(str::to_owned),
            c: c.flatten(),
            rust: rust.flatten(),
            verdict: judge(expected, c, rust),
        }
    };
    names.into_iter().map(case).collect()
}

/// The outer `None` of a run: it was not to be; the inner: it lacks the case.
fn judge(
    expected: Option<Outcome>,
    c: Option<Option<Outcome>>,
    rust: Option<Option<Outcome>>,
) -> Verdict {
    let Some(expected) = expected else {
        return Verdict::NotListed;
    };
    match c {
        Some(None) => return Verdict::MissingWithC,
        Some(Some(c)) if c != expected => return Verdict::NotAsListed,
        _ => {}
    }
    match rust {
        Some(None) => Verdict::MissingWithRust,
        Some(Some(rust)) if rust == expected => Verdict::Good,
        Some(Some(Outcome::Pass)) => Verdict::RustBetter,
        Some(Some(_)) => Verdict::RustWorse,
        None => Verdict::Good,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Outcome::{Fail, Pass, Skip};

    #[test]
    fn verdicts() {
        let table = [
            (Some(Pass), Some(Pass), Some(Pass), Verdict::Good),
            (Some(Skip), Some(Skip), Some(Skip), Verdict::Good),
            (Some(Fail), Some(Fail), Some(Pass), Verdict::RustBetter),
            (Some(Pass), Some(Pass), Some(Fail), Verdict::RustWorse),
            (Some(Pass), Some(Pass), Some(Skip), Verdict::RustWorse),
            (Some(Skip), Some(Skip), Some(Fail), Verdict::RustWorse),
            (Some(Pass), Some(Fail), Some(Fail), Verdict::NotAsListed),
            (Some(Fail), Some(Pass), Some(Pass), Verdict::NotAsListed),
            (Some(Pass), None, Some(Pass), Verdict::MissingWithC),
            (Some(Pass), Some(Pass), None, Verdict::MissingWithRust),
            (Some(Pass), None, None, Verdict::MissingWithC),
            (None, Some(Pass), Some(Pass), Verdict::NotListed),
        ];
        for (expected, c, rust, verdict) in table {
            assert_eq!(
                judge(expected, Some(c), Some(rust)),
                verdict,
                "{expected:?} {c:?} {rust:?}"
            );
        }
    }

    #[test]
    fn one_implementation_alone_is_held_to_the_list() {
        assert_eq!(judge(Some(Pass), None, Some(Some(Pass))), Verdict::Good);
        assert_eq!(
            judge(Some(Pass), None, Some(Some(Fail))),
            Verdict::RustWorse
        );
        assert_eq!(
            judge(Some(Pass), None, Some(None)),
            Verdict::MissingWithRust
        );
        assert_eq!(judge(Some(Pass), Some(Some(Pass)), None), Verdict::Good);
        assert_eq!(
            judge(Some(Pass), Some(Some(Skip)), None),
            Verdict::NotAsListed
        );
    }

    #[test]
    fn every_name_is_judged_once() {
        let listed = BTreeMap::from([("a".to_owned(), Expected::Plain(Pass))]);
        let c = BTreeMap::from([("a".to_owned(), Pass), ("b".to_owned(), Pass)]);
        let cases = compare(&listed, Some(&c), Some(&BTreeMap::new()));
        let got: Vec<_> = cases.iter().map(|c| (c.name.as_str(), c.verdict)).collect();
        let want = [("a", Verdict::MissingWithRust), ("b", Verdict::NotListed)];
        assert_eq!(got, want);
    }
}
