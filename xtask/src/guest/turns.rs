// SPDX-License-Identifier: GPL-2.0

//! Two guests that take turns on the host, many in a second of theirs, and keep step.
//!
//! How fast the host is, and what else it does, changes from moment to moment; so it falls on both
//! guests alike, and what they do at the same time can be compared. The clock of a guest stands
//! while it has no turn. A guest whose command has written more lines waits for the other, so that
//! both are at the same place if they write the same.
//!
//! Relies on QEMU's machine protocol (QMP): `cont`, `stop`, and an end of answers when the guest
//! ends. Promises that one guest runs at a time, and that none is left when [`run`] returns.

use super::{
    end::{End, to_first_process},
    qemu::{Machine, output_to},
};
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

/// Long to what it takes to stop a guest, short to how long the host stays as fast as it is.
const TURN: Duration = Duration::from_millis(25);

/// How long QEMU may take to do as it is told.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// Runs until both guests have ended themselves, or ends both at the time limit of one.
pub(super) fn run(machines: [&Machine; 2]) -> Result<()> {
    let end = to_first_process(|| run_once(machines))?;
    machines
        .into_iter()
        .try_for_each(|machine| machine.check_end(end))
}

fn run_once(machines: [&Machine; 2]) -> Result<End> {
    let start = Instant::now();
    let [one, other] = machines;
    let mut guests = [Held::start(one)?, Held::start(other)?];
    let end = loop {
        if let Some(end) = take_turns(&mut guests)? {
            break end;
        }
        let passed = |machine: &&Machine| machine.limits().passed(start, &machine.began());
        if let Some(end) = machines.iter().find_map(passed) {
            break end;
        }
    };
    machines
        .into_iter()
        .try_for_each(Machine::check_complaints)?;
    Ok(end)
}

/// A turn for the guest that is behind, or for both; nothing is left to do after an end.
fn take_turns(guests: &mut [Held; 2]) -> Result<Option<End>> {
    let places = [guests[0].place(), guests[1].place()];
    let behind = places.into_iter().min();
    if behind == Some(Place::End) {
        return Ok(Some(End::ByItself));
    }
    for (guest, place) in guests.iter_mut().zip(places) {
        if Some(place) != behind {
            continue;
        }
        if guest.take_turn()? == Answer::None {
            ensure!(!guest.machine.began().exists(), "QEMU does not answer");
            return Ok(Some(End::NeverBegan));
        }
    }
    Ok(None)
}

/// How far a guest has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// Its command has written so many lines.
    Line(usize),
    End,
}

/// A guest that runs only when it is told to. It ends with this value.
struct Held<'a> {
    machine: &'a Machine<'a>,
    child: Child,
    commands: ChildStdin,
    answers: Receiver<String>,
    has_ended: bool,
}

/// What QEMU did about a command.
#[derive(Debug, PartialEq)]
enum Answer {
    Done,
    /// Nothing: the guest has ended, and QEMU with it.
    Ended,
    /// Nothing, for a long time.
    None,
}

impl<'a> Held<'a> {
    fn start(machine: &'a Machine<'a>) -> Result<Self> {
        // Standard output is for QEMU's answers.
        let mut command = machine.command(&output_to(&machine.logs().output))?;
        // The guest stands until it gets its first turn.
        command.args(["-S", "-qmp", "stdio"]).stdin(Stdio::piped());
        let mut child = machine.spawn(&mut command)?;
        let commands = child.stdin.take().context("QEMU has no input")?;
        let answers = lines(child.stdout.take().context("QEMU has no output")?);
        let mut guest = Self {
            machine,
            child,
            commands,
            answers,
            has_ended: false,
        };
        guest.tell("qmp_capabilities")?;
        Ok(guest)
    }

    fn place(&self) -> Place {
        if self.has_ended {
            return Place::End;
        }
        // There is no file before there is output.
        let output = fs::read(self.machine.logs().output).unwrap_or_default();
        Place::Line(output.iter().filter(|byte| **byte == b'\n').count())
    }

    /// Runs for a moment; says how QEMU took it when that was over.
    fn take_turn(&mut self) -> Result<Answer> {
        let answer = self.tell("cont")?;
        if answer == Answer::Done {
            thread::sleep(TURN);
            return self.tell("stop");
        }
        Ok(answer)
    }

    /// Has QEMU do `command`; if it has ended, that is noted.
    fn tell(&mut self, command: &str) -> Result<Answer> {
        let line = format!("{}\n", json!({ "execute": command }));
        // A QEMU that has ended does not read; that is seen where its answers end.
        let _ = self.commands.write_all(line.as_bytes());
        let answer = answer(&self.answers).with_context(|| format!("QEMU: {command}"))?;
        self.has_ended |= answer == Answer::Ended;
        Ok(answer)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        // Fails if QEMU has ended, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The lines of `from`, as they come; a receiver can stop waiting for one.
fn lines(from: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let lines = BufReader::new(from).lines();
        for line in lines.map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

/// Waits for what QEMU answers; its greeting and the events that it reports are passed over.
fn answer(lines: &Receiver<String>) -> Result<Answer> {
    loop {
        let line = match lines.recv_timeout(ANSWER_LIMIT) {
            Ok(line) => line,
            Err(RecvTimeoutError::Disconnected) => return Ok(Answer::Ended),
            Err(RecvTimeoutError::Timeout) => return Ok(Answer::None),
        };
        let said: Value = serde_json::from_str(&line).with_context(|| line.clone())?;
        if said.get("return").is_some() {
            return Ok(Answer::Done);
        }
        if let Some(error) = said.get("error") {
            bail!("{error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is made of QEMU saying `lines` and no more.
    fn answer_to(lines: &[&str]) -> Result<Answer> {
        let (sender, receiver) = channel();
        for line in lines {
            sender.send((*line).to_owned()).unwrap();
        }
        drop(sender);
        answer(&receiver)
    }

    #[test]
    fn the_end_is_behind_all_lines() {
        let places = [Place::End, Place::Line(2), Place::Line(1)];
        assert_eq!(places.into_iter().min(), Some(Place::Line(1)));
    }

    #[test]
    fn answers_are_told_from_events() {
        let greeting = r#"{"QMP": {"version": {}, "capabilities": []}}"#;
        let event = r#"{"timestamp": {"seconds": 1}, "event": "STOP"}"#;
        let done = r#"{"return": {}}"#;
        let answer = answer_to(&[greeting, event, done]).unwrap();
        assert_eq!(answer, Answer::Done);
        assert_eq!(answer_to(&[event]).unwrap(), Answer::Ended);
    }

    #[test]
    fn a_refusal_is_an_error_and_so_is_what_is_no_answer() {
        let refused = r#"{"error": {"class": "GenericError", "desc": "no such thing"}}"#;
        let error = answer_to(&[refused]).unwrap_err().to_string();
        assert!(error.contains("no such thing"), "{error}");
        assert!(answer_to(&["Segmentation fault"]).is_err());
    }
}
