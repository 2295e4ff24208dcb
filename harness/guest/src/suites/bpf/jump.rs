//! Jumps: each condition on registers, with an immediate and decided by the verifier beforehand; and jumps over any
//! distance.

use super::machine::Machine;
use super::support::{FOURTH_VERSION, interesting_words, rejected, returning};
use crate::bpf::{Alu, Condition, Instruction, ProgramKind::SocketFilter, Register::*};
use crate::{CaseResult, Context, check_eq, code};

const CONDITIONS: [Condition; 11] = [
    Condition::Eq,
    Condition::Ne,
    Condition::Gt,
    Condition::Ge,
    Condition::Lt,
    Condition::Le,
    Condition::Set,
    Condition::SignedGt,
    Condition::SignedGe,
    Condition::SignedLt,
    Condition::SignedLe,
];

fn holds(condition: Condition, a: u64, b: u64) -> bool {
    let (x, y) = (a.cast_signed(), b.cast_signed());
    match condition {
        Condition::Eq => a == b,
        Condition::Ne => a != b,
        Condition::Gt => a > b,
        Condition::Ge => a >= b,
        Condition::Lt => a < b,
        Condition::Le => a <= b,
        Condition::Set => a & b != 0,
        Condition::SignedGt => x > y,
        Condition::SignedGe => x >= y,
        Condition::SignedLt => x < y,
        Condition::SignedLe => x <= y,
    }
}

/// Sign-extended low half: compares as the low half does, signed and unsigned.
fn low_half(word: u64) -> u64 {
    i64::from(word as i32).cast_unsigned()
}

/// `r2 = condition ? 1 : 0`.
fn branch(jump: Instruction) -> Vec<Instruction> {
    code![jump, Instruction::mov(R2, 0), Instruction::goto(1), Instruction::mov(R2, 1)]
}

pub fn of_registers(context: &Context) -> CaseResult {
    let words = interesting_words(context.seed);
    for condition in CONDITIONS {
        let wide = Machine::new("a jump", &branch(Instruction::jump(condition, R2, R3, 2)))?;
        let narrow = Machine::new("a 32-bit jump", &branch(Instruction::jump32(condition, R2, R3, 2)))?;
        for &a in &words {
            for &b in &words {
                check_eq!(wide.result(a, b)? == 1, holds(condition, a, b), "{a:#x} {condition:?} {b:#x}");
                let expected = holds(condition, low_half(a), low_half(b));
                check_eq!(narrow.result(a, b)? == 1, expected, "low halves: {a:#x} {condition:?} {b:#x}");
            }
        }
    }
    Ok(())
}

/// Immediates are sign-extended; the compiler has other machine code for them than for registers, and more than one:
/// a test for zero, a comparison with one byte, one with four.
pub fn with_immediates(context: &Context) -> CaseResult {
    let mut words = interesting_words(context.seed);
    let ordinary = words.len();
    for condition in CONDITIONS {
        for immediate in [0, 1, 2, 0x7f, 0x80, -1, -0x80, -0x81, i32::MAX, i32::MIN] {
            let second = i64::from(immediate).cast_unsigned();
            words.truncate(ordinary);
            words.extend([second.wrapping_sub(1), second, second.wrapping_add(1)]);
            let wide = Machine::new("a jump", &branch(Instruction::jump(condition, R2, immediate, 2)))?;
            let narrow =
                Machine::new("a 32-bit jump", &branch(Instruction::jump32(condition, R2, immediate, 2)))?;
            for &a in &words {
                let expected = u64::from(holds(condition, a, second));
                check_eq!(wide.result(a, 0)?, expected, "1 for {a:#x} {condition:?} {immediate}");
                let expected = u64::from(holds(condition, low_half(a), second));
                check_eq!(narrow.result(a, 0)?, expected, "1 for low half: {a:#x} {condition:?} {immediate}");
            }
        }
    }
    Ok(())
}

/// The verifier decides these branches itself and removes the dead side: it must decide as the machine does.
/// One program compares one word with some others; each comparison is a bit of its result. Not with all: the time
/// to remove dead branches grows with the square of their number.
pub fn on_constants(context: &Context) -> CaseResult {
    let words = interesting_words(context.seed);
    for condition in CONDITIONS {
        for (index, &a) in words.iter().enumerate() {
            let others: Vec<u64> = words.iter().copied().skip(index % 3).step_by(3).collect();
            let mut body = code![Instruction::load_u64(R4, a), Instruction::mov(R2, 0)];
            let mut expected = 0u64;
            for &b in &others {
                let immediate = b as i32;
                for (jump, taken) in [
                    (Instruction::jump(condition, R4, R3, 1), holds(condition, a, b)),
                    (Instruction::jump32(condition, R4, R3, 1), holds(condition, low_half(a), low_half(b))),
                    (Instruction::jump(condition, R4, immediate, 1), holds(condition, a, low_half(b))),
                ] {
                    body.extend(code![
                        Instruction::load_u64(R3, b),
                        Instruction::alu64(Alu::Lsh, R2, 1),
                        jump,
                        Instruction::goto(1),
                        Instruction::add(R2, 1),
                    ]);
                    expected = expected << 1 | u64::from(taken);
                }
            }
            let got = Machine::new("jumps on constants", &body)?.result(0, 0)?;
            check_eq!(
                format!("{got:018b}"),
                format!("{expected:018b}"),
                "{a:#x} {condition:?} each of {others:x?}: 64 bits, 32 bits, immediate"
            );
        }
    }
    Ok(())
}

/// Over distances that 16 bits hold and over others, forwards and backwards.
pub fn over_any_distance(_: &Context) -> CaseResult {
    FOURTH_VERSION.or_skip()?;
    for distance in [1, 100, 32_767, 32_768, 40_000] {
        let mut body = code![
            Instruction::mov(R4, 1),
            Instruction::jump(Condition::Eq, R3, 0, 1),
            Instruction::goto_long(distance),
        ];
        // No constants here: to hide so many takes a hardened compiler minutes.
        body.extend((0..distance).map(|_| Instruction::add(R2, R4)));
        let machine = Machine::new(&format!("a jump over {distance}"), &body)?;
        check_eq!(machine.result(5, 1)?, 5, "5 when all {distance} additions of 1 are jumped over");
        check_eq!(machine.result(5, 0)?, 5 + distance as u64, "5 and {distance} additions of 1");
    }
    let counted = code![
        Instruction::mov(R4, 10),
        Instruction::add(R2, 3),
        Instruction::alu64(Alu::Sub, R4, 1),
        Instruction::jump(Condition::Eq, R4, 0, 1),
        Instruction::goto_long(-4),
    ];
    check_eq!(Machine::new("a jump backwards", &counted)?.result(0, 0)?, 30, "ten additions of 3");
    for distance in [2, 40_000, i32::MAX, -3, i32::MIN] {
        let code = code![Instruction::mov(R0, 0), Instruction::goto_long(distance), Instruction::exit()];
        let what = format!("a jump by {distance} in three instructions");
        rejected(&what, SocketFilter, &code, libc::EINVAL, &["jump out of range"])?;
    }
    let both = Instruction { offset: 1, ..Instruction::goto_long(0) };
    let code = code![Instruction::mov(R0, 0), both, returning(0)];
    rejected(
        "a jump with two distances",
        SocketFilter,
        &code,
        libc::EINVAL,
        &["reserved fields", "unreachable"],
    )
}
