//! Programs on no filesystem: memfd_create(2).

use super::permission::running_is_6_11_or_6_12;
use super::program::*;
use super::run::*;
use crate::case::{CaseResult, Stop, fails_with, setup};
use crate::{Context, check_eq, file, skip, syscall};
use std::ffi::CString;
use std::os::fd::OwnedFd;

/// A sealable file in memory with this content; skips where no such file may be executed.
fn in_memory(content: &[u8]) -> Result<OwnedFd, Stop> {
    // SAFETY: the name lives through the call.
    let made = unsafe {
        syscall!(libc::SYS_memfd_create, c"program".as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING)
    };
    let memory = crate::sys::owned(
        crate::case::exists("memfd_create", made)?
            .map_err(|errno| Stop::Broken(format!("set-up: memfd_create: {errno}")))?,
    );
    setup("write", file::write_at(&memory, content, 0))?;
    if setup("fstat", file::status(&memory))?.st_mode & 0o111 == 0 {
        skip!("by design: vm.memfd_noexec makes every memfd unexecutable here");
    }
    Ok(memory)
}

fn add_seals(memory: &OwnedFd, seals: i32) -> CaseResult {
    setup("F_ADD_SEALS", file::control(memory, libc::F_ADD_SEALS, seals as u64)).map(drop)
}

const SEALS: i32 = libc::F_SEAL_WRITE | libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_SEAL;

/// Seals forbid changes, and executing is none; each alone and all together.
pub fn sealed_memfd_is_executed(_: &Context) -> CaseResult {
    let each = [0, libc::F_SEAL_SHRINK, libc::F_SEAL_GROW, libc::F_SEAL_WRITE, libc::F_SEAL_FUTURE_WRITE];
    for seals in each.into_iter().chain([SEALS]) {
        let memory = in_memory(&elf(EXIT_7))?;
        add_seals(&memory, seals)?;
        let what = format!("execveat of a memfd with seals {seals:#x}");
        exec(number(&memory), c"", EMPTY_PATH).exits(&what, 7)?;
        let reader = setup("open", file::reopen(&memory, libc::O_RDONLY))?;
        drop(memory);
        exec(number(&reader), c"", EMPTY_PATH).exits(&format!("{what}, opened anew"), 7)?;
    }
    Ok(())
}

/// F_SEAL_EXEC freezes the bits as they are: what may be executed stays so, and what may not never becomes it.
pub fn exec_sealed_memfd_is_executed_as_its_mode_says(_: &Context) -> CaseResult {
    const SEAL_EXEC: i32 = 0x20;
    for (mode, may) in [(0o755, true), (0o100, true), (0o644, false), (0o600, false)] {
        let memory = in_memory(&elf(EXIT_7))?;
        setup("fchmod", file::change_mode(&memory, mode))?;
        add_seals(&memory, SEAL_EXEC)?;
        let reader = setup("open", file::reopen(&memory, libc::O_RDONLY))?;
        fails_with("fchmod of the execute bits", file::change_mode(&memory, mode ^ 0o100), libc::EPERM)?;
        for fd in [&memory, &reader] {
            let what = format!("execveat of a memfd of mode {mode:o} with F_SEAL_EXEC");
            let exec = exec(number(fd), c"", EMPTY_PATH);
            if may { exec.exits(&what, 7)? } else { exec.refused(&what, libc::EACCES)? }
        }
    }
    Ok(())
}

/// The maker's own descriptor counts as nobody's opening for writing; one that was opened does.
pub fn memfd_opened_for_writing_is_busy(_: &Context) -> CaseResult {
    let memory = in_memory(&elf(EXIT_7))?;
    let busy = exec(number(&memory), c"", EMPTY_PATH);
    for flags in [libc::O_RDWR, libc::O_WRONLY] {
        let writer = setup("open for writing", file::reopen(&memory, flags))?;
        if let (Outcome::Executed(..), true) = (busy.run()?, running_is_6_11_or_6_12()) {
            skip!("by design: Linux 6.11 and the first 6.12 executed files open for writing");
        }
        busy.refused("execveat of a memfd opened for writing", libc::ETXTBSY)?;
        drop(writer);
        busy.exits("execveat after the writer closed", 7)?;
    }
    Ok(())
}

/// Only the descriptor names it: to the program itself, to its readers in /proc, and to a script's interpreter.
pub fn memfd_is_named_by_its_descriptor(_: &Context) -> CaseResult {
    let own = std::fs::read("/proc/self/exe").map_err(|error| Stop::Broken(error.to_string()))?;
    let memory = in_memory(&own)?;
    add_seals(&memory, SEALS)?;
    let reader = setup("open", file::reopen(&memory, libc::O_RDONLY))?;
    drop(memory);
    let mut program = exec(number(&reader), c"", EMPTY_PATH);
    program.arguments = report().arguments;
    let told = program.reports("execveat of a memfd")?;
    check_eq!(told.one("exe").as_deref(), Some("/memfd:program (deleted)"), "/proc/self/exe of a memfd");
    let name = format!("/dev/fd/{}", number(&reader));
    check_eq!(told.one("execfn").as_deref(), Some(name.as_str()), "AT_EXECFN of a memfd");

    let memory = in_memory(&script("report"))?;
    let reader = setup("open", file::reopen(&memory, libc::O_RDONLY))?;
    drop(memory);
    let closing = exec(number(&reader), c"", EMPTY_PATH);
    closing.refused("execveat of a script in a close-on-exec memfd", libc::ENOENT)?;
    keep_open(&reader)?;
    let told = closing.reports("execveat of a script in a memfd")?;
    let name = format!("/dev/fd/{}", number(&reader));
    check_eq!(told.all("argv").get(2).copied(), Some(name.as_bytes()), "script's name for its interpreter");
    // The same by the path that the interpreter will be given.
    let path = CString::new(format!("/proc/self/fd/{}", number(&reader))).expect("no NUL");
    exec(libc::AT_FDCWD, &path, 0).reports("execveat of a script in a memfd by its path").map(drop)
}
