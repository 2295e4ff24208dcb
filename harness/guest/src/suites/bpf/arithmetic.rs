//! ALU instructions against the same arithmetic in Rust.

use super::execution;
use super::machine::Machine;
use super::support::{DEFINED_OVERFLOW, FOURTH_VERSION, accepted, interesting_words, returning, run};
use crate::bpf::{Alu, Instruction, ProgramKind, Register::*, Swap, information};
use crate::case::setup;
use crate::{CaseResult, Context, Stop, check_eq, skip};

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

pub fn sign_extending_moves(context: &Context) -> CaseResult {
    FOURTH_VERSION.or_skip()?;
    for bits in [8i16, 16, 32] {
        let machine = Machine::new("a signed move", &[Instruction::move_signed(R2, R3, bits)])?;
        for word in interesting_words(context.seed) {
            let shift = 64 - bits;
            let expected = ((word << shift).cast_signed() >> shift).cast_unsigned();
            check_eq!(machine.result(0, word)?, expected, "{bits} bits of {word:#x} sign-extended");
        }
    }
    Ok(())
}

/// Quotients round towards zero, remainders take the dividend's sign. The one quotient that overflows has a case
/// of its own.
pub fn signed_division(context: &Context) -> CaseResult {
    FOURTH_VERSION.or_skip()?;
    let words = interesting_words(context.seed);
    let divide = Machine::new("sdiv", &[Instruction::alu64(Alu::Div, R2, R3).signed()])?;
    let modulo = Machine::new("smod", &[Instruction::alu64(Alu::Mod, R2, R3).signed()])?;
    let narrow = Machine::new("sdiv32", &[Instruction::alu32(Alu::Div, R2, R3).signed()])?;
    for &a in &words {
        for &b in &words {
            let (x, y) = (a.cast_signed(), b.cast_signed());
            if !(x == i64::MIN && y == -1) {
                let quotient = x.checked_div(y).unwrap_or(0).cast_unsigned();
                check_eq!(divide.result(a, b)?, quotient, "{x} / {y}");
                check_eq!(modulo.result(a, b)?, x.checked_rem(y).unwrap_or(x).cast_unsigned(), "{x} % {y}");
            }
            let (x, y) = (a as i32, b as i32);
            if !(x == i32::MIN && y == -1) {
                let quotient = u64::from(x.checked_div(y).unwrap_or(0).cast_unsigned());
                check_eq!(narrow.result(a, b)?, quotient, "32-bit {x} / {y}");
            }
        }
    }
    Ok(())
}

pub fn signed_division_overflow(_: &Context) -> CaseResult {
    DEFINED_OVERFLOW.or_skip()?;
    let minimum = i64::MIN.cast_unsigned();
    let divide = Machine::new("sdiv", &[Instruction::alu64(Alu::Div, R2, R3).signed()])?;
    check_eq!(divide.result(minimum, u64::MAX)?, minimum, "i64::MIN / -1");
    let modulo = Machine::new("smod", &[Instruction::alu64(Alu::Mod, R2, R3).signed()])?;
    check_eq!(modulo.result(minimum, u64::MAX)?, 0, "i64::MIN % -1");
    let narrow = Machine::new("sdiv32", &[Instruction::alu32(Alu::Div, R2, R3).signed()])?;
    check_eq!(narrow.result(0x8000_0000, 0xffff_ffff)?, 0x8000_0000, "i32::MIN / -1");
    Ok(())
}

const JIT: &str = "/proc/sys/net/core/bpf_jit_enable";

/// Length of a program's machine code, from `struct bpf_prog_info`.
fn machine_code_length() -> Result<u32, Stop> {
    let program = accepted("a plain program", ProgramKind::SocketFilter, &returning(1))?;
    let mut bytes = [0u8; 64];
    setup("BPF_OBJ_GET_INFO_BY_FD", information(&program, &mut bytes))?;
    check_eq!(run(&program)?, 1, "return value");
    Ok(u32::from_le_bytes(bytes[16..20].try_into().expect("four bytes")))
}

/// What the compiler and the interpreter have to agree on.
const INTERPRETED: [fn(&Context) -> CaseResult; 11] = [
    alu64,
    alu32,
    immediates,
    byte_order_conversions,
    division_spares_other_registers,
    execution::loads_and_stores,
    execution::atomic_add,
    execution::jumps,
    execution::bounded_loops,
    execution::subprograms,
    execution::tail_call_limit,
];

/// The matrices again without the compiler.
pub fn interpreter(context: &Context) -> CaseResult {
    let before = std::fs::read_to_string(JIT).map_err(|error| Stop::Skip(format!("no {JIT}: {error}")))?;
    if std::fs::write(JIT, "0").is_err() {
        skip!("CONFIG_BPF_JIT_ALWAYS_ON: the kernel has no interpreter");
    }
    let verdict = machine_code_length().and_then(|length| {
        check_eq!(length, 0, "bytes of machine code with {JIT} = 0");
        for results in INTERPRETED {
            results(context)?;
        }
        Ok(())
    });
    std::fs::write(JIT, before).map_err(|error| Stop::Broken(format!("{JIT}: {error}")))?;
    verdict
}
