//! What a filter sees, and how it computes. The newest of several filters with one action decides the data, so one
//! child can try many.

use super::filter::*;
use crate::case::{CaseResult, fails_with, succeeds};
use crate::child::isolated;
use crate::sys::Errno;
use crate::{Context, check_eq};

/// The number the kernel gives this machine's calling convention (linux/audit.h).
#[cfg(target_arch = "x86_64")]
pub const ARCH: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
pub const ARCH: u32 = 0xc000_00b7;

const YES: u32 = ERRNO | 1;
const NO: u32 = ERRNO | 2;

/// Installs the program for [`NOWHERE`] only; it must end in YES.
fn says_yes(what: &str, program: &[Instruction], arguments: [u64; 6]) -> CaseResult {
    let mut whole = vec![load(DATA_NR), equal_or_skip(NOWHERE as u32, 1), jump(1), ret(ALLOW)];
    whole.extend_from_slice(program);
    filtered(&whole)?;
    check_eq!(nowhere(arguments), Err(Errno(1)), "{what}; errno 1 is yes, 2 is no");
    Ok(())
}

fn jump(skip: u32) -> Instruction {
    Instruction((libc::BPF_JMP | libc::BPF_JA) as u16, 0, 0, skip)
}

/// YES if the loaded value is this one.
fn judge(value: u32) -> [Instruction; 3] {
    [equal_or_skip(value, 1), ret(YES), ret(NO)]
}

pub fn filter_sees_number_and_architecture(_: &Context) -> CaseResult {
    isolated(|| {
        let loads = |offset, value| [&[load(offset)], judge(value).as_slice()].concat();
        says_yes("number of the call", &loads(DATA_NR, NOWHERE as u32), [0; 6])?;
        says_yes("architecture of the call", &loads(DATA_ARCH, ARCH), [0; 6])?;
        let length = Instruction((libc::BPF_LD | libc::BPF_W | libc::BPF_LEN) as u16, 0, 0, 0);
        says_yes("size of seccomp_data", &[&[length], judge(DATA_SIZE).as_slice()].concat(), [0; 6])
    })
}

pub fn filter_sees_every_half_of_every_argument(_: &Context) -> CaseResult {
    let arguments: [u64; 6] = std::array::from_fn(|at| 0x8123_4500_89ab_cd80 + 0x11_0000_0011 * at as u64);
    isolated(|| {
        for (number, argument) in arguments.into_iter().enumerate() {
            let offset = data_argument(number as u32);
            for (half, offset, value) in
                [("low", offset, argument as u32), ("high", offset + 4, (argument >> 32) as u32)]
            {
                let program = [&[load(offset)], judge(value).as_slice()].concat();
                says_yes(&format!("{half} half of argument {number}"), &program, arguments)?;
            }
        }
        Ok(())
    })
}

/// getppid by a system call instruction of our own: its result, and the address behind the instruction.
#[cfg(target_arch = "x86_64")]
#[inline(never)]
fn parent_from_here() -> (i64, u64) {
    let (result, address): (i64, u64);
    // SAFETY: getppid takes nothing; the instruction clobbers RCX and R11.
    unsafe {
        std::arch::asm!("lea {address}, [rip + 2f]", "syscall", "2:", address = out(reg) address,
            inlateout("rax") libc::SYS_getppid => result, out("rcx") _, out("r11") _)
    };
    (result, address)
}

#[cfg(target_arch = "x86_64")]
pub fn filter_sees_the_instruction_pointer(_: &Context) -> CaseResult {
    let (_, address) = parent_from_here();
    let (low, high) = (address as u32, (address >> 32) as u32);
    isolated(|| {
        filtered(&[
            load(DATA_NR),
            equal_or_skip(libc::SYS_getppid as u32, 5),
            load(8),
            equal_or_skip(low, 3),
            load(12),
            equal_or_skip(high, 1),
            ret(YES),
            ret(ALLOW),
        ])?;
        check_eq!(parent_from_here(), (-1, address), "errno by a filter that looks for this instruction");
        succeeds("getppid by another instruction", parent()).map(drop)
    })
}

/// Since 5.11 the kernel remembers which calls a filter allows whatever their arguments; only those.
pub fn verdict_follows_each_calls_arguments(_: &Context) -> CaseResult {
    isolated(|| {
        // An older filter that allows everything must not answer for the newer one.
        filtered(&[ret(ALLOW)])?;
        filtered(&[
            load(DATA_NR),
            equal_or_skip(libc::SYS_dup as u32, 3),
            load(data_argument(0)),
            equal_or_skip(12_345, 1),
            ret(ERRNO | 42),
            ret(ALLOW),
        ])?;
        for _ in 0..3 {
            // SAFETY: takes no pointers; neither descriptor is open.
            let (allowed, refused) =
                unsafe { (crate::syscall!(libc::SYS_dup, 12_346), crate::syscall!(libc::SYS_dup, 12_345)) };
            check_eq!(allowed, Err(Errno(libc::EBADF)), "dup of a descriptor the filter lets through");
            check_eq!(refused, Err(Errno(42)), "dup of the descriptor the filter refuses");
        }
        Ok(())
    })
}

/// The one way around a filter that compares numbers only (seccomp(2) NOTES, `__X32_SYSCALL_BIT`).
#[cfg(target_arch = "x86_64")]
pub fn x32_call_has_another_number(_: &Context) -> CaseResult {
    const X32: i64 = 0x4000_0000;
    isolated(|| {
        filtered(&on_call(libc::SYS_getppid, ERRNO | 42, ALLOW))?;
        filtered(&on_call(libc::SYS_getppid | X32, ERRNO | 43, ALLOW))?;
        check_eq!(parent(), Err(Errno(42)), "getppid by its own number");
        // SAFETY: takes no pointers.
        let called = unsafe { crate::syscall!(libc::SYS_getppid | X32) };
        check_eq!(called, Err(Errno(43)), "getppid by its x32 number");
        Ok(())
    })
}

const K: u32 = libc::BPF_K;
const X: u32 = libc::BPF_X;

fn alu(operation: u32, source: u32, value: u32) -> Instruction {
    Instruction((libc::BPF_ALU | operation | source) as u16, 0, 0, value)
}

pub fn filter_computes_in_32_bits(_: &Context) -> CaseResult {
    type Operation = fn(u32, u32) -> u32;
    let operations: [(&str, u32, Operation); 9] = [
        ("add", libc::BPF_ADD, u32::wrapping_add),
        ("sub", libc::BPF_SUB, u32::wrapping_sub),
        ("mul", libc::BPF_MUL, u32::wrapping_mul),
        ("div", libc::BPF_DIV, |a, b| a / b),
        ("and", libc::BPF_AND, |a, b| a & b),
        ("or", libc::BPF_OR, |a, b| a | b),
        ("xor", libc::BPF_XOR, |a, b| a ^ b),
        ("lsh", libc::BPF_LSH, |a, b| a << b),
        ("rsh", libc::BPF_RSH, |a, b| a >> b),
    ];
    let values = [(0xffff_fff5, 7), (0x8000_0001, 31), (3, 1), (0x7fff_ffff, 2)];
    let immediate = |value| Instruction((libc::BPF_LD | libc::BPF_IMM) as u16, 0, 0, value);
    let index = |value| Instruction((libc::BPF_LDX | libc::BPF_IMM) as u16, 0, 0, value);
    isolated(|| {
        for (name, code, operation) in operations {
            for (a, b) in values {
                let what = format!("{a:#x} {name} {b:#x}");
                let judged = judge(operation(a, b));
                let constant = [&[immediate(a), alu(code, K, b)], judged.as_slice()].concat();
                let register = [&[immediate(a), index(b), alu(code, X, 0)], judged.as_slice()].concat();
                let loaded =
                    [&[load(data_argument(0)), index(b), alu(code, X, 0)], judged.as_slice()].concat();
                says_yes(&format!("{what}, a constant"), &constant, [0; 6])?;
                says_yes(&format!("{what}, in X"), &register, [0; 6])?;
                says_yes(&format!("{what}, of an argument"), &loaded, [a.into(), 0, 0, 0, 0, 0])?;
            }
        }
        let negated =
            [&[immediate(5), alu(libc::BPF_NEG, K, 0)], judge(5u32.wrapping_neg()).as_slice()].concat();
        says_yes("neg 5", &negated, [0; 6])
    })
}

pub fn filter_compares_without_sign(_: &Context) -> CaseResult {
    let values = [
        (0x8000_0000, 0x7fff_ffff),
        (5, 5),
        (4, 5),
        (u32::MAX, 0),
        (0, u32::MAX),
        (0x10, 0x11),
        (0x10, 0x0f),
    ];
    isolated(|| {
        for (name, code, comparison) in COMPARISONS {
            for (a, b) in values {
                let (yes, no) = if comparison(a, b) { (YES, NO) } else { (NO, YES) };
                let index = Instruction((libc::BPF_LDX | libc::BPF_IMM) as u16, 0, 0, b);
                let branch = |source| Instruction((libc::BPF_JMP | code | source) as u16, 0, 1, b);
                for source in [K, X] {
                    let program = [load(data_argument(5)), index, branch(source), ret(yes), ret(no)];
                    says_yes(&format!("{a:#x} {name} {b:#x}"), &program, [0, 0, 0, 0, 0, a.into()])?;
                }
            }
        }
        Ok(())
    })
}

pub fn filter_keeps_its_scratch_memory(_: &Context) -> CaseResult {
    let (st, ld) = ((libc::BPF_ST) as u16, (libc::BPF_LD | libc::BPF_MEM) as u16);
    let immediate = |value| Instruction((libc::BPF_LD | libc::BPF_IMM) as u16, 0, 0, value);
    isolated(|| {
        let mut stores = Vec::new();
        for slot in 0..16 {
            stores.extend([immediate(0xa000_0000 + slot), Instruction(st, 0, 0, slot)]);
        }
        for slot in 0..16 {
            let read = [Instruction(ld, 0, 0, slot)];
            let program = [stores.as_slice(), &read, &judge(0xa000_0000 + slot)].concat();
            says_yes(&format!("scratch word {slot}"), &program, [0; 6])?;
        }
        Ok(())
    })
}

pub fn unsound_program_is_refused(_: &Context) -> CaseResult {
    let one = |code: u32, k: u32| vec![Instruction(code as u16, 0, 0, k), ret(ALLOW)];
    let (ld, w) = (libc::BPF_LD, libc::BPF_W | libc::BPF_ABS);
    let refused = [
        ("load at the end of seccomp_data", one(ld | w, DATA_SIZE)),
        ("load across the end of seccomp_data", one(ld | w, DATA_SIZE - 2)),
        ("unaligned load", one(ld | w, 2)),
        ("load at the last offset there is", one(ld | w, u32::MAX - 3)),
        ("load of half a word", one(ld | libc::BPF_H | libc::BPF_ABS, 0)),
        ("load of a byte", one(ld | libc::BPF_B | libc::BPF_ABS, 0)),
        ("load by index", one(ld | libc::BPF_W | libc::BPF_IND, 0)),
        ("load of a header length", one(libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH, 0)),
        ("division by a constant 0", one(libc::BPF_ALU | libc::BPF_DIV | K, 0)),
        ("modulo, which seccomp does not allow", one(libc::BPF_ALU | 0x90 | K, 3)),
        ("shift by 32", one(libc::BPF_ALU | libc::BPF_LSH | K, 32)),
        ("store behind the scratch memory", one(libc::BPF_ST, 16)),
        ("load of scratch memory never written", one(ld | libc::BPF_MEM, 0)),
        ("unknown instruction", one(0xffff, 0)),
        ("jump to just behind the program", vec![jump(1), ret(ALLOW)]),
        ("jump that wraps around", vec![jump(u32::MAX), ret(ALLOW)]),
        ("branch to just behind the program", vec![load(0), equal_or_skip(0, 1), ret(ALLOW)]),
        ("program without an end", vec![ret(ALLOW), load(0)]),
    ];
    isolated(|| {
        for (what, program) in refused {
            fails_with(&format!("filter with a {what}"), install(&program, 0), libc::EINVAL)?;
        }
        check_eq!(mode(), Ok(0), "mode after refused programs");
        let accepted = [
            ("load of the last word", one(ld | w, DATA_SIZE - 4)),
            ("shift by 31", one(libc::BPF_ALU | libc::BPF_LSH | K, 31)),
            ("store to the last scratch word", one(libc::BPF_ST, 15)),
            ("jump to the last instruction", vec![jump(1), ret(KILL_PROCESS), ret(ALLOW)]),
        ];
        for (what, program) in accepted {
            succeeds(&format!("filter with a {what}"), install(&program, 0))?;
        }
        Ok(())
    })
}
