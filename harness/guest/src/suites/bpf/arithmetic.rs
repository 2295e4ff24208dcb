//! ALU instructions against the same arithmetic in Rust.

use super::machine::Machine;
use super::support::{FOURTH_VERSION, interesting_words};
use crate::bpf::{Alu, Instruction, Register::*, Swap};
use crate::{CaseResult, Context, check_eq};

const OPERATIONS: [Alu; 12] = [
    Alu::Add,
    Alu::Sub,
    Alu::Mul,
    Alu::Div,
    Alu::Or,
    Alu::And,
    Alu::Lsh,
    Alu::Rsh,
    Alu::Mod,
    Alu::Xor,
    Alu::Mov,
    Alu::Arsh,
];

/// RFC 9669, section 4.1: division by zero gives zero, modulo zero leaves the dividend, shift counts are masked.
fn expected64(operation: Alu, a: u64, b: u64) -> u64 {
    let count = (b & 63) as u32;
    match operation {
        Alu::Add => a.wrapping_add(b),
        Alu::Sub => a.wrapping_sub(b),
        Alu::Mul => a.wrapping_mul(b),
        Alu::Div => a.checked_div(b).unwrap_or(0),
        Alu::Mod => a.checked_rem(b).unwrap_or(a),
        Alu::Or => a | b,
        Alu::And => a & b,
        Alu::Xor => a ^ b,
        Alu::Mov => b,
        Alu::Lsh => a << count,
        Alu::Rsh => a >> count,
        Alu::Arsh => (a.cast_signed() >> count).cast_unsigned(),
        Alu::Neg => a.wrapping_neg(),
    }
}

/// The same on the low halves; the high half of the result is zero.
fn expected32(operation: Alu, a: u64, b: u64) -> u64 {
    let (a, b) = (a as u32, b as u32);
    let count = b & 31;
    u64::from(match operation {
        Alu::Add => a.wrapping_add(b),
        Alu::Sub => a.wrapping_sub(b),
        Alu::Mul => a.wrapping_mul(b),
        Alu::Div => a.checked_div(b).unwrap_or(0),
        Alu::Mod => a.checked_rem(b).unwrap_or(a),
        Alu::Or => a | b,
        Alu::And => a & b,
        Alu::Xor => a ^ b,
        Alu::Mov => b,
        Alu::Lsh => a << count,
        Alu::Rsh => a >> count,
        Alu::Arsh => (a.cast_signed() >> count).cast_unsigned(),
        Alu::Neg => a.wrapping_neg(),
    })
}

type Encode = fn(Alu) -> Instruction;
type Expected = fn(Alu, u64, u64) -> u64;

fn registers(seed: u64, encode: Encode, expected: Expected) -> CaseResult {
    let words = interesting_words(seed);
    for operation in OPERATIONS.into_iter().chain([Alu::Neg]) {
        let machine = Machine::new(&format!("{operation:?}"), &[encode(operation)])?;
        for &a in &words {
            for &b in &words {
                let got = machine.result(a, b)?;
                check_eq!(got, expected(operation, a, b), "{a:#x} {operation:?} {b:#x}");
            }
        }
    }
    Ok(())
}

fn register64(operation: Alu) -> Instruction {
    match operation {
        Alu::Neg => Instruction::alu64(operation, R2, 0),
        _ => Instruction::alu64(operation, R2, R3),
    }
}

fn register32(operation: Alu) -> Instruction {
    match operation {
        Alu::Neg => Instruction::alu32(operation, R2, 0),
        _ => Instruction::alu32(operation, R2, R3),
    }
}

pub fn alu64(context: &Context) -> CaseResult {
    registers(context.seed, register64, expected64)
}

pub fn alu32(context: &Context) -> CaseResult {
    registers(context.seed, register32, expected32)
}

/// Immediates are sign-extended to 64 bits; the compiler picks other machine code for them than for registers.
pub fn immediates(context: &Context) -> CaseResult {
    let words = interesting_words(context.seed);
    for operation in OPERATIONS {
        for immediate in [1, 2, 7, 31, 127, 128, -1, -128, -129, i32::MAX, i32::MIN] {
            let shift = matches!(operation, Alu::Lsh | Alu::Rsh | Alu::Arsh);
            let second = i64::from(immediate).cast_unsigned();
            for (wide, limit) in [(true, 64), (false, 32)] {
                // The verifier refuses constant counts beyond the width.
                if shift && !(0..limit).contains(&immediate) {
                    continue;
                }
                let (instruction, expected): (_, Expected) = match wide {
                    true => (Instruction::alu64(operation, R2, immediate), expected64),
                    false => (Instruction::alu32(operation, R2, immediate), expected32),
                };
                let machine = Machine::new(&format!("{operation:?} by {immediate}"), &[instruction])?;
                for &a in &words {
                    let got = machine.result(a, 0)?;
                    check_eq!(
                        got,
                        expected(operation, a, second),
                        "{a:#x} {operation:?} {immediate}, wide: {wide}"
                    );
                }
            }
        }
    }
    Ok(())
}

/// Dividend, divisor and quotient in every register: x86 divides in RAX and RDX only, so compilers shuffle.
pub fn division_spares_other_registers(_: &Context) -> CaseResult {
    for (dividend, divisor) in
        [(R0, R3), (R3, R0), (R2, R2), (R3, R2), (R0, R2), (R4, R3), (R3, R4), (R1, R5)]
    {
        let mut body = Vec::new();
        let numbers = [R0, R1, R2, R3, R4, R5].map(|register| (register, 1000 + 37 * register as i32));
        body.extend(numbers.map(|(register, value)| Instruction::mov(register, value)));
        body.push(Instruction::alu64(Alu::Div, dividend, divisor));
        // A sum weighted by register: any register changed by accident changes it.
        body.push(Instruction::mov(R8, 0));
        for (weight, (register, _)) in (1..).zip(numbers) {
            body.push(Instruction::alu64(Alu::Mul, register, weight));
            body.push(Instruction::add(R8, register));
        }
        body.push(Instruction::mov(R2, R8));
        let expected: u64 = (1..)
            .zip(numbers)
            .map(|(weight, (register, value))| {
                let divided = value as u64 / (1000 + 37 * divisor as u64);
                weight * if register == dividend { divided } else { value as u64 }
            })
            .sum();
        let machine = Machine::new("a division", &body)?;
        check_eq!(machine.result(0, 0)?, expected, "all registers after {dividend:?} /= {divisor:?}");
    }
    Ok(())
}

fn byte_order(kind: Swap, bits: i32, expected: fn(u64) -> u64, seed: u64) -> CaseResult {
    let machine = Machine::new(&format!("{kind:?} {bits}"), &[Instruction::swap(kind, R2, bits)])?;
    for word in interesting_words(seed) {
        check_eq!(machine.result(word, 0)?, expected(word), "{kind:?} of {bits} bits of {word:#x}");
    }
    Ok(())
}

pub fn byte_order_conversions(context: &Context) -> CaseResult {
    let seed = context.seed;
    byte_order(Swap::ToBig, 16, |word| u64::from((word as u16).swap_bytes()), seed)?;
    byte_order(Swap::ToBig, 32, |word| u64::from((word as u32).swap_bytes()), seed)?;
    byte_order(Swap::ToBig, 64, u64::swap_bytes, seed)?;
    byte_order(Swap::ToLittle, 16, |word| word & 0xffff, seed)?;
    byte_order(Swap::ToLittle, 32, |word| word & 0xffff_ffff, seed)?;
    byte_order(Swap::ToLittle, 64, |word| word, seed)
}

pub fn unconditional_byte_swaps(context: &Context) -> CaseResult {
    FOURTH_VERSION.or_skip()?;
    let seed = context.seed;
    byte_order(Swap::Always, 16, |word| u64::from((word as u16).swap_bytes()), seed)?;
    byte_order(Swap::Always, 32, |word| u64::from((word as u32).swap_bytes()), seed)?;
    byte_order(Swap::Always, 64, u64::swap_bytes, seed)
}
