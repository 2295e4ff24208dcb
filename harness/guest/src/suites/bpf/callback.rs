//! Programs whose functions the kernel knows by their types: tail calls out of a subprogram, and callbacks.

use super::support::{accepted, accepted_load, create, returning, run};
use crate::bpf::{
    Condition, Instruction, Load, Map, MapKind, MapSpec, ProgramKind, Register::*, Types, Width,
};
use crate::case::{setup, succeeds};
use crate::mapping::{Mapping, PAGE};
use crate::{CaseResult, Context, Stop, check_eq, code};
use ProgramKind::SocketFilter;
use std::os::fd::{AsRawFd, OwnedFd};

const TAIL_CALL: i32 = 12;
const FOR_EACH: i32 = 164;
const LOOP: i32 = 181;
const DRAIN: i32 = 209;

/// A program of two functions.
fn with_function(what: &str, main: &[Instruction], function: &[Instruction]) -> Result<OwnedFd, Stop> {
    let mut types = Types::default();
    let integer = types.integer("int", 4);
    let names = [types.function("main", integer), types.function("function", integer)];
    let types = succeeds("BPF_BTF_LOAD of two functions", types.load())?;
    let functions = [[0, names[0]], [main.len() as u32, names[1]]];
    let code = [main, function].concat();
    accepted_load(what, &Load { functions: Some((&types, &functions)), ..Load::new(SocketFilter, &code) })
}

/// The register gets the function behind the program, which goes on for so many instructions after the pair.
fn callback(register: crate::bpf::Register, rest: &[Instruction]) -> Vec<Instruction> {
    code![Instruction::load_function(register, 1 + rest.len() as i32), rest.iter().copied()]
}

/// A subprogram that tail-calls gives its own frame up only: the target returns to the subprogram's caller.
pub fn tail_call_in_a_subprogram(_: &Context) -> CaseResult {
    let array = create(MapSpec::new(MapKind::ProgramArray, 4, 4, 1))?;
    let main = code![
        Instruction::mov(R6, 1000),
        Instruction::call_subprogram(2),
        Instruction::add(R0, R6),
        Instruction::exit(),
    ];
    let function = code![
        Instruction::load_map(R2, &array),
        Instruction::mov(R3, 0),
        Instruction::call(TAIL_CALL),
        returning(7),
    ];
    let program = with_function("a subprogram that tail-calls", &main, &function)?;
    check_eq!(run(&program)?, 1007, "sum when the tail call fails");
    let target = accepted("a target", SocketFilter, &returning(42))?;
    succeeds("insertion of the target", array.update(&[0; 4], &target.as_raw_fd().to_ne_bytes(), 0))?;
    check_eq!(run(&program)?, 1042, "sum when the tail call is made");
    Ok(())
}

/// A program that hands the address of a number on its stack to a helper with a callback, and returns the helper's
/// result, if negative, or else that and 1000 times the number.
fn summing(what: &str, before: &[Instruction], helper: i32, function: &[Instruction]) -> Result<i32, Stop> {
    let after = code![
        Instruction::mov(R3, R10),
        Instruction::add(R3, -8),
        Instruction::mov(R4, R6),
        Instruction::call(helper),
        Instruction::jump(Condition::SignedLt, R0, 0, 3),
        Instruction::load(Width::Double, R1, R10, -8),
        Instruction::alu64(crate::bpf::Alu::Mul, R1, 1000),
        Instruction::add(R0, R1),
        Instruction::exit(),
    ];
    let main = code![
        Instruction::store(Width::Double, R10, -8, 0),
        Instruction::mov(R6, 0),
        before.iter().copied(),
        callback(R2, &after),
    ];
    run(&with_function(what, &main, function)?).map(u32::cast_signed)
}

pub fn loop_calls_until_it_is_told_to_stop(_: &Context) -> CaseResult {
    // Adds the index; stops behind index 6.
    let function = code![
        Instruction::load(Width::Double, R3, R2, 0),
        Instruction::add(R3, R1),
        Instruction::store(Width::Double, R2, 0, R3),
        Instruction::mov(R0, 0),
        Instruction::jump(Condition::Ne, R1, 6, 1),
        Instruction::mov(R0, 1),
        Instruction::exit(),
    ];
    let outcome = |count: i32, flags: i32| {
        let before = code![Instruction::mov(R1, count), Instruction::mov(R6, flags)];
        summing("a program with bpf_loop", &before, LOOP, &function)
    };
    check_eq!(outcome(0, 0)?, 0, "bpf_loop of 0: its result");
    check_eq!(outcome(5, 0)?, 10_005, "bpf_loop of 5: its result, and 1000 times the sum of 0 to 4");
    check_eq!(outcome(1 << 20, 0)?, 21_007, "bpf_loop that is stopped behind index 6");
    check_eq!(outcome((1 << 23) + 1, 0)?, -libc::E2BIG, "bpf_loop of a call more than 2^23");
    check_eq!(outcome(5, 1)?, -libc::EINVAL, "bpf_loop with flags");
    Ok(())
}

pub fn every_element_is_visited_once(_: &Context) -> CaseResult {
    // Adds the value; the callback gets map, key, value, context.
    let function = code![
        Instruction::load(Width::Double, R1, R3, 0),
        Instruction::load(Width::Double, R2, R4, 0),
        Instruction::add(R2, R1),
        Instruction::store(Width::Double, R4, 0, R2),
        returning(0),
    ];
    for kind in [MapKind::Array, MapKind::Hash] {
        let map = create(MapSpec::new(kind, 4, 8, 10))?;
        for key in 0..10 {
            setup("update", map.update_u64(key, &[1 << key])).map(drop)?;
        }
        let sum = summing("a program that visits", &Instruction::load_map(R1, &map), FOR_EACH, &function)?;
        check_eq!(sum, 1_023_010, "bpf_for_each_map_elem on a {kind:?}: its result, and 1000 times the sum");
    }
    Ok(())
}

/// Samples as a process writes them: eight bytes of header, and the data, rounded up to eight.
fn produce(ring: &Map, samples: u64) -> Result<Mapping, Stop> {
    let both = libc::PROT_READ | libc::PROT_WRITE;
    let producer = Mapping::at(ring, PAGE as u64, 3 * PAGE, both, libc::MAP_SHARED);
    let mut producer = succeeds("mmap of producer and data", producer)?;
    let mut put = |offset: usize, word: u64| {
        for (at, byte) in word.to_le_bytes().into_iter().enumerate() {
            producer.poke(offset + at, byte);
        }
    };
    for sample in 0..samples {
        put(PAGE + 16 * sample as usize, 8);
        put(PAGE + 16 * sample as usize + 8, sample);
    }
    put(0, 16 * samples);
    Ok(producer)
}

pub fn drain_takes_what_was_produced(_: &Context) -> CaseResult {
    let ring = create(MapSpec::new(MapKind::UserRingBuffer, 0, 0, PAGE as u32))?;
    // Counts; the callback gets the sample and the context.
    let function = code![
        Instruction::load(Width::Double, R3, R2, 0),
        Instruction::add(R3, 1),
        Instruction::store(Width::Double, R2, 0, R3),
        returning(0),
    ];
    let drain = || {
        let before = Instruction::load_map(R1, &ring);
        summing("a program that drains", &before, DRAIN, &function)
    };
    let consumed = Mapping::of(&ring, PAGE, libc::PROT_READ, libc::MAP_SHARED);
    let consumed = succeeds("mmap of the consumer's page", consumed)?;
    check_eq!(drain()?, 0, "samples drained from an empty ring");
    produce(&ring, 3)?;
    check_eq!(drain()?, 3003, "samples drained, and 1000 times the calls of the callback");
    check_eq!(consumed.peek(0), 48, "the consumer's position behind three samples");
    check_eq!(drain()?, 0, "samples drained a second time");
    Ok(())
}
