//! Making things smaller while they still do it.

use crate::Program;
use crate::program::{Call, Value};

/// Minimising delta debugging: a subset from which no single item can go.
/// Source: A. Zeller, R. Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", IEEE TSE 28(2), 2002.
///
/// # Errors
/// Those of the predicate.
pub fn ddmin<T: Clone, E>(items: &[T], fails: &mut dyn FnMut(&[T]) -> Result<bool, E>) -> Result<Vec<T>, E> {
    let mut kept = items.to_vec();
    let mut parts = 2;
    while kept.len() >= 2 {
        let size = kept.len().div_ceil(parts);
        let mut smaller = None;
        for start in (0..kept.len()).step_by(size) {
            let mut rest = kept[..start].to_vec();
            rest.extend_from_slice(&kept[(start + size).min(kept.len())..]);
            if fails(&rest)? {
                smaller = Some(rest);
                break;
            }
        }
        match smaller {
            Some(rest) => {
                kept = rest;
                parts = (parts - 1).max(2);
            }
            None if size == 1 => break,
            None => parts = (2 * parts).min(kept.len()),
        }
    }
    // The algorithm keeps at least one item; even that may be superfluous.
    if kept.len() == 1 && fails(&[])? {
        kept.clear();
    }
    Ok(kept)
}

/// A program's smallest form: fewest calls first, then plainest arguments.
///
/// # Errors
/// Those of the predicate.
pub(super) fn program<E>(
    program: Program,
    crashes: &mut dyn FnMut(&Program) -> Result<bool, E>,
) -> Result<Program, E> {
    let positions: Vec<usize> = (0..program.calls.len()).collect();
    let kept = ddmin(&positions, &mut |kept| match kept.is_empty() {
        true => Ok(false),
        false => crashes(&subset(&program, kept)),
    })?;
    let mut program = subset(&program, &kept);
    for call in 0..program.calls.len() {
        for argument in 0..program.calls[call].arguments.len() {
            let Some(plain) = plainer(&program.calls[call], argument) else { continue };
            let mut candidate = program.clone();
            candidate.calls[call].arguments[argument] = plain;
            candidate.calls[call].measure();
            if candidate != program && crashes(&candidate)? {
                program = candidate;
            }
        }
    }
    Ok(program)
}

/// The calls at these positions; references to the others are rewired.
fn subset(program: &Program, kept: &[usize]) -> Program {
    let mut smaller = program.clone();
    for at in (0..program.calls.len()).rev() {
        if !kept.contains(&at) {
            smaller.remove(at);
        }
    }
    smaller
}

/// The plainest value that says as little as possible; `None` where the value is plain already.
fn plainer(call: &Call, argument: usize) -> Option<Value> {
    use crate::description::Type;
    let kind = call.description.arguments[argument].1;
    match (&call.arguments[argument], kind) {
        // Constants and sizes say what the call is.
        (_, Type::Constant(_) | Type::LengthOf(_) | Type::CountOf(_)) => None,
        (Value::Number(0), _) => None,
        (Value::Number(_), Type::Flags(_) | Type::Any | Type::Range(..)) => Some(Value::Number(0)),
        (Value::Data(bytes), _) if bytes.iter().any(|byte| *byte != 0) => {
            Some(Value::Data(vec![0; bytes.len()]))
        }
        (Value::Strings(strings), _) if !strings.is_empty() => Some(Value::Strings(Vec::new())),
        (Value::Window(offset), _) if *offset != 0 => Some(Value::Window(0)),
        _ => None,
    }
}
