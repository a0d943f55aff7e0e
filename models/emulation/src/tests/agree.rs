// SPDX-License-Identifier: GPL-2.0

//! What the kernel executes does what the processor does, in all encodings.

use crate::{
    decode::decode,
    encode,
    processor::Processor,
    random::Random,
    sample::{Sample, BYTES},
};

const INSTRUCTIONS: usize = 80_000;

/// Bytes of which all but the first ones are random.
fn begin_with(first: &[u8], random: &mut Random) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    bytes.fill_with(|| random.byte());
    bytes[..first.len()].copy_from_slice(first);
    bytes
}

/// Checks what bytes begin with, if the kernel executes it, and counts it.
fn check(bytes: [u8; BYTES], random: &mut Random, processor: &mut Processor) -> usize {
    match Sample::new(bytes, random, processor) {
        Some(sample) => {
            sample.check(processor);
            1
        }
        None => 0,
    }
}

#[test]
fn what_is_encoded_is_decoded_and_executed() {
    let mut processor = Processor::new();
    for seed in 0..INSTRUCTIONS as u64 {
        let mut random = Random::new(seed);
        let encoded = encode::random(&mut random);
        let bytes = begin_with(&encoded.bytes, &mut random);
        assert_eq!(
            decode(&bytes),
            Some(encoded.insn),
            "seed {seed}, {:02x?}",
            encoded.bytes
        );
        // As much as there is of it is enough.
        assert_eq!(decode(&encoded.bytes), Some(encoded.insn));
        check(bytes, &mut random, &mut processor);
    }
}

#[test]
fn random_bytes() {
    let mut processor = Processor::new();
    let mut random = Random::new(1);
    let mut checked = 0;
    while checked < INSTRUCTIONS {
        let bytes = begin_with(&[], &mut random);
        checked += check(bytes, &mut random, &mut processor);
    }
}

/// Each prefix with each opcode and each ModRM byte.
#[test]
fn each_combination_of_first_bytes() {
    let mut processor = Processor::new();
    let mut random = Random::new(2);
    let mut checked = 0;
    for rex in (0x40..0x50).map(Some).chain([None]) {
        for opcode in 0..=0xff {
            for modrm in 0..=0xff {
                let first = [opcode, modrm];
                let first: Vec<_> = rex.into_iter().chain(first).collect();
                let bytes = begin_with(&first, &mut random);
                checked += check(bytes, &mut random, &mut processor);
            }
        }
    }
    // The rest of the bytes is taken for something else.
    assert!(checked > 50_000, "only {checked}");
}

/// Each SIB byte with each prefix and each mode.
#[test]
fn each_address() {
    const LOAD: u8 = 0x8b;
    let mut processor = Processor::new();
    let mut random = Random::new(3);
    for rex in 0x40..0x50 {
        for mode in 0..3 {
            for sib in 0..=0xff {
                let modrm = mode << 6 | (random.byte() & 7) << 3 | 4;
                let bytes = begin_with(&[rex, LOAD, modrm, sib], &mut random);
                assert_eq!(check(bytes, &mut random, &mut processor), 1);
            }
        }
    }
}
