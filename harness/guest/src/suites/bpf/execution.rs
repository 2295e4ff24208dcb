//! Memory, atomics, loops, subprograms and tail calls, as the machine executes them.

use super::machine::Machine;
use super::support::{
    ATOMICS, ORDERED, SIXTEEN_FRAMES, accepted, create, interesting_words, rejected, rejected_with,
    returning, run,
};
use crate::bpf::{
    Alu, Atomic, Condition, Instruction, Load, Map, MapKind, MapSpec, Operand, ProgramKind, Register::*,
    Width, update,
};
use crate::case::{fails_with, succeeds};
use crate::{CaseResult, Context, check, check_eq, code};
use ProgramKind::SocketFilter;
use std::os::fd::AsRawFd;

pub fn loads_and_stores(context: &Context) -> CaseResult {
    for width in Width::ALL {
        for offset in (0..8i16).step_by(width.bytes()) {
            let load = Machine::new("a load", &[Instruction::load(width, R2, R6, offset)])?;
            let store = Machine::new("a store", &[Instruction::store(width, R6, offset, R3)])?;
            let constant = Machine::new("a store of -2", &[Instruction::store(width, R6, offset, -2)])?;
            let shift = offset * 8;
            let mask = width.mask() << shift;
            for word in interesting_words(context.seed) {
                let memory = 0xa1b2_c3d4_e5f6_0718;
                check_eq!(
                    load.run(!0, 0, word)?.result,
                    word >> shift & width.mask(),
                    "{width:?} at {offset} of {word:#x}"
                );
                let expected = memory & !mask | word << shift & mask;
                check_eq!(
                    store.run(0, word, memory)?.memory,
                    expected,
                    "{width:?} of {word:#x} stored at {offset}"
                );
            }
            let expected = !mask | (!1u64 << shift & mask);
            check_eq!(constant.run(0, 0, !0)?.memory, expected, "{width:?} of -2 stored at {offset}");
        }
    }
    Ok(())
}

fn combined(operation: Atomic, memory: u64, operand: u64) -> u64 {
    match operation {
        Atomic::Add | Atomic::FetchAdd => memory.wrapping_add(operand),
        Atomic::Or | Atomic::FetchOr => memory | operand,
        Atomic::And | Atomic::FetchAnd => memory & operand,
        Atomic::Xor | Atomic::FetchXor => memory ^ operand,
        Atomic::Exchange | Atomic::CompareExchange => operand,
    }
}

/// Runs the operation on memory; R2 is the operand, and gets the old value where the operation fetches.
fn atomic(seed: u64, operation: Atomic, fetches: bool) -> CaseResult {
    for width in [Width::Word, Width::Double] {
        let body = [Instruction::atomic(operation, width, R6, 0, R2)];
        let machine = Machine::new(&format!("{operation:?}"), &body)?;
        let mask = width.mask();
        for memory in interesting_words(seed) {
            for operand in interesting_words(!seed) {
                let state = machine.run(operand, 0, memory)?;
                let expected = memory & !mask | combined(operation, memory, operand) & mask;
                check_eq!(
                    state.memory,
                    expected,
                    "{memory:#x} after {operation:?} of {operand:#x}, {width:?}"
                );
                let register = if fetches { memory & mask } else { operand };
                check_eq!(state.result, register, "register after {operation:?} on {memory:#x}, {width:?}");
            }
        }
    }
    Ok(())
}

pub fn atomic_add(context: &Context) -> CaseResult {
    atomic(context.seed, Atomic::Add, false)
}

pub fn atomic_operations(context: &Context) -> CaseResult {
    ATOMICS.or_skip()?;
    for operation in [Atomic::Or, Atomic::And, Atomic::Xor] {
        atomic(context.seed, operation, false)?;
    }
    for operation in [Atomic::FetchAdd, Atomic::FetchOr, Atomic::FetchAnd, Atomic::FetchXor, Atomic::Exchange]
    {
        atomic(context.seed, operation, true)?;
    }
    Ok(())
}

pub fn compare_and_exchange(context: &Context) -> CaseResult {
    ATOMICS.or_skip()?;
    let words = interesting_words(context.seed);
    for width in [Width::Word, Width::Double] {
        let body = code![
            Instruction::mov(R0, R2),
            Instruction::atomic(Atomic::CompareExchange, width, R6, 0, R3),
            Instruction::mov(R2, R0),
        ];
        let machine = Machine::new("cmpxchg", &body)?;
        let mask = width.mask();
        for &memory in &words {
            for &compared in &words {
                let state = machine.run(compared, 0x0123_4567_89ab_cdef, memory)?;
                let equal = memory & mask == compared & mask;
                let stored = if equal { memory & !mask | 0x0123_4567_89ab_cdef & mask } else { memory };
                check_eq!(state.memory, stored, "{memory:#x} compared with {compared:#x}, {width:?}");
                check_eq!(state.result, memory & mask, "R0 after {memory:#x} compared with {compared:#x}");
            }
        }
    }
    Ok(())
}

/// Of all widths, and at every place that they may be at. What they order is for machines with several CPUs; what
/// they load and store is the same everywhere.
pub fn acquiring_loads_and_releasing_stores(context: &Context) -> CaseResult {
    ORDERED.or_skip()?;
    for width in Width::ALL {
        for offset in (0..8i16).step_by(width.bytes()) {
            let load =
                Machine::new("an acquiring load", &[Instruction::load_acquire(width, R2, R6, offset)])?;
            let store =
                Machine::new("a releasing store", &[Instruction::store_release(width, R6, offset, R3)])?;
            let (memory, mask) = (0xa1b2_c3d4_e5f6_0718, width.mask() << (offset * 8));
            for word in interesting_words(context.seed) {
                let part = (word & mask) >> (offset * 8);
                check_eq!(load.run(!0, 0, word)?.result, part, "{width:?} at {offset} of {word:#x} loaded");
                let stored = memory & !mask | word << (offset * 8) & mask;
                let state = store.run(0, word, memory)?;
                check_eq!(state.memory, stored, "{width:?} of {word:#x} stored at {offset}");
            }
        }
    }
    let amid = code![
        Instruction::store(Width::Double, R10, -8, 0),
        Instruction::load_acquire(Width::Word, R0, R10, -6),
        Instruction::exit(),
    ];
    rejected("an acquiring load across words", SocketFilter, &amid, libc::EACCES, &["misaligned"])
}

pub fn bounded_loops(_: &Context) -> CaseResult {
    for count in [1i32, 2, 100, 1000] {
        let body = code![
            Instruction::mov(R2, 0),
            Instruction::mov(R4, count),
            Instruction::add(R2, R4),
            Instruction::alu64(Alu::Sub, R4, 1),
            Instruction::jump(Condition::Ne, R4, 0, -3),
        ];
        let sum = Machine::new("a bounded loop", &body)?.result(0, 0)?;
        check_eq!(sum, (1..=count as u64).sum::<u64>(), "sum of 1 to {count}");
    }
    Ok(())
}

/// Arguments arrive, R6 to R9 and the stack survive, the callee's stack is its own.
pub fn subprograms(_: &Context) -> CaseResult {
    let program = accepted(
        "a program with a subprogram",
        SocketFilter,
        &code![
            Instruction::store(Width::Double, R10, -8, 1000),
            Instruction::mov(R6, 600),
            Instruction::mov(R9, 90),
            Instruction::mov(R1, 1),
            Instruction::mov(R2, 2),
            Instruction::mov(R5, 5),
            Instruction::call_subprogram(5),
            Instruction::add(R0, R6),
            Instruction::add(R0, R9),
            Instruction::load(Width::Double, R3, R10, -8),
            Instruction::add(R0, R3),
            Instruction::exit(),
            // The subprogram: 10000 * r1 + 20000 * r2 + 40000 * r5, and havoc in what it may touch.
            Instruction::store(Width::Double, R10, -8, 7),
            Instruction::mov(R6, 0),
            Instruction::mov(R9, 0),
            Instruction::alu64(Alu::Mul, R1, 10_000),
            Instruction::alu64(Alu::Mul, R2, 20_000),
            Instruction::alu64(Alu::Mul, R5, 40_000),
            Instruction::mov(R0, R1),
            Instruction::add(R0, R2),
            Instruction::add(R0, R5),
            Instruction::exit(),
        ],
    )?;
    check_eq!(run(&program)?, 10_000 + 40_000 + 200_000 + 600 + 90 + 1000, "the sum over call and caller");
    Ok(())
}

/// `depth` functions, each calling the next one, each with `stack` bytes of stack.
fn chain(depth: usize, stack: i16) -> Vec<Instruction> {
    let mut code = Vec::new();
    for level in 1..=depth {
        code.push(Instruction::store(Width::Byte, R10, -stack, 1));
        match level < depth {
            // Behind the call: exit.
            true => code.push(Instruction::call_subprogram(1)),
            false => code.push(Instruction::mov(R0, depth as i32)),
        }
        code.push(Instruction::exit());
    }
    code
}

/// MAX_CALL_FRAMES of include/linux/bpf_verifier.h: 8, and 16 since 7.2.
pub fn call_depth(_: &Context) -> CaseResult {
    let limit = if SIXTEEN_FRAMES.is_reached() { 16 } else { 8 };
    let deepest = accepted(&format!("{limit} frames"), SocketFilter, &chain(limit, 8))?;
    check_eq!(run(&deepest)?, limit as u32, "return value through {limit} frames");
    let text = format!("call stack of {} frames is too deep", limit + 1);
    rejected("one frame more", SocketFilter, &chain(limit + 1, 8), libc::E2BIG, &[&text])?;
    accepted("512 bytes of stack in two frames", SocketFilter, &chain(2, 256))?;
    rejected(
        "528 bytes of stack in two frames",
        SocketFilter,
        &chain(2, 264),
        libc::EACCES,
        &["combined stack size"],
    )?;
    let recursion = code![
        Instruction::call_subprogram(1),
        Instruction::exit(),
        Instruction::call_subprogram(-1),
        Instruction::exit()
    ];
    // Found as a back edge at first, since then as the call chain that it is.
    let request = Load::new(SocketFilter, &recursion);
    let texts = ["back-edge", "recursive", &format!("the call stack of {} frames is too deep", limit + 1)];
    rejected_with("a function that calls itself", &request, &[libc::EINVAL, libc::E2BIG], &texts)
}

const TAIL_CALL: i32 = 12;

fn program_array(entries: u32) -> Result<Map, crate::Stop> {
    create(MapSpec::new(MapKind::ProgramArray, 4, 4, entries))
}

/// Tail-calls `index` of the array; returns `value` if it comes back.
fn tail_call(array: &Map, index: impl Into<Operand>, value: i32) -> Vec<Instruction> {
    code![
        Instruction::load_map(R2, array),
        Instruction::mov(R3, index),
        Instruction::call(TAIL_CALL),
        returning(value),
    ]
}

fn put(array: &Map, index: u32, program: &impl AsRawFd) -> Result<i64, crate::sys::Errno> {
    array.update(&index.to_le_bytes(), &program.as_raw_fd().to_le_bytes(), update::ANY)
}

pub fn tail_calls_do_not_return(_: &Context) -> CaseResult {
    let array = program_array(3)?;
    let target = accepted("a target", SocketFilter, &returning(42))?;
    succeeds("insertion of a program", put(&array, 2, &target))?;
    for (index, expected) in [(2, 42), (1, 7), (3, 7), (-1, 7), (i32::MAX, 7)] {
        let caller = accepted("a tail call", SocketFilter, &tail_call(&array, index, 7))?;
        check_eq!(run(&caller)?, expected, "tail call of index {index} of 3, where only 2 is filled");
    }
    let caller = accepted("a tail call", SocketFilter, &tail_call(&array, 2, 7))?;
    succeeds("deletion", array.delete(&2u32.to_le_bytes()))?;
    check_eq!(run(&caller)?, 7, "tail call of a deleted program");
    fails_with("second deletion", array.delete(&2u32.to_le_bytes()), libc::ENOENT)?;
    fails_with("insertion of a map", put(&array, 0, &array), libc::EINVAL)?;
    fails_with("insertion outside", put(&array, 3, &target), libc::E2BIG)?;
    let other = accepted("a program of another type", ProgramKind::Xdp, &returning(2))?;
    fails_with("insertion of a program of another type", put(&array, 0, &other), libc::EINVAL)
}

/// A program that counts itself and tail-calls itself: 33 tail calls, so 34 runs
/// (MAX_TAIL_CALL_CNT of include/linux/bpf.h; spelled 32 with another comparison before 5.16).
/// An index that is known beforehand is called another way than one that is not.
pub fn tail_call_limit(_: &Context) -> CaseResult {
    calls_itself_33_times(0.into())?;
    calls_itself_33_times(R6.into())
}

/// With the index as told, or the second word of a map in R6, which is 0, too.
fn calls_itself_33_times(index: Operand) -> CaseResult {
    let array = program_array(1)?;
    let counter = create(MapSpec::new(MapKind::Array, 4, 16, 1))?;
    let program = accepted(
        "a program that tail-calls itself",
        SocketFilter,
        &code![
            Instruction::load_map_value(R4, &counter, 0),
            Instruction::load(Width::Double, R5, R4, 0),
            Instruction::add(R5, 1),
            Instruction::store(Width::Double, R4, 0, R5),
            Instruction::load(Width::Double, R6, R4, 8),
            tail_call(&array, index, 3),
        ],
    )?;
    succeeds("insertion of the program", put(&array, 0, &program))?;
    check_eq!(run(&program)?, 3, "return value after the last tail call was refused");
    let runs = succeeds("lookup", counter.lookup_u64(0))?[0];
    check!(runs == 34, "a program that tail-calls itself ran {runs} times, must run once and 33 times more");
    succeeds("deletion breaks the cycle", array.delete(&[0; 4])).map(drop)
}
