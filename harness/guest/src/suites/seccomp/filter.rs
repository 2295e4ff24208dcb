//! Classic BPF programs for seccomp, and the call, with their numbers as documented.

use crate::case::{CaseResult, Stop, exists, setup, succeeds};
use crate::sys::{Errno, owned};
use crate::syscall;
use std::os::fd::OwnedFd;

pub type Comparison = fn(u32, u32) -> bool;

/// What conditional jumps ask, by its sign, its code and its meaning; without signs (linux/filter.h).
pub const COMPARISONS: [(&str, u32, Comparison); 4] = [
    ("==", libc::BPF_JEQ, |a, b| a == b),
    (">", libc::BPF_JGT, |a, b| a > b),
    (">=", libc::BPF_JGE, |a, b| a >= b),
    ("&", libc::BPF_JSET, |a, b| a & b != 0),
];

pub const SET_MODE_STRICT: u32 = 0;
pub const SET_MODE_FILTER: u32 = 1;
pub const GET_ACTION_AVAIL: u32 = 2;
pub const GET_NOTIF_SIZES: u32 = 3;

pub const TSYNC: u32 = 1 << 0;
pub const LOG_FLAG: u32 = 1 << 1;
pub const SPEC_ALLOW: u32 = 1 << 2;
pub const NEW_LISTENER: u32 = 1 << 3;
pub const TSYNC_ESRCH: u32 = 1 << 4;
/// Since 5.19.
pub const WAIT_KILLABLE_RECV: u32 = 1 << 5;

pub const KILL_PROCESS: u32 = 0x8000_0000;
pub const KILL_THREAD: u32 = 0;
pub const TRAP: u32 = 0x0003_0000;
pub const ERRNO: u32 = 0x0005_0000;
pub const USER_NOTIF: u32 = 0x7fc0_0000;
pub const TRACE: u32 = 0x7ff0_0000;
pub const LOG: u32 = 0x7ffc_0000;
pub const ALLOW: u32 = 0x7fff_0000;

/// Offsets in `struct seccomp_data`.
pub const DATA_NR: u32 = 0;
pub const DATA_ARCH: u32 = 4;
pub const DATA_SIZE: u32 = 64;

/// Low half of an argument; the high half is four behind on a little-endian machine.
pub const fn data_argument(number: u32) -> u32 {
    16 + 8 * number
}

/// A call no kernel implements, below the bit that marks x32: without a filter it fails with ENOSYS.
pub const NOWHERE: i64 = 0x3fff_0000;

/// One instruction: code, jump if true, jump if false, constant.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Instruction(pub u16, pub u8, pub u8, pub u32);

pub const fn load(offset: u32) -> Instruction {
    Instruction((libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16, 0, 0, offset)
}

pub const fn ret(value: u32) -> Instruction {
    Instruction((libc::BPF_RET | libc::BPF_K) as u16, 0, 0, value)
}

/// Goes on with the next instruction if equal, else skips this many.
pub const fn equal_or_skip(value: u32, skip: u8) -> Instruction {
    Instruction((libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16, 0, skip, value)
}

/// `action` for one call, `otherwise` for all others.
pub fn on_call(number: i64, action: u32, otherwise: u32) -> [Instruction; 4] {
    [load(DATA_NR), equal_or_skip(number as u32, 1), ret(action), ret(otherwise)]
}

#[repr(C)]
struct Program {
    length: u16,
    instructions: *const Instruction,
}

/// seccomp(2) with a program of this length, which may be a lie.
pub fn install_with_length(program: &[Instruction], length: u16, flags: u32) -> Result<i64, Errno> {
    install_from(program.as_ptr() as u64, length, flags)
}

/// seccomp(2) with a program at an address that may be no good.
pub fn install_from(address: u64, length: u16, flags: u32) -> Result<i64, Errno> {
    let program = Program { length, instructions: address as *const Instruction };
    // SAFETY: the kernel only reads the program, and refuses what it cannot read.
    unsafe { syscall!(libc::SYS_seccomp, SET_MODE_FILTER, flags, &raw const program) }
}

/// prctl(2) with PR_SET_SECCOMP, a mode and an address that may be no good.
pub fn set_mode_by_prctl(mode: u64, address: u64) -> Result<i64, Errno> {
    // SAFETY: the kernel only reads a program, and refuses what it cannot read.
    unsafe { syscall!(libc::SYS_prctl, libc::PR_SET_SECCOMP, mode, address, 0, 0) }
}

pub fn install_by_prctl(program: &[Instruction]) -> Result<i64, Errno> {
    let program = Program { length: program.len() as u16, instructions: program.as_ptr() };
    set_mode_by_prctl(libc::SECCOMP_MODE_FILTER.into(), &raw const program as u64)
}

pub fn install(program: &[Instruction], flags: u32) -> Result<i64, Errno> {
    install_with_length(program, program.len() as u16, flags)
}

/// Installs a program, which must work.
pub fn filtered(program: &[Instruction]) -> CaseResult {
    let installed = exists("seccomp", install(program, 0))?;
    match succeeds("seccomp(SECCOMP_SET_MODE_FILTER)", installed)? {
        0 => Ok(()),
        other => Err(Stop::Fail(format!("seccomp(SECCOMP_SET_MODE_FILTER) returned {other}, must return 0"))),
    }
}

/// Installs a program with a listener for its SECCOMP_RET_USER_NOTIF.
pub fn listener(program: &[Instruction]) -> Result<OwnedFd, Stop> {
    let installed = exists("seccomp", install(program, NEW_LISTENER))?;
    succeeds("seccomp(SECCOMP_SET_MODE_FILTER) with NEW_LISTENER", installed).map(owned)
}

/// seccomp(2) with a number, or nothing, for its last argument.
pub fn seccomp(operation: u32, flags: u32, argument: u64) -> Result<i64, Errno> {
    // SAFETY: the callers pass null, or a bad address the kernel must refuse.
    unsafe { syscall!(libc::SYS_seccomp, operation, flags, argument) }
}

pub fn no_new_privileges() -> CaseResult {
    // SAFETY: takes no pointers.
    let set = unsafe { syscall!(libc::SYS_prctl, libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    setup("prctl(PR_SET_NO_NEW_PRIVS)", set).map(drop)
}

/// The mode prctl(2) reports: 0 none, 2 filter.
pub fn mode() -> Result<i64, Errno> {
    // SAFETY: takes no pointers.
    unsafe { syscall!(libc::SYS_prctl, libc::PR_GET_SECCOMP) }
}

/// Makes [`NOWHERE`] with six arguments.
pub fn nowhere(arguments: [u64; 6]) -> Result<i64, Errno> {
    // SAFETY: no kernel implements the call, so nothing is done with the arguments.
    unsafe { crate::sys::raw(NOWHERE, arguments) }
}

/// getppid(2), which cannot fail by itself.
pub fn parent() -> Result<i64, Errno> {
    // SAFETY: takes no pointers.
    unsafe { syscall!(libc::SYS_getppid) }
}
