//! Filters and ptrace(2): what a tracer may decide, and what it may not.

use super::filter::*;
use crate::case::{CaseResult, Stop, fails_with, setup, succeeds};
use crate::child::{Ending, drop_privileges, exit, fork, isolated, needs_root, wait};
use crate::sys::{Errno, check as result_of};
use crate::{Context, check_eq, syscall};

const SUSPEND_SECCOMP: u64 = 1 << 21;
const GET_FILTER: u32 = 0x420c;
const GET_METADATA: u32 = 0x420d;
const RAX: u64 = 8 * libc::RAX as u64;
const ORIG_RAX: u64 = 8 * libc::ORIG_RAX as u64;
const SECCOMP_EVENT: i32 = libc::SIGTRAP | libc::PTRACE_EVENT_SECCOMP << 8;

/// A traced child, killed when dropped.
struct Tracee {
    pid: i32,
}

impl Drop for Tracee {
    fn drop(&mut self) {
        if self.pid > 0 {
            // SAFETY: our own child.
            let _ = unsafe { syscall!(libc::SYS_kill, self.pid, libc::SIGKILL) };
            let _ = wait(self.pid);
        }
    }
}

/// Stops this process until its tracer lets it go on.
fn pause() {
    // SAFETY: no pointers.
    let _ = unsafe { syscall!(libc::SYS_kill, libc::getpid(), libc::SIGSTOP) };
}

impl Tracee {
    /// A child at a first stop with these options set, that will exit with what the body gives.
    fn start(options: i32, body: impl FnOnce() -> Result<i32, Stop>) -> Result<Tracee, Stop> {
        let pid = fork()?;
        if pid == 0 {
            // SAFETY: no pointers.
            let _ = unsafe { syscall!(libc::SYS_ptrace, libc::PTRACE_TRACEME) };
            pause();
            exit(body().unwrap_or(99));
        }
        let tracee = Tracee { pid };
        tracee.stops(libc::SIGSTOP, "first stop of the traced child")?;
        setup("PTRACE_SETOPTIONS", tracee.ptrace(libc::PTRACE_SETOPTIONS, 0, options as u64))?;
        Ok(tracee)
    }

    fn ptrace(&self, request: u32, address: u64, data: u64) -> Result<i64, Errno> {
        // SAFETY: pointers among the arguments are to locals of the callers that live through the call.
        unsafe { syscall!(libc::SYS_ptrace, request, self.pid, address, data) }
    }

    fn go_on(&self) -> CaseResult {
        setup("PTRACE_CONT", self.ptrace(libc::PTRACE_CONT, 0, 0)).map(drop)
    }

    fn poke(&self, register: u64, value: i64) -> CaseResult {
        succeeds("PTRACE_POKEUSER", self.ptrace(libc::PTRACE_POKEUSER, register, value as u64)).map(drop)
    }

    /// The next stop must have this signal and event.
    fn stops(&self, expected: i32, what: &str) -> CaseResult {
        let mut status = 0;
        // SAFETY: the status is ours.
        let waited = unsafe { libc::waitpid(self.pid, &mut status, libc::__WALL) };
        setup("waitpid", result_of(waited.into()))?;
        check_eq!((status & 0xff, status >> 8), (0x7f, expected), "{what}: whether it is one, and its kind");
        Ok(())
    }

    fn ends(mut self, expected: i32, what: &str) -> CaseResult {
        let pid = std::mem::take(&mut self.pid);
        check_eq!(wait(pid)?, Ending::Exited(expected), "{what}");
        Ok(())
    }
}

fn errno_or(result: Result<i64, Errno>) -> i32 {
    result.map_or_else(|Errno(errno)| errno, |value| value as i32 & 0x7f)
}

/// SECCOMP_RET_TRACE with a tracer: an event with the filter's data, before the call. Number −1 skips it, and the
/// tracer may supply its result; another number is filtered like a call of its own (since 4.8).
pub fn tracer_gets_the_data_and_cannot_evade_the_filter(_: &Context) -> CaseResult {
    let choices = [
        (None, None, 0, "left as it was"),
        (Some(-1), None, libc::ENOSYS, "skipped"),
        (Some(-1), Some(55), 55, "skipped with result 55"),
        (Some(-1), Some(-i64::from(libc::EXDEV)), libc::EXDEV, "skipped with result -EXDEV"),
        (Some(libc::SYS_getuid), None, 77, "changed to a call that the filter refuses"),
        (Some(libc::SYS_getgid), None, 0, "changed to a call that the filter allows"),
    ];
    for (number, result, expected, what) in choices {
        let tracee = Tracee::start(libc::PTRACE_O_TRACESECCOMP, || {
            filtered(&on_call(libc::SYS_getuid, ERRNO | 77, ALLOW))?;
            filtered(&on_call(libc::SYS_getppid, TRACE | 0x1234, ALLOW))?;
            let result = parent();
            Ok(if number.is_none() || number == Some(libc::SYS_getgid) {
                result.err().map_or(0, |Errno(errno)| errno)
            } else {
                errno_or(result)
            })
        })?;
        tracee.go_on()?;
        tracee.stops(SECCOMP_EVENT, "stop of the traced child at the filtered call")?;
        let mut message = 0u64;
        succeeds("PTRACE_GETEVENTMSG", tracee.ptrace(libc::PTRACE_GETEVENTMSG, 0, &raw mut message as u64))?;
        check_eq!(message, 0x1234, "event message, which must be the filter's data");
        if let Some(number) = number {
            tracee.poke(ORIG_RAX, number)?;
        }
        if let Some(result) = result {
            tracee.poke(RAX, result)?;
        }
        tracee.go_on()?;
        tracee.ends(expected, &format!("result of a traced call, {what}"))?;
    }
    Ok(())
}

/// The entry stop of PTRACE_SYSCALL comes before the filter, which judges what the tracer left (since 4.8).
pub fn filter_judges_the_call_that_a_tracer_made_of_it(_: &Context) -> CaseResult {
    for (refused, expected) in [(libc::SYS_getuid, 77), (libc::SYS_getgid, 0)] {
        let tracee = Tracee::start(libc::PTRACE_O_TRACESYSGOOD, || {
            filtered(&on_call(refused, ERRNO | 77, ALLOW))?;
            pause();
            // SAFETY: takes no pointers.
            Ok(unsafe { syscall!(libc::SYS_getgid) }.err().map_or(0, |Errno(errno)| errno))
        })?;
        tracee.go_on()?;
        tracee.stops(libc::SIGSTOP, "stop behind the filter")?;
        setup("PTRACE_SYSCALL", tracee.ptrace(libc::PTRACE_SYSCALL, 0, 0))?;
        tracee.stops(libc::SIGTRAP | 0x80, "entry stop of the call")?;
        tracee.poke(ORIG_RAX, libc::SYS_getuid)?;
        tracee.go_on()?;
        tracee
            .ends(expected, &format!("errno of getgid changed to getuid where call {refused} is refused"))?;
    }
    Ok(())
}

/// Without the option the tracer does not hear of it, and the call fails as without a tracer.
pub fn tracer_must_ask_for_seccomp_events(_: &Context) -> CaseResult {
    let tracee = Tracee::start(0, || {
        filtered(&on_call(libc::SYS_getppid, TRACE | 1, ALLOW))?;
        Ok(errno_or(parent()))
    })?;
    tracee.go_on()?;
    tracee.ends(libc::ENOSYS, "errno under SECCOMP_RET_TRACE with a tracer that asked for no events")
}

/// A child that calls once with its filters suspended and once without.
fn calls_twice() -> Result<Tracee, Stop> {
    let tracee = Tracee::start(0, || {
        filtered(&on_call(libc::SYS_getppid, ERRNO | 42, ALLOW))?;
        pause();
        let suspended = parent();
        pause();
        Ok(if suspended.is_ok() { errno_or(parent()) } else { 98 })
    })?;
    tracee.go_on()?;
    tracee.stops(libc::SIGSTOP, "stop behind the filter")?;
    Ok(tracee)
}

pub fn tracer_can_suspend_the_filters(_: &Context) -> CaseResult {
    needs_root()?;
    let tracee = calls_twice()?;
    let options = |options| tracee.ptrace(libc::PTRACE_SETOPTIONS, 0, options);
    match options(SUSPEND_SECCOMP) {
        Err(Errno(libc::EINVAL)) => crate::skip!("missing symbol: CHECKPOINT_RESTORE"),
        other => succeeds("PTRACE_O_SUSPEND_SECCOMP", other)?,
    };
    tracee.go_on()?;
    tracee.stops(libc::SIGSTOP, "stop behind the suspended call")?;
    succeeds("PTRACE_SETOPTIONS without it", options(0))?;
    tracee.go_on()?;
    tracee.ends(42, "errno after the filters were resumed, 98 if they never were suspended")?;
    for (what, become_unfit) in [
        ("without privilege", &drop_privileges as &dyn Fn() -> CaseResult),
        ("that is filtered itself", &|| filtered(&[ret(ALLOW)])),
    ] {
        isolated(|| {
            become_unfit()?;
            let tracee = Tracee::start(0, || Ok(0))?;
            let refused = tracee.ptrace(libc::PTRACE_SETOPTIONS, 0, SUSPEND_SECCOMP);
            fails_with(&format!("PTRACE_O_SUSPEND_SECCOMP by a tracer {what}"), refused, libc::EPERM)?;
            tracee.go_on()?;
            tracee.ends(0, "end of the traced child")
        })?;
    }
    Ok(())
}

pub fn tracer_can_read_the_filters(_: &Context) -> CaseResult {
    needs_root()?;
    let programs =
        [on_call(libc::SYS_getppid, ERRNO | 42, ALLOW).to_vec(), vec![load(8), load(12), ret(ALLOW)]];
    let tracee = Tracee::start(0, || {
        pause();
        succeeds("filter", install(&programs[0], LOG_FLAG))?;
        filtered(&programs[1])?;
        pause();
        Ok(0)
    })?;
    let read = |index, buffer: &mut [u64]| {
        let address = if buffer.is_empty() { 0 } else { buffer.as_mut_ptr() as u64 };
        tracee.ptrace(GET_FILTER, index, address)
    };
    tracee.go_on()?;
    tracee.stops(libc::SIGSTOP, "stop before the filters")?;
    match read(0, &mut []) {
        Err(Errno(libc::EIO)) => crate::skip!("missing symbol: CHECKPOINT_RESTORE"),
        other => fails_with("PTRACE_SECCOMP_GET_FILTER without filters", other, libc::EINVAL)?,
    }
    tracee.go_on()?;
    tracee.stops(libc::SIGSTOP, "stop behind the filters")?;
    // The oldest has index 0: so it is in every release that has the request, whatever ptrace(2) says.
    for (index, program) in [(0, &programs[0]), (1, &programs[1])] {
        check_eq!(read(index, &mut []), Ok(program.len() as i64), "length of filter {index}");
        let mut words = [0u64; 8];
        check_eq!(read(index, &mut words), Ok(program.len() as i64), "instructions read of filter {index}");
        let expected: Vec<u64> = program.iter().map(as_word).collect();
        check_eq!(words[..program.len()], expected[..], "instructions of filter {index}");
        check_eq!(words[program.len()..], [0; 8][program.len()..], "memory behind them");
    }
    fails_with("PTRACE_SECCOMP_GET_FILTER 2 of 2", read(2, &mut []), libc::ENOENT)?;
    for (index, flags) in [(0, u64::from(LOG_FLAG)), (1, 0)] {
        let mut metadata = [index, u64::MAX];
        check_eq!(tracee.ptrace(GET_METADATA, 16, metadata.as_mut_ptr() as u64), Ok(16), "GET_METADATA");
        check_eq!(metadata, [index, flags], "index and flags of filter {index}");
    }
    let mut metadata = [2u64, 0];
    let beyond = tracee.ptrace(GET_METADATA, 16, metadata.as_mut_ptr() as u64);
    fails_with("PTRACE_SECCOMP_GET_METADATA 2 of 2", beyond, libc::ENOENT)?;
    tracee.go_on()?;
    tracee.ends(0, "end of the traced child")
}

/// `struct sock_filter` as it lies in memory.
fn as_word(instruction: &Instruction) -> u64 {
    let Instruction(code, jt, jf, k) = *instruction;
    u64::from(code) | u64::from(jt) << 16 | u64::from(jf) << 24 | u64::from(k) << 32
}
