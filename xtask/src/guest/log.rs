// SPDX-License-Identifier: GPL-2.0

//! Finds in the kernel's log what no healthy run has.

use regex::Regex;
use std::sync::LazyLock;

/// Signs of a kernel in trouble: warnings, crashes, lockdep's and RCU's reports,
/// the memory checkers', leaks, hung tasks.
static TROUBLE: LazyLock<Regex> = LazyLock::new(|| {
    let signs = [
        r"\bWARNING\b",
        r"\bBUG\b",
        r"\bOops\b",
        r"kernel BUG",
        r"Kernel panic",
        r"\bCall Trace\b",
        r"general protection",
        r"INFO: (task|rcu)",
        r"rcu: INFO",
        r"suspicious RCU",
        r"possible (recursive|circular|irq|deadlock)",
        r"inconsistent lock state",
        r"lockdep",
        r"held lock freed",
        r"bad unlock balance",
        r"KASAN|KCSAN|UBSAN|KFENCE",
        r"ODEBUG",
        r"unreferenced object|kmemleak: .*disabled",
        r"sleeping function called",
        r"scheduling while atomic",
        r"soft lockup|hard LOCKUP",
        r"refcount_t:",
        r"list_(add|del) corruption",
        r"panicked at|out of range `errno`",
        r"Unable to handle kernel",
    ];
    Regex::new(&signs.join("|")).expect("the signs are written here")
});

/// Lines that hold a sign and report nothing: announcements at boot.
static HARMLESS: LazyLock<Regex> = LazyLock::new(|| {
    let lines = [
        r"Lock dependency validator",
        r"\.\.\. MAX_LOCKDEP|\.\.\. CLASSHASH|memory used by lock",
        r"KernelAddressSanitizer initialized",
        r"KASAN: (software|hardware|generic)",
        r"RCU lockdep checking is enabled",
        r"kfence: initialized",
        r"Command line:|command line parameters",
    ];
    Regex::new(&lines.join("|")).expect("the lines are written here")
});

pub(crate) fn complaints(console: &str) -> Vec<String> {
    let bad = |line: &&str| TROUBLE.is_match(line) && !HARMLESS.is_match(line);
    console
        .lines()
        .filter(bad)
        .map(|line| line.trim().to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_found() {
        for line in [
            "[    1.0] WARNING: kernel/events/uprobes.c:1 at foo+0x1/0x2, CPU#0: x/1",
            "[    1.0] WARNING: possible circular locking dependency detected",
            "[    1.0] WARNING: suspicious RCU usage",
            "[    1.0] BUG: KASAN: slab-use-after-free in foo",
            "[    1.0] INFO: task x:1 blocked for more than 120 seconds.",
            "[    1.0] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
            "[    1.0] Oops: general protection fault",
            "unreferenced object 0xffff888004a1c000 (size 64):",
            "[    1.0] kmemleak: Kernel memory leak detector disabled",
            "[    1.0] rust_kernel: panicked at kernel/events/x.rs:1:1:",
        ] {
            assert_eq!(complaints(line).len(), 1, "{line}");
        }
    }

    #[test]
    fn a_healthy_boot_is_quiet() {
        let log = "[    0.0] Linux version 7.3.4\n\
                   [    0.0] Command line: console=ttyS0 oops=panic\n\
                   [    0.0] Lock dependency validator: Copyright (c) 2006\n\
                   [    0.1] rcu: \tRCU lockdep checking is enabled.\n\
                   [    0.2] kmemleak: Kernel memory leak detector initialized\n\
                   [    0.2] DEBUG: nothing\n";
        assert!(complaints(log).is_empty(), "{:?}", complaints(log));
    }
}
