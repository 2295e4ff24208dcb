//! The agent as the program that exec cases execute: an initramfs holds no other.
//!
//! An invocation is a helper's if `argv[0]`, or `argv[1]` behind a script's interpreter, is `gauntlet-helper:` and
//! a mode:
//! - `exit7` exits with status 7;
//! - `report` writes what the kernel handed over to standard output, as `key=value` records ended by NUL;
//! - `priority` exits with its real-time priority and ten times its scheduling policy;
//! - `maps` writes its memory map to standard output;
//! - `errno:NR` makes system call NR without arguments and exits with its error number, 0 for none.

use crate::child::{exit, write_all};
use crate::sys::Errno;
use crate::syscall;
use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;

/// What marks a helper's invocation.
pub const PREFIX: &str = "gauntlet-helper:";

/// Does the helper's work and exits if this invocation is a helper's; returns at once otherwise.
pub fn dispatch<A: AsRef<OsStr>>(arguments: &[A]) {
    let mode = arguments.iter().take(2).find_map(|argument| argument.as_ref().to_str()?.strip_prefix(PREFIX));
    match mode {
        None => {}
        Some("exit7") => exit(7),
        Some("maps") => {
            write_all(&1, &std::fs::read("/proc/self/maps").unwrap_or_default());
            exit(0)
        }
        Some("report") => {
            write_all(&1, &report(arguments));
            exit(0)
        }
        Some("priority") => exit(scheduling()),
        Some(other) => exit(other.strip_prefix("errno:").and_then(|nr| nr.parse().ok()).map_or(99, errno_of)),
    }
}

fn scheduling() -> i32 {
    use crate::scheduling::{policy, priority};
    match (policy(0), priority(0)) {
        (Ok(policy), Ok(priority)) => priority + 10 * policy as i32,
        _ => 98,
    }
}

fn errno_of(number: i64) -> i32 {
    // SAFETY: no pointers; the helper's only purpose is to make this call.
    match unsafe { syscall!(number) } {
        Ok(_) => 0,
        Err(Errno(errno)) => errno,
    }
}

fn report<A: AsRef<OsStr>>(arguments: &[A]) -> Vec<u8> {
    let mut report = Report::default();
    for argument in arguments {
        report.add("argv", argument.as_ref().as_bytes());
    }
    for (name, value) in std::env::vars_os() {
        report.add("env", &[name.as_bytes(), b"=", value.as_bytes()].concat());
    }
    report.add("execfn", execfn());
    // SAFETY: neither takes pointers.
    let (pid, tid) = unsafe { (libc::getpid(), libc::gettid()) };
    report.add("pid", pid.to_string().as_bytes());
    report.add("tid", tid.to_string().as_bytes());
    let exe = std::fs::read_link("/proc/self/exe").unwrap_or_default();
    report.add("exe", exe.as_os_str().as_bytes());
    let comm = std::fs::read("/proc/self/comm").unwrap_or_default();
    report.add("comm", comm.strip_suffix(b"\n").unwrap_or(&comm));
    for name in names_in("/proc/self/fd") {
        let target =
            std::fs::read_link(std::path::Path::new("/proc/self/fd").join(&name)).unwrap_or_default();
        report.add("fd", &[name.as_bytes(), b" ", target.as_os_str().as_bytes()].concat());
    }
    let cmdline = std::fs::read("/proc/self/cmdline").unwrap_or_default();
    report.add("cmdline", cmdline.escape_ascii().to_string().as_bytes());
    let directory = std::env::current_dir().unwrap_or_default();
    report.add("cwd", directory.as_os_str().as_bytes());
    for (key, value) in attributes() {
        report.add(key, value.to_string().as_bytes());
    }
    for line in std::fs::read_to_string("/proc/self/status").unwrap_or_default().lines() {
        report.add("status", line.replace('\t', "").as_bytes());
    }
    report.0
}

/// What a process keeps or loses when it executes a program (execve(2)).
fn attributes() -> [(&'static str, u64); 9] {
    // SAFETY: all-zero structures are valid, ours, and outlive their calls; the other calls take numbers only.
    unsafe {
        let mut stack: libc::stack_t = std::mem::zeroed();
        libc::sigaltstack(std::ptr::null(), &mut stack);
        let mut alarm: libc::itimerval = std::mem::zeroed();
        libc::getitimer(libc::ITIMER_REAL, &mut alarm);
        let mut files: libc::rlimit = std::mem::zeroed();
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut files);
        let mut death = 0i32;
        libc::prctl(libc::PR_GET_PDEATHSIG, &raw mut death);
        [
            ("secure", libc::getauxval(libc::AT_SECURE)),
            ("altstack", stack.ss_sp as u64),
            ("alarm", alarm.it_value.tv_sec as u64),
            ("nofile", files.rlim_cur),
            ("timer", syscall!(libc::SYS_timer_getoverrun, 0).is_ok().into()),
            ("pdeathsig", death as u64),
            ("keepcaps", libc::prctl(libc::PR_GET_KEEPCAPS) as u64),
            ("dumpable", libc::prctl(libc::PR_GET_DUMPABLE) as u64),
            ("nice", (libc::getpriority(libc::PRIO_PROCESS, 0) + 20) as u64),
        ]
    }
}

/// The path the kernel names as executed.
fn execfn() -> &'static [u8] {
    // SAFETY: AT_EXECFN is an address on our own initial stack of a string the kernel wrote, or 0.
    unsafe {
        match libc::getauxval(libc::AT_EXECFN) as *const libc::c_char {
            address if address.is_null() => b"",
            address => CStr::from_ptr(address).to_bytes(),
        }
    }
}

fn names_in(folder: &str) -> Vec<std::ffi::OsString> {
    std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name()).collect()
}

/// The records of a report.
#[derive(Debug, Default)]
pub struct Report(pub Vec<u8>);

impl Report {
    fn add(&mut self, key: &str, value: &[u8]) {
        self.0.extend_from_slice(key.as_bytes());
        self.0.push(b'=');
        self.0.extend_from_slice(value);
        self.0.push(0);
    }

    /// The values of a key, in order.
    pub fn all(&self, key: &str) -> Vec<&[u8]> {
        let value =
            |record: &'_ [u8]| record.strip_prefix(key.as_bytes())?.strip_prefix(b"=").map(<[u8]>::len);
        self.0
            .split(|&byte| byte == 0)
            .filter_map(|record| value(record).map(|length| &record[record.len() - length..]))
            .collect()
    }

    /// The one value of a key, as text.
    pub fn one(&self, key: &str) -> Option<String> {
        match self.all(key)[..] {
            [value] => Some(String::from_utf8_lossy(value).into_owned()),
            _ => None,
        }
    }

    /// A field of `/proc/self/status`.
    pub fn status(&self, field: &str) -> Option<String> {
        let line = |line: &&[u8]| {
            String::from_utf8_lossy(line).strip_prefix(field)?.strip_prefix(':').map(str::to_owned)
        };
        self.all("status").iter().find_map(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_reads_back() {
        let report = Report(report(&["", "a=b"]));
        assert_eq!(report.all("argv"), [b"".as_slice(), b"a=b"]);
        assert_eq!(report.one("pid"), Some(std::process::id().to_string()));
        assert_eq!(report.one("argv"), None, "two values are not one");
        assert!(report.status("Threads").is_some());
    }

    #[test]
    fn other_invocations_are_left_alone() {
        dispatch::<&str>(&[]);
        dispatch(&["gauntlet-guest", "run", "gauntlet-helper:exit7"]);
    }
}
