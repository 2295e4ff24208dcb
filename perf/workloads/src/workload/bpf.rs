//! BPF maps and programs, through the raw `bpf(2)` call.

use super::{Operation, Workload};
use crate::Problem;
use crate::problem::needs;
use crate::sys::{owned, syscall};
use std::os::fd::{AsRawFd, OwnedFd};

pub static MAP_HASH: Workload = Workload {
    name: "bpf_map_hash",
    about: "update an element of a hash map and look it up",
    cites: "bpf(2), BPF_MAP_TYPE_HASH",
    operations: 500,
    setup: || map(1),
};

pub static MAP_ARRAY: Workload = Workload {
    name: "bpf_map_array",
    about: "update an element of an array map and look it up",
    cites: "bpf(2), BPF_MAP_TYPE_ARRAY",
    operations: 500,
    setup: || map(2),
};

pub static PROG_LOAD: Workload = Workload {
    name: "bpf_prog_load",
    about: "verify, translate and close a socket filter of 52 instructions with 24 branches",
    cites: "bpf(2), BPF_PROG_LOAD",
    operations: 100,
    setup: || {
        drop(load_program(&branches())?);
        let program = branches();
        Ok(Box::new(move || crate::sys::close(load(&program))))
    },
};

pub static TEST_RUN: Workload = Workload {
    name: "bpf_test_run",
    about: "run a socket filter of 52 instructions once on 64 bytes",
    cites: "bpf(2), BPF_PROG_TEST_RUN",
    operations: 300,
    setup: || {
        let mut operation = TestRun { program: load_program(&branches())?, packet: [0; 64] };
        needs("bpf(BPF_PROG_TEST_RUN)", operation.run())?;
        Ok(Box::new(operation))
    },
};

/// Commands of `bpf(2)`, linux/bpf.h.
mod command {
    pub const MAP_CREATE: u32 = 0;
    pub const MAP_LOOKUP_ELEM: u32 = 1;
    pub const MAP_UPDATE_ELEM: u32 = 2;
    pub const PROG_LOAD: u32 = 5;
    pub const PROG_TEST_RUN: u32 = 10;
}

/// The parts of `union bpf_attr` that are used here.
#[repr(C)]
struct MapCreate {
    kind: u32,
    key_size: u32,
    value_size: u32,
    entries: u32,
}

#[repr(C)]
struct MapElement {
    map: u32,
    _padding: u32,
    key: *const u32,
    value: *mut u64,
    flags: u64,
}

#[repr(C)]
struct ProgLoad {
    kind: u32,
    length: u32,
    instructions: *const u64,
    license: *const std::ffi::c_char,
}

#[repr(C)]
struct ProgTestRun {
    program: u32,
    result: u32,
    input_size: u32,
    output_size: u32,
    input: *const u8,
    output: *mut u8,
    repeat: u32,
    duration: u32,
}

/// # Safety
/// The attributes belong to the command, and what they point to lives through the call.
#[inline(always)]
unsafe fn bpf<T>(command: u32, attributes: &mut T) -> i64 {
    // SAFETY: forwarded to the caller.
    unsafe { syscall!(libc::SYS_bpf, command, &raw mut *attributes, size_of::<T>()) }
}

/// Before 5.11 maps and programs count against the limit of locked memory.
fn lift_memory_limit() {
    let unlimited = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: the structure lives through the call. Without the right to raise it, the next call will tell.
    unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &unlimited) };
}

fn map(kind: u32) -> Result<Box<dyn Operation>, Problem> {
    lift_memory_limit();
    let mut attributes = MapCreate { kind, key_size: 4, value_size: 8, entries: 64 };
    // SAFETY: these are the attributes of this command.
    let map = owned("bpf(BPF_MAP_CREATE)", unsafe { bpf(command::MAP_CREATE, &mut attributes) })?;
    let mut operation = Map { map, key: 7, value: 1 };
    needs("bpf(BPF_MAP_UPDATE_ELEM)", operation.run())?;
    Ok(Box::new(operation))
}

struct Map {
    map: OwnedFd,
    key: u32,
    value: u64,
}

impl Operation for Map {
    fn run(&mut self) -> i64 {
        let (key, value) = (&raw const self.key, &raw mut self.value);
        let map = self.map.as_raw_fd() as u32;
        let mut element = MapElement { map, _padding: 0, key, value, flags: 0 };
        // SAFETY: key and value have the sizes the map was made with.
        let updated = unsafe { bpf(command::MAP_UPDATE_ELEM, &mut element) };
        // SAFETY: as above.
        let found = unsafe { bpf(command::MAP_LOOKUP_ELEM, &mut element) };
        updated.min(found)
    }
}

/// One instruction. Source: Linux Documentation/bpf/standardization/instruction-set.rst.
const fn instruction(opcode: u8, registers: u8, offset: i16, immediate: i32) -> u64 {
    opcode as u64 | (registers as u64) << 8 | (offset as u16 as u64) << 16 | (immediate as u32 as u64) << 32
}

const PAIRS: usize = 24;
const LENGTH: usize = 2 * PAIRS + 4;

/// Counts how many of 24 bounds the packet's length exceeds: a branch on an unknown value each time, which
/// the verifier must follow both ways and then find equal.
fn branches() -> [u64; LENGTH] {
    let mut program = [0; LENGTH];
    program[0] = instruction(0x61, 0x12, 0, 0); // r2 = *(u32 *)(r1 + 0): skb->len
    program[1] = instruction(0xb7, 0x00, 0, 0); // r0 = 0
    for pair in 0..PAIRS {
        program[2 + 2 * pair] = instruction(0xa5, 0x02, 1, 16 * pair as i32); // if r2 < 16 * pair goto +1
        program[3 + 2 * pair] = instruction(0x07, 0x00, 0, 1); // r0 += 1
    }
    program[LENGTH - 2] = instruction(0xb7, 0x00, 0, 0); // r0 = 0
    program[LENGTH - 1] = instruction(0x95, 0x00, 0, 0); // exit
    program
}

#[inline(always)]
fn load(program: &[u64; LENGTH]) -> i64 {
    const SOCKET_FILTER: u32 = 1;
    let mut attributes = ProgLoad {
        kind: SOCKET_FILTER,
        length: LENGTH as u32,
        instructions: program.as_ptr(),
        license: c"GPL".as_ptr(),
    };
    // SAFETY: as many instructions as said; the licence ends with a zero byte.
    unsafe { bpf(command::PROG_LOAD, &mut attributes) }
}

fn load_program(program: &[u64; LENGTH]) -> Result<OwnedFd, Problem> {
    lift_memory_limit();
    owned("bpf(BPF_PROG_LOAD)", load(program))
}

struct TestRun {
    program: OwnedFd,
    packet: [u8; 64],
}

impl Operation for TestRun {
    fn run(&mut self) -> i64 {
        let mut attributes = ProgTestRun {
            program: self.program.as_raw_fd() as u32,
            result: 0,
            input_size: self.packet.len() as u32,
            output_size: 0,
            input: self.packet.as_ptr(),
            output: std::ptr::null_mut(),
            repeat: 1,
            duration: 0,
        };
        // SAFETY: the packet is as long as said; no output is asked for.
        unsafe { bpf(command::PROG_TEST_RUN, &mut attributes) }
    }
}
