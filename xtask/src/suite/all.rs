// SPDX-License-Identifier: GPL-2.0

//! The list of suites, those that fail soonest first.

use super::{
    Suite, bench::BenchSuite, clippy::Clippy, compile_fail::CompileFail, host::Host, host::Style,
    image::Image, kunit::Kunit, models::Models, overlay::OverlaySuite, selftests::Selftests,
    stress::Stress, trace::Trace, upstream::Upstream,
};

pub(crate) fn all() -> Vec<Box<dyn Suite>> {
    vec![
        Box::new(Host),
        Box::new(Style),
        Box::new(OverlaySuite),
        Box::new(Models),
        Box::new(Image),
        Box::new(CompileFail),
        Box::new(Kunit),
        Box::new(Selftests),
        Box::new(Stress),
        Box::new(Trace),
        Box::new(BenchSuite),
        Box::new(Upstream),
        Box::new(Clippy),
    ]
}
