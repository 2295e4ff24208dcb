//! The entry for 32-bit programs, which 64-bit ones can use as well: another architecture, other numbers.

use super::filter::*;
use crate::case::{CaseResult, succeeds};
use crate::child::{Ending, exit, isolated, killed_by, run};
use crate::{Context, check_eq, syscall};

const I386: u32 = 0x4000_0003;
const I386_RESTART_SYSCALL: u32 = 0;
const I386_EXIT: u32 = 1;
const I386_READ: u32 = 3;
const I386_GETPPID: u32 = 64;

/// A call through the 32-bit entry: its result or negative errno.
fn int80(number: u32, arguments: [u32; 3]) -> i32 {
    let result: i64;
    // SAFETY: the calls made here read and write no memory; RBX, which the compiler keeps for itself, is restored;
    // the entry clears R8 to R11.
    unsafe {
        std::arch::asm!("xchg {first}, rbx", "int 0x80", "xchg {first}, rbx",
            first = inout(reg) u64::from(arguments[0]) => _,
            inlateout("rax") u64::from(number) => result,
            in("rcx") u64::from(arguments[1]), in("rdx") u64::from(arguments[2]),
            out("r8") _, out("r9") _, out("r10") _, out("r11") _)
    };
    result as i32
}

fn needs_the_entry() -> CaseResult {
    let emulated = run(|| exit(if int80(I386_GETPPID, [0; 3]) > 0 { 1 } else { 2 }))?;
    if emulated != Ending::Exited(1) {
        crate::skip!("missing symbol: IA32_EMULATION (int 0x80 ended in {emulated:?})");
    }
    Ok(())
}

pub fn int80_call_has_another_architecture(_: &Context) -> CaseResult {
    needs_the_entry()?;
    isolated(|| {
        filtered(&[
            load(DATA_ARCH),
            equal_or_skip(I386, 3),
            load(DATA_NR),
            equal_or_skip(I386_GETPPID, 1),
            ret(ERRNO | 42),
            ret(ALLOW),
        ])?;
        check_eq!(int80(I386_GETPPID, [0; 3]), -42, "getppid through int 0x80, by architecture and number");
        succeeds("getppid by its own number", parent()).map(drop)
    })
}

/// Arguments are the 32-bit registers: a filter finds nothing in the high halves.
pub fn int80_arguments_are_32_bits(_: &Context) -> CaseResult {
    needs_the_entry()?;
    let arguments = [0x8000_0001, 0xffff_fffe, 0x7fff_fffd];
    isolated(|| {
        for (at, argument) in (0..).zip(arguments) {
            for (offset, value) in [(data_argument(at), argument), (data_argument(at) + 4, 0)] {
                filtered(&[
                    load(DATA_ARCH),
                    equal_or_skip(I386, 4),
                    load(offset),
                    equal_or_skip(value, 1),
                    ret(ERRNO | 1),
                    ret(ERRNO | 2),
                    ret(ALLOW),
                ])?;
                let judged = int80(I386_GETPPID, arguments);
                check_eq!(judged, -1, "word at {offset} of a 32-bit call; errno 1 is {value:#x}, 2 is not");
            }
        }
        Ok(())
    })
}

/// Strict mode has a list for each calling convention: 3 is read(2) here and close(2) there, 0 the other way read(2).
pub fn strict_mode_knows_the_32_bit_numbers(_: &Context) -> CaseResult {
    needs_the_entry()?;
    let enter = || succeeds("seccomp(SECCOMP_SET_MODE_STRICT)", seccomp(SET_MODE_STRICT, 0, 0)).map(drop);
    let ending = run(|| {
        enter()?;
        // A descriptor that is not open: the call is made, and fails by itself.
        let status = if int80(I386_READ, [0x7fff_ffff, 0, 0]) == -libc::EBADF { 5 } else { 6 };
        int80(I386_EXIT, [status, 0, 0]);
        Ok(())
    })?;
    check_eq!(ending, Ending::Exited(5), "end of a child that read and exited by 32-bit numbers");
    for number in [I386_RESTART_SYSCALL, I386_GETPPID, libc::SYS_exit as u32] {
        killed_by(&format!("32-bit call {number} in strict mode"), libc::SIGKILL, || {
            enter()?;
            int80(number, [0; 3]);
            // SAFETY: takes no pointers.
            let _ = unsafe { syscall!(libc::SYS_exit, 0) };
            Ok(())
        })?;
    }
    killed_by("64-bit close in strict mode", libc::SIGKILL, || {
        enter()?;
        // SAFETY: takes no pointers.
        let _ = unsafe { syscall!(i64::from(I386_READ), 0x7fff_ffff) };
        Ok(())
    })
}
