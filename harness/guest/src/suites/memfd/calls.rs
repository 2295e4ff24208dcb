//! memfd_create(2), F_ADD_SEALS and F_GET_SEALS, with their numbers as documented.

use crate::case::{CaseResult, Stop, exists, setup, succeeds};
use crate::sys::{Errno, owned};
use crate::{check_eq, file, syscall};
use std::ffi::CStr;
use std::os::fd::{AsRawFd, OwnedFd};

pub const CLOEXEC: u32 = 1;
pub const ALLOW_SEALING: u32 = 2;
pub const HUGETLB: u32 = 4;
pub const NOEXEC_SEAL: u32 = 8;
pub const EXEC: u32 = 16;

pub const SEAL_SEAL: u32 = 0x01;
pub const SEAL_SHRINK: u32 = 0x02;
pub const SEAL_GROW: u32 = 0x04;
pub const SEAL_WRITE: u32 = 0x08;
pub const SEAL_FUTURE_WRITE: u32 = 0x10;
pub const SEAL_EXEC: u32 = 0x20;

/// Every seal that all kernels since 5.1 have, and its name.
pub const SEALS: [(u32, &str); 5] = [
    (SEAL_SEAL, "F_SEAL_SEAL"),
    (SEAL_SHRINK, "F_SEAL_SHRINK"),
    (SEAL_GROW, "F_SEAL_GROW"),
    (SEAL_WRITE, "F_SEAL_WRITE"),
    (SEAL_FUTURE_WRITE, "F_SEAL_FUTURE_WRITE"),
];

pub fn create(name: &CStr, flags: u32) -> Result<OwnedFd, Errno> {
    // SAFETY: the name lives through the call.
    unsafe { syscall!(libc::SYS_memfd_create, name.as_ptr(), flags) }.map(owned)
}

/// A new file; a kernel without the call skips.
pub fn new(flags: u32) -> Result<OwnedFd, Stop> {
    let created = exists("memfd_create", create(c"gauntlet", flags))?;
    succeeds(&format!("memfd_create with flags {flags:#x}"), created)
}

/// A new sealable file with these bytes.
pub fn holding(bytes: &[u8]) -> Result<OwnedFd, Stop> {
    let fd = new(CLOEXEC | ALLOW_SEALING)?;
    let n = setup("pwrite to a new memfd", file::write_at(&fd, bytes, 0))?;
    check_eq!(n, bytes.len() as i64, "bytes written to a new memfd");
    Ok(fd)
}

pub fn add(fd: &impl AsRawFd, seals: u32) -> Result<i64, Errno> {
    file::control(fd, libc::F_ADD_SEALS, seals.into())
}

pub fn get(fd: &impl AsRawFd) -> Result<i64, Errno> {
    file::control(fd, libc::F_GET_SEALS, 0)
}

/// Adds seals, which must work.
pub fn seal(fd: &impl AsRawFd, seals: u32) -> CaseResult {
    succeeds(&format!("F_ADD_SEALS {seals:#x}"), add(fd, seals)).map(drop)
}

/// The seals must be exactly these.
pub fn has_seals(fd: &impl AsRawFd, seals: u32, when: &str) -> CaseResult {
    check_eq!(get(fd), Ok(i64::from(seals)), "seals {when}");
    Ok(())
}

/// The bytes must be exactly these, and so must the size.
pub fn still_holds(fd: &impl AsRawFd, bytes: &[u8], when: &str) -> CaseResult {
    let found = setup("pread", file::contents(fd))?;
    let differs = found.iter().zip(bytes).position(|(a, b)| a != b);
    check_eq!(differs, None, "offset of the first changed byte {when}");
    check_eq!(found.len(), bytes.len(), "size {when}");
    Ok(())
}

/// Bytes that differ from their neighbours and from zero.
pub fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8 + 1).collect()
}
