// SPDX-License-Identifier: GPL-2.0

//! Reads the Test Anything Protocol, as kselftest and KUnit write it.
//!
//! A plan that was not fulfilled is a failure: a test program that dies half
//! way must not look like one that passed what it got to.

use super::Case;

/// Cases of one program's output. Nested lines (KUnit's subtests) count, the
/// summaries of what is nested in them do not.
pub(crate) fn cases(name: &str, output: &str) -> Vec<Case> {
    let mut reader = Reader {
        name,
        cases: Vec::new(),
        planned: None,
        seen: 0,
    };
    output.lines().for_each(|line| reader.line(line));
    reader.finish()
}

struct Reader<'a> {
    name: &'a str,
    cases: Vec<Case>,
    planned: Option<usize>,
    seen: usize,
}

impl Reader<'_> {
    fn line(&mut self, line: &str) {
        let line = line.trim_start_matches("# ").trim();
        if let Some(count) = plan(line) {
            self.planned = Some(count);
        } else if line.starts_with("Bail out!") {
            self.cases.push(Case::fail(self.name, line));
        } else if let Some(case) = self.result(line) {
            self.seen += 1;
            self.cases.push(case);
        }
    }

    fn result(&self, line: &str) -> Option<Case> {
        let (passed, rest) = match line.strip_prefix("not ok ") {
            Some(rest) => (false, rest),
            None => (true, line.strip_prefix("ok ")?),
        };
        let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        let rest = rest.trim_start().trim_start_matches("- ");
        let (title, directive) = rest.split_once(" # ").unwrap_or((rest, ""));
        let name = format!("{}: {}", self.name, title.trim());
        let skipped = directive.to_ascii_uppercase().starts_with("SKIP");
        Some(match (skipped, passed) {
            (true, _) => Case::skip(name, directive[4..].trim()),
            (false, true) => Case::pass(name),
            (false, false) => Case::fail(name, directive),
        })
    }

    fn finish(mut self) -> Vec<Case> {
        match self.planned {
            Some(planned) if planned == self.seen => {}
            Some(planned) => self.cases.push(Case::fail(
                self.name,
                format!("{} results for a plan of {planned}", self.seen),
            )),
            None => self
                .cases
                .push(Case::fail(self.name, "no plan in the output")),
        }
        self.cases
    }
}

fn plan(line: &str) -> Option<usize> {
    let count = line.strip_prefix("1..")?;
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
        assert_eq!(cases, [Case::fail("t", "Bail out! no /dev/x")]);
    }
}
