//! Which file is executed: directory, path and flags.

use super::program::*;
use super::run::*;
use crate::case::setup;
use crate::mapping::{Mapping, PAGE};
use crate::sys::{Errno, check as result_of};
use crate::{CaseResult, Context, check_eq, child, syscall};
use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStrExt;

fn symlink(target: &CStr, path: &CStr) -> CaseResult {
    // SAFETY: both strings live through the call.
    let made = unsafe { libc::symlink(target.as_ptr(), path.as_ptr()) };
    setup("symlink", result_of(made.into())).map(drop)
}

pub fn descriptor_with_empty_path_is_executed(context: &Context) -> CaseResult {
    folder(context)?;
    let seven = install("seven", &elf(EXIT_7), 0o755)?;
    for (flags, name) in [(libc::O_RDONLY, "a descriptor"), (libc::O_PATH, "an O_PATH descriptor")] {
        let fd = open(libc::AT_FDCWD, &seven, flags)?;
        exec(number(&fd), c"", EMPTY_PATH).exits(&format!("execveat of {name}"), 7)?;
        // Also when the name is gone, and when a path is given although the flag would allow none.
        exec(libc::AT_FDCWD, &seven, EMPTY_PATH).exits("execveat of a path with AT_EMPTY_PATH", 7)?;
    }
    let fd = open(libc::AT_FDCWD, &seven, libc::O_RDONLY)?;
    // SAFETY: the name lives through the call.
    setup("unlink", result_of(unsafe { libc::unlink(seven.as_ptr()) }.into()))?;
    exec(number(&fd), c"", EMPTY_PATH).exits("execveat of a file that was unlinked", 7)
}

pub fn empty_path_needs_its_flag(context: &Context) -> CaseResult {
    folder(context)?;
    let seven = install("seven", &elf(EXIT_7), 0o755)?;
    let fd = open(libc::AT_FDCWD, &seven, libc::O_RDONLY)?;
    exec(number(&fd), c"", 0).refused("execveat of an empty path without AT_EMPTY_PATH", libc::ENOENT)?;
    exec(number(&fd), c"", SYMLINK_NOFOLLOW)
        .refused("execveat of an empty path with NOFOLLOW", libc::ENOENT)?;
    exec(-1, c"", EMPTY_PATH).refused("execveat of descriptor -1", libc::EBADF)?;
    exec(9999, c"", EMPTY_PATH).refused("execveat of a closed descriptor", libc::EBADF)?;
    exec(libc::AT_FDCWD, c"", EMPTY_PATH).refused("execveat of the working directory", libc::EACCES)
}

/// 0x10000 is AT_EXECVE_CHECK since 6.14; the higher bits are left to the next ones but for the last.
pub fn unknown_flag_is_refused(context: &Context) -> CaseResult {
    folder(context)?;
    let seven = install("seven", &elf(EXIT_7), 0o755)?;
    let known = [8, 12, 16, 17, 18, 19, 20];
    for bit in (0..32).filter(|bit| !known.contains(bit)) {
        let flag = 1i32 << bit;
        exec(libc::AT_FDCWD, &seven, flag).refused(&format!("execveat with flag {flag:#x}"), libc::EINVAL)?;
        let both = exec(libc::AT_FDCWD, &seven, flag | SYMLINK_NOFOLLOW);
        both.refused(&format!("execveat with NOFOLLOW and flag {flag:#x}"), libc::EINVAL)?;
    }
    exec(libc::AT_FDCWD, &seven, SYMLINK_NOFOLLOW | EMPTY_PATH).exits("execveat with both flags of 3.19", 7)
}

pub fn nofollow_refuses_the_last_link_only(context: &Context) -> CaseResult {
    let here = folder(context)?;
    setup("mkdir", std::fs::create_dir("real").map_err(|_| Errno::last()))?;
    install("real/seven", &elf(EXIT_7), 0o755)?;
    symlink(c"real/seven", c"link")?;
    symlink(c"link", c"link-to-link")?;
    symlink(c"real", c"linked")?;
    for directory in [libc::AT_FDCWD, number(&here)] {
        for path in [c"link", c"link-to-link"] {
            exec(directory, path, 0).exits("execveat of a link", 7)?;
            exec(directory, path, SYMLINK_NOFOLLOW)
                .refused("execveat of a link with NOFOLLOW", libc::ELOOP)?;
        }
        exec(directory, c"linked/seven", SYMLINK_NOFOLLOW)
            .exits("execveat with NOFOLLOW through a linked directory", 7)?;
        exec(directory, c"real/seven", SYMLINK_NOFOLLOW).exits("execveat of a file with NOFOLLOW", 7)?;
    }
    // The descriptor of a link is not that of what it names.
    let link = open(number(&here), c"link", libc::O_PATH | libc::O_NOFOLLOW)?;
    exec(number(&link), c"", EMPTY_PATH).refused("execveat of a descriptor of a link", libc::ELOOP)?;
    symlink(c"circle", c"circle")?;
    exec(libc::AT_FDCWD, c"circle", 0).refused("execveat of a link to itself", libc::ELOOP)
}

pub fn path_is_relative_to_its_directory(context: &Context) -> CaseResult {
    let here = folder(context)?;
    for name in ["left", "right"] {
        setup("mkdir", std::fs::create_dir(name).map_err(|_| Errno::last()))?;
    }
    install("left/program", &elf(EXIT_7), 0o755)?;
    install("right/program", &elf(EXIT_ARGC), 0o755)?;
    let (left, right) =
        (open(number(&here), c"left", libc::O_PATH)?, open(number(&here), c"right", libc::O_RDONLY)?);
    exec(number(&left), c"program", 0).exits("execveat relative to left", 7)?;
    exec(number(&right), c"program", 0).exits("execveat relative to right", 1)?;
    exec(number(&right), c"../left/program", 0).exits("execveat relative to right, by ..", 7)?;
    exec(libc::AT_FDCWD, c"right/program", 0).exits("execveat relative to the working directory", 1)?;
    let absolute = context.scratch.join("left/program");
    let absolute = CString::new(absolute.as_os_str().as_bytes()).expect("no NUL");
    for directory in [number(&right), -1, 9999] {
        exec(directory, &absolute, 0).exits("execveat of an absolute path, whatever the directory", 7)?;
    }
    Ok(())
}

pub fn bad_directory_or_path_is_refused(context: &Context) -> CaseResult {
    folder(context)?;
    let seven = install("seven", &elf(EXIT_7), 0o755)?;
    let fd = open(libc::AT_FDCWD, &seven, libc::O_RDONLY)?;
    exec(-1, &seven, 0).refused("execveat relative to descriptor -1", libc::EBADF)?;
    exec(number(&fd), c"seven", 0).refused("execveat relative to a file", libc::ENOTDIR)?;
    exec(libc::AT_FDCWD, c"seven/x", 0).refused("execveat below a file", libc::ENOTDIR)?;
    exec(libc::AT_FDCWD, c"missing", 0).refused("execveat of a missing file", libc::ENOENT)?;

    exec(libc::AT_FDCWD, &CString::new("./".repeat(2048)).expect("no NUL"), 0)
        .refused("execveat of a path of 4096 bytes", libc::ENAMETOOLONG)?;
    let longest = CString::new("./".repeat(2045) + "seven").expect("no NUL");
    check_eq!(longest.as_bytes().len(), 4095, "length of the longest path");
    exec(libc::AT_FDCWD, &longest, 0).exits("execveat of a path of 4095 bytes", 7)
}

pub fn addresses_outside_memory_are_refused(context: &Context) -> CaseResult {
    folder(context)?;
    let seven = install("seven", &elf(EXIT_7), 0o755)?;
    let hole = Mapping::anonymous(PAGE, libc::PROT_NONE)?;
    let (path, empty) = (seven.as_ptr() as u64, [0u64]);
    let list = empty.as_ptr() as u64;
    for bad in [hole.address(), 1 << 63] {
        let bad_list = [bad, 0];
        let lists = bad_list.as_ptr() as u64;
        let calls = [
            ("path", bad, list, list),
            ("list of arguments", path, bad, list),
            ("list of variables", path, list, bad),
            ("argument", path, lists, list),
            ("variable", path, list, lists),
        ];
        for (what, path, arguments, environment) in calls {
            let ending = child::run(|| {
                // SAFETY: the kernel only reads, and only what may be read.
                let result =
                    unsafe { syscall!(libc::SYS_execveat, libc::AT_FDCWD, path, arguments, environment, 0) };
                crate::case::fails_with(&format!("execveat with a {what} at {bad:#x}"), result, libc::EFAULT)
            })?;
            match ending {
                child::Ending::Returned(result) => result?,
                other => crate::check!(false, "execveat with a {what} at {bad:#x}: {other:?}"),
            }
        }
    }
    Ok(())
}

/// Asks, and executes nothing (AT_EXECVE_CHECK, since 6.14): not even a look at the file's format.
pub fn check_flag_tells_and_does_not_execute(context: &Context) -> CaseResult {
    folder(context)?;
    let may = [install("seven", &elf(EXIT_7), 0o755)?, install("garbage", b"garbage", 0o755)?];
    let may_not = install("data", &elf(EXIT_7), 0o644)?;
    for path in &may {
        exec(libc::AT_FDCWD, path, EXECVE_CHECK).allowed(&format!("check of {path:?}"))?;
        let fd = open(libc::AT_FDCWD, path, libc::O_RDONLY)?;
        exec(number(&fd), c"", EXECVE_CHECK | EMPTY_PATH).allowed("check of a descriptor")?;
    }
    exec(libc::AT_FDCWD, &may_not, EXECVE_CHECK)
        .refused("check of a file without execute bits", libc::EACCES)?;
    exec(libc::AT_FDCWD, c".", EXECVE_CHECK).refused("check of a directory", libc::EACCES)?;
    exec(libc::AT_FDCWD, c"missing", EXECVE_CHECK).refused("check of a missing file", libc::ENOENT)?;
    exec(libc::AT_FDCWD, &may[0], EXECVE_CHECK | 1).refused("check with an unknown flag", libc::EINVAL)
}
