//! As whom the new program runs: execve(2) "Effect on process credentials", capabilities(7).

use super::permission::give;
use super::program::*;
use super::run::*;
use crate::case::{CaseResult, Stop, setup};
use crate::child::{self, Ending, NOBODY, drop_privileges, isolated, needs_root};
use crate::sys::{Errno, check as result_of, read_all};
use crate::{Context, check, check_eq, mounts, skip, syscall};
use std::ffi::CStr;

const NOBODYS: i32 = (NOBODY & 0xff) as i32;

fn control(option: i32, value: u64) -> CaseResult {
    // SAFETY: the options used here take numbers only.
    setup("prctl", unsafe { syscall!(libc::SYS_prctl, option, value, 0, 0, 0) }).map(drop)
}

fn without_new_privileges() -> CaseResult {
    control(libc::PR_SET_NO_NEW_PRIVS, 1)?;
    drop_privileges()
}

/// A directory and a second view of it where set-id bits and file capabilities do not count.
fn with_nosuid_twin(context: &Context) -> CaseResult {
    mounts::private()?;
    for name in ["home", "nosuid"] {
        setup("mkdir", std::fs::create_dir(name).map_err(|_| Errno::last()))?;
    }
    mounts::bind(&context.scratch.join("home"), &context.scratch.join("nosuid"), libc::MS_NOSUID)
}

/// Without the group's execute bit, the set-group-ID bit once meant mandatory locking and changes no group.
pub fn setgid_bit_is_honoured_unless_forbidden(context: &Context) -> CaseResult {
    needs_root()?;
    folder(context)?;
    isolated(|| {
        with_nosuid_twin(context)?;
        install("home/plain", &elf(EXIT_EGID), 0o755)?;
        install("home/setgid", &elf(EXIT_EGID), 0o2755)?;
        install("home/locking", &elf(EXIT_EGID), 0o2745)?;
        let cases: [(&CStr, &dyn Fn() -> CaseResult, i32, &str); 5] = [
            (c"home/plain", &drop_privileges, NOBODYS, "without the bit"),
            (c"home/setgid", &drop_privileges, 0, "with the bit"),
            (c"home/locking", &drop_privileges, NOBODYS, "with the bit and no execute bit for the group"),
            (c"home/setgid", &without_new_privileges, NOBODYS, "with the bit and no_new_privs"),
            (c"nosuid/setgid", &drop_privileges, NOBODYS, "with the bit on a nosuid mount"),
        ];
        for (path, before, status, what) in cases {
            let fd = open(libc::AT_FDCWD, path, libc::O_RDONLY)?;
            let mut exec = exec(number(&fd), c"", EMPTY_PATH);
            exec.before = before;
            exec.exits(&format!("unprivileged execveat of a program of root's group {what}"), status)?;
        }
        Ok(())
    })
}

/// Real, effective, saved and filesystem user; AT_SECURE; no longer dumpable; and the parent may not kill it by dying.
pub fn setuid_program_is_marked_secure(context: &Context) -> CaseResult {
    needs_root()?;
    folder(context)?;
    let before = || {
        drop_privileges()?;
        control(libc::PR_SET_PDEATHSIG, libc::SIGUSR1 as u64)?;
        control(libc::PR_SET_DUMPABLE, 1)
    };
    let users = |real: u32, effective: u32| format!("{real}{effective}{effective}{effective}");
    for (mode, user, secure, death) in [(0o755, NOBODY, "0", libc::SIGUSR1), (0o4755, 0, "1", 0)] {
        let path = install_helper("helper", mode)?;
        let mut exec = exec(libc::AT_FDCWD, &path, 0);
        exec.arguments = report().arguments;
        exec.before = &before;
        let told = exec.reports(&format!("execveat of the helper with mode {mode:o}"))?;
        let what = format!("of a program with mode {mode:o}");
        check_eq!(told.status("Uid"), Some(users(NOBODY, user)), "users {what}");
        check_eq!(told.one("secure").as_deref(), Some(secure), "AT_SECURE {what}");
        check_eq!(told.one("pdeathsig"), Some(death.to_string()), "signal on the parent's death {what}");
        let dumpable = told.one("dumpable");
        check_eq!(dumpable.as_deref() == Some("1"), mode == 0o755, "dumpability {what}, {dumpable:?}");
    }
    Ok(())
}

pub fn setuid_bit_of_a_script_is_ignored(context: &Context) -> CaseResult {
    needs_root()?;
    folder(context)?;
    install_helper("helper", 0o755)?;
    let content = script("report").escape_ascii().to_string().replace("/proc/self/exe", "helper");
    let content = content.replace("\\n", "\n");
    let path = install("script", content.as_bytes(), 0o6755)?;
    let mut exec = exec(libc::AT_FDCWD, &path, 0);
    exec.before = &drop_privileges;
    let told = exec.reports("unprivileged execveat of root's script with set-id bits")?;
    check_eq!(told.status("Uid"), Some(NOBODY.to_string().repeat(4)), "users of the script's interpreter");
    check_eq!(told.status("Gid"), Some(NOBODY.to_string().repeat(4)), "groups of the script's interpreter");
    check_eq!(told.one("secure").as_deref(), Some("0"), "AT_SECURE of the script's interpreter");
    Ok(())
}

/// Its tracer could do with it what it likes: so it gets no more than the tracer has.
pub fn setuid_bit_is_ignored_under_an_unprivileged_tracer(context: &Context) -> CaseResult {
    needs_root()?;
    folder(context)?;
    let path = install("setuid", &elf(EXIT_EUID), 0o4755)?;
    child::unprivileged(|| {
        let pid = child::fork()?;
        if pid == 0 {
            // SAFETY: takes no pointers.
            let traced = unsafe { syscall!(libc::SYS_ptrace, libc::PTRACE_TRACEME, 0, 0, 0) };
            let _ = traced.and_then(|_| exec(libc::AT_FDCWD, &path, 0).call());
            child::exit(99);
        }
        let ending = continue_until_end(pid)?;
        check_eq!(ending, Ending::Exited(NOBODYS), "status (effective user) of a traced set-user-ID program");
        Ok(())
    })
}

fn continue_until_end(pid: i32) -> Result<Ending, Stop> {
    loop {
        let mut status = 0;
        // SAFETY: the status is ours.
        setup("waitpid", result_of(unsafe { libc::waitpid(pid, &mut status, 0) }.into()))?;
        if libc::WIFEXITED(status) {
            return Ok(Ending::Exited(libc::WEXITSTATUS(status)));
        }
        if libc::WIFSIGNALED(status) {
            return Ok(Ending::Killed(libc::WTERMSIG(status)));
        }
        // SAFETY: no pointers; no signal is passed on.
        setup("ptrace", unsafe { syscall!(libc::SYS_ptrace, libc::PTRACE_CONT, pid, 0, 0) })?;
    }
}

const NET_RAW: u32 = 13;

/// File capabilities of revision 2 (capabilities(7)): permitted, and with the effective bit.
fn permit(path: &CStr, capabilities: u32) -> CaseResult {
    let words = [0x0200_0001u32, capabilities, 0, 0, 0];
    let value: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let name = c"security.capability".as_ptr();
    // SAFETY: path, name and value live through the call, and the value is as long as said.
    let set = unsafe { syscall!(libc::SYS_setxattr, path.as_ptr(), name, value.as_ptr(), value.len(), 0) };
    match set {
        Err(Errno(libc::EOPNOTSUPP)) => skip!("missing symbol: TMPFS_XATTR"),
        other => setup("setxattr of file capabilities", other).map(drop),
    }
}

pub fn file_capabilities_are_honoured_unless_forbidden(context: &Context) -> CaseResult {
    needs_root()?;
    folder(context)?;
    isolated(|| {
        with_nosuid_twin(context)?;
        permit(&install_helper("home/helper", 0o755)?, 1 << NET_RAW)?;
        let cases: [(&CStr, &dyn Fn() -> CaseResult, bool, &str); 3] = [
            (c"home/helper", &drop_privileges, true, "with a file capability"),
            (c"home/helper", &without_new_privileges, false, "with a file capability and no_new_privs"),
            (c"nosuid/helper", &drop_privileges, false, "with a file capability on a nosuid mount"),
        ];
        for (path, before, has, what) in cases {
            let mut exec = exec(libc::AT_FDCWD, path, 0);
            exec.arguments = report().arguments;
            exec.before = before;
            let told = exec.reports(&format!("unprivileged execveat of a program {what}"))?;
            let expected = if has { format!("{:016x}", 1 << NET_RAW) } else { "0".repeat(16) };
            for set in ["CapPrm", "CapEff"] {
                check_eq!(told.status(set).as_deref(), Some(expected.as_str()), "{set} of a program {what}");
            }
            if has {
                check_eq!(told.one("secure").as_deref(), Some("1"), "AT_SECURE of a program {what}");
            }
        }
        Ok(())
    })
}

/// A program that does not look at its capabilities must have all its file grants, or not run.
pub fn capability_beyond_the_bounding_set_is_refused(context: &Context) -> CaseResult {
    needs_root()?;
    folder(context)?;
    let path = install("program", &elf(EXIT_7), 0o755)?;
    permit(&path, 1 << NET_RAW)?;
    let bounded = || {
        control(libc::PR_CAPBSET_DROP, NET_RAW.into())?;
        drop_privileges()
    };
    let mut exec = exec(libc::AT_FDCWD, &path, 0);
    exec.before = &drop_privileges;
    exec.exits("unprivileged execveat of a program with a file capability", 7)?;
    exec.before = &bounded;
    exec.refused("the same where the bounding set lacks the capability", libc::EPERM)
}

/// Who changes to a user with too many processes finds out when executing (execve(2) NOTES, since 3.1).
pub fn process_limit_counts_after_a_change_of_user(context: &Context) -> CaseResult {
    needs_root()?;
    folder(context)?;
    let path = install("seven", &elf(EXIT_7), 0o755)?;
    let limited = |limit: u64| {
        move || {
            let limits = libc::rlimit { rlim_cur: limit, rlim_max: limit };
            // SAFETY: the limits are ours.
            let set = unsafe { syscall!(libc::SYS_setrlimit, libc::RLIMIT_NPROC, &raw const limits) };
            setup("setrlimit", set)?;
            drop_privileges()
        }
    };
    let (none, plenty) = (limited(0), limited(1000));
    let (ready, tell) = child::pipe()?;
    let (gate, opener) = child::pipe()?;
    let holder = child::fork()?;
    if holder == 0 {
        drop((opener, ready));
        let dropped = drop_privileges();
        child::write_all(&tell, if dropped.is_ok() { b"1" } else { b"0" });
        drop(tell);
        let _ = read_all(&gate);
        child::exit(0);
    }
    drop((tell, gate));
    let started = setup("read", read_all(&ready))?;
    let judged = (|| {
        check_eq!(started, b"1", "start of the user's first process");
        let mut exec = exec(libc::AT_FDCWD, &path, 0);
        exec.before = &none;
        exec.refused("execveat by a user who may have no process and has another", libc::EAGAIN)?;
        exec.before = &plenty;
        exec.exits("execveat by a user who may have 1000 processes", 7)
    })();
    drop(opener);
    child::wait(holder)?;
    judged
}

/// A descriptor of the file itself asks for no search on the way to it; a path does, and from a descriptor, too.
pub fn directory_without_search_permission_is_refused(context: &Context) -> CaseResult {
    needs_root()?;
    folder(context)?;
    setup("mkdir", std::fs::create_dir("closed").map_err(|_| Errno::last()))?;
    let path = install("closed/seven", &elf(EXIT_7), 0o755)?;
    let (directory, file) =
        (open(libc::AT_FDCWD, c"closed", libc::O_PATH)?, open(libc::AT_FDCWD, &path, libc::O_PATH)?);
    // SAFETY: the name lives through the call.
    setup("chmod", result_of(unsafe { libc::chmod(c"closed".as_ptr(), 0o744) }.into()))?;
    for (from, path) in [(libc::AT_FDCWD, c"closed/seven"), (number(&directory), c"seven")] {
        let mut exec = exec(from, path, 0);
        exec.before = &drop_privileges;
        exec.refused(&format!("unprivileged execveat of {path:?} without search permission"), libc::EACCES)?;
    }
    let mut exec = exec(number(&file), c"", EMPTY_PATH);
    exec.before = &drop_privileges;
    exec.exits("unprivileged execveat of a descriptor of the file", 7)
}

/// Executing asks for no read permission, but nobody shall read the program out of its process either.
pub fn unreadable_program_is_executed_and_not_dumpable(context: &Context) -> CaseResult {
    needs_root()?;
    folder(context)?;
    let before = || {
        drop_privileges()?;
        control(libc::PR_SET_DUMPABLE, 1)
    };
    for (mode, dumpable) in [(0o755, true), (0o711, false)] {
        let path = install_helper("helper", mode)?;
        give(&path, 0)?;
        let mut exec = exec(libc::AT_FDCWD, &path, 0);
        exec.arguments = report().arguments;
        exec.before = &before;
        let told = exec.reports(&format!("unprivileged execveat of a program with mode {mode:o}"))?;
        let found = told.one("dumpable");
        check!(
            (found.as_deref() == Some("1")) == dumpable,
            "dumpability of a program with mode {mode:o} is {found:?}"
        );
    }
    Ok(())
}
