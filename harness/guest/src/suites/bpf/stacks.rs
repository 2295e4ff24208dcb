//! Stacks by number: what bpf_get_stackid puts into a map, and what a process finds there (bpf-helpers(7)).

use super::support::{accepted, create};
use super::tracing::{call_parent, count, counter, counts, only_here, open_raw};
use crate::bpf::{Condition, Instruction, Map, MapKind, MapSpec, ProgramKind, Register::*, Width, update};
use crate::case::{fails_with, succeeds};
use crate::{CaseResult, Context, Stop, check, check_eq, code};

const GET_STACK_ID: i32 = 27;
const USER_STACK: i32 = 1 << 8;
const ENTRIES: u32 = 64;
/// As many addresses as kernel.perf_event_max_stack allows by default.
const DEPTH: u32 = 127;

fn stacks() -> Result<Map, Stop> {
    create(MapSpec::new(MapKind::StackTrace, 4, 8 * DEPTH, ENTRIES))
}

/// What bpf_get_stackid with these flags says in the last of some calls of this process.
fn identifier(stacks: &Map, flags: i32, calls: u32) -> Result<i64, Stop> {
    let seen = counter()?;
    let code = code![
        Instruction::mov(R8, R1),
        Instruction::load(Width::Double, R7, R1, 8),
        Instruction::jump(Condition::Eq, R7, libc::SYS_getppid as i32, 2),
        super::support::returning(0),
        only_here(),
        Instruction::mov(R1, R8),
        Instruction::load_map(R2, stacks),
        Instruction::mov(R3, flags),
        Instruction::call(GET_STACK_ID),
        Instruction::mov(R7, R0),
        count(&seen),
    ];
    let program = accepted("a program that asks for its stack", ProgramKind::RawTracepoint, &code)?;
    let link = succeeds("BPF_RAW_TRACEPOINT_OPEN of sys_enter", open_raw(c"sys_enter", &program))?;
    call_parent(calls);
    drop(link);
    let [times, last] = counts(&seen)?;
    check_eq!(times, u64::from(calls), "calls seen");
    Ok(last.cast_signed())
}

/// The addresses under an identifier; behind the last one there are zeroes.
fn addresses(stacks: &Map, identifier: i64) -> Result<Vec<u64>, Stop> {
    check!((0..i64::from(ENTRIES)).contains(&identifier), "bpf_get_stackid: {identifier}, of {ENTRIES}");
    let mut found = succeeds("lookup of a stack", stacks.lookup_u64(identifier as u32))?;
    let length = found.iter().position(|&address| address == 0).unwrap_or(found.len());
    check!(found[length..].iter().all(|&address| address == 0), "addresses after a zero: {found:x?}");
    check!(length > 0, "a stack without an address");
    found.truncate(length);
    Ok(found)
}

pub fn kernel_stack(_: &Context) -> CaseResult {
    const TOP_BIT: u64 = 1 << 63;
    let map = stacks()?;
    let number = identifier(&map, 0, 5)?;
    let full = addresses(&map, number)?;
    check!(full.iter().all(|&address| address & TOP_BIT != 0), "a kernel's stack: {full:x?}");
    check_eq!(
        succeeds("iteration", map.keys(8))?,
        [(number as u32).to_ne_bytes()],
        "stacks of five same calls"
    );
    let other = stacks()?;
    if full.len() > 1 {
        // The first is in the program itself, and so another one than before.
        let number = identifier(&other, 1, 1)?;
        check_eq!(addresses(&other, number)?, full[1..], "the stack without its first address");
    }
    check_eq!(
        identifier(&other, 1 << 12, 1)?,
        i64::from(-libc::EINVAL),
        "bpf_get_stackid with unknown flags"
    );
    let key = (number as u32).to_ne_bytes();
    fails_with("update of a stack", map.update(&key, &vec![0; map.value], update::ANY), libc::EINVAL)?;
    succeeds("deletion", map.delete(&key))?;
    fails_with("second deletion", map.delete(&key), libc::ENOENT)?;
    fails_with("lookup after deletion", map.lookup(&key), libc::ENOENT)?;
    fails_with("lookup outside", map.lookup(&ENTRIES.to_ne_bytes()), libc::ENOENT)?;
    fails_with("deletion outside", map.delete(&ENTRIES.to_ne_bytes()), libc::E2BIG)
}

/// The process is in the call: the first address is in code of its own.
pub fn user_stack(_: &Context) -> CaseResult {
    let map = stacks()?;
    let number = identifier(&map, USER_STACK, 1)?;
    let first = addresses(&map, number)?[0];
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let executable =
        maps.lines().filter(|line| line.split(' ').nth(1).is_some_and(|bits| bits.contains('x')));
    let inside = |line: &str| {
        let mut ends = line.split([' ', '-']).map(|text| u64::from_str_radix(text, 16).unwrap_or(0));
        (ends.next().unwrap_or(0)..ends.next().unwrap_or(0)).contains(&first)
    };
    check!(executable.into_iter().any(inside), "{first:#x}, where a process is said to be: {maps}");
    Ok(())
}
