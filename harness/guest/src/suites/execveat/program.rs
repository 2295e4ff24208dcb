//! Programs to execute: the smallest ELF files there are, and scripts.

pub use crate::elf::{elf, elf_at};

use crate::case::{CaseResult, Stop, setup};
use crate::{Context, file, helper, mounts};
use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, OwnedFd};

/// `mov edi, 7; mov eax, 60; syscall`
pub const EXIT_7: &[u8] = &[0xbf, 7, 0, 0, 0, 0xb8, 60, 0, 0, 0, 0x0f, 0x05];
/// `mov edi, [rsp]; mov eax, 60; syscall`: the status is argc.
pub const EXIT_ARGC: &[u8] = &[0x8b, 0x3c, 0x24, 0xb8, 60, 0, 0, 0, 0x0f, 0x05];
/// `mov eax, 107; syscall; mov edi, eax; mov eax, 60; syscall`: the status is the low byte of geteuid(2).
pub const EXIT_EUID: &[u8] = &[0xb8, 107, 0, 0, 0, 0x0f, 0x05, 0x89, 0xc7, 0xb8, 60, 0, 0, 0, 0x0f, 0x05];

/// `mov eax, 108; syscall; mov edi, eax; mov eax, 60; syscall`: the status is the low byte of getegid(2).
pub const EXIT_EGID: &[u8] = &[0xb8, 108, 0, 0, 0, 0x0f, 0x05, 0x89, 0xc7, 0xb8, 60, 0, 0, 0, 0x0f, 0x05];

/// A copy of the helper's program, for a mode, an owner or a place of its own.
pub fn install_helper(path: &str, mode: u32) -> Result<CString, Stop> {
    let bytes = std::fs::read("/proc/self/exe").map_err(|error| Stop::Broken(error.to_string()))?;
    install(path, &bytes, mode)
}

/// `#!` the helper, through the link every process has to its own program.
pub fn script(mode: &str) -> Vec<u8> {
    format!("#!/proc/self/exe {}{mode}\n", helper::PREFIX).into_bytes()
}

/// The case's scratch directory, if programs there may be executed.
pub fn folder(context: &Context) -> Result<OwnedFd, Stop> {
    mounts::needs_plain_tmpfs(&context.scratch)?;
    open(libc::AT_FDCWD, c".", libc::O_RDONLY | libc::O_DIRECTORY)
}

pub fn open(directory: i32, path: &CStr, flags: i32) -> Result<OwnedFd, Stop> {
    setup("open", file::open_at(directory, path, flags | libc::O_CLOEXEC, 0))
}

/// A new file in the working directory with this content and mode, closed again: nobody holds it for writing.
pub fn install(path: &str, content: &[u8], mode: u32) -> Result<CString, Stop> {
    let name = CString::new(path).map_err(|_| Stop::Broken("a path holds NUL".into()))?;
    // The one before may have a mode that not even its owner could open it with.
    let _ = std::fs::remove_file(path);
    let flags = libc::O_CREAT | libc::O_EXCL | libc::O_WRONLY | libc::O_CLOEXEC;
    let fd = setup("creation of a program", file::open_at(libc::AT_FDCWD, &name, flags, 0o600))?;
    setup("write of a program", file::write_at(&fd, content, 0))?;
    setup("fchmod of a program", file::change_mode(&fd, mode))?;
    Ok(name)
}

/// A descriptor that a program executed through it may keep: without close-on-exec.
pub fn kept_open(path: &CStr, flags: i32) -> Result<OwnedFd, Stop> {
    let fd = open(libc::AT_FDCWD, path, flags)?;
    keep_open(&fd)?;
    Ok(fd)
}

pub fn keep_open(fd: &OwnedFd) -> CaseResult {
    setup("F_SETFD", file::control(fd, libc::F_SETFD, 0)).map(drop)
}

/// The raw number, for calls.
pub fn number(fd: &impl AsRawFd) -> i32 {
    fd.as_raw_fd()
}
