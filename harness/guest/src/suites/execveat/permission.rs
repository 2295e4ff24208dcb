//! Which files may be executed, and as whom.

use super::program::*;
use super::run::*;
use crate::case::{CaseResult, Stop, setup};
use crate::child::{NOBODY, drop_privileges, isolated, needs_root};
use crate::sys::{Errno, check as result_of};
use crate::{Context, check_eq, file, mounts, syscall};
use std::ffi::CStr;

pub fn file_without_execute_bits_is_refused(context: &Context) -> CaseResult {
    folder(context)?;
    for mode in [0o000, 0o644, 0o666, 0o600] {
        let data = install("data", &elf(EXIT_7), mode)?;
        exec(libc::AT_FDCWD, &data, 0).refused(&format!("execveat of mode {mode:o}"), libc::EACCES)?;
        let fd = open(libc::AT_FDCWD, &data, libc::O_PATH)?;
        exec(number(&fd), c"", EMPTY_PATH)
            .refused(&format!("execveat of a descriptor, mode {mode:o}"), libc::EACCES)?;
    }
    Ok(())
}

pub fn special_file_is_refused(context: &Context) -> CaseResult {
    folder(context)?;
    setup("mkdir", std::fs::create_dir("directory").map_err(|_| Errno::last()))?;
    // SAFETY: the name lives through the call.
    let made = unsafe { libc::mkfifo(c"fifo".as_ptr(), 0o777) };
    setup("mkfifo", result_of(made.into()))?;
    for path in [c"directory", c"fifo", c"/dev/null", c"/proc/self"] {
        exec(libc::AT_FDCWD, path, 0).refused(&format!("execveat of {path:?}"), libc::EACCES)?;
        let fd = open(libc::AT_FDCWD, path, libc::O_PATH)?;
        exec(number(&fd), c"", EMPTY_PATH)
            .refused(&format!("execveat of {path:?} by descriptor"), libc::EACCES)?;
    }
    Ok(())
}

/// The bits are those of the caller's class alone, and an open descriptor gives no right that they do not.
pub fn execute_bits_count_by_class(context: &Context) -> CaseResult {
    needs_root()?;
    folder(context)?;
    // Owner, mode, and whether NOBODY may.
    for (owner, mode, may) in [
        (0, 0o755, true),
        (0, 0o754, false),
        (0, 0o700, false),
        (NOBODY, 0o700, true),
        (NOBODY, 0o077, false),
    ] {
        let path = install("program", &elf(EXIT_7), mode)?;
        let fd = open(libc::AT_FDCWD, &path, libc::O_PATH)?;
        give(&path, owner)?;
        let mut exec = exec(number(&fd), c"", EMPTY_PATH);
        exec.before = &drop_privileges;
        let what = format!("unprivileged execveat of a file of {owner} with mode {mode:o}");
        if may {
            exec.exits(&what, 7)?
        } else {
            exec.refused(&what, libc::EACCES)?
        }
        std::fs::remove_file("program").map_err(|error| Stop::Broken(error.to_string()))?;
    }
    Ok(())
}

/// Changes the owner, which clears the set-user-ID bit.
pub fn give(path: &CStr, owner: u32) -> CaseResult {
    // SAFETY: the path lives through the call.
    let given = unsafe { libc::chown(path.as_ptr(), owner, owner) };
    setup("chown", result_of(given.into())).map(drop)
}

/// Runs the body where the directory `home` is mounted a second time, as `noexec`; a program is in it.
pub fn with_noexec_mount(context: &Context, body: impl FnOnce() -> CaseResult) -> CaseResult {
    needs_root()?;
    folder(context)?;
    isolated(|| {
        mounts::private()?;
        for name in ["home", "noexec"] {
            setup("mkdir", std::fs::create_dir(name).map_err(|_| Errno::last()))?;
        }
        install("home/seven", &elf(EXIT_7), 0o755)?;
        mounts::bind(&context.scratch.join("home"), &context.scratch.join("noexec"), libc::MS_NOEXEC)?;
        body()
    })
}

pub fn noexec_mount_is_refused(context: &Context) -> CaseResult {
    with_noexec_mount(context, || {
        exec(libc::AT_FDCWD, c"noexec/seven", 0).refused("execveat on a noexec mount", libc::EACCES)?;
        let fd = open(libc::AT_FDCWD, c"noexec/seven", libc::O_RDONLY)?;
        exec(number(&fd), c"", EMPTY_PATH)
            .refused("execveat of a descriptor on a noexec mount", libc::EACCES)?;
        exec(libc::AT_FDCWD, c"home/seven", 0).exits("execveat of the same file on its own mount", 7)
    })
}

/// Neither a script there nor one elsewhere whose interpreter is there, in however many steps.
pub fn script_or_its_interpreter_on_a_noexec_mount_is_refused(context: &Context) -> CaseResult {
    with_noexec_mount(context, || {
        install("home/script", b"#!home/seven\n", 0o755)?;
        install("by_program", b"#!noexec/seven\n", 0o755)?;
        install("by_script", b"#!noexec/script\n", 0o755)?;
        install("by_two", b"#!by_program\n", 0o755)?;
        for path in [c"noexec/script", c"by_program", c"by_script", c"by_two"] {
            let what = format!("execveat of {path:?}");
            exec(libc::AT_FDCWD, path, 0).refused(&what, libc::EACCES)?;
            let fd = kept_open(path, libc::O_RDONLY)?;
            exec(number(&fd), c"", EMPTY_PATH).refused(&format!("{what} by descriptor"), libc::EACCES)?;
        }
        exec(libc::AT_FDCWD, c"home/script", 0).exits("execveat of the same script on its own mount", 7)
    })
}

/// The check asks about the file alone: neither its format nor its interpreter counts.
pub fn check_flag_tells_of_a_noexec_mount(context: &Context) -> CaseResult {
    with_noexec_mount(context, || {
        install("home/script", b"#!home/seven\n", 0o755)?;
        install("by_program", b"#!noexec/seven\n", 0o755)?;
        let check = |path: &CStr, may: bool| -> CaseResult {
            let what = format!("check of {path:?}");
            let fd = open(libc::AT_FDCWD, path, libc::O_RDONLY)?;
            for exec in
                [exec(libc::AT_FDCWD, path, EXECVE_CHECK), exec(number(&fd), c"", EXECVE_CHECK | EMPTY_PATH)]
            {
                if may { exec.allowed(&what)? } else { exec.refused(&what, libc::EACCES)? }
            }
            Ok(())
        };
        check(c"noexec/seven", false)?;
        check(c"noexec/script", false)?;
        check(c"home/seven", true)?;
        check(c"by_program", true)
    })
}

/// A program of root's with the set-user-ID bit, executed by NOBODY through a descriptor.
pub fn setuid_bit_is_honoured_unless_forbidden(context: &Context) -> CaseResult {
    needs_root()?;
    folder(context)?;
    const NOBODYS: i32 = (NOBODY & 0xff) as i32;
    isolated(|| {
        mounts::private()?;
        for name in ["home", "nosuid"] {
            setup("mkdir", std::fs::create_dir(name).map_err(|_| Errno::last()))?;
        }
        install("home/plain", &elf(EXIT_EUID), 0o755)?;
        install("home/setuid", &elf(EXIT_EUID), 0o4755)?;
        mounts::bind(&context.scratch.join("home"), &context.scratch.join("nosuid"), libc::MS_NOSUID)?;
        let no_new_privileges = || {
            // SAFETY: takes no pointers.
            setup("prctl", unsafe { syscall!(libc::SYS_prctl, libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })?;
            drop_privileges()
        };
        let cases: [(&CStr, &dyn Fn() -> CaseResult, i32, &str); 4] = [
            (c"home/plain", &drop_privileges, NOBODYS, "without the bit"),
            (c"home/setuid", &drop_privileges, 0, "with the bit"),
            (c"home/setuid", &no_new_privileges, NOBODYS, "with the bit and no_new_privs"),
            (c"nosuid/setuid", &drop_privileges, NOBODYS, "with the bit on a nosuid mount"),
        ];
        for (path, before, status, what) in cases {
            let fd = open(libc::AT_FDCWD, path, libc::O_RDONLY)?;
            let mut exec = exec(number(&fd), c"", EMPTY_PATH);
            exec.before = before;
            exec.exits(
                &format!("unprivileged execveat of root's program {what} (status: effective user)"),
                status,
            )?;
        }
        Ok(())
    })
}

/// 6.11 and the first 6.12 allowed it; the change was taken back.
pub fn file_open_for_writing_is_busy(context: &Context) -> CaseResult {
    folder(context)?;
    let seven = install("seven", &elf(EXIT_7), 0o755)?;
    let writer = open(libc::AT_FDCWD, &seven, libc::O_WRONLY)?;
    let busy = exec(libc::AT_FDCWD, &seven, 0);
    if let (Outcome::Executed(..), true) = (busy.run()?, running_is_6_11_or_6_12()) {
        crate::skip!("by design: Linux 6.11 and the first 6.12 executed files open for writing");
    }
    busy.refused("execveat of a file open for writing", libc::ETXTBSY)?;
    let reader = open(libc::AT_FDCWD, &seven, libc::O_RDONLY)?;
    exec(number(&reader), c"", EMPTY_PATH).refused("execveat of its descriptor", libc::ETXTBSY)?;
    drop(writer);
    busy.exits("execveat after the writer closed", 7)?;
    check_eq!(file::contents(&reader), Ok(elf(EXIT_7)), "content after it all");
    Ok(())
}

pub fn running_is_6_11_or_6_12() -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    ["6.11.", "6.12.", "6.11-", "6.12-"].iter().any(|prefix| release.starts_with(prefix))
}
