// SPDX-License-Identifier: GPL-2.0

//! Reads the Test Anything Protocol, as kselftest and KUnit write it.
//!
//! A plan that was not fulfilled is a failure: a test program that dies half
//! way must not look like one that passed what it got to.

use super::Case;

/// Cases of one program's output. What is nested by indentation counts case by
/// case, and then the line that sums it up does not.
pub(crate) fn cases(name: &str, output: &str) -> Vec<Case> {
    let mut reader = Reader {
        name,
        cases: Vec::new(),
        levels: Vec::new(),
        remarks: Vec::new(),
    };
    output.lines().for_each(|line| reader.line(line));
    reader.finish()
}

/// Strips the time stamps of the kernel's log.
pub(crate) fn from_kernel_log(log: &str) -> String {
    let text = |line: &str| {
        let rest = line
            .strip_prefix('[')
            .and_then(|line| line.split_once("] "));
        rest.map_or(line, |(_, text)| text).to_owned() + "\n"
    };
    log.lines().map(text).collect()
}

struct Reader<'a> {
    name: &'a str,
    cases: Vec<Case>,
    /// Plans that are being fulfilled, the innermost last.
    levels: Vec<Level>,
    /// What the program said about the case that is to come.
    remarks: Vec<String>,
}

struct Level {
    indent: usize,
    planned: usize,
    seen: usize,
}

impl Reader<'_> {
    fn line(&mut self, line: &str) {
        let text = line.trim_start();
        let indent = line.len() - text.len();
        if let Some(planned) = plan(text) {
            self.close(indent);
            self.levels.push(Level {
                indent,
                planned,
                seen: 0,
            });
        } else if text.starts_with("Bail out!") {
            self.cases.push(Case::fail(self.name, text));
        } else if let Some(remark) = text.strip_prefix("# ") {
            self.remarks.push(remark.to_owned());
        } else if let Some(case) = self.result(text) {
            let sums_up = self.close(indent + 1);
            match self.levels.last_mut() {
                Some(level) if level.indent == indent => level.seen += 1,
                _ => self
                    .cases
                    .push(Case::fail(self.name, format!("outside of a plan: {text}"))),
            }
            if !sums_up || matches!(case.outcome, super::Outcome::Fail(_)) {
                self.cases.push(case);
            }
        }
    }

    /// Ends the plans that are indented by `indent` or more; whether there were any.
    fn close(&mut self, indent: usize) -> bool {
        let mut closed = false;
        while let Some(level) = self.levels.pop_if(|level| level.indent >= indent) {
            closed = true;
            if level.seen != level.planned {
                let why = format!("{} results for a plan of {}", level.seen, level.planned);
                self.cases.push(Case::fail(self.name, why));
            }
        }
        closed
    }

    fn result(&mut self, text: &str) -> Option<Case> {
        let (passed, rest) = match text.strip_prefix("not ok ") {
            Some(rest) => (false, rest),
            None => (true, text.strip_prefix("ok ")?),
        };
        let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        let rest = rest.trim_start().trim_start_matches("- ");
        let (title, directive) = rest.split_once(" # ").unwrap_or((rest, ""));
        let name = format!("{}: {}", self.name, title.trim());
        let skipped = directive
            .get(..4)
            .is_some_and(|word| word.eq_ignore_ascii_case("skip"));
        let remarks = std::mem::take(&mut self.remarks);
        Some(match (skipped, passed) {
            (true, _) => Case::skip(name, directive[4..].trim()),
            (false, true) => Case::pass(name),
            (false, false) if directive.is_empty() => Case::fail(name, remarks.join("\n")),
            (false, false) => Case::fail(name, directive),
        })
    }

    fn finish(mut self) -> Vec<Case> {
        let planned = self.close(0);
        if !planned {
            self.cases
                .push(Case::fail(self.name, "no plan in the output"));
        }
        self.cases
    }
}

fn plan(text: &str) -> Option<usize> {
    let count = text.strip_prefix("1..")?;
    count.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_told_apart() {
        let output = "TAP version 13\n1..3\n# noise\nok 1 one\nnot ok 2 two # why\n\
                      ok 3 - three # SKIP no shadow stack\n";
        let expected = [
            Case::pass("t: one"),
            Case::fail("t: two", "why"),
            Case::skip("t: three", "no shadow stack"),
        ];
        assert_eq!(cases("t", output), expected);
    }

    #[test]
    fn a_failure_says_what_the_program_said_of_it() {
        let output = "1..2\n# of one\nok 1 one\n# of two\nnot ok 2 two\n";
        assert_eq!(cases("t", output)[1], Case::fail("t: two", "of two"));
    }

    #[test]
    fn nested_results_count_and_their_sum_does_not() {
        let output = "1..1\n    1..2\n    ok 1 one\n    ok 2 two\nok 1 both\n";
        assert_eq!(
            cases("t", output),
            [Case::pass("t: one"), Case::pass("t: two")]
        );
    }

    #[test]
    fn a_failed_sum_counts() {
        let output = "1..1\n    1..1\n    ok 1 one\nnot ok 1 both\n";
        assert_eq!(cases("t", output)[1], Case::fail("t: both", ""));
    }

    #[test]
    fn a_nested_plan_that_was_not_fulfilled_fails() {
        let output = "1..1\n    1..2\n    ok 1 one\nok 1 both\n";
        assert_eq!(
            cases("t", output)[1],
            Case::fail("t", "1 results for a plan of 2")
        );
    }

    #[test]
    fn a_program_that_dies_half_way_fails() {
        let cases = cases("t", "1..2\nok 1 one\n");
        assert_eq!(cases[1], Case::fail("t", "1 results for a plan of 2"));
    }

    #[test]
    fn a_program_that_says_nothing_fails() {
        assert_eq!(cases("t", ""), [Case::fail("t", "no plan in the output")]);
    }

    #[test]
    fn a_program_that_gives_up_says_why() {
        let cases = cases("t", "1..0\nBail out! no /dev/x\n");
        assert!(cases.contains(&Case::fail("t", "Bail out! no /dev/x")));
    }

    #[test]
    fn the_kernel_log_loses_its_stamps_and_keeps_its_indentation() {
        let log = "[    1.5] 1..1\n[    1.6]     ok 1 x\nplain\n";
        assert_eq!(from_kernel_log(log), "1..1\n    ok 1 x\nplain\n");
    }
}
