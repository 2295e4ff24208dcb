//! Values of each type.

use gauntlet_protocol::program::WINDOW_SIZE;

use super::{Choices, Generator, bpf, executable, filter};
use crate::description::Type;
use crate::program::{Program, Value};

/// The names that programs share: plain files, a directory with a file, a link loop, the directory itself, nothing.
const NAMES: &[&str] = &["a", "b", "c", "d", "d/a", "d/b", "e", ".", "..", "", "d/../a", "e/a"];
/// Descriptors that are none.
const NOWHERE: &[u64] = &[u64::MAX, libc::AT_FDCWD as u64, 4095];
/// Pages of the window that programs use: few, so that they meet.
const PAGES: u64 = 16;

impl Generator {
    /// A value of a type. May add calls at the end of the program that make what it refers to.
    pub fn value(
        &self,
        choices: &mut Choices<'_>,
        program: &mut Program,
        kind: &Type,
        depth: usize,
    ) -> Value {
        match kind {
            Type::Resource(wanted) => match self.resource(choices, program, *wanted, depth) {
                Some(target) => Value::Resource(target),
                None => Value::Number(choices.pick(NOWHERE).unwrap_or(u64::MAX)),
            },
            Type::Record(fields) => {
                let mut values = Vec::with_capacity(fields.len());
                for (_, _, kind) in *fields {
                    values.push(self.value(choices, program, kind, depth));
                }
                Value::Record(values)
            }
            Type::Bpf => {
                let edge = choices.chance(1, 4);
                Value::Code(bpf::code(choices, program, edge))
            }
            _ => leaf(choices, kind),
        }
    }
}

/// A value that refers to no other call.
fn leaf(choices: &mut Choices<'_>, kind: &Type) -> Value {
    match kind {
        Type::Constant(number) => Value::Number(*number),
        Type::OneOf(numbers) => Value::Number(choices.pick(numbers).unwrap_or(0)),
        Type::Flags(bits) => Value::Number(flags(choices, bits)),
        Type::Range(low, high) => Value::Number(choices.between(*low, *high)),
        Type::Any => Value::Number(choices.number()),
        Type::Path => Value::Data(choices.pick(NAMES).unwrap_or("a").into()),
        Type::Bytes(least, most) => {
            let length = choices.between(u64::from(*least), u64::from(*most)) as usize;
            Value::Data(plain_bytes(choices, length))
        }
        Type::Output(most) => {
            Value::Output(if choices.chance(1, 8) { choices.below(*most as usize) as u32 } else { *most })
        }
        Type::Strings(most) => {
            let count = choices.below(*most as usize + 1);
            Value::Strings((0..count).map(|_| choices.pick(NAMES).unwrap_or("a").into()).collect())
        }
        Type::Filter => Value::Code(filter::code(choices)),
        Type::Executable => Value::Data(executable::executable(choices)),
        Type::KernelImage => Value::Data(executable::kernel_image(choices)),
        Type::Window => {
            let page = choices.between(0, PAGES - 1) as u32;
            Value::Window((page << 12).min(WINDOW_SIZE))
        }
        Type::LengthOf(_) | Type::CountOf(_) => Value::Number(0),
        Type::Resource(_) | Type::Record(_) | Type::Bpf => Value::Number(0),
    }
}

/// Mostly none or one of the bits, seldom all, very seldom one that nobody named.
fn flags(choices: &mut Choices<'_>, bits: &[u64]) -> u64 {
    match choices.below(16) {
        0..6 => 0,
        6..11 => choices.pick(bits).unwrap_or(0),
        11..15 => bits.iter().filter(|_| choices.chance(1, 2)).fold(0, |all, bit| all | bit),
        _ => 1 << choices.below(33),
    }
}

/// Zeros, one byte repeated, or anything.
fn plain_bytes(choices: &mut Choices<'_>, length: usize) -> Vec<u8> {
    match choices.below(4) {
        0 => vec![0; length],
        1 => vec![choices.below(256) as u8; length],
        2 => {
            let mut bytes = vec![0; length];
            bytes.iter_mut().zip(choices.number().to_le_bytes()).for_each(|(to, from)| *to = from);
            bytes
        }
        _ => choices.bytes(length),
    }
}
