//! Small changes of one value.

use crate::description::Type;
use crate::generate::Choices;
use crate::program::{Call, Value};

/// Tweaks one argument of a call; lengths follow unless the length itself was tweaked.
pub(super) fn call(choices: &mut Choices<'_>, call: &mut Call) {
    if call.arguments.is_empty() {
        return;
    }
    let which = choices.below(call.arguments.len());
    let kind = &call.description.arguments[which].1;
    let length = value(choices, &mut call.arguments[which], kind);
    if !length {
        call.measure();
    }
}

/// Tweaks a value in place. Says whether it was a length: then nobody should put it right.
fn value(choices: &mut Choices<'_>, value: &mut Value, kind: &Type) -> bool {
    match (&mut *value, kind) {
        (Value::Record(values), Type::Record(fields)) => {
            let which = choices.below(values.len());
            return match (values.get_mut(which), fields.get(which)) {
                (Some(inner), Some((_, _, kind))) => self::value(choices, inner, kind),
                _ => false,
            };
        }
        (Value::Number(number), kind) => *number = near(choices, *number, kind),
        (Value::Data(bytes), _) => data(choices, bytes),
        (Value::Output(room), Type::Output(most)) => *room = choices.below(*most as usize + 1) as u32,
        (Value::Code(code), _) if !code.is_empty() => {
            let at = choices.below(code.len());
            match choices.below(8) {
                0 if code.len() > 1 => drop(code.remove(at)),
                1 => code.insert(at, code[at]),
                2 => code[at].bits = (code[at].bits & 0xffff_ffff) | (choices.number() << 32),
                _ => code[at].bits ^= 1 << choices.below(64),
            }
        }
        (Value::Strings(strings), _) if !strings.is_empty() => drop(strings.pop()),
        (Value::Window(offset), _) => *offset ^= 0x1000 << choices.below(4),
        _ => {}
    }
    matches!(kind, Type::LengthOf(_) | Type::CountOf(_))
}

fn near(choices: &mut Choices<'_>, number: u64, kind: &Type) -> u64 {
    match kind {
        // Descriptors that are none stay so: a random number could be one of the executor's own. And constants are
        // promises to the executor: a process id of 0 is the program's own task, 1 is the agent.
        Type::Resource(_) | Type::Constant(_) => number,
        Type::Flags(bits) => number ^ choices.pick(bits).unwrap_or(1),
        Type::OneOf(numbers) => choices.pick(numbers).unwrap_or(0),
        Type::Range(low, high) => choices.between(*low, *high),
        _ => match choices.below(4) {
            0 => number.wrapping_add(1),
            1 => number.wrapping_sub(1),
            2 => number ^ (1 << choices.below(64)),
            _ => choices.number(),
        },
    }
}

fn data(choices: &mut Choices<'_>, bytes: &mut Vec<u8>) {
    if bytes.is_empty() {
        return bytes.push(choices.below(256) as u8);
    }
    let at = choices.below(bytes.len());
    match choices.below(8) {
        0 => bytes.truncate(at),
        1 if bytes.len() < 4096 => bytes.insert(at, choices.below(256) as u8),
        2 => bytes[at] = choices.below(256) as u8,
        3 => bytes[at] = bytes[at].wrapping_add(1),
        4 => bytes[at] = bytes[at].wrapping_sub(1),
        _ => bytes[at] ^= 1 << choices.below(8),
    }
}
