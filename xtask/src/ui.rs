// SPDX-License-Identifier: GPL-2.0

//! Says on standard error what is running and how long it has taken.
//!
//! A terminal gets one moving line per step; anything else gets a line when a
//! step begins, one a minute while it lasts, and one when it ends.

use anyhow::{Context, Result};
use indicatif::{HumanDuration, ProgressBar, ProgressStyle};
use std::{
    io::{IsTerminal, stderr},
    sync::mpsc::{RecvTimeoutError, Sender, channel},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// Runs `work` and shows it as one step called `name`.
pub(crate) fn step<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let begun = Instant::now();
    let display = Display::start(name);
    let result = work();
    drop(display);
    let mark = if result.is_ok() { "done" } else { "FAILED" };
    eprintln!("{mark:>7} {name} ({})", seconds(begun));
    result.with_context(|| name.to_owned())
}

/// Runs `work`, of which `done` knows how much of `total` is done, and shows it as one step.
pub(crate) fn progress<T>(
    name: &str,
    total: u64,
    done: impl Fn() -> u64 + Sync,
    work: impl FnOnce() -> Result<T>,
) -> Result<T> {
    if !stderr().is_terminal() {
        return step(name, work);
    }
    let bar = ProgressBar::new(total).with_message(name.to_owned());
    if let Ok(style) = ProgressStyle::with_template(BAR) {
        bar.set_style(style);
    }
    let (stop, stopped) = channel::<()>();
    let update = || bar.set_position(done());
    thread::scope(|scope| {
        scope.spawn(|| {
            let (often, stopped) = (Duration::from_millis(500), stopped);
            while stopped.recv_timeout(often) == Err(RecvTimeoutError::Timeout) {
                update();
            }
        });
        let result = work();
        drop(stop);
        bar.finish_and_clear();
        result.with_context(|| name.to_owned())
    })
}

const BAR: &str = "running {msg} {wide_bar} {human_pos} of {human_len}, {elapsed}";

pub(crate) fn note(text: &str) {
    eprintln!("   note {text}");
}

fn seconds(since: Instant) -> String {
    HumanDuration(Duration::from_secs(since.elapsed().as_secs())).to_string()
}

/// Shown for as long as it lives.
enum Display {
    Line(ProgressBar),
    Plain {
        stop: Option<Sender<()>>,
        thread: Option<JoinHandle<()>>,
    },
}

impl Display {
    fn start(name: &str) -> Self {
        if stderr().is_terminal() {
            return Self::Line(line(name));
        }
        eprintln!("running {name}");
        let (stop, stopped) = channel();
        let name = name.to_owned();
        let begun = Instant::now();
        let thread = thread::spawn(move || {
            let minute = Duration::from_secs(60);
            while stopped.recv_timeout(minute) == Err(RecvTimeoutError::Timeout) {
                eprintln!("  still {name} ({})", seconds(begun));
            }
        });
        Self::Plain {
            stop: Some(stop),
            thread: Some(thread),
        }
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        match self {
            Self::Line(bar) => bar.finish_and_clear(),
            Self::Plain { stop, thread } => {
                drop(stop.take());
                // A display that panicked must not hide how the step ended.
                let _ = thread.take().map(JoinHandle::join);
            }
        }
    }
}

fn line(name: &str) -> ProgressBar {
    let bar = ProgressBar::new_spinner().with_message(name.to_owned());
    let style = ProgressStyle::with_template("running {msg} {spinner} {elapsed}");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
