//! What programs compute, once more: interpreted, and compiled with their constants hidden (net.rst of
//! Documentation/admin-guide/sysctl).

use super::support::{accepted, returning, run};
use super::{arithmetic, execution, jump, packet, signed};
use crate::bpf::{ProgramKind, information};
use crate::case::setup;
use crate::{CaseResult, Context, Stop, check, check_eq, skip};

const COMPILER: &str = "/proc/sys/net/core/bpf_jit_enable";
const HARDENING: &str = "/proc/sys/net/core/bpf_jit_harden";

type Results = &'static [fn(&Context) -> CaseResult];

/// What must come out the same in whatever way a program is executed.
const ARITHMETIC: Results = &[
    arithmetic::alu64,
    arithmetic::alu32,
    arithmetic::immediates,
    arithmetic::byte_order_conversions,
    arithmetic::unconditional_byte_swaps,
    arithmetic::division_spares_other_registers,
    signed::moves,
    signed::loads,
    signed::division,
    signed::division_by_immediates,
    signed::overflow,
];

const MEMORY_AND_JUMPS: Results = &[
    execution::loads_and_stores,
    execution::atomic_add,
    execution::atomic_operations,
    execution::compare_and_exchange,
    execution::acquiring_loads_and_releasing_stores,
    execution::bounded_loops,
    execution::subprograms,
    execution::tail_calls_do_not_return,
    execution::tail_call_limit,
    jump::of_registers,
    jump::with_immediates,
    jump::over_any_distance,
    packet::absolute_loads,
    packet::indexed_loads,
];

/// All of them; those whose instructions the kernel is too old for say so and are left out.
fn judge(all: Results, context: &Context) -> CaseResult {
    for results in all {
        match results(context) {
            Ok(()) | Err(Stop::Skip(_)) => {}
            Err(stop) => return Err(stop),
        }
    }
    Ok(())
}

/// Runs the body with a sysctl set, and puts it back. Where it cannot be set, the case is skipped with this cause.
fn with_setting(path: &str, value: &str, cause: &str, body: impl FnOnce() -> CaseResult) -> CaseResult {
    let before = std::fs::read_to_string(path).map_err(|error| Stop::Skip(format!("no {path}: {error}")))?;
    if let Err(error) = std::fs::write(path, value) {
        skip!("{cause}: {path} = {value}: {error}");
    }
    let verdict = body();
    std::fs::write(path, before).map_err(|error| Stop::Broken(format!("{path}: {error}")))?;
    verdict
}

/// A number that no compiler would come upon by itself.
const CONSTANT: i32 = 0x5a17_c0de;

/// The machine code of a program that returns [`CONSTANT`], from `struct bpf_prog_info`: none where it is interpreted.
fn machine_code() -> Result<Vec<u8>, Stop> {
    let program = accepted("a plain program", ProgramKind::SocketFilter, &returning(CONSTANT))?;
    check_eq!(run(&program)?, CONSTANT as u32, "return value");
    let mut code = vec![0u8; 4096];
    let mut info = [0u8; 64];
    info[16..20].copy_from_slice(&(code.len() as u32).to_ne_bytes());
    info[24..32].copy_from_slice(&(code.as_mut_ptr() as u64).to_ne_bytes());
    setup("BPF_OBJ_GET_INFO_BY_FD", information(&program, &mut info))?;
    let length = u32::from_ne_bytes(info[16..20].try_into().expect("four bytes"));
    code.truncate(length as usize);
    Ok(code)
}

pub fn interpreted_arithmetic(context: &Context) -> CaseResult {
    interpreted(ARITHMETIC, context)
}

pub fn interpreted_memory_and_jumps(context: &Context) -> CaseResult {
    interpreted(MEMORY_AND_JUMPS, context)
}

fn interpreted(all: Results, context: &Context) -> CaseResult {
    with_setting(COMPILER, "0", "CONFIG_BPF_JIT_ALWAYS_ON: the kernel has no interpreter", || {
        check_eq!(machine_code()?.len(), 0, "bytes of machine code with {COMPILER} = 0");
        judge(all, context)
    })
}

pub fn hardened_arithmetic(context: &Context) -> CaseResult {
    hardened(ARITHMETIC, context)
}

pub fn hardened_memory_and_jumps(context: &Context) -> CaseResult {
    hardened(MEMORY_AND_JUMPS, context)
}

/// Constants, which may be an attacker's, must not stand in executable memory as they are.
fn hardened(all: Results, context: &Context) -> CaseResult {
    const CAUSE: &str = "the kernel has no compiler";
    with_setting(COMPILER, "1", CAUSE, || {
        with_setting(HARDENING, "2", CAUSE, || {
            let code = machine_code()?;
            check!(!code.is_empty(), "no machine code with {COMPILER} = 1");
            let plain = code.windows(4).any(|bytes| bytes == CONSTANT.to_le_bytes());
            check!(!plain, "with {HARDENING} = 2 a program's constant stands in its machine code");
            judge(all, context)
        })
    })
}
