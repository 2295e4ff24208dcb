//! Thin, named forms of the file calls several suites use. They judge nothing: the caller does.

use crate::sys::{Errno, check, owned};
use crate::syscall;
use std::ffi::CStr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

/// What fstat(2) tells.
pub fn status(fd: &impl AsRawFd) -> Result<libc::stat, Errno> {
    status_at(fd.as_raw_fd(), c"", libc::AT_EMPTY_PATH)
}

/// What fstatat(2) tells of a name, without following a symbolic link.
pub fn status_of(directory: &impl AsRawFd, name: &CStr) -> Result<libc::stat, Errno> {
    status_at(directory.as_raw_fd(), name, libc::AT_SYMLINK_NOFOLLOW)
}

fn status_at(directory: i32, name: &CStr, flags: i32) -> Result<libc::stat, Errno> {
    // SAFETY: an all-zero stat is valid, and ours; the name lives through the call.
    unsafe {
        let mut status: libc::stat = std::mem::zeroed();
        check(libc::fstatat(directory, name.as_ptr(), &mut status, flags).into())?;
        Ok(status)
    }
}

/// Size in bytes.
pub fn size(fd: &impl AsRawFd) -> Result<i64, Errno> {
    Ok(status(fd)?.st_size)
}

/// openat(2).
pub fn open_at(directory: i32, path: &CStr, flags: i32, mode: u32) -> Result<OwnedFd, Errno> {
    // SAFETY: the path lives through the call.
    unsafe { syscall!(libc::SYS_openat, directory, path.as_ptr(), flags, mode) }.map(owned)
}

/// Opens the same file anew, with other flags, through its link in `/proc`.
pub fn reopen(fd: &impl AsRawFd, flags: i32) -> Result<OwnedFd, Errno> {
    let path =
        std::ffi::CString::new(format!("/proc/self/fd/{}", fd.as_raw_fd())).expect("digits hold no NUL");
    open_at(libc::AT_FDCWD, &path, flags | libc::O_CLOEXEC, 0)
}

/// memfd_create(2): a close-on-exec file in memory.
pub fn in_memory(flags: u32) -> Result<OwnedFd, Errno> {
    // SAFETY: the name is a constant string.
    unsafe { syscall!(libc::SYS_memfd_create, c"gauntlet".as_ptr(), libc::MFD_CLOEXEC | flags) }.map(owned)
}

pub fn write(fd: &impl AsRawFd, bytes: &[u8]) -> Result<i64, Errno> {
    // SAFETY: the buffer is ours and as long as said.
    unsafe { syscall!(libc::SYS_write, fd.as_raw_fd(), bytes.as_ptr(), bytes.len()) }
}

pub fn write_at(fd: &impl AsRawFd, bytes: &[u8], offset: i64) -> Result<i64, Errno> {
    // SAFETY: the buffer is ours and as long as said.
    unsafe { syscall!(libc::SYS_pwrite64, fd.as_raw_fd(), bytes.as_ptr(), bytes.len(), offset) }
}

/// Up to `length` bytes from `offset`, whatever the descriptor's position.
pub fn read_at(fd: &impl AsRawFd, length: usize, offset: i64) -> Result<Vec<u8>, Errno> {
    let mut bytes = vec![0; length];
    // SAFETY: the buffer is ours and as long as said.
    let n = unsafe { syscall!(libc::SYS_pread64, fd.as_raw_fd(), bytes.as_mut_ptr(), length, offset) }?;
    bytes.truncate(n as usize);
    Ok(bytes)
}

/// All bytes of a small file.
pub fn contents(fd: &impl AsRawFd) -> Result<Vec<u8>, Errno> {
    let length = size(fd)?;
    read_at(fd, length as usize + 1, 0)
}

pub fn truncate(fd: &impl AsRawFd, length: i64) -> Result<i64, Errno> {
    // SAFETY: no pointers.
    unsafe { syscall!(libc::SYS_ftruncate, fd.as_raw_fd(), length) }
}

pub fn allocate(fd: &impl AsRawFd, mode: i32, offset: i64, length: i64) -> Result<i64, Errno> {
    // SAFETY: no pointers.
    unsafe { syscall!(libc::SYS_fallocate, fd.as_raw_fd(), mode, offset, length) }
}

/// fallocate(2) that frees a range and keeps the size.
pub fn punch(fd: &impl AsRawFd, offset: i64, length: i64) -> Result<i64, Errno> {
    allocate(fd, libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE, offset, length)
}

pub fn change_mode(fd: &impl AsRawFd, mode: u32) -> Result<i64, Errno> {
    // SAFETY: no pointers.
    unsafe { syscall!(libc::SYS_fchmod, fd.as_raw_fd(), mode) }
}

/// poll(2): which of these events are there within a time.
pub fn poll(fd: &impl AsRawFd, events: i16, time: Duration) -> Result<i16, Errno> {
    let mut entry = libc::pollfd { fd: fd.as_raw_fd(), events, revents: 0 };
    // SAFETY: one entry, ours.
    unsafe { syscall!(libc::SYS_poll, &raw mut entry, 1, time.as_millis()) }?;
    Ok(entry.revents)
}

/// fcntl(2) with a number.
pub fn control(fd: &impl AsRawFd, command: i32, argument: u64) -> Result<i64, Errno> {
    // SAFETY: the commands used here take no pointers.
    unsafe { syscall!(libc::SYS_fcntl, fd.as_raw_fd(), command, argument) }
}
