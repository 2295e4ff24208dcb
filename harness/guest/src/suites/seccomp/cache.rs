//! What a filter says of numbers alone. Since 5.11 the kernel works out at installation which calls a filter allows
//! whatever their arguments, and does not run it for these; a mistake there is a call let through.

use super::filter::*;
use crate::case::CaseResult;
use crate::child::isolated;
use crate::sys::Errno;
use crate::{Context, check_eq, syscall};

/// Calls that take nothing, change nothing and cannot fail, with numbers that a table of all calls holds.
const PROBES: [i64; 6] = [
    libc::SYS_getpid,
    libc::SYS_getuid,
    libc::SYS_getgid,
    libc::SYS_geteuid,
    libc::SYS_getegid,
    libc::SYS_getppid,
];

const REFUSED: Errno = Errno(42);

/// Runs the program for the probes, with their number loaded; allows all other calls.
fn filtered_probes(program: &[Instruction]) -> CaseResult {
    let mut whole = vec![load(DATA_NR)];
    for (left, number) in (0u8..6).rev().zip(PROBES) {
        // To the program, over the other comparisons and the verdict for all others.
        whole.push(Instruction((libc::BPF_JMP | libc::BPF_JEQ) as u16, left + 1, 0, number as u32));
    }
    whole.push(ret(ALLOW));
    whole.extend_from_slice(program);
    filtered(&whole)
}

/// Each probe must be allowed exactly if its number is judged so, however often it is made.
fn judges(what: &str, program: &[Instruction], is_allowed: impl Fn(u32) -> bool) -> CaseResult {
    isolated(|| {
        filtered_probes(program)?;
        for number in PROBES.into_iter().chain(PROBES) {
            // SAFETY: no pointers.
            let result = unsafe { syscall!(number) }.map(|_| ());
            let expected = if is_allowed(number as u32) { Ok(()) } else { Err(REFUSED) };
            check_eq!(result, expected, "call {number} under a filter {what}");
        }
        Ok(())
    })
}

fn branch(operation: u32, value: u32) -> Instruction {
    Instruction((libc::BPF_JMP | operation | libc::BPF_K) as u16, 0, 1, value)
}

/// Both ways round: a call allowed because the comparison holds, and because it does not.
pub fn verdict_by_comparison_of_the_number_is_obeyed(_: &Context) -> CaseResult {
    let (yes, no) = (ret(ALLOW), ret(ERRNO | 42));
    for (name, code, holds) in COMPARISONS {
        for value in [libc::SYS_geteuid as u32, libc::SYS_getegid as u32] {
            let program = [branch(code, value), yes, no];
            judges(&format!("that allows {name} {value}"), &program, |number| holds(number, value))?;
            let program = [branch(code, value), no, yes];
            judges(&format!("that refuses {name} {value}"), &program, |number| !holds(number, value))?;
        }
    }
    Ok(())
}

/// The other instructions that a verdict on numbers alone may go through.
pub fn verdict_behind_masks_and_jumps_is_obeyed(_: &Context) -> CaseResult {
    let (yes, no) = (ret(ALLOW), ret(ERRNO | 42));
    let jump = |skip| Instruction((libc::BPF_JMP | libc::BPF_JA) as u16, 0, 0, skip);
    judges("that jumps over its permission", &[jump(1), yes, no], |_| false)?;
    judges("that jumps over its refusal", &[jump(2), no, no, yes], |_| true)?;
    let masked = |mask| Instruction((libc::BPF_ALU | libc::BPF_AND | libc::BPF_K) as u16, 0, 0, mask);
    for mask in [3, 0x60] {
        for value in [libc::SYS_getpid, libc::SYS_geteuid].map(|number| number as u32 & mask) {
            let program = [masked(mask), branch(libc::BPF_JEQ, value), yes, no];
            judges(&format!("that allows & {mask} == {value}"), &program, |number| number & mask == value)?;
            let program = [masked(mask), branch(libc::BPF_JEQ, value), no, yes];
            judges(&format!("that refuses & {mask} == {value}"), &program, |number| number & mask != value)?;
        }
    }
    let by_architecture = [load(DATA_ARCH), branch(libc::BPF_JEQ, super::data::ARCH), no, yes];
    judges("that refuses this architecture", &by_architecture, |_| false)
}

/// What one filter refuses no other allows, older or newer.
pub fn newer_filter_loosens_nothing(_: &Context) -> CaseResult {
    isolated(|| {
        filtered(&on_call(libc::SYS_getppid, ERRNO | 42, ALLOW))?;
        for round in 0..3 {
            filtered(&[ret(ALLOW)])?;
            check_eq!(parent(), Err(REFUSED), "getppid under {round} newer filters that allow everything");
        }
        Ok(())
    })
}
