//! What is logged, and the sysctls that say so. The records are the audit subsystem's, which writes them to the
//! kernel's log as long as no daemon takes them (`make test`'s machines have none).

use super::filter::*;
use crate::case::{CaseResult, Stop, setup, succeeds};
use crate::child::{Ending, isolated, needs_root, run};
use crate::sys::{Errno, check as result_of};
use crate::{Context, check, check_eq, file, skip};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

const AVAILABLE: &str = "/proc/sys/kernel/seccomp/actions_avail";
const LOGGED: &str = "/proc/sys/kernel/seccomp/actions_logged";
const ALL_ACTIONS: &str = "kill_process kill_thread trap errno user_notif trace log allow";
const LOGGED_BY_DEFAULT: &str = "kill_process kill_thread trap errno user_notif trace log";

fn read(path: &str) -> Result<String, Stop> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(error) => skip!("no {path}: {error}; CONFIG_SYSCTL is not set"),
    }
}

fn set_logged(actions: &str) -> Result<(), Errno> {
    std::fs::write(LOGGED, actions).map_err(|error| Errno(error.raw_os_error().unwrap_or(0)))
}

pub fn action_sysctls_are_checked(_: &Context) -> CaseResult {
    needs_root()?;
    check_eq!(read(AVAILABLE)?, ALL_ACTIONS, "{AVAILABLE}");
    check!(std::fs::write(AVAILABLE, "allow").is_err(), "{AVAILABLE} can be written");
    check_eq!(read(LOGGED)?, LOGGED_BY_DEFAULT, "{LOGGED} at first");
    for wrong in ["allow", "log allow", "nonsense", "kill_process,trap", "LOG"] {
        check_eq!(set_logged(wrong), Err(Errno(libc::EINVAL)), "{LOGGED} set to {wrong:?}");
        check_eq!(read(LOGGED)?, LOGGED_BY_DEFAULT, "{LOGGED} after refused {wrong:?}");
    }
    for (written, expected) in [("log kill_process", "kill_process log"), ("errno", "errno")] {
        check_eq!(set_logged(written), Ok(()), "{LOGGED} set to {written:?}");
        check_eq!(read(LOGGED)?, expected, "{LOGGED} after {written:?}, in order of precedence");
    }
    check_eq!(set_logged(LOGGED_BY_DEFAULT), Ok(()), "{LOGGED} set to the default");
    Ok(())
}

/// The kernel's log from now on.
struct KernelLog(OwnedFd);

impl KernelLog {
    fn open() -> Result<KernelLog, Stop> {
        if read("/proc/cmdline")?
            .split_ascii_whitespace()
            .any(|word| word == "audit=0" || word == "audit=off")
        {
            skip!("the command line turns audit off");
        }
        let flags = libc::O_RDONLY | libc::O_NONBLOCK | libc::O_CLOEXEC;
        let log = setup("open of /dev/kmsg", file::open_at(libc::AT_FDCWD, c"/dev/kmsg", flags, 0))?;
        // SAFETY: no pointers.
        setup("lseek", result_of(unsafe { libc::lseek(log.as_raw_fd(), 0, libc::SEEK_END) }))?;
        Ok(KernelLog(log))
    }

    /// The numbers of the calls recorded, up to and without this one, which must come.
    fn calls_before(&self, last: i64) -> Result<Vec<(i64, u32)>, Stop> {
        let mut calls = Vec::new();
        loop {
            let mut record = [0u8; 8192];
            // SAFETY: the buffer is ours and as long as said.
            let n = unsafe { libc::read(self.0.as_raw_fd(), record.as_mut_ptr().cast(), record.len()) };
            match result_of(n as i64) {
                Ok(n) => match recorded(&String::from_utf8_lossy(&record[..n as usize])) {
                    Some((number, _)) if number == last => return Ok(calls),
                    other => calls.extend(other),
                },
                // Overwritten before we read it: the next read goes on behind the gap.
                Err(Errno(libc::EPIPE)) => {}
                Err(Errno(libc::EAGAIN)) => self.wait_for_more(last)?,
                Err(errno) => return Err(Stop::Broken(format!("read of /dev/kmsg: {errno}"))),
            }
        }
    }

    fn wait_for_more(&self, last: i64) -> CaseResult {
        let events = setup("poll", file::poll(&self.0, libc::POLLIN, Duration::from_secs(10)))?;
        check!(events != 0, "call {last} under SECCOMP_RET_LOG has left no audit record after 10 seconds");
        Ok(())
    }
}

/// Number and filter value of a seccomp record (type 1326, AUDIT_SECCOMP).
fn recorded(line: &str) -> Option<(i64, u32)> {
    let (_, fields) = line.split_once("type=1326 ")?;
    let field = |name| fields.split_ascii_whitespace().find_map(|word| word.strip_prefix(name));
    let code = u32::from_str_radix(field("code=0x")?, 16).ok()?;
    Some((field("syscall=")?.parse().ok()?, code))
}

/// What is recorded of getppid under one action with these flags. The call after it is always recorded, so that
/// nothing is not only something that has not come yet.
fn records_of(action: u32, flags: u32) -> Result<Vec<u32>, Stop> {
    let log = KernelLog::open()?;
    let ending = run(|| {
        filtered(&on_call(NOWHERE, LOG, ALLOW))?;
        succeeds("filter", install(&on_call(libc::SYS_getppid, action, ALLOW), flags))?;
        let _ = parent();
        Ok(())
    })?;
    check!(
        !matches!(ending, Ending::Returned(Err(_))),
        "a child that filters itself with {action:#x}: {ending:?}"
    );
    isolated(|| {
        filtered(&on_call(NOWHERE, LOG, ALLOW))?;
        let _ = nowhere([0; 6]);
        Ok(())
    })?;
    let calls = log.calls_before(NOWHERE)?;
    Ok(calls.into_iter().filter(|(number, _)| *number == libc::SYS_getppid).map(|(_, code)| code).collect())
}

/// Kills and LOG always leave a record; the others only where the filter asks by its flag; ALLOW never.
pub fn records_are_left_where_the_manual_says(_: &Context) -> CaseResult {
    needs_root()?;
    for (action, plain, flagged) in [
        (KILL_PROCESS, true, true),
        (KILL_THREAD, true, true),
        (LOG, true, true),
        (TRAP, false, true),
        (ERRNO | 1, false, true),
        (TRACE, false, true),
        (USER_NOTIF, false, true),
        (ALLOW, false, false),
    ] {
        for (flags, expected) in [(0, plain), (LOG_FLAG, flagged)] {
            let records = records_of(action, flags)?;
            let codes: Vec<u32> = records.iter().map(|code| code & 0xffff_0000).collect();
            let wanted = if expected { vec![action & 0xffff_0000] } else { vec![] };
            check_eq!(codes, wanted, "records of getppid under action {action:#x} with flags {flags:#x}");
        }
    }
    Ok(())
}

pub fn administrator_can_silence_an_action(_: &Context) -> CaseResult {
    needs_root()?;
    read(LOGGED)?;
    setup(LOGGED, set_logged("log trap"))?;
    for (action, flags) in [(KILL_PROCESS, 0), (ERRNO | 1, LOG_FLAG)] {
        check_eq!(records_of(action, flags)?, [0u32; 0], "records of {action:#x} that {LOGGED} leaves out");
    }
    check_eq!(records_of(TRAP, LOG_FLAG)?, [TRAP], "records of SECCOMP_RET_TRAP, which {LOGGED} names");
    setup(LOGGED, set_logged(LOGGED_BY_DEFAULT))
}

/// The one precedence that the calls' results do not show.
pub fn log_wins_over_allow(_: &Context) -> CaseResult {
    needs_root()?;
    for actions in [[LOG, ALLOW], [ALLOW, LOG]] {
        let log = KernelLog::open()?;
        isolated(|| {
            for action in actions {
                filtered(&on_call(libc::SYS_getppid, action, ALLOW))?;
            }
            filtered(&on_call(NOWHERE, LOG, ALLOW))?;
            succeeds("getppid under LOG", parent())?;
            let _ = nowhere([0; 6]);
            Ok(())
        })?;
        check_eq!(log.calls_before(NOWHERE)?, [(libc::SYS_getppid, LOG)], "records under {actions:x?}");
    }
    Ok(())
}
