//! Seccomp filters: classic BPF that `seccomp_check_filter` takes, mostly.
//! Source: Linux Documentation/userspace-api/seccomp_filter.rst; instruction layout in include/uapi/linux/filter.h.

use super::Choices;
use crate::program::Instruction;

/// LD|W|ABS, the only load a filter may use besides LEN, IMM and MEM.
const LOAD: u16 = 0x20;
const LOAD_IMMEDIATE: u16 = 0x00;
const LOAD_LENGTH: u16 = 0x80;
const STORE: u16 = 0x02;
const LOAD_MEMORY: u16 = 0x60;
/// JEQ, JGT, JGE, JSET with a constant.
const JUMPS: &[u16] = &[0x15, 0x25, 0x35, 0x45];
/// ADD, SUB, MUL, DIV, OR, AND, LSH, RSH, NEG, XOR with a constant.
const ARITHMETIC: &[u16] = &[0x04, 0x14, 0x24, 0x34, 0x44, 0x54, 0x64, 0x74, 0x84, 0xa4];
const RETURN: u16 = 0x06;
/// ALLOW, LOG, ERRNO 1, ERRNO 0, TRACE, TRAP, USER_NOTIF, KILL_THREAD, KILL_PROCESS.
const ACTIONS: &[u32] = &[
    0x7fff_0000,
    0x7fff_0000,
    0x7ffc_0000,
    0x0005_0001,
    0x0005_0000,
    0x7ff0_0000,
    0x0003_0000,
    0x7fc0_0000,
    0x0000_0000,
    0x8000_0000,
];
/// Numbers worth comparing with: the architecture, and calls that programs make.
const NUMBERS: &[u32] = &[
    0xc000_003e,
    libc::SYS_read as u32,
    libc::SYS_close as u32,
    libc::SYS_dup as u32,
    libc::SYS_bpf as u32,
    0,
    1,
];

/// A filter that ends in a return; most let everything pass in the end, so that the program goes on.
pub(super) fn code(choices: &mut Choices<'_>) -> Vec<Instruction> {
    let body = choices.below(12);
    let mut code: Vec<Instruction> = Vec::with_capacity(body + 2);
    for at in 0..body {
        let left = body - at;
        code.push(step(choices, left));
    }
    code.push(instruction(RETURN, 0, 0, ACTIONS[0]));
    let last = if choices.chance(1, 3) { choices.pick(ACTIONS).unwrap_or(ACTIONS[0]) } else { ACTIONS[0] };
    code.push(instruction(RETURN, 0, 0, last));
    if choices.chance(1, 16) {
        let at = choices.below(code.len());
        code[at].bits ^= 1 << choices.below(64);
    }
    code
}

/// One instruction, with `left` more before the first return.
fn step(choices: &mut Choices<'_>, left: usize) -> Instruction {
    match choices.below(12) {
        0..4 => instruction(LOAD, 0, 0, 4 * choices.below(16) as u32),
        4..8 => {
            let code = choices.pick(JUMPS).unwrap_or(JUMPS[0]);
            let jump = choices.below(left + 1) as u8;
            let constant = choices.pick(NUMBERS).unwrap_or(0);
            if choices.chance(1, 2) {
                instruction(code, jump, 0, constant)
            } else {
                instruction(code, 0, jump, constant)
            }
        }
        8 => instruction(choices.pick(ARITHMETIC).unwrap_or(0x04), 0, 0, 1 + choices.below(31) as u32),
        9 => instruction(STORE, 0, 0, choices.below(16) as u32),
        // Verified since Linux 5.x only where the word was stored before: often refused, on purpose.
        10 => instruction(LOAD_MEMORY, 0, 0, choices.below(16) as u32),
        _ if choices.chance(1, 2) => instruction(LOAD_LENGTH, 0, 0, 0),
        _ => instruction(LOAD_IMMEDIATE, 0, 0, choices.number() as u32),
    }
}

/// `struct sock_filter` as one word.
fn instruction(code: u16, jump_true: u8, jump_false: u8, constant: u32) -> Instruction {
    let bits = u64::from(code)
        | u64::from(jump_true) << 16
        | u64::from(jump_false) << 24
        | u64::from(constant) << 32;
    Instruction { bits, resource: None }
}
