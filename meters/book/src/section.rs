// SPDX-License-Identifier: GPL-2.0

//! What came of a row, of the books of all virtual CPUs.

use crate::ledger::Ledger;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// One row, as the plugin writes it down.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// Virtual CPUs that had a hit.
    pub vcpus: usize,
    /// Hits that are counted in what follows.
    pub hits: u64,
    /// Hits that are not, because an interrupt fell into them.
    pub disturbed: u64,
    /// Lines that two virtual CPUs or more wrote, the most written first.
    pub contended: Vec<Line>,
    /// Instructions that the kernel executed, by address.
    pub instructions: Vec<Spot>,
}

/// A line that travels between processors.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// An address in it that the kernel accessed.
    pub address: u64,
    /// Virtual CPUs that read or wrote it, and that wrote it.
    pub touched_by: usize,
    pub written_by: usize,
    pub writes: u64,
    /// The instructions that wrote it, the busiest first.
    pub writers: Vec<Spot>,
}

/// How often something happened at an instruction.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spot {
    pub pc: u64,
    pub count: u64,
}

impl Section {
    /// `ledgers` has one for each virtual CPU.
    pub fn of<'a>(ledgers: impl IntoIterator<Item = &'a Ledger>) -> Self {
        let mut section = Self::default();
        let mut lines = BTreeMap::new();
        let mut instructions = HashMap::new();
        for ledger in ledgers {
            section.vcpus += usize::from(ledger.hits > 0);
            section.hits += ledger.hits;
            section.disturbed += ledger.disturbed;
            add(&mut instructions, &ledger.instructions);
            gather(&mut lines, ledger);
        }
        section.contended = contended(lines);
        section.instructions = spots(instructions);
        section
    }

    /// Writes to contended lines, by all hits that are counted.
    pub fn contended_writes(&self) -> u64 {
        self.contended.iter().map(|line| line.writes).sum()
    }
}

/// A line as all virtual CPUs saw it.
#[derive(Default)]
struct Shared {
    address: u64,
    touched_by: usize,
    written_by: usize,
    writers: HashMap<u64, u64>,
}

fn gather(lines: &mut BTreeMap<u64, Shared>, ledger: &Ledger) {
    for (number, touched) in &ledger.lines {
        let line = lines.entry(*number).or_default();
        line.address = touched.address;
        line.touched_by += 1;
        line.written_by += usize::from(!touched.writes.is_empty());
        add(&mut line.writers, &touched.writes);
    }
}

fn contended(lines: BTreeMap<u64, Shared>) -> Vec<Line> {
    let two_write = lines.into_values().filter(|line| line.written_by >= 2);
    let mut contended: Vec<Line> = two_write.map(Line::from).collect();
    contended.sort_by_key(|line| std::cmp::Reverse(line.writes));
    contended
}

impl From<Shared> for Line {
    fn from(line: Shared) -> Self {
        Self {
            address: line.address,
            touched_by: line.touched_by,
            written_by: line.written_by,
            writes: line.writers.values().sum(),
            writers: spots(line.writers),
        }
    }
}

fn add(sums: &mut HashMap<u64, u64>, counts: &HashMap<u64, u64>) {
    for (pc, count) in counts {
        *sums.entry(*pc).or_default() += count;
    }
}

/// The most first, and in the order of addresses where they are the same.
fn spots(counts: HashMap<u64, u64>) -> Vec<Spot> {
    let spot = |(pc, count)| Spot { pc, count };
    let mut spots: Vec<Spot> = counts.into_iter().map(spot).collect();
    spots.sort_by_key(|spot| (std::cmp::Reverse(spot.count), spot.pc));
    spots
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Access;

    /// A book of one hit, of accesses of (line, instruction, whether a store).
    fn ledger(accesses: &[(u64, u64, bool)]) -> Ledger {
        let mut ledger = Ledger::default();
        ledger.lap();
        for &(line, pc, store) in accesses {
            let address = line * crate::LINE_BYTES;
            ledger.access(Access {
                line,
                address,
                pc,
                store,
            });
            ledger.execute(pc);
        }
        ledger.rest();
        ledger
    }

    #[test]
    fn a_line_is_contended_if_two_write_it() {
        let ledgers = [
            ledger(&[(1, 10, true), (1, 11, true), (2, 12, true), (3, 13, false)]),
            ledger(&[(1, 10, true), (2, 14, false), (3, 13, true), (4, 15, true)]),
            ledger(&[(1, 16, false)]),
        ];
        let section = Section::of(&ledgers);
        assert_eq!((section.vcpus, section.hits), (3, 3));
        assert_eq!(section.contended_writes(), 3);
        let spot = |pc, count| Spot { pc, count };
        let line = Line {
            address: crate::LINE_BYTES,
            touched_by: 3,
            written_by: 2,
            writes: 3,
            writers: vec![spot(10, 2), spot(11, 1)],
        };
        assert_eq!(section.contended, [line]);
    }

    #[test]
    fn instructions_of_all_are_added_up() {
        let ledgers = [ledger(&[(1, 10, true)]), ledger(&[(2, 10, false)])];
        let spot = Spot { pc: 10, count: 2 };
        assert_eq!(Section::of(&ledgers).instructions, [spot]);
    }

    #[test]
    fn a_virtual_cpu_without_a_hit_is_not_counted() {
        let section = Section::of(&[Ledger::default(), ledger(&[])]);
        assert_eq!((section.vcpus, section.hits), (1, 1));
    }
}
