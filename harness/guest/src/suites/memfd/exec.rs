//! What 6.3 added: MFD_EXEC, MFD_NOEXEC_SEAL, F_SEAL_EXEC and the sysctl vm.memfd_noexec
//! (Documentation/userspace-api/mfd_noexec.rst).

use super::calls::*;
use crate::case::{exists, fails_with, setup, succeeds};
use crate::mapping::{Mapping, PAGE};
use crate::sys::Errno;
use crate::{CaseResult, Context, Stop, check_eq, child, file, syscall};
use std::os::fd::{AsRawFd, OwnedFd};

const SETTING: &str = "/proc/sys/vm/memfd_noexec";
const CONTENT_SEALS: u32 = SEAL_SHRINK | SEAL_GROW | SEAL_WRITE | SEAL_FUTURE_WRITE;

fn mode(fd: &OwnedFd) -> Result<u32, Stop> {
    Ok(setup("fstat", file::status(fd))?.st_mode & 0o7777)
}

pub fn exec_flag_makes_an_executable(_: &Context) -> CaseResult {
    let fd = new(CLOEXEC | EXEC)?;
    check_eq!(mode(&fd)?, 0o777, "mode of a memfd made with MFD_EXEC");
    has_seals(&fd, SEAL_SEAL, "of a memfd made with MFD_EXEC alone")?;
    has_seals(&new(CLOEXEC | EXEC | ALLOW_SEALING)?, 0, "of a sealable memfd made with MFD_EXEC")?;
    succeeds("fchmod to 0644", file::change_mode(&fd, 0o644))?;
    succeeds("fchmod to 0755", file::change_mode(&fd, 0o755)).map(drop)
}

pub fn exec_flag_with_noexec_flag_is_refused(_: &Context) -> CaseResult {
    for others in [0, CLOEXEC, ALLOW_SEALING, CLOEXEC | ALLOW_SEALING] {
        let result = exists("memfd_create", create(c"both", EXEC | NOEXEC_SEAL | others))?;
        fails_with("memfd_create with MFD_EXEC and MFD_NOEXEC_SEAL", result, libc::EINVAL)?;
    }
    Ok(())
}

/// Executes the file itself in a child. An empty file would fail with ENOEXEC if it were executable.
fn execute(fd: &OwnedFd) -> Result<i64, Errno> {
    let (path, list) = (c"", [c"memfd".as_ptr(), std::ptr::null()]);
    let (fd, flags) = (fd.as_raw_fd(), libc::AT_EMPTY_PATH);
    // SAFETY: path and list live through the call. These files hold no program, so the call returns.
    unsafe { syscall!(libc::SYS_execveat, fd, path.as_ptr(), list.as_ptr(), &raw const list[1], flags) }
}

pub fn noexec_flag_makes_what_nobody_can_execute(_: &Context) -> CaseResult {
    for flags in [NOEXEC_SEAL, NOEXEC_SEAL | ALLOW_SEALING] {
        let fd = new(CLOEXEC | flags)?;
        check_eq!(mode(&fd)?, 0o666, "mode of a memfd made with MFD_NOEXEC_SEAL");
        has_seals(&fd, SEAL_EXEC, "of a memfd made with MFD_NOEXEC_SEAL, which implies MFD_ALLOW_SEALING")?;
        keeps_execute_bits(&fd, 0o666)?;
        fails_with("execveat of a memfd made with MFD_NOEXEC_SEAL", execute(&fd), libc::EACCES)?;
        check_eq!(file::write_at(&fd, b"data", 0), Ok(4), "write to a memfd made with MFD_NOEXEC_SEAL");
        seal(&fd, SEAL_WRITE)?;
        has_seals(&fd, SEAL_EXEC | SEAL_WRITE, "after adding F_SEAL_WRITE")?;
    }
    fails_with("execveat of an empty MFD_EXEC file", execute(&new(CLOEXEC | EXEC)?), libc::ENOEXEC)
}

/// No execute bit may be added or removed; the others may.
fn keeps_execute_bits(fd: &OwnedFd, mode_now: u32) -> CaseResult {
    for bit in [0o100, 0o010, 0o001, 0o111] {
        let changed = file::change_mode(fd, mode_now ^ bit);
        fails_with(&format!("fchmod from {mode_now:o} to {:o}", mode_now ^ bit), changed, libc::EPERM)?;
        check_eq!(mode(fd)?, mode_now, "mode after a refused fchmod");
    }
    let other = mode_now ^ 0o022;
    succeeds("fchmod that leaves the execute bits", file::change_mode(fd, other))?;
    check_eq!(mode(fd)?, other, "mode after an fchmod that leaves the execute bits");
    Ok(())
}

pub fn exec_seal_freezes_the_execute_bits(_: &Context) -> CaseResult {
    let fd = new(CLOEXEC | EXEC | ALLOW_SEALING)?;
    succeeds("fchmod before sealing", file::change_mode(&fd, 0o644))?;
    seal(&fd, SEAL_EXEC)?;
    has_seals(&fd, SEAL_EXEC, "after F_SEAL_EXEC on a file that is not executable")?;
    keeps_execute_bits(&fd, 0o644)?;
    check_eq!(
        file::write_at(&fd, b"data", 0),
        Ok(4),
        "write after F_SEAL_EXEC on a file that is not executable"
    );
    Ok(())
}

/// Write or execute, never both: what stays executable can no longer change.
pub fn exec_seal_on_an_executable_seals_its_bytes(_: &Context) -> CaseResult {
    for bits in [0o100, 0o010, 0o001, 0o111] {
        let fd = new(CLOEXEC | EXEC | ALLOW_SEALING)?;
        succeeds("pwrite", file::write_at(&fd, b"code", 0))?;
        succeeds("fchmod", file::change_mode(&fd, 0o644 | bits))?;
        seal(&fd, SEAL_EXEC)?;
        has_seals(
            &fd,
            SEAL_EXEC | CONTENT_SEALS,
            &format!("after F_SEAL_EXEC with mode {:o}", 0o644 | bits),
        )?;
        fails_with("pwrite to a sealed executable", file::write_at(&fd, b"!", 0), libc::EPERM)?;
        keeps_execute_bits(&fd, 0o644 | bits)?;
        still_holds(&fd, b"code", "of a sealed executable")?;
    }
    Ok(())
}

/// The seals that are implied are refused as if they had been asked for; else what is executable could still be
/// written. Kernels looked for mappings before they added these seals until 3b041514cb6e ("memfd: deny writeable
/// mappings when implying SEAL_WRITE"), which the stable ones have, too.
pub fn exec_seal_on_an_executable_is_refused_while_mapped_writable(_: &Context) -> CaseResult {
    const WRITE: i32 = libc::PROT_READ | libc::PROT_WRITE;
    let fd = new(CLOEXEC | EXEC | ALLOW_SEALING)?;
    setup("pwrite", file::write_at(&fd, b"code", 0))?;
    let mut mapping = setup("mmap", Mapping::of(&fd, PAGE, WRITE, libc::MAP_SHARED))?;
    for seals in [SEAL_EXEC, SEAL_EXEC | SEAL_SEAL] {
        let what = format!("F_ADD_SEALS {seals:#x} on an executable with a writable shared mapping");
        fails_with(&what, add(&fd, seals), libc::EBUSY)?;
        has_seals(&fd, 0, &format!("after a refused {what}"))?;
    }
    mapping.poke(0, b'C');
    still_holds(&fd, b"Code", "after a write to the mapping that hindered the seal")?;
    drop(mapping);
    seal(&fd, SEAL_EXEC)?;
    has_seals(&fd, SEAL_EXEC | CONTENT_SEALS, "after F_SEAL_EXEC when the mapping was gone")?;
    still_holds(&fd, b"Code", "of the sealed executable")?;
    // Without execute bits nothing is implied, and mappings hinder nothing.
    let data = new(CLOEXEC | EXEC | ALLOW_SEALING)?;
    setup("fchmod", file::change_mode(&data, 0o644))?;
    setup("ftruncate", file::truncate(&data, 4))?;
    let mut mapping = setup("mmap", Mapping::of(&data, PAGE, WRITE, libc::MAP_SHARED))?;
    seal(&data, SEAL_EXEC)?;
    has_seals(&data, SEAL_EXEC, "after F_SEAL_EXEC on a mapped file that is not executable")?;
    mapping.poke(0, b'D');
    still_holds(&data, b"D\0\0\0", "after a write to the mapping of a file that is not executable")
}

/// The setting belongs to the PID namespace, so the case makes one; the rest of the system keeps its own.
fn with_setting(value: &str, body: impl FnOnce() -> CaseResult) -> CaseResult {
    child::needs_root()?;
    let read = || std::fs::read_to_string(SETTING);
    let before = read().map_err(|error| Stop::Skip(format!("missing sysctl vm.memfd_noexec: {error}")))?;
    if before.trim() != "0" {
        return Err(Stop::Skip(format!("vm.memfd_noexec is already {}", before.trim())));
    }
    child::isolated(|| {
        // SAFETY: takes no pointers.
        match unsafe { syscall!(libc::SYS_unshare, libc::CLONE_NEWPID) } {
            Err(Errno(libc::EINVAL)) => return Err(Stop::Skip("missing symbol: PID_NS".into())),
            other => setup("unshare(CLONE_NEWPID)", other)?,
        };
        child::isolated(|| {
            let written = std::fs::write(SETTING, value);
            written.map_err(|error| Stop::Fail(format!("write of {value} to vm.memfd_noexec: {error}")))?;
            body()
        })
    })?;
    let after = read().unwrap_or_default();
    check_eq!(after.trim(), "0", "vm.memfd_noexec outside the namespace that set {value}");
    check_eq!(mode(&new(CLOEXEC)?)?, 0o777, "mode of a memfd made outside the namespace that set {value}");
    Ok(())
}

pub fn noexec_sysctl_1_changes_the_default(_: &Context) -> CaseResult {
    with_setting("1", || {
        let fd = new(CLOEXEC)?;
        check_eq!(mode(&fd)?, 0o666, "mode of a memfd made without either flag under vm.memfd_noexec=1");
        has_seals(&fd, SEAL_EXEC, "of a memfd made without either flag under vm.memfd_noexec=1")?;
        let asked = new(CLOEXEC | EXEC)?;
        check_eq!(mode(&asked)?, 0o777, "mode of a memfd made with MFD_EXEC under vm.memfd_noexec=1");
        has_seals(&asked, SEAL_SEAL, "of a memfd made with MFD_EXEC under vm.memfd_noexec=1")
    })
}

pub fn noexec_sysctl_2_refuses_executables(_: &Context) -> CaseResult {
    with_setting("2", || {
        let refused = create(c"code", CLOEXEC | EXEC);
        fails_with("memfd_create with MFD_EXEC under vm.memfd_noexec=2", refused, libc::EACCES)?;
        check_eq!(mode(&new(CLOEXEC)?)?, 0o666, "mode of a memfd made without either flag");
        check_eq!(mode(&new(CLOEXEC | NOEXEC_SEAL)?)?, 0o666, "mode of a memfd made with MFD_NOEXEC_SEAL");
        Ok(())
    })
}

/// A namespace starts with its parent's value and may tighten it, for itself alone.
pub fn noexec_sysctl_cannot_be_loosened_in_a_child_namespace(_: &Context) -> CaseResult {
    with_setting("1", || {
        // SAFETY: takes no pointers.
        setup("unshare(CLONE_NEWPID)", unsafe { syscall!(libc::SYS_unshare, libc::CLONE_NEWPID) })?;
        child::isolated(|| {
            check_eq!(mode(&new(CLOEXEC)?)?, 0o666, "mode of a memfd in a namespace whose parent has 1");
            let loosened = std::fs::write(SETTING, "0").map_err(|_| Errno::last());
            fails_with("write of 0 where the parent namespace has 1", loosened, libc::EINVAL)?;
            check_eq!(mode(&new(CLOEXEC)?)?, 0o666, "mode of a memfd after the refused write of 0");
            let tightened = std::fs::write(SETTING, "2").map_err(|_| Errno::last());
            succeeds("write of 2 where the parent namespace has 1", tightened)?;
            let refused = create(c"code", CLOEXEC | EXEC);
            fails_with("memfd_create with MFD_EXEC after a write of 2", refused, libc::EACCES)
        })?;
        check_eq!(mode(&new(CLOEXEC | EXEC)?)?, 0o777, "mode with MFD_EXEC where a child namespace has 2");
        Ok(())
    })
}

pub fn noexec_sysctl_refuses_other_values(_: &Context) -> CaseResult {
    with_setting("1", || {
        for value in ["-1", "3", "100"] {
            let written = std::fs::write(SETTING, value).map_err(|_| Errno::last());
            fails_with(&format!("write of {value} to vm.memfd_noexec"), written, libc::EINVAL)?;
        }
        check_eq!(mode(&new(CLOEXEC)?)?, 0o666, "mode of a memfd after refused writes");
        Ok(())
    })
}

/// Whoever may execute the file is told so by its mode, as ever (memfd_create(2) before 6.3).
pub fn file_without_either_flag_is_executable(_: &Context) -> CaseResult {
    let setting = std::fs::read_to_string(SETTING).unwrap_or_default();
    if !["", "0"].contains(&setting.trim()) {
        return Err(Stop::Skip(format!("by design: vm.memfd_noexec is {}", setting.trim())));
    }
    for flags in [0, ALLOW_SEALING] {
        let fd = new(CLOEXEC | flags)?;
        check_eq!(mode(&fd)?, 0o777, "mode of a memfd made with flags {flags:#x}");
        fails_with("execveat of an empty memfd", execute(&fd), libc::ENOEXEC)?;
        succeeds("fchmod to 0644", file::change_mode(&fd, 0o644))?;
        fails_with("execveat of a memfd without execute bits", execute(&fd), libc::EACCES)?;
    }
    Ok(())
}
