//! Instructions that know a sign: moves, loads, divisions of the fourth version of the instruction set.

use super::machine::Machine;
use super::support::{DEFINED_OVERFLOW, FOURTH_VERSION, interesting_words, rejected, returning};
use crate::bpf::{Alu, Condition, Instruction, Operand, ProgramKind::SocketFilter, Register::*, Width};
use crate::{CaseResult, Context, check_eq, code};

/// The low `bits` of a word, sign-extended to 64.
fn extended(word: u64, bits: usize) -> u64 {
    let shift = 64 - bits;
    ((word << shift).cast_signed() >> shift).cast_unsigned()
}

pub fn moves(context: &Context) -> CaseResult {
    FOURTH_VERSION.or_skip()?;
    for bits in [8i16, 16, 32] {
        let wide = Machine::new("a signed move", &[Instruction::move_signed(R2, R3, bits)])?;
        for word in interesting_words(context.seed) {
            let expected = extended(word, bits as usize);
            check_eq!(wide.result(0, word)?, expected, "{bits} bits of {word:#x} sign-extended");
        }
    }
    for bits in [8i16, 16] {
        let narrow = Machine::new("a signed 32-bit move", &[Instruction::move_signed32(R2, R3, bits)])?;
        for word in interesting_words(context.seed) {
            let expected = extended(word, bits as usize) & Width::Word.mask();
            check_eq!(narrow.result(!0, word)?, expected, "{bits} bits of {word:#x} sign-extended to 32");
        }
    }
    for (what, odd) in [
        ("a signed move of 24 bits", Instruction::move_signed(R0, R1, 24)),
        ("a signed 32-bit move of 32 bits", Instruction::move_signed32(R0, R1, 32)),
    ] {
        let code = code![Instruction::mov(R1, 1), odd, Instruction::exit()];
        rejected(what, SocketFilter, &code, libc::EINVAL, &["reserved fields"])?;
    }
    Ok(())
}

pub fn loads(context: &Context) -> CaseResult {
    FOURTH_VERSION.or_skip()?;
    for width in [Width::Byte, Width::Half, Width::Word] {
        for offset in (0..8i16).step_by(width.bytes()) {
            let machine = Machine::new("a signed load", &[Instruction::load_signed(width, R2, R6, offset)])?;
            for word in interesting_words(context.seed) {
                let expected = extended(word >> (8 * offset), 8 * width.bytes());
                let what = format!("{width:?} at {offset} of {word:#x} sign-extended");
                check_eq!(machine.run(0, 0, word)?.result, expected, "{what}");
            }
        }
    }
    Ok(())
}

/// Quotient and remainder, of all bits and of the low half.
const DIVISIONS: [(Alu, bool); 4] =
    [(Alu::Div, true), (Alu::Mod, true), (Alu::Div, false), (Alu::Mod, false)];

fn encode((operation, wide): (Alu, bool), operand: impl Into<Operand>) -> Instruction {
    match wide {
        true => Instruction::alu64(operation, R2, operand).signed(),
        false => Instruction::alu32(operation, R2, operand).signed(),
    }
}

/// Quotients round towards zero, remainders take the dividend's sign; divided by zero, the one is zero and the other
/// the dividend. `None` for the quotient that overflows, which has a case of its own.
fn divided((operation, wide): (Alu, bool), a: u64, b: u64) -> Option<u64> {
    let (bits, minimum) = if wide { (64, i64::MIN) } else { (32, i64::from(i32::MIN)) };
    let (x, y) = (extended(a, bits).cast_signed(), extended(b, bits).cast_signed());
    if x == minimum && y == -1 {
        return None;
    }
    let result = match operation {
        Alu::Div => x.checked_div(y).unwrap_or(0),
        _ => x.checked_rem(y).unwrap_or(x),
    };
    Some(result.cast_unsigned() & u64::MAX >> (64 - bits))
}

pub fn division(context: &Context) -> CaseResult {
    FOURTH_VERSION.or_skip()?;
    let words = interesting_words(context.seed);
    for form in DIVISIONS {
        let machine = Machine::new(&format!("{form:?}"), &[encode(form, R3)])?;
        for &a in &words {
            for &b in &words {
                if let Some(expected) = divided(form, a, b) {
                    check_eq!(machine.result(a, b)?, expected, "{a:#x} and {b:#x}, {form:?}");
                }
            }
        }
    }
    Ok(())
}

pub fn division_by_immediates(context: &Context) -> CaseResult {
    FOURTH_VERSION.or_skip()?;
    let words = interesting_words(context.seed);
    for form in DIVISIONS {
        for immediate in [1, 2, 7, 128, -1, -2, -7, -128, -129, i32::MAX, i32::MIN] {
            let machine = Machine::new(&format!("{form:?}"), &[encode(form, immediate)])?;
            for &a in &words {
                if let Some(expected) = divided(form, a, i64::from(immediate).cast_unsigned()) {
                    check_eq!(machine.result(a, 0)?, expected, "{a:#x} by {immediate}, {form:?}");
                }
            }
        }
        let code = code![Instruction::mov(R2, 1), encode(form, 0), returning(0)];
        rejected(&format!("0 as divisor, {form:?}"), SocketFilter, &code, libc::EINVAL, &["div by zero"])?;
    }
    Ok(())
}

/// What the verifier knows of a result that it could work out must be what the machine computes: where it decides a
/// comparison of it, it decides as the machine does. Each quotient that comes out as expected is a bit.
pub fn division_of_constants(context: &Context) -> CaseResult {
    FOURTH_VERSION.or_skip()?;
    let words = interesting_words(context.seed);
    for form in DIVISIONS {
        for &a in &words {
            let mut body = code![Instruction::mov(R5, 0)];
            let mut count = 0;
            for (&b, expected) in words.iter().filter_map(|b| Some((b, divided(form, a, *b)?))) {
                count += 1;
                body.extend(code![
                    Instruction::load_u64(R2, a),
                    Instruction::load_u64(R3, b),
                    encode(form, R3),
                    Instruction::load_u64(R4, expected),
                    Instruction::alu64(Alu::Lsh, R5, 1),
                    Instruction::jump(Condition::Ne, R2, R4, 1),
                    Instruction::add(R5, 1),
                ]);
            }
            body.push(Instruction::mov(R2, R5));
            let got = Machine::new("divisions of constants", &body)?.result(0, 0)?;
            let all = format!("{:b}", (1u64 << count) - 1);
            check_eq!(format!("{got:b}"), all, "{a:#x} by each of {words:x?} that it may be, {form:?}");
        }
    }
    Ok(())
}

/// The least number divided by -1: itself, and no remainder.
pub fn overflow(_: &Context) -> CaseResult {
    DEFINED_OVERFLOW.or_skip()?;
    for form in DIVISIONS {
        let (operation, wide) = form;
        let minimum = if wide { i64::MIN.cast_unsigned() } else { 0x8000_0000 };
        let expected = if operation == Alu::Div { minimum } else { 0 };
        let by_register = Machine::new("a division", &[encode(form, R3)])?;
        check_eq!(by_register.result(minimum, u64::MAX)?, expected, "least number and -1, {form:?}");
        let by_immediate = Machine::new("a division", &[encode(form, -1)])?;
        check_eq!(by_immediate.result(minimum, 0)?, expected, "least number and immediate -1, {form:?}");
        let known = code![Instruction::load_u64(R2, minimum), Instruction::mov(R3, -1), encode(form, R3)];
        let known = Machine::new("a division", &known)?;
        check_eq!(known.result(0, 0)?, expected, "least number and -1 as constants, {form:?}");
    }
    Ok(())
}
