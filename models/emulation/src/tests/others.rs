// SPDX-License-Identifier: GPL-2.0

//! What the kernel must not take for an instruction that it executes.

use crate::{decode::decode, encode, random::Random, sample::BYTES};

/// Each with what it is. Most differ in a bit or a prefix from one that is executed.
const OTHERS: &[(&str, &[u8])] = &[
    // Prefixes.
    ("mov %ax, %ax", &[0x66, 0x89, 0xc0]),
    ("data16 mov %rax, %rax", &[0x66, 0x48, 0x89, 0xc0]),
    ("movw $1, %ax", &[0x66, 0xc7, 0xc0, 1, 0]),
    ("mov $1, %ax", &[0x66, 0xb8, 1, 0]),
    ("xchg %ax, %ax", &[0x66, 0x90]),
    ("nopw (%rax)", &[0x66, 0x0f, 0x1f, 0x00]),
    ("lea (%eax), %eax", &[0x67, 0x8d, 0x00]),
    ("mov (%eax), %rax", &[0x67, 0x48, 0x8b, 0x00]),
    ("addr32 nop", &[0x67, 0x90]),
    ("mov %es:(%rax), %eax", &[0x26, 0x8b, 0x00]),
    ("mov %cs:(%rax), %eax", &[0x2e, 0x8b, 0x00]),
    ("mov %ss:(%rax), %eax", &[0x36, 0x8b, 0x00]),
    ("mov %ds:(%rax), %eax", &[0x3e, 0x8b, 0x00]),
    ("mov %fs:(%rax), %eax", &[0x64, 0x8b, 0x00]),
    ("mov %gs:(%rax), %rax", &[0x65, 0x48, 0x8b, 0x00]),
    ("cmpl $0, %fs:(%rax)", &[0x64, 0x83, 0x38, 0]),
    ("lock or %eax, (%rax)", &[0xf0, 0x09, 0x00]),
    ("lock mov, which is none", &[0xf0, 0x89, 0x00]),
    ("xrelease mov %eax, (%rax)", &[0xf3, 0x89, 0x00]),
    ("xrelease movl $0, (%rax)", &[0xf3, 0xc7, 0x00, 0, 0, 0, 0]),
    ("bnd mov %eax, %eax", &[0xf2, 0x89, 0xc0]),
    ("pause", &[0xf3, 0x90]),
    ("REX before a prefix", &[0x48, 0x66, 0x89, 0xc0]),
    ("two REX", &[0x48, 0x48, 0x89, 0xc0]),
    ("REX and then endbr64", &[0x48, 0xf3, 0x0f, 0x1e, 0xfa]),
    ("endbr64 with REX within", &[0xf3, 0x48, 0x0f, 0x1e, 0xfa]),
    // What C emulates.
    ("nop", &[0x90]),
    ("nopl (%rax)", &[0x0f, 0x1f, 0x00]),
    ("nopl 0(%rax,%rax)", &[0x0f, 0x1f, 0x44, 0, 0]),
    ("push %r15", &[0x41, 0x57]),
    ("jmp", &[0xeb, 0]),
    // Neighbours of endbr64 and nop.
    ("endbr32", &[0xf3, 0x0f, 0x1e, 0xfb]),
    ("rdsspd %eax", &[0xf3, 0x0f, 0x1e, 0xc8]),
    ("rdsspq %rax", &[0xf3, 0x48, 0x0f, 0x1e, 0xc8]),
    ("nop of other codes", &[0x0f, 0x1e, 0xfa]),
    ("cldemote (%rax)", &[0x0f, 0x1c, 0x00]),
    ("prefetchnta (%rax)", &[0x0f, 0x18, 0x00]),
    ("reserved nop, 0f 1f /1", &[0x0f, 0x1f, 0x08]),
    ("reserved nop, 0f 1f /7", &[0x0f, 0x1f, 0xf8]),
    ("REX.B xchg %eax, %r8d", &[0x41, 0x90]),
    ("REX.W xchg %rax, %r8", &[0x49, 0x90]),
    ("REX.W nop", &[0x48, 0x90]),
    ("xchg %eax, %ecx", &[0x91]),
    // Other maps.
    ("vaddps, VEX of two bytes", &[0xc5, 0xf8, 0x58, 0xc0]),
    (
        "vaddps, VEX of three bytes",
        &[0xc4, 0xe1, 0x78, 0x58, 0xc0],
    ),
    ("vaddps, EVEX", &[0x62, 0xf1, 0x7c, 0x48, 0x58, 0xc0]),
    ("mov %r16, %rax, REX2", &[0xd5, 0x48, 0x89, 0xc0]),
    (
        "add %rax, %rcx, %rdx, EVEX",
        &[0x62, 0xf4, 0xec, 0x18, 0x01, 0xc1],
    ),
    ("XOP", &[0x8f, 0xe8, 0x78, 0xa2, 0xc0, 0x00]),
    ("pop (%rax)", &[0x8f, 0x00]),
    ("pop %rax", &[0x8f, 0xc0]),
    ("movups (%rax), %xmm0", &[0x0f, 0x10, 0x00]),
    ("cmove %eax, %eax", &[0x0f, 0x44, 0xc0]),
    ("movzbl %al, %eax", &[0x0f, 0xb6, 0xc0]),
    ("imul %eax, %eax", &[0x0f, 0xaf, 0xc0]),
    ("movnti %eax, (%rax)", &[0x0f, 0xc3, 0x00]),
    ("movbe (%rax), %eax", &[0x0f, 0x38, 0xf0, 0x00]),
    ("syscall", &[0x0f, 0x05]),
    ("rdtsc", &[0x0f, 0x31]),
    ("ud2", &[0x0f, 0x0b]),
    // Registers of a byte, and of a segment.
    ("mov %al, %al", &[0x88, 0xc0]),
    ("mov %al, (%rax)", &[0x88, 0x00]),
    ("mov (%rax), %al", &[0x8a, 0x00]),
    ("mov $1, %al", &[0xb0, 1]),
    ("movb $1, (%rax)", &[0xc6, 0x00, 1]),
    ("movb $1, %al", &[0xc6, 0xc0, 1]),
    ("test %al, %al", &[0x84, 0xc0]),
    ("test %al, (%rax)", &[0x84, 0x00]),
    ("test $1, %al", &[0xa8, 1]),
    ("testb $1, %cl", &[0xf6, 0xc1, 1]),
    ("cmpb $1, %cl", &[0x80, 0xf9, 1]),
    ("cmpb $1, %spl", &[0x40, 0x80, 0xfc, 1]),
    ("addb $1, %cl", &[0x80, 0xc1, 1]),
    ("cmp %al, (%rax)", &[0x38, 0x00]),
    ("cmp (%rax), %al", &[0x3a, 0x00]),
    ("cmp $1, %al", &[0x3c, 1]),
    ("add %al, (%rax)", &[0x00, 0x00]),
    ("add $1, %al", &[0x04, 1]),
    ("mov %ss, %eax", &[0x8c, 0xd0]),
    ("mov %eax, %ds", &[0x8e, 0xd8]),
    ("mov %eax, %ss", &[0x8e, 0xd0]),
    ("movabs 0, %al", &[0xa0, 0, 0, 0, 0, 0, 0, 0, 0]),
    ("movabs 0, %eax", &[0xa1, 0, 0, 0, 0, 0, 0, 0, 0]),
    ("movabs %rax, 0", &[0x48, 0xa3, 0, 0, 0, 0, 0, 0, 0, 0]),
    // Groups of which one or two are executed.
    ("cmpb $1, %al as of 32 bits", &[0x82, 0xf8, 1]),
    ("movabs $0, %rax", &[0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0]),
    ("movabs $0, %r8", &[0x49, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0]),
    ("xbegin", &[0xc7, 0xf8, 0, 0, 0, 0]),
    ("xabort $1", &[0xc6, 0xf8, 1]),
    ("c7 /1", &[0xc7, 0xc8, 0, 0, 0, 0]),
    ("test by another name, f7 /1", &[0xf7, 0xc8, 0, 0, 0, 0]),
    ("test by another name, f6 /1", &[0xf6, 0x08, 0]),
    ("not %eax", &[0xf7, 0xd0]),
    ("neg %eax", &[0xf7, 0xd8]),
    ("mul %ecx", &[0xf7, 0xe1]),
    ("div %ecx", &[0xf7, 0xf1]),
    ("notb (%rax)", &[0xf6, 0x10]),
    ("inc %eax", &[0xff, 0xc0]),
    ("call *%rax", &[0xff, 0xd0]),
    ("jmp *%rax", &[0xff, 0xe0]),
    ("push (%rax)", &[0xff, 0x30]),
    ("push %rax", &[0x50]),
    ("shl $1, %eax", &[0xc1, 0xe0, 1]),
    ("imul $1, %eax, %eax", &[0x6b, 0xc0, 1]),
    ("xchg %eax, (%rax)", &[0x87, 0x00]),
    ("xchg %eax, %ecx", &[0x87, 0xc1]),
    ("movslq %eax, %rax", &[0x48, 0x63, 0xc0]),
    ("lea of a register, which is none", &[0x8d, 0xc0]),
    // With carry.
    ("adc %eax, %eax", &[0x11, 0xc0]),
    ("adc (%rax), %eax", &[0x13, 0x00]),
    ("adc $1, %eax", &[0x15, 1, 0, 0, 0]),
    ("adc $1, %eax, short", &[0x83, 0xd0, 1]),
    ("sbb %eax, %eax", &[0x19, 0xc0]),
    ("sbb $1, %eax", &[0x81, 0xd8, 1, 0, 0, 0]),
    // Changes of memory in place.
    ("add %eax, (%rax)", &[0x01, 0x00]),
    ("or %rax, (%rax)", &[0x48, 0x09, 0x00]),
    ("and %eax, (%rax)", &[0x21, 0x00]),
    ("sub %eax, 0(%rip)", &[0x29, 0x05, 0, 0, 0, 0]),
    ("xor %r8, (%rax,%rax)", &[0x4c, 0x31, 0x04, 0x00]),
    ("addl $1, (%rax)", &[0x83, 0x00, 1]),
    ("subq $1, (%rax)", &[0x48, 0x81, 0x28, 1, 0, 0, 0]),
    ("orb $1, (%rax)", &[0x80, 0x08, 1]),
];

/// Prefixes that no instruction of those that are executed has, other than as a part of it.
const PREFIXES: [u8; 12] = [
    0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3, 0xd5,
];

/// Opcodes that begin no instruction of those that are executed.
fn is_other(opcode: u8) -> bool {
    const EXECUTED: [u8; 12] = [
        0x80, 0x81, 0x83, 0x85, 0x89, 0x8b, 0x8d, 0xa9, 0xc7, 0xf3, 0xf6, 0xf7,
    ];
    let combines =
        opcode < 0x40 && !matches!(opcode >> 3, 2 | 3) && matches!(opcode & 7, 1 | 3 | 5);
    let moves = (0xb8..0xc0).contains(&opcode);
    let is_rex = (0x40..0x50).contains(&opcode);
    !combines && !moves && !is_rex && !EXECUTED.contains(&opcode)
}

fn filled(bytes: &[u8]) -> [u8; BYTES] {
    let mut filled = [0; BYTES];
    filled[..bytes.len()].copy_from_slice(bytes);
    filled
}

#[test]
fn what_has_other_effects_is_not_executed() {
    for (what, bytes) in OTHERS {
        assert_eq!(decode(bytes), None, "{what}");
        assert_eq!(decode(&filled(bytes)), None, "{what}, and more");
    }
}

#[test]
fn other_opcodes_are_not_executed() {
    for opcode in (0..=0xff).filter(|&opcode| is_other(opcode)) {
        for second in 0..=0xff {
            assert_eq!(decode(&filled(&[opcode, second])), None);
            for rex in 0x40..0x50 {
                assert_eq!(decode(&filled(&[rex, opcode, second])), None);
            }
        }
    }
}

/// Without a prefix, that is.
#[test]
fn opcodes_of_two_bytes_are_not_executed() {
    for second in 0..=0xff {
        for third in 0..=0xff {
            let bytes = filled(&[0x0f, second, third]);
            assert_eq!(decode(&bytes), None, "{bytes:02x?}");
        }
    }
}

#[test]
fn nothing_is_executed_with_a_prefix() {
    for seed in 0..5_000 {
        let bytes = encode::random(&mut Random::new(seed)).bytes;
        for prefix in PREFIXES {
            let with: Vec<_> = [prefix].into_iter().chain(bytes.iter().copied()).collect();
            assert_eq!(decode(&with), None, "seed {seed}, {with:02x?}");
        }
    }
}

#[test]
fn nothing_is_executed_in_part() {
    for seed in 0..20_000 {
        let bytes = encode::random(&mut Random::new(seed)).bytes;
        for end in 0..bytes.len() {
            assert_eq!(decode(&bytes[..end]), None, "seed {seed}, {bytes:02x?}");
        }
    }
}
