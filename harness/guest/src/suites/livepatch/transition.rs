//! From the old function to the new one and back, task by task.

use super::patch::*;
use crate::case::{fails_with, setup, succeeds};
use crate::child::{self, Ending};
use crate::module::Donor;
use crate::sys::owned;
use crate::{CaseResult, Context, Stop, check, check_eq, file, syscall};
use std::os::fd::OwnedFd;
use std::time::Duration;

pub fn readers_under_load_see_one_version_whole(context: &Context) -> CaseResult {
    let (donor, before) = (Donor::of(context)?, cmdline()?);
    let patch = of_cmdline("klp_one", "one\n");
    let done = context.scratch.join("done");
    let reader = || -> Result<i32, Stop> {
        let pid = child::fork()?;
        if pid == 0 {
            while !done.exists() {
                let read = cmdline().unwrap_or_default();
                if read != before && read != "one\n" {
                    println!("a reader found {read:?}");
                    child::exit(1);
                }
            }
            child::exit(0);
        }
        Ok(pid)
    };
    let readers: Vec<i32> = (0..4).map(|_| reader()).collect::<Result<_, _>>()?;
    for round in 0..5 {
        patch.apply(&donor)?;
        for _ in 0..20 {
            check_eq!(cmdline()?, "one\n", "/proc/cmdline after the transition, round {round}");
        }
        patch.remove()?;
        for _ in 0..20 {
            check_eq!(cmdline()?, before, "/proc/cmdline after the way back, round {round}");
        }
    }
    setup("the end", std::fs::write(&done, "").map_err(|_| crate::sys::Errno(libc::EIO)))?;
    for pid in readers {
        check_eq!(child::wait(pid)?, Ending::Exited(0), "a reader while patches came and went");
    }
    Ok(())
}

fn patch_state(pid: &str) -> Option<String> {
    Some(std::fs::read_to_string(format!("/proc/{pid}/patch_state")).ok()?.trim().to_owned())
}

pub fn no_task_is_between_worlds_afterwards(context: &Context) -> CaseResult {
    of_cmdline("klp_one", "one\n").apply(&Donor::of(context)?)?;
    let tasks = std::fs::read_dir("/proc").map_err(|error| Stop::Broken(format!("/proc: {error}")))?;
    let mut seen = 0;
    for name in tasks.flatten().filter_map(|entry| entry.file_name().into_string().ok()) {
        if !name.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        // A task may have ended meanwhile.
        if let Some(state) = patch_state(&name) {
            check_eq!(state, "-1", "patch_state of task {name} after the transition");
            seen += 1;
        }
    }
    check!(seen > 2, "only {seen} tasks have a patch_state");
    Ok(())
}

/// What the new functions return.
const REFUSED: i32 = -libc::EDOM;

/// A patch of the function that a reader of an eventfd sleeps in.
fn of_eventfd(name: &'static str) -> Patch {
    let by = Replacement::Returns(REFUSED);
    Patch { function: "eventfd_read", by, ..of_cmdline(name, "") }
}

/// A child that sleeps in eventfd_read, and the way to wake it. It exits with 0 if its read gave it the 7 that was
/// written, else with the error number.
struct Sleeper {
    pid: i32,
    eventfd: OwnedFd,
}

impl Sleeper {
    fn start() -> Result<Sleeper, Stop> {
        // SAFETY: takes no pointers.
        let eventfd =
            owned(setup("eventfd2", unsafe { syscall!(libc::SYS_eventfd2, 0, libc::EFD_CLOEXEC) })?);
        let pid = child::fork()?;
        if pid == 0 {
            let mut bytes = [0u8; 8];
            // SAFETY: eight bytes of ours.
            let read = unsafe {
                syscall!(libc::SYS_read, std::os::fd::AsRawFd::as_raw_fd(&eventfd), bytes.as_mut_ptr(), 8)
            };
            child::exit(match read {
                Ok(8) if u64::from_ne_bytes(bytes) == 7 => 0,
                Ok(_) => 255,
                Err(errno) => errno.0,
            });
        }
        until_asleep(pid)?;
        Ok(Sleeper { pid, eventfd })
    }

    fn wake(self) -> Result<Ending, Stop> {
        setup("write to the eventfd", file::write(&self.eventfd, &7u64.to_ne_bytes()))?;
        child::wait(self.pid)
    }
}

/// Waits until a process sleeps in the kernel.
fn until_asleep(pid: i32) -> CaseResult {
    let sleeps = || std::fs::read_to_string(format!("/proc/{pid}/wchan")).is_ok_and(|at| at != "0");
    eventually("the sleeper does not fall asleep", || sleeps() && state(pid) == Some('S'))?;
    // Past the last instruction before the sleep.
    std::thread::sleep(Duration::from_millis(50));
    Ok(())
}

fn state(pid: i32) -> Option<char> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    status.rsplit(") ").next()?.chars().next()
}

/// A sleeper in the old function, and the patch that waits for it.
fn held(donor: &Donor) -> Result<(Sleeper, Patch), Stop> {
    let (sleeper, patch) = (Sleeper::start()?, of_eventfd("klp_held"));
    hold(&patch, donor)?;
    Ok((sleeper, patch))
}

/// Loads a patch that has to wait, and looks at it after the kernel tried for a while.
fn hold(patch: &Patch, donor: &Donor) -> CaseResult {
    patch.start(donor)?;
    std::thread::sleep(Duration::from_secs(2));
    patch.shows("transition", "1", "transition while a task is in the old function")
}

pub fn sleeper_in_the_old_function_holds_the_transition(context: &Context) -> CaseResult {
    let (sleeper, patch) = held(&Donor::of(context)?)?;
    check_eq!(patch_state(&sleeper.pid.to_string()), Some("0".to_owned()), "patch_state of the sleeper");
    check_eq!(sleeper.wake()?, Ending::Exited(0), "a read that began in the old function");
    patch.settle("patched in")?;
    let late = Sleeper::start_and_read()?;
    check_eq!(late, Err(crate::sys::Errno(libc::EDOM)), "a read in the new function");
    Ok(())
}

impl Sleeper {
    /// A read of an eventfd that need not sleep.
    fn start_and_read() -> Result<Result<Vec<u8>, crate::sys::Errno>, Stop> {
        // SAFETY: takes no pointers.
        let eventfd =
            owned(setup("eventfd2", unsafe { syscall!(libc::SYS_eventfd2, 7, libc::EFD_CLOEXEC) })?);
        let mut bytes = vec![0u8; 8];
        // SAFETY: eight bytes of ours.
        let read = unsafe {
            syscall!(libc::SYS_read, std::os::fd::AsRawFd::as_raw_fd(&eventfd), bytes.as_mut_ptr(), 8)
        };
        Ok(read.map(|_| bytes))
    }
}

/// One call of the old function that sleeps, and another behind it before the task leaves the kernel: readv(2) of what
/// has no call for vectors reads once for each buffer, as of inotify. The patch is in place all the time.
pub fn task_that_has_not_switched_gets_the_old_function(context: &Context) -> CaseResult {
    const EVENT: usize = 16;
    let donor = Donor::of(context)?;
    let watched = context.scratch.join("watched");
    let written = || std::fs::write(&watched, "").map_err(|_| crate::sys::Errno(libc::EIO));
    setup("creation of a file", written())?;
    let path = std::ffi::CString::new(watched.as_os_str().as_encoded_bytes()).expect("no NUL");
    // SAFETY: the path lives through the calls.
    let inotify = unsafe {
        let fd = owned(setup("inotify_init1", syscall!(libc::SYS_inotify_init1, libc::IN_CLOEXEC))?);
        let number = std::os::fd::AsRawFd::as_raw_fd(&fd);
        let both = libc::IN_OPEN | libc::IN_CLOSE_WRITE;
        let added = syscall!(libc::SYS_inotify_add_watch, number, path.as_ptr(), both);
        setup("inotify_add_watch", added)?;
        fd
    };
    let pid = child::fork()?;
    if pid == 0 {
        child::exit(read_twice(&inotify, EVENT));
    }
    until_asleep(pid)?;
    let patch = Patch { function: "inotify_read", ..of_eventfd("klp_twice") };
    hold(&patch, &donor)?;
    // Two events, for the two buffers.
    setup("write to the file", written())?;
    check_eq!(
        child::wait(pid)?,
        Ending::Exited(2),
        "events read in one call by a task that has not switched"
    );
    patch.settle("patched in")?;
    setup("write to the file", written())?;
    let late = child::run(|| child::exit(read_twice(&inotify, EVENT)))?;
    check_eq!(late, Ending::Exited(100 + libc::EDOM), "error of a read in the new function, plus 100");
    Ok(())
}

/// The number of buffers of this length that one readv(2) fills, of two; 100 and the error number if it fails.
fn read_twice(fd: &OwnedFd, length: usize) -> i32 {
    let mut bytes = [0u8; 64];
    let (first, second) = bytes.split_at_mut(length);
    let buffers = [first, &mut second[..length]]
        .map(|buffer| libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() });
    let number = std::os::fd::AsRawFd::as_raw_fd(fd);
    // SAFETY: both buffers are ours and as long as said.
    match unsafe { syscall!(libc::SYS_readv, number, buffers.as_ptr(), buffers.len()) } {
        Ok(read) => read as i32 / length as i32,
        Err(errno) => 100 + errno.0,
    }
}

/// Of a patch in transition, too: there a word that is taken turns it round.
pub fn enabled_takes_changes_only_in_transition(context: &Context) -> CaseResult {
    let (sleeper, patch) = held(&Donor::of(context)?)?;
    fails_with("enabled=1 of a patch on its way in", patch.set("enabled", "1"), libc::EINVAL)?;
    patch.shows("enabled", "1", "enabled after a refused write")?;
    patch.shows("transition", "1", "transition after a refused write")?;
    check_eq!(sleeper.wake()?, Ending::Exited(0), "a read that began in the old function");
    patch.settle("patched in")?;
    check_eq!(Sleeper::start_and_read()?, Err(crate::sys::Errno(libc::EDOM)), "a read in the new function");
    Ok(())
}

pub fn transition_can_be_reversed(context: &Context) -> CaseResult {
    let (sleeper, patch) = held(&Donor::of(context)?)?;
    patch.disable()?;
    check_eq!(Sleeper::start_and_read()?, Ok(7u64.to_ne_bytes().to_vec()), "a read after the way back");
    check_eq!(sleeper.wake()?, Ending::Exited(0), "a read that slept through both");
    patch.unload()
}

pub fn transition_can_be_forced(context: &Context) -> CaseResult {
    let (sleeper, patch) = held(&Donor::of(context)?)?;
    fails_with("force=word", patch.set("force", "word"), libc::EINVAL)?;
    succeeds("force=0", patch.set("force", "0"))?;
    patch.shows("transition", "1", "after force=0, which forces nothing")?;
    succeeds("force=1", patch.set("force", "1"))?;
    patch.settle("patched in after force")?;
    check_eq!(Sleeper::start_and_read()?, Err(crate::sys::Errno(libc::EDOM)), "a read in the new function");
    check_eq!(sleeper.wake()?, Ending::Exited(0), "a read that began in the old function");
    // Whether its module may go afterwards is left to the kernel: those that track what was forced keep it.
    patch.disable()
}

pub fn second_patch_waits_for_the_transition(context: &Context) -> CaseResult {
    let donor = Donor::of(context)?;
    let (sleeper, patch) = held(&donor)?;
    let second = of_cmdline("klp_second", "two\n");
    fails_with("a patch during a transition", second.try_apply(&donor), libc::EBUSY)?;
    check_eq!(sleeper.wake()?, Ending::Exited(0), "a read that began in the old function");
    patch.settle("patched in")?;
    second.apply(&donor)?;
    check_eq!(cmdline()?, "two\n", "/proc/cmdline under the second patch");
    Ok(())
}
