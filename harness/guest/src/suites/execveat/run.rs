//! Executing in a child, and what came of it.

use crate::case::{CaseResult, Stop};
use crate::child::{self, Ending};
use crate::helper::{PREFIX, Report};
use crate::sys::{Errno, read_all};
use crate::{check_eq, syscall};
use std::ffi::{CStr, CString};
use std::os::fd::AsRawFd;

pub const EMPTY_PATH: i32 = 0x1000;
pub const SYMLINK_NOFOLLOW: i32 = 0x100;
pub const EXECVE_CHECK: i32 = 0x10000;

/// One call.
pub struct Exec<'a> {
    pub directory: i32,
    pub path: &'a CStr,
    pub arguments: Vec<CString>,
    pub environment: Vec<CString>,
    pub flags: i32,
    /// What the child does before the call.
    pub before: &'a dyn Fn() -> CaseResult,
}

/// What came of a call.
#[derive(Debug)]
pub enum Outcome {
    Refused(Errno),
    /// The call returned this instead of executing: right for AT_EXECVE_CHECK only.
    Returned(i64),
    /// Something was executed; its end, and what it wrote to standard output.
    Executed(Ending, Vec<u8>),
}

/// A call with one argument and no environment.
pub fn exec<'a>(directory: i32, path: &'a CStr, flags: i32) -> Exec<'a> {
    let arguments = vec![c"program".to_owned()];
    Exec { directory, path, arguments, environment: vec![], flags, before: &|| Ok(()) }
}

/// The helper, reporting.
pub fn report<'a>() -> Exec<'a> {
    let mut exec = exec(libc::AT_FDCWD, c"/proc/self/exe", 0);
    exec.arguments = vec![CString::new(format!("{PREFIX}report")).expect("no NUL")];
    exec
}

/// A null-terminated list of pointers to strings that outlive it.
fn list(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings.iter().map(|string| string.as_ptr()).chain([std::ptr::null()]).collect()
}

impl Exec<'_> {
    /// Makes the call in this process.
    pub fn call(&self) -> Result<i64, Errno> {
        let (arguments, environment) = (list(&self.arguments), list(&self.environment));
        let (path, flags) = (self.path.as_ptr(), self.flags);
        // SAFETY: path, lists and their strings live through the call.
        unsafe {
            syscall!(
                libc::SYS_execveat,
                self.directory,
                path,
                arguments.as_ptr(),
                environment.as_ptr(),
                flags
            )
        }
    }

    /// Makes the call in a child whose standard output is a pipe.
    pub fn run(&self) -> Result<Outcome, Stop> {
        let (verdict, tell) = child::pipe()?;
        let (output, write) = child::pipe()?;
        let pid = child::fork()?;
        if pid == 0 {
            // The pipe must not stay open in the program under its other number.
            // SAFETY: two descriptors of ours.
            let redirected = unsafe { libc::dup2(write.as_raw_fd(), 1) };
            let said = match (self.before)() {
                Ok(()) if redirected == 1 => match self.call() {
                    Ok(value) => format!("v{value}"),
                    Err(Errno(errno)) => format!("e{errno}"),
                },
                Ok(()) => "bdup2 of a pipe".into(),
                Err(stop) => format!("b{stop:?}"),
            };
            child::write_all(&tell, said.as_bytes());
            child::exit(0);
        }
        drop((tell, write));
        let read = |fd| crate::case::setup("read from a child", read_all(fd));
        let (said, output) = (read(&verdict)?, read(&output)?);
        let ending = child::wait(pid)?;
        Ok(match (said.first(), String::from_utf8_lossy(said.get(1..).unwrap_or_default())) {
            (None, _) => Outcome::Executed(ending, output),
            (Some(b'v'), value) => Outcome::Returned(value.parse().unwrap_or(-1)),
            (Some(b'e'), errno) => Outcome::Refused(Errno(errno.parse().unwrap_or(0))),
            (Some(_), reason) => return Err(Stop::Broken(format!("set-up of a child: {reason}"))),
        })
    }

    /// The call must execute a program, and that must exit with this status.
    pub fn exits(&self, what: &str, status: i32) -> CaseResult {
        match self.run()? {
            Outcome::Executed(ending, _) => {
                check_eq!(ending, Ending::Exited(status), "end of the program executed by {what}");
                Ok(())
            }
            Outcome::Refused(Errno(libc::ENOSYS)) => Err(Stop::Skip("missing syscall: execveat".into())),
            other => Err(Stop::Fail(format!("{what}: {other:?}, must execute"))),
        }
    }

    /// The call must fail with this error, and execute nothing.
    pub fn refused(&self, what: &str, errno: i32) -> CaseResult {
        match self.run()? {
            Outcome::Refused(Errno(libc::ENOSYS)) => Err(Stop::Skip("missing syscall: execveat".into())),
            Outcome::Refused(got) => {
                check_eq!(format_args!("{got}").to_string(), Errno(errno).to_string(), "error of {what}");
                Ok(())
            }
            other => Err(Stop::Fail(format!("{what}: {other:?}, must fail with {}", Errno(errno)))),
        }
    }

    /// The call must return 0 and execute nothing: right for AT_EXECVE_CHECK only.
    pub fn allowed(&self, what: &str) -> CaseResult {
        match self.run()? {
            Outcome::Returned(0) => Ok(()),
            other => Err(Stop::Fail(format!("{what}: {other:?}, must return 0"))),
        }
    }

    /// The call must execute the helper; gives its report.
    pub fn reports(&self, what: &str) -> Result<Report, Stop> {
        match self.run()? {
            Outcome::Executed(Ending::Exited(0), output) => Ok(Report(output)),
            Outcome::Refused(Errno(libc::ENOSYS)) => Err(Stop::Skip("missing syscall: execveat".into())),
            other => Err(Stop::Fail(format!("{what}: {other:?}, must execute the helper"))),
        }
    }
}
