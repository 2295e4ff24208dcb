//! What the kernel must find in a program before it installs it: every instruction, every offset, every word.

use super::filter::*;
use crate::case::{CaseResult, Stop, fails_with, succeeds};
use crate::child::{Ending, exit, isolated, run};
use crate::sys::Errno;
use crate::{Context, check, check_eq};

const ALU_DIV_K: u16 = 0x34;
const ALU_MOD_K: u16 = 0x94;

/// Every instruction that seccomp allows (`seccomp_check_filter()`): those of classic BPF that touch nothing but the
/// data, the scratch memory and the two registers. By class: LD, LDX, ST, STX, ALU, JMP, RET, MISC.
const ALLOWED: [u16; 41] = [
    0x00, 0x20, 0x60, 0x80, 0x01, 0x61, 0x81, 0x02, 0x03, // imm, abs, mem, len
    0x04, 0x14, 0x24, ALU_DIV_K, 0x44, 0x54, 0x64, 0x74, 0x84, 0xa4, // with a constant
    0x0c, 0x1c, 0x2c, 0x3c, 0x4c, 0x5c, 0x6c, 0x7c, 0xac, // with X
    0x05, 0x15, 0x25, 0x35, 0x45, 0x1d, 0x2d, 0x3d, 0x4d, //
    0x06, 0x16, 0x07, 0x87,
];

/// A program that runs the instruction for [`NOWHERE`] only, with scratch word 0 filled.
fn around(instruction: Instruction) -> [Instruction; 6] {
    [
        load(DATA_NR),
        equal_or_skip(NOWHERE as u32, 3),
        Instruction(libc::BPF_LD as u16, 0, 0, 1),
        Instruction(libc::BPF_ST as u16, 0, 0, 0),
        instruction,
        ret(ALLOW),
    ]
}

pub fn every_opcode_outside_the_list_is_refused(_: &Context) -> CaseResult {
    isolated(|| {
        let high_bits = ALLOWED.iter().flat_map(|code| [code | 0x100, code | 0x8000]);
        for code in (0..256).chain(high_bits) {
            // Zero is right for offset, word, distance and count, but not for a divisor: of a remainder, either.
            let constant = u32::from(code == ALU_DIV_K || code == ALU_MOD_K);
            let installed = install(&around(Instruction(code, 0, 0, constant)), 0);
            let what = format!("filter with instruction code {code:#x}");
            match ALLOWED.contains(&code) {
                true => succeeds(&what, installed).map(drop)?,
                false => fails_with(&what, installed, libc::EINVAL)?,
            }
        }
        Ok(())
    })
}

pub fn every_offset_outside_the_data_is_refused(_: &Context) -> CaseResult {
    isolated(|| {
        let beyond = [0x80, 0x1000, 0x7fff_fffc, 0x8000_0000, 0xffff_f000, 0xffff_fffc, u32::MAX];
        for offset in (0..=DATA_SIZE + 8).chain(beyond) {
            let installed = install(&around(load(offset)), 0);
            let what = format!("filter that loads from offset {offset:#x}");
            match offset % 4 == 0 && offset < DATA_SIZE {
                true => succeeds(&what, installed).map(drop)?,
                false => fails_with(&what, installed, libc::EINVAL)?,
            }
        }
        Ok(())
    })
}

pub fn every_word_outside_the_scratch_memory_is_refused(_: &Context) -> CaseResult {
    isolated(|| {
        for word in (0..=20).chain([0x1_0000, 0x8000_0000, u32::MAX]) {
            for (code, name) in [(libc::BPF_ST, "A"), (libc::BPF_STX, "X")] {
                let installed = install(&around(Instruction(code as u16, 0, 0, word)), 0);
                let what = format!("filter that stores {name} to scratch word {word:#x}");
                match word < 16 {
                    true => succeeds(&what, installed).map(drop)?,
                    false => fails_with(&what, installed, libc::EINVAL)?,
                }
            }
            for code in [libc::BPF_LD, libc::BPF_LDX] {
                let installed = install(&around(Instruction((code | libc::BPF_MEM) as u16, 0, 0, word)), 0);
                let what = format!("filter that loads scratch word {word:#x} where only word 0 was stored");
                match word == 0 {
                    true => succeeds(&what, installed).map(drop)?,
                    false => fails_with(&what, installed, libc::EINVAL)?,
                }
            }
        }
        Ok(())
    })
}

/// A program of so many instructions, each of which the kernel translates into one but for the last.
fn of_length(length: usize) -> Vec<Instruction> {
    let mut program = vec![load(DATA_NR); length - 1];
    program.push(ret(ALLOW));
    program
}

/// The longest filter that still fits on top of this process's. Children try, so that none stays.
fn longest() -> Result<i64, Stop> {
    let (mut fits, mut too_long) = (0, 4097);
    while too_long - fits > 1 {
        let middle = (fits + too_long) / 2;
        let ending = run(|| match install(&of_length(middle), 0) {
            Ok(_) => exit(1),
            Err(Errno(errno)) => exit(errno),
        })?;
        match ending {
            Ending::Exited(1) => fits = middle,
            Ending::Exited(libc::ENOMEM) => too_long = middle,
            other => {
                return Err(Stop::Fail(format!("filter of {middle} instructions: {other:?}, not ENOMEM")));
            }
        }
    }
    Ok(fits as i64)
}

/// A path may hold 32768 instructions, counted after translation, and each filter that is there already costs 4 more
/// (seccomp(2) ERRORS, ENOMEM). Translation adds the same few to each of these programs; two lengths tell how many.
pub fn filters_are_limited_in_total(_: &Context) -> CaseResult {
    const LIMIT: i64 = 32768;
    isolated(|| {
        for _ in 0..7 {
            filtered(&of_length(4096))?;
        }
        let first = longest()?;
        filtered(&of_length(2000))?;
        let second = longest()?;
        let translated = first - second - 2004;
        check!((0..=16).contains(&translated), "longest filters {first}, then {second} behind 2000 more");
        let expected = LIMIT - 7 * (4096 + 4) - 8 * translated;
        check_eq!(first, expected, "longest filter behind 28672 instructions, {translated} more for each");
        Ok(())
    })
}
