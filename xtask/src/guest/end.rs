// SPDX-License-Identifier: GPL-2.0

//! How a guest's life ends, and by when; the same for one guest and for two in turns.
//!
//! Relies on the guest's first process, which makes a file. Promises that no guest is waited for
//! without a limit, and that a boot which hangs is tried once more.

use super::Job;
use crate::ui;
use anyhow::Result;
use std::{
    path::Path,
    time::{Duration, Instant},
};

/// By when a guest has come to its first process, which takes seconds on an idle machine.
const BOOT_LIMIT: Duration = Duration::from_secs(180);

/// How a guest has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    ByItself,
    /// It took too long, and was ended.
    TimeLimit,
    /// It did not come to its first process, and was ended.
    NeverBegan,
}

/// How long a guest may take to its first process, and to its end.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub(super) boot: Duration,
    pub(super) whole: Duration,
}

impl Limits {
    pub(super) fn of(job: &Job) -> Self {
        Self {
            boot: BOOT_LIMIT.min(job.limit),
            whole: job.limit,
        }
    }

    /// How a guest that runs since `start` has to end now, if it has to. Its first process makes
    /// the file `began`.
    pub(super) fn passed(&self, start: Instant, began: &Path) -> Option<End> {
        let since = start.elapsed();
        if since >= self.boot && !began.exists() {
            Some(End::NeverBegan)
        } else if since >= self.whole {
            Some(End::TimeLimit)
        } else {
            None
        }
    }
}

/// Runs what boots a guest, and once more if that never began.
///
/// QEMU before 8.1 loses a race, now and then, between a virtual CPU that writes code and one
/// that translates it, and the kernel patches itself while it boots.
pub(super) fn to_first_process(mut run: impl FnMut() -> Result<End>) -> Result<End> {
    let end = run()?;
    if end != End::NeverBegan {
        return Ok(end);
    }
    ui::note("the guest hangs before its first process; booting it again");
    run()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boot_that_hangs_is_tried_once_more() {
        let ends = |ends: &[End]| {
            let mut ends = ends.iter().copied();
            let end = to_first_process(|| Ok(ends.next().unwrap())).unwrap();
            (end, ends.len())
        };
        let (hangs, fine) = (End::NeverBegan, End::ByItself);
        assert_eq!(ends(&[fine, hangs]), (fine, 1));
        assert_eq!(ends(&[End::TimeLimit, fine]), (End::TimeLimit, 1));
        assert_eq!(ends(&[hangs, fine, fine]), (fine, 1));
        assert_eq!(ends(&[hangs, hangs, fine]), (hangs, 1));
    }
}
