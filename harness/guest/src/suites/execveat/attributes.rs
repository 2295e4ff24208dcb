//! What a process keeps and what it loses when it executes a program: execve(2) "Effect on process attributes".

use super::program::*;
use super::run::*;
use crate::case::{CaseResult, setup};
use crate::child::needs_root;
use crate::mapping::PAGE;
use crate::sys::check as result_of;
use crate::{Context, check, check_eq, syscall};

/// What the page does not list as lost.
pub fn attributes_are_kept(context: &Context) -> CaseResult {
    folder(context)?;
    let before = || {
        std::fs::create_dir("below").map_err(|error| crate::Stop::Broken(error.to_string()))?;
        let alarm = libc::timeval { tv_sec: 5000, tv_usec: 0 };
        let never = libc::timeval { tv_sec: 0, tv_usec: 0 };
        let alarm = libc::itimerval { it_interval: never, it_value: alarm };
        let files = libc::rlimit { rlim_cur: 77, rlim_max: 78 };
        // SAFETY: path and structures are ours and live through their calls; the others take numbers.
        unsafe {
            setup("chdir", syscall!(libc::SYS_chdir, c"below".as_ptr()))?;
            setup("umask", syscall!(libc::SYS_umask, 0o031))?;
            setup("setpriority", syscall!(libc::SYS_setpriority, libc::PRIO_PROCESS, 0, 5))?;
            setup("setrlimit", syscall!(libc::SYS_setrlimit, libc::RLIMIT_NOFILE, &raw const files))?;
            setup("setitimer", syscall!(libc::SYS_setitimer, libc::ITIMER_REAL, &raw const alarm, 0))?;
            setup("prctl", syscall!(libc::SYS_prctl, libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))?;
            setup("prctl", syscall!(libc::SYS_prctl, libc::PR_SET_PDEATHSIG, libc::SIGUSR2)).map(drop)
        }
    };
    let mut exec = report();
    exec.before = &before;
    let told = exec.reports("execveat of the helper")?;
    let below = context.scratch.join("below");
    check_eq!(told.one("cwd"), below.to_str().map(str::to_owned), "working directory of the new program");
    check_eq!(told.status("Umask").as_deref(), Some("0031"), "file mode mask of the new program");
    check_eq!(told.one("nice").as_deref(), Some("25"), "nice value plus 20 of the new program");
    check_eq!(told.one("nofile").as_deref(), Some("77"), "limit of descriptors of the new program");
    let left: u64 = told.one("alarm").and_then(|left| left.parse().ok()).unwrap_or(0);
    check!((1..=5000).contains(&left), "an alarm set to 5000 s before has {left} s left");
    check_eq!(told.status("NoNewPrivs").as_deref(), Some("1"), "no_new_privs of the new program");
    let death = libc::SIGUSR2.to_string();
    check_eq!(told.one("pdeathsig"), Some(death), "signal on the parent's death in the new program");
    Ok(())
}

/// The alternate signal stack, the locks on memory, the POSIX timers, and what concerned the old program only.
pub fn attributes_of_the_old_program_are_lost(_: &Context) -> CaseResult {
    let memory = crate::mapping::Mapping::anonymous(4 * PAGE, libc::PROT_READ | libc::PROT_WRITE)?;
    let before = || {
        let stack = libc::stack_t { ss_sp: memory.address() as *mut _, ss_flags: 0, ss_size: 4 * PAGE };
        let mut timer = 0i32;
        // SAFETY: the stack and the timer's number are ours, and no signal handler runs on the stack.
        unsafe {
            setup("sigaltstack", syscall!(libc::SYS_sigaltstack, &raw const stack, 0))?;
            setup("mlock", syscall!(libc::SYS_mlock, memory.address(), 4 * PAGE))?;
            let clock = libc::CLOCK_MONOTONIC;
            setup("timer_create", syscall!(libc::SYS_timer_create, clock, 0, &raw mut timer))?;
            check_eq!(timer, 0, "number of a process's first timer");
            setup("prctl", syscall!(libc::SYS_prctl, libc::PR_SET_NAME, c"old name".as_ptr()))?;
            setup("prctl", syscall!(libc::SYS_prctl, libc::PR_SET_DUMPABLE, 0))?;
            setup("prctl", syscall!(libc::SYS_prctl, libc::PR_SET_KEEPCAPS, 1)).map(drop)
        }
    };
    let mut exec = report();
    exec.before = &before;
    let told = exec.reports("execveat of the helper")?;
    // The new program may have one of its own by now.
    let stack = told.one("altstack").unwrap_or_default();
    check!(stack != memory.address().to_string(), "the alternate signal stack of the old program is kept");
    check_eq!(
        told.status("VmLck").map(|text| text.trim().to_owned()).as_deref(),
        Some("0 kB"),
        "locked memory"
    );
    check_eq!(told.one("timer").as_deref(), Some("0"), "POSIX timer of the old program");
    check_eq!(told.one("keepcaps").as_deref(), Some("0"), "PR_SET_KEEPCAPS in the new program");
    check_eq!(told.one("dumpable").as_deref(), Some("1"), "dumpability of the new program");
    check!(told.one("comm").as_deref() != Some("old name"), "the old command name is kept");
    Ok(())
}

/// proc_pid_cmdline(5), proc_pid_exe(5), proc_pid_comm(5): of a program, of a script, and of a file that is gone.
pub fn names_in_proc_tell_program_and_arguments(context: &Context) -> CaseResult {
    folder(context)?;
    let path = install_helper("the-helper", 0o755)?;
    let mode = report().arguments.remove(0);
    let mut program = exec(libc::AT_FDCWD, &path, 0);
    program.arguments = vec![mode.clone(), c"".into(), c"b c".into()];
    let told = program.reports("execveat of a copy of the helper")?;
    let home = context.scratch.display();
    let mode = mode.to_str().expect("text");
    check_eq!(told.one("exe"), Some(format!("{home}/the-helper")), "/proc/self/exe of a program");
    check_eq!(told.one("comm").as_deref(), Some("the-helper"), "/proc/self/comm of a program");
    check_eq!(told.one("cmdline"), Some(format!("{mode}\\x00\\x00b c\\x00")), "/proc/self/cmdline");

    let content = format!("#!the-helper {mode}\n");
    let script = install("the-script", content.as_bytes(), 0o755)?;
    let told = exec(libc::AT_FDCWD, &script, 0).reports("execveat of a script")?;
    check_eq!(told.one("exe"), Some(format!("{home}/the-helper")), "/proc/self/exe of a script");
    check_eq!(told.one("comm").as_deref(), Some("the-script"), "/proc/self/comm of a script");
    let line = format!("the-helper\\x00{mode}\\x00the-script\\x00");
    check_eq!(told.one("cmdline"), Some(line), "/proc/self/cmdline of a script");

    let fd = open(libc::AT_FDCWD, &path, libc::O_RDONLY)?;
    // SAFETY: the name lives through the call.
    setup("unlink", result_of(unsafe { libc::unlink(path.as_ptr()) }.into()))?;
    let mut gone = exec(number(&fd), c"", EMPTY_PATH);
    gone.arguments = report().arguments;
    let told = gone.reports("execveat of a program that was unlinked")?;
    check_eq!(told.one("exe"), Some(format!("{home}/the-helper (deleted)")), "/proc/self/exe when unlinked");
    Ok(())
}

/// Real and effective users apart: executing a plain program changes neither, and saves the effective one.
pub fn plain_program_changes_no_user(context: &Context) -> CaseResult {
    needs_root()?;
    folder(context)?;
    let path = install_helper("helper", 0o755)?;
    let before = || {
        // SAFETY: takes numbers only.
        setup("setresuid", unsafe { syscall!(libc::SYS_setresuid, 11, 12, 13) }).map(drop)
    };
    let mut exec = exec(libc::AT_FDCWD, &path, 0);
    exec.arguments = report().arguments;
    exec.before = &before;
    let told = exec.reports("execveat by real user 11, effective 12, saved 13")?;
    check_eq!(told.status("Uid").as_deref(), Some("11121212"), "real, effective, saved and filesystem user");
    check_eq!(told.status("CapEff"), Some("0".repeat(16)), "effective capabilities");
    check_eq!(told.one("secure").as_deref(), Some("1"), "AT_SECURE where real and effective user differ");
    Ok(())
}
