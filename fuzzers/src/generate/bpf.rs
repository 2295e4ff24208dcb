//! eBPF programs that the verifier mostly takes.
//!
//! *Valid lane*: a forward interpreter tracks what each register and stack slot holds and emits only instructions
//! that are legal there. *Edge lane*: the same with one rule broken or one bound moved, to test the verifier itself.
//! Source: Linux Documentation/bpf/standardization/instruction-set.rst and Documentation/bpf/verifier.rst.

mod emit;
mod steps;

use super::Choices;
use crate::description::Kind;
use crate::program::{Instruction, Program, Value};

/// Steps of one program before its end.
const STEPS: usize = 24;

/// What the verifier knows of a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Register {
    Unknown,
    Scalar,
    Context,
    /// The frame pointer.
    Frame,
}

/// What one map looks like.
#[derive(Debug, Clone, Copy)]
struct Map {
    call: usize,
    key_size: u32,
    value_size: u32,
}

/// The state between two instructions.
#[derive(Debug)]
struct State {
    code: Vec<Instruction>,
    registers: [Register; 11],
    /// Which eight-byte slots below the frame pointer were written; index 0 is -8.
    stack: [bool; 64],
    maps: Vec<Map>,
}

/// Code of one program.
pub(super) fn code(choices: &mut Choices<'_>, program: &Program, edge: bool) -> Vec<Instruction> {
    let mut state = State::new(maps(program));
    let steps = 1 + choices.below(STEPS);
    for _ in 0..steps {
        if choices.ended() {
            break;
        }
        state.step(choices);
    }
    state.end(choices);
    if edge {
        break_one(choices, &mut state.code);
    }
    state.code
}

/// The maps that earlier calls of the program make, as far as they can be used by plain lookups.
fn maps(program: &Program) -> Vec<Map> {
    let number = |values: &[Value], index: usize| match values.get(index) {
        Some(Value::Number(number)) => u32::try_from(*number).ok(),
        _ => None,
    };
    let made = program.givers(program.calls.len(), Kind::BpfMap);
    made.into_iter()
        .filter_map(|call| {
            let Some(Value::Record(fields)) = program.calls[call].arguments.get(1) else { return None };
            let plain = matches!(number(fields, 0), Some(1 | 2 | 5 | 6 | 9 | 10));
            let (key_size, value_size) = (number(fields, 1)?, number(fields, 2)?);
            let usable = plain && (1..=64).contains(&key_size) && (8..=4096).contains(&value_size);
            usable.then_some(Map { call, key_size, value_size })
        })
        .collect()
}

/// Breaks one instruction: the neighbourhood of valid programs is where verifier bugs live.
fn break_one(choices: &mut Choices<'_>, code: &mut Vec<Instruction>) {
    let at = choices.below(code.len());
    let bits = &mut code[at].bits;
    match choices.below(7) {
        0 => *bits = (*bits & 0xffff_ffff) | (choices.number() << 32),
        1 => *bits ^= 0xf << 8,
        2 => *bits ^= 1 << (8 + choices.below(8)),
        3 => *bits = (*bits & !0xffff_0000) | ((choices.number() & 0xffff) << 16),
        4 => *bits = bits.wrapping_add(1 << 16),
        5 => *bits ^= 1 << choices.below(8),
        _ => drop(code.remove(at)),
    }
}
