//! Who may see and touch what: the kernel's log and addresses, other processes, the lowest pages.

use super::facts::*;
use crate::case::{fails_with, setup, succeeds};
use crate::child::{self, Ending, needs_root};
use crate::mapping::PAGE;
use crate::sys::Errno;
use crate::{CaseResult, Context, Stop, check, check_eq, file, skip, syscall};

pub fn log_is_restricted_by_default(_: &Context) -> CaseResult {
    check_eq!(read("/proc/sys/kernel/dmesg_restrict")?, "1", "kernel.dmesg_restrict after boot");
    Ok(())
}

/// syslog(2) of the whole log; how many bytes came.
fn syslog() -> Result<i64, Errno> {
    const READ_ALL: u64 = 3;
    let mut bytes = vec![0u8; 4096];
    // SAFETY: the buffer is ours and as long as said.
    unsafe { syscall!(libc::SYS_syslog, READ_ALL, bytes.as_mut_ptr(), bytes.len()) }
}

pub fn restricted_log_is_for_the_privileged(_: &Context) -> CaseResult {
    needs_root()?;
    let open = || file::open_at(libc::AT_FDCWD, c"/dev/kmsg", libc::O_RDONLY | libc::O_CLOEXEC, 0);
    set("/proc/sys/kernel/dmesg_restrict", "1")?;
    succeeds("syslog(2) by root under dmesg_restrict", syslog())?;
    child::unprivileged(|| {
        fails_with("syslog(2) by nobody under dmesg_restrict", syslog(), libc::EPERM)?;
        fails_with("open of /dev/kmsg by nobody under dmesg_restrict", open(), libc::EPERM)?;
        let lifted = std::fs::write("/proc/sys/kernel/dmesg_restrict", "0");
        check!(lifted.is_err(), "nobody can lift dmesg_restrict");
        Ok(())
    })?;
    set("/proc/sys/kernel/dmesg_restrict", "0")?;
    child::unprivileged(|| succeeds("syslog(2) by nobody without dmesg_restrict", syslog()).map(drop))
}

/// Whether any address of a list is shown.
fn shows_addresses(path: &str, column: usize) -> Result<bool, Stop> {
    let text = read(path)?;
    let hidden = |line: &str| {
        let word = line.split_whitespace().nth(column).unwrap_or_default();
        word.trim_start_matches("0x").bytes().all(|byte| byte == b'0')
    };
    check!(!text.is_empty(), "{path} is empty");
    Ok(text.lines().any(|line| !hidden(line)))
}

pub fn addresses_of_the_kernel_are_hidden_by_kptr_restrict(_: &Context) -> CaseResult {
    needs_root()?;
    let symbols = || shows_addresses("/proc/kallsyms", 0);
    for (value, root, nobody) in [("1", true, false), ("2", false, false)] {
        set("/proc/sys/kernel/kptr_restrict", value)?;
        check_eq!(symbols()?, root, "addresses in /proc/kallsyms for root under kptr_restrict {value}");
        child::unprivileged(|| {
            check_eq!(
                symbols()?,
                nobody,
                "addresses in /proc/kallsyms for nobody under kptr_restrict {value}"
            );
            Ok(())
        })?;
    }
    set("/proc/sys/kernel/kptr_restrict", "0")?;
    set("/proc/sys/kernel/perf_event_paranoid", "2")?;
    check!(symbols()?, "no addresses in /proc/kallsyms for root under kptr_restrict 0");
    child::unprivileged(|| {
        check!(!symbols()?, "addresses in /proc/kallsyms for nobody who may not even profile the kernel");
        let lifted = std::fs::write("/proc/sys/kernel/kptr_restrict", "0");
        check!(lifted.is_err(), "nobody can write kptr_restrict");
        Ok(())
    })
}

const YAMA: &str = "/proc/sys/kernel/yama/ptrace_scope";

/// Attaches to a process as nobody and lets it go again.
fn attach(pid: i32) -> Result<(), Errno> {
    // SAFETY: takes no pointers; the stop is waited for before the process goes on.
    unsafe {
        syscall!(libc::SYS_ptrace, libc::PTRACE_ATTACH, pid, 0, 0)?;
        libc::waitpid(pid, std::ptr::null_mut(), libc::__WALL);
        syscall!(libc::SYS_ptrace, libc::PTRACE_DETACH, pid, 0, 0).map(drop)
    }
}

/// What nobody is told who wants to trace a process of his own that is no child of his, and one that is.
fn tracing(consents: bool) -> Result<[Result<(), Errno>; 2], Stop> {
    let waiting = |consents: bool| -> Result<Target, Stop> {
        let (reader, writer) = child::pipe()?;
        let pid = child::fork()?;
        if pid == 0 {
            drop(reader);
            let ready = needs_root().is_err() || child::drop_privileges().is_ok();
            // SAFETY: take no pointers. What changes its identity is not dumpable until it says so.
            unsafe {
                libc::prctl(libc::PR_SET_DUMPABLE, 1, 0, 0, 0);
                if consents {
                    libc::prctl(libc::PR_SET_PTRACER, libc::c_ulong::MAX, 0, 0, 0);
                }
            }
            child::write_all(&writer, &[u8::from(ready)]);
            drop(writer);
            child::pause()
        }
        drop(writer);
        let target = Target(pid);
        check_eq!(crate::sys::read_all(&reader), Ok(vec![1]), "word of a process that is to be traced");
        Ok(target)
    };
    let stranger = waiting(consents)?;
    let (mut results, slots) = ([Ok(()), Ok(())], child::pipe()?);
    let ending = child::run(|| {
        child::drop_privileges()?;
        let own = waiting(false)?;
        for result in [attach(stranger.0), attach(own.0)] {
            child::write_all(&slots.1, &[result.err().map_or(0, |Errno(errno)| errno as u8)]);
        }
        Ok(())
    })?;
    check_eq!(ending, Ending::Returned(Ok(())), "end of the tracer");
    drop(slots.1);
    let bytes = setup("read of the tracer's words", crate::sys::read_all(&slots.0))?;
    for (result, errno) in results.iter_mut().zip(bytes) {
        *result = if errno == 0 { Ok(()) } else { Err(Errno(errno.into())) };
    }
    Ok(results)
}

/// A process that waits, killed when dropped.
struct Target(i32);

impl Drop for Target {
    fn drop(&mut self) {
        // SAFETY: a child of ours that is not waited for yet.
        unsafe {
            libc::kill(self.0, libc::SIGKILL);
            libc::waitpid(self.0, std::ptr::null_mut(), libc::__WALL);
        }
    }
}

pub fn yama_bounds_who_traces_whom(_: &Context) -> CaseResult {
    needs_root()?;
    if !std::path::Path::new(YAMA).exists() {
        skip!("yama is not among the active security modules");
    }
    let refused = Err(Errno(libc::EPERM));
    for (scope, consents, expected) in [
        ("0", false, [Ok(()), Ok(())]),
        ("1", false, [refused, Ok(())]),
        ("1", true, [Ok(()), Ok(())]),
        ("2", true, [refused, refused]),
        ("3", true, [refused, refused]),
    ] {
        set(YAMA, scope)?;
        let got = tracing(consents)?;
        let with = if consents { "with" } else { "without" };
        check_eq!(got, expected, "ptrace of a stranger, of a child, in scope {scope} {with} PR_SET_PTRACER");
    }
    // Scope 3 is for everybody and for good.
    let own = child::fork()?;
    if own == 0 {
        child::pause()
    }
    let target = Target(own);
    fails_with("ptrace by root in scope 3", attach(target.0), libc::EPERM)?;
    for scope in ["0", "1", "2"] {
        let lowered = std::fs::write(YAMA, scope).map_err(|error| error.raw_os_error());
        check_eq!(lowered, Err(Some(libc::EINVAL)), "scope {scope} after scope 3");
    }
    Ok(())
}

/// What a wild pointer near NULL would hit must stay empty.
pub fn lowest_pages_cannot_be_mapped(_: &Context) -> CaseResult {
    needs_root()?;
    let lowest: u64 = number("/proc/sys/vm/mmap_min_addr")?;
    check!(lowest >= PAGE as u64, "vm.mmap_min_addr is {lowest}: page 0 can be mapped");
    child::unprivileged(|| {
        for (address, allowed) in [(0, false), (lowest - PAGE as u64, false), (lowest, true)] {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
            // SAFETY: this program has nothing mapped there.
            let mapped = unsafe { syscall!(libc::SYS_mmap, address, PAGE, libc::PROT_READ, flags, -1i32, 0) };
            let what = format!("mmap of address {address:#x} with vm.mmap_min_addr {lowest:#x}");
            match allowed {
                true => drop(succeeds(&what, mapped)?),
                false => fails_with(&what, mapped, libc::EPERM)?,
            }
        }
        Ok(())
    })
}
