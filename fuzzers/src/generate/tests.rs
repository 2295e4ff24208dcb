use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::program::Value;

fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed | 1;
    (0..length)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        })
        .collect()
}

proptest! {
    #[test]
    fn programs_are_sound_and_short_enough(bytes in proptest::collection::vec(any::<u8>(), 0..4096), most in 0usize..40) {
        let program = Generator::new(true).program(&mut Choices::new(&bytes), most);
        prop_assert!(program.is_sound(), "{}", program);
        prop_assert!((1..=MAX_CALLS).contains(&program.calls.len()));
    }

    #[test]
    fn the_same_bytes_give_the_same_program(bytes in proptest::collection::vec(any::<u8>(), 0..2048)) {
        let generator = Generator::new(false);
        prop_assert_eq!(
            generator.program(&mut Choices::new(&bytes), 10),
            generator.program(&mut Choices::new(&bytes), 10)
        );
    }
}

#[test]
fn every_call_is_generated_and_dangerous_ones_only_on_request() {
    let seen = |dangerous| -> HashSet<&str> {
        let generator = Generator::new(dangerous);
        (0..3000)
            .flat_map(|seed| generator.program(&mut Choices::new(&noise(seed, 2048)), 10).calls)
            .map(|call| call.description.name)
            .collect()
    };
    let all: HashSet<&str> = descriptions::all().map(|call| call.name).collect();
    let safe: HashSet<&str> =
        descriptions::all().filter(|call| !call.dangerous).map(|call| call.name).collect();
    assert_eq!(seen(true), all);
    assert_eq!(seen(false), safe);
}

#[test]
fn bytes_that_end_end_the_program() {
    let program = Generator::new(false).program(&mut Choices::new(&[]), 30);
    // One call, and those that make what it needs.
    assert!(program.calls.len() <= 1 + DEPTH, "{program}");
}

/// A model of the verifier's simplest rules, for the valid lane: jumps land inside, registers are written before read.
#[test]
fn bpf_of_the_valid_lane_jumps_inside_and_ends_in_exit() {
    for seed in 0..2000 {
        let bytes = noise(seed, 1024);
        let program: Program =
            "r0 = bpf$map_create_plain(0x0, {0x2, 0x4, 0x10, 0x4, 0x0}, 0x14)".parse().unwrap();
        let code = bpf::code(&mut Choices::new(&bytes), &program, false);
        assert_eq!(code.last().map(|last| last.bits), Some(0x95));
        let wide: HashSet<usize> =
            (0..code.len()).filter(|at| code[*at].bits as u8 == 0x18).map(|at| at + 1).collect();
        for (at, instruction) in code.iter().enumerate() {
            let class = instruction.bits as u8 & 7;
            let operation = instruction.bits as u8 & 0xf0;
            let jumps = (class == 5 || class == 6) && operation != 0x80 && operation != 0x90;
            if jumps {
                let to = at as i64 + 1 + i64::from((instruction.bits >> 16) as u16 as i16);
                let inside = usize::try_from(to).is_ok_and(|to| to < code.len() && !wide.contains(&to));
                assert!(inside, "seed {seed}: jump at {at} goes to {to}");
            }
        }
    }
}

#[test]
fn maps_of_the_program_are_used_by_its_bpf() {
    let generator = Generator::new(false);
    let used = (0..3000).any(|seed| {
        let program = generator.program(&mut Choices::new(&noise(seed, 2048)), 20);
        program.calls.iter().flat_map(|call| &call.arguments).any(|argument| match argument {
            Value::Record(fields) => fields.iter().any(|field| match field {
                Value::Code(code) => code.iter().any(|instruction| instruction.resource.is_some()),
                _ => false,
            }),
            _ => false,
        })
    });
    assert!(used);
}
