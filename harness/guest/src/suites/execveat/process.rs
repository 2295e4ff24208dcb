//! What the new program gets, and what becomes of the old one's process.

use super::program::*;
use super::run::*;
use crate::case::{CaseResult, setup};
use crate::child::{Ending, isolated};
use crate::helper::PREFIX;
use crate::mapping::PAGE;
use crate::sys::check as result_of;
use crate::{Context, check, check_eq, file, syscall};
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;

fn c(text: &str) -> CString {
    CString::new(text).expect("no NUL")
}

pub fn arguments_and_variables_arrive_unchanged(_: &Context) -> CaseResult {
    let mode = format!("{PREFIX}report");
    let long = "l".repeat(PAGE + 1);
    let every_byte: Vec<u8> = (1..=255).collect();
    let mut exec = report();
    exec.arguments =
        vec![c(&mode), c(""), c("a b"), c(&long), CString::new(every_byte.clone()).expect("no NUL"), c("")];
    exec.environment = vec![c("A=1"), c("EMPTY="), c("B=x=y")];
    let report = exec.reports("execveat with six arguments")?;
    let expected: [&[u8]; 6] = [mode.as_bytes(), b"", b"a b", long.as_bytes(), &every_byte, b""];
    check!(report.all("argv") == expected, "arguments differ: {:?}", report.all("argv").len());
    let variables: [&[u8]; 3] = [b"A=1", b"EMPTY=", b"B=x=y"];
    check_eq!(report.all("env"), variables, "variables of the new program");
    Ok(())
}

/// MAX_ARG_STRLEN: 32 pages with the terminating NUL.
pub fn argument_of_128_kib_is_refused(context: &Context) -> CaseResult {
    folder(context)?;
    let program = install("argc", &elf(EXIT_ARGC), 0o755)?;
    const LIMIT: usize = 32 * PAGE;
    for (length, fits) in [(LIMIT - 2, true), (LIMIT - 1, true), (LIMIT, false), (LIMIT + 1, false)] {
        for variable in [false, true] {
            let mut exec = exec(libc::AT_FDCWD, &program, 0);
            let text = CString::new(vec![b'x'; length]).expect("no NUL");
            if variable {
                exec.environment.push(text)
            } else {
                exec.arguments.push(text)
            }
            let what = format!("execveat with {length} bytes in one string");
            let count = if variable { 1 } else { 2 };
            if fits { exec.exits(&what, count)? } else { exec.refused(&what, libc::E2BIG)? }
        }
    }
    Ok(())
}

fn limit_stack(stack: u64) -> CaseResult {
    let limit = libc::rlimit { rlim_cur: stack, rlim_max: stack };
    // SAFETY: the structure is ours.
    let set = unsafe { libc::setrlimit(libc::RLIMIT_STACK, &limit) };
    setup("setrlimit", result_of(set.into())).map(drop)
}

/// Strings that take so many bytes in all: 1023 each, a NUL and a pointer. So many of four are variables, the others
/// arguments, of which there is one at least.
fn strings(bytes: usize, variables: usize) -> (Vec<CString>, Vec<CString>) {
    let mut arguments = vec![c(&"x".repeat(1023)); bytes / 1032];
    let environment = arguments.split_off((arguments.len() * (4 - variables) / 4).max(1));
    (arguments, environment)
}

/// A quarter of the stack's limit, but never less than 32 pages nor more than 6 MiB, for arguments and variables
/// together, and the pointers count as well. The exact byte depends on the path and the platform's name; a page away
/// from the limit does not.
pub fn arguments_are_limited_in_total(context: &Context) -> CaseResult {
    folder(context)?;
    let program = install("argc", &elf(EXIT_ARGC), 0o755)?;
    const MOST: usize = 6 << 20;
    // Most strings need most time: once each is enough.
    for (stack, total, splits) in [
        (512 << 10, 128 << 10, &[0, 2, 4][..]),
        (2 << 20, 512 << 10, &[0, 2, 4]),
        (24 << 20, MOST, &[4]),
        (64 << 20, MOST, &[2]),
        (libc::RLIM_INFINITY, MOST, &[0]),
    ] {
        let before = || limit_stack(stack);
        let mut exec = exec(libc::AT_FDCWD, &program, 0);
        exec.before = &before;
        for &variables in splits {
            let what = format!("{total} bytes, {variables} of 4 in variables, and a stack of {stack}");
            (exec.arguments, exec.environment) = strings(total - PAGE, variables);
            let status = (exec.arguments.len() & 0xff) as i32;
            exec.exits(&format!("execveat with a page less than {what}"), status)?;
            (exec.arguments, exec.environment) = strings(total + PAGE, variables);
            exec.refused(&format!("execveat with a page more than {what}"), libc::E2BIG)?;
        }
    }
    Ok(())
}

/// Programs read argv[0] without looking; privileged ones were taken over by that.
pub fn empty_argument_list_becomes_one_empty_string(context: &Context) -> CaseResult {
    folder(context)?;
    let program = install("argc", &elf(EXIT_ARGC), 0o755)?;
    let mut exec = exec(libc::AT_FDCWD, &program, 0);
    exec.arguments = vec![];
    exec.exits("execveat without arguments (status: their number)", 1)
}

pub fn program_is_told_its_path(context: &Context) -> CaseResult {
    let here = folder(context)?;
    let link =
        std::fs::read_link("/proc/self/exe").map_err(|error| crate::Stop::Broken(error.to_string()))?;
    let own = CString::new(link.as_os_str().as_bytes()).expect("no NUL");
    let fd = open(libc::AT_FDCWD, c"/proc/self/exe", libc::O_RDONLY)?;
    let cases = [
        (libc::AT_FDCWD, own.clone(), 0, own.as_bytes().to_vec(), "by its path"),
        (number(&here), own.clone(), 0, own.as_bytes().to_vec(), "by its absolute path and a directory"),
        (
            number(&fd),
            c"".into(),
            EMPTY_PATH,
            format!("/dev/fd/{}", number(&fd)).into_bytes(),
            "by descriptor",
        ),
    ];
    for (directory, path, flags, expected, how) in cases {
        let mut exec = exec(directory, &path, flags);
        exec.arguments = report().arguments;
        let report = exec.reports(&format!("execveat {how}"))?;
        check_eq!(report.all("execfn"), [expected.as_slice()], "AT_EXECFN of a program executed {how}");
        check_eq!(report.all("exe"), [own.as_bytes()], "/proc/self/exe of a program executed {how}");
    }
    Ok(())
}

/// Fifteen bytes of the last component; for a descriptor, of the file's name (since 6.14) and not of the number.
pub fn command_name_by_descriptor_is_the_files(_: &Context) -> CaseResult {
    let fd = open(libc::AT_FDCWD, c"/proc/self/exe", libc::O_RDONLY)?;
    let mut exec = exec(number(&fd), c"", EMPTY_PATH);
    exec.arguments = report().arguments;
    let report = exec.reports("execveat by descriptor")?;
    let name = report.one("exe").unwrap_or_default();
    let name: String = name.rsplit('/').next().unwrap_or_default().chars().take(15).collect();
    check_eq!(report.one("comm"), Some(name), "command name of a program executed by descriptor");
    Ok(())
}

pub fn command_name_is_cut_at_15_bytes(context: &Context) -> CaseResult {
    folder(context)?;
    for (link, expected) in
        [("a", "a"), ("fifteen-bytes-x", "fifteen-bytes-x"), ("sixteen-bytes-xy", "sixteen-bytes-x")]
    {
        std::os::unix::fs::symlink("/proc/self/exe", link).map_err(|e| crate::Stop::Broken(e.to_string()))?;
        let link = c(&format!("./{link}"));
        let mut exec = exec(libc::AT_FDCWD, &link, 0);
        exec.arguments = report().arguments;
        let comm = exec.reports("execveat of a link")?.one("comm");
        check_eq!(comm.as_deref(), Some(expected), "command name of {link:?}");
    }
    Ok(())
}

pub fn close_on_exec_closes_and_others_stay(_: &Context) -> CaseResult {
    let (closing, staying) =
        (open(libc::AT_FDCWD, c"/dev/null", libc::O_RDWR)?, kept_open(c"/dev/null", libc::O_RDWR)?);
    let report = report().reports("execveat of the helper")?;
    // With what it names: the new program may use a freed number for a file of its own.
    let has = |fd| report.all("fd").contains(&format!("{} /dev/null", number(fd)).as_bytes());
    check!(!has(&closing), "a close-on-exec descriptor is open in the new program");
    check!(has(&staying), "a descriptor without close-on-exec is closed in the new program");
    Ok(())
}

/// A refused call leaves all as it was: descriptors, and the program itself.
pub fn refused_call_changes_nothing(context: &Context) -> CaseResult {
    folder(context)?;
    install("garbage", b"garbage", 0o755)?;
    isolated(|| {
        let closing = open(libc::AT_FDCWD, c"/dev/null", libc::O_RDWR)?;
        let comm = std::fs::read("/proc/self/comm").unwrap_or_default();
        for (path, errno) in [(c"garbage", libc::ENOEXEC), (c"missing", libc::ENOENT), (c".", libc::EACCES)] {
            crate::case::fails_with("execveat", exec(libc::AT_FDCWD, path, 0).call(), errno)?;
            check_eq!(
                file::control(&closing, libc::F_GETFD, 0),
                Ok(1),
                "close-on-exec descriptor after a refused call"
            );
            check_eq!(
                std::fs::read("/proc/self/comm").unwrap_or_default(),
                comm,
                "command name after a refused call"
            );
        }
        Ok(())
    })
}

extern "C" fn handler(_: i32) {}

/// execve(2): handled signals become default, ignored ones stay ignored; mask and pending signals are kept.
pub fn signals_are_kept_and_handlers_are_not(_: &Context) -> CaseResult {
    let handle = |signal, action: usize| {
        // SAFETY: the handler does nothing.
        let old = unsafe { libc::signal(signal, action) };
        setup("signal", result_of(if old == libc::SIG_ERR { -1 } else { 0 })).map(drop)
    };
    let before = || {
        handle(libc::SIGUSR1, handler as extern "C" fn(i32) as usize)?;
        handle(libc::SIGUSR2, libc::SIG_IGN)?;
        let mask = 1u64 << (libc::SIGHUP - 1);
        // SAFETY: the mask is ours and eight bytes long; the signal is blocked when it comes.
        unsafe {
            setup("sigprocmask", syscall!(libc::SYS_rt_sigprocmask, libc::SIG_BLOCK, &raw const mask, 0, 8))?;
            setup("kill", syscall!(libc::SYS_kill, libc::getpid(), libc::SIGHUP)).map(drop)
        }
    };
    let mut exec = report();
    exec.before = &before;
    let report = exec.reports("execveat of the helper")?;
    let field = |name| u64::from_str_radix(&report.status(name).unwrap_or_default(), 16).unwrap_or(u64::MAX);
    let bit = |signal: i32| 1u64 << (signal - 1);
    check_eq!(field("SigCgt") & bit(libc::SIGUSR1), 0, "handler of SIGUSR1 in the new program");
    check_eq!(field("SigIgn") & bit(libc::SIGUSR1), 0, "ignoring of a handled SIGUSR1 in the new program");
    check_eq!(
        field("SigIgn") & bit(libc::SIGUSR2),
        bit(libc::SIGUSR2),
        "ignoring of SIGUSR2 in the new program"
    );
    check_eq!(
        field("SigBlk") & bit(libc::SIGHUP),
        bit(libc::SIGHUP),
        "blocking of SIGHUP in the new program"
    );
    check_eq!(field("ShdPnd") & bit(libc::SIGHUP), bit(libc::SIGHUP), "pending SIGHUP in the new program");
    Ok(())
}

/// Whichever thread calls becomes the only one, and takes over the process's number.
pub fn other_threads_end_and_the_process_stays(_: &Context) -> CaseResult {
    let (told, tell) = crate::child::pipe()?;
    let from_other_thread = || {
        // SAFETY: takes no pointers.
        let own = unsafe { libc::getpid() };
        crate::child::write_all(&tell, &own.to_ne_bytes());
        std::thread::spawn(|| {
            let _ = report().call();
            crate::child::exit(98);
        });
        // The other thread ends us, by executing or by its failure to.
        loop {
            std::thread::park();
        }
    };
    let mut exec = report();
    exec.before = &from_other_thread;
    let outcome = exec.run()?;
    drop(tell);
    let bytes = setup("read", crate::sys::read_all(&told))?;
    let pid = bytes.try_into().map_or(0, i32::from_ne_bytes).to_string();
    let Outcome::Executed(Ending::Exited(0), output) = outcome else {
        return Err(crate::Stop::Fail(format!("execveat by a second thread: {outcome:?}")));
    };
    let report = crate::helper::Report(output);
    check_eq!(report.one("pid"), Some(pid), "process number after a second thread executed");
    check_eq!(report.one("tid"), report.one("pid"), "thread number after a second thread executed");
    check_eq!(report.status("Threads"), Some("1".to_owned()), "threads after a second thread executed");
    Ok(())
}
