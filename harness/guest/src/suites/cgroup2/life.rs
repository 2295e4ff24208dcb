//! What is done to all processes of a group at once: freezing and killing; and birth in a group.

use super::group::*;
use super::tree::place_of;
use crate::case::{exists, fails_with, setup, succeeds};
use crate::child::{self, Ending};
use crate::sys::Errno;
use crate::{CaseResult, Context, Stop, check, check_eq, syscall};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

/// Long enough for a process that may run to do so, also on a busy machine.
const A_WHILE: Duration = Duration::from_millis(150);

/// CPU time of a process in ticks of its own clock.
fn time_of(pid: i32) -> Result<Duration, Stop> {
    // CLOCK_PROCESS of another process, as pthread_getcpuclockid(3) makes it: MAKE_PROCESS_CPUCLOCK(pid, SCHED).
    let clock = (!pid << 3) | 2;
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the structure is ours.
    setup("clock_gettime", unsafe { syscall!(libc::SYS_clock_gettime, clock, &raw mut time) })?;
    Ok(Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
}

/// A group is said to be frozen when its processes are about to stop; so this looks until one stands still.
fn stands_still(pid: i32, when: &str) -> CaseResult {
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        let before = time_of(pid)?;
        std::thread::sleep(A_WHILE);
        if time_of(pid)? == before {
            return Ok(());
        }
        check!(std::time::Instant::now() < deadline, "a process runs on {when}");
    }
}

/// Of one that stands still already.
fn goes_on_standing(pid: i32, when: &str) -> CaseResult {
    let before = time_of(pid)?;
    std::thread::sleep(A_WHILE);
    check_eq!(time_of(pid)?, before, "time of a process that stood still, {when}");
    Ok(())
}

fn runs(pid: i32, when: &str) -> CaseResult {
    let (before, deadline) = (time_of(pid)?, std::time::Instant::now() + PATIENCE);
    while time_of(pid)? == before {
        check!(std::time::Instant::now() < deadline, "a process does not run {when}");
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

pub fn frozen_process_stands_still_until_thawed(context: &Context) -> CaseResult {
    let group = Group::root(context)?.child("case")?;
    let member = Member::busy(&group)?;
    runs(member.pid, "before it is frozen")?;
    let watch = super::tree::Watch::on(&group.path.join("cgroup.events"))?;
    group.set("cgroup.freeze", "1")?;
    group.reaches("cgroup.events", "frozen", 1, "after cgroup.freeze was set")?;
    check!(watch.fires()?, "cgroup.events was not notified when the group froze");
    stands_still(member.pid, "while frozen")?;
    group.set("cgroup.freeze", "0")?;
    group.reaches("cgroup.events", "frozen", 0, "after cgroup.freeze was cleared")?;
    runs(member.pid, "after it was thawed")
}

pub fn freezing_reaches_the_whole_subtree(context: &Context) -> CaseResult {
    let group = Group::root(context)?.child("case")?;
    let (inner, beside) = (group.child("inner")?, Group::root(context)?.child("beside")?);
    let (member, stranger) = (Member::busy(&inner)?, Member::busy(&beside)?);
    group.set("cgroup.freeze", "1")?;
    inner.reaches("cgroup.events", "frozen", 1, "of a child, after its parent was frozen")?;
    inner.holds("cgroup.freeze", "0", "of a child that was not frozen itself")?;
    stands_still(member.pid, "in a child of a frozen group")?;
    runs(stranger.pid, "beside a frozen group")?;
    // Thawed only when neither itself nor anything above is frozen.
    inner.set("cgroup.freeze", "1")?;
    group.set("cgroup.freeze", "0")?;
    group.reaches("cgroup.events", "frozen", 0, "of the parent that was thawed")?;
    stands_still(member.pid, "in a frozen child of a thawed group")?;
    inner.set("cgroup.freeze", "0")?;
    runs(member.pid, "after both were thawed")
}

/// Both were frozen for themselves; what the child is told does not count while its parent is frozen.
pub fn thawed_group_stays_frozen_below_a_frozen_one(context: &Context) -> CaseResult {
    let group = Group::root(context)?.child("case")?;
    let inner = group.child("inner")?;
    let member = Member::busy(&inner)?;
    inner.set("cgroup.freeze", "1")?;
    group.set("cgroup.freeze", "1")?;
    group.reaches("cgroup.events", "frozen", 1, "of a parent of a frozen group, after it was frozen")?;
    stands_still(member.pid, "in a frozen child of a frozen group")?;
    inner.set("cgroup.freeze", "0")?;
    inner.holds("cgroup.freeze", "0", "of a child that was thawed")?;
    goes_on_standing(member.pid, "in a thawed child of a frozen group")?;
    for (group, name) in [(&group, "the parent"), (&inner, "the child")] {
        check_eq!(group.key("cgroup.events", "frozen")?, 1, "frozen of {name} after the child was thawed");
    }
    group.set("cgroup.freeze", "0")?;
    for group in [&group, &inner] {
        group.reaches("cgroup.events", "frozen", 0, "after both were thawed")?;
    }
    runs(member.pid, "after both were thawed")
}

pub fn moving_in_freezes_and_moving_out_thaws(context: &Context) -> CaseResult {
    let root = Group::root(context)?;
    let (frozen, thawed) = (root.child("frozen")?, root.child("thawed")?);
    frozen.set("cgroup.freeze", "1")?;
    frozen.reaches("cgroup.events", "frozen", 1, "of an empty group that was frozen")?;
    let member = Member::busy(&thawed)?;
    setup("move", frozen.join(member.pid))?;
    frozen.reaches("cgroup.events", "frozen", 1, "after a process moved in")?;
    stands_still(member.pid, "after it moved into a frozen group")?;
    setup("move", thawed.join(member.pid))?;
    runs(member.pid, "after it moved out of a frozen group")
}

pub fn frozen_process_can_be_killed(context: &Context) -> CaseResult {
    let group = Group::root(context)?.child("case")?;
    let member = Member::idle(&group)?;
    group.set("cgroup.freeze", "1")?;
    group.reaches("cgroup.events", "frozen", 1, "after cgroup.freeze was set")?;
    // SAFETY: a child of ours.
    setup("kill", unsafe { syscall!(libc::SYS_kill, member.pid, libc::SIGKILL) })?;
    check_eq!(member.ending()?, Ending::Killed(libc::SIGKILL), "end of a frozen process");
    Ok(())
}

pub fn bad_freeze_is_refused(context: &Context) -> CaseResult {
    let group = Group::root(context)?.child("case")?;
    for (value, errno) in [("2", libc::ERANGE), ("-1", libc::ERANGE), ("yes", libc::EINVAL)] {
        fails_with(&format!("{value} in cgroup.freeze"), group.write("cgroup.freeze", value), errno)?;
    }
    group.holds("cgroup.freeze", "0", "after refused writes")
}

pub fn kill_reaches_the_whole_subtree_and_nobody_else(context: &Context) -> CaseResult {
    let root = Group::root(context)?;
    let group = root.child("case")?;
    let (inner, beside) = (group.child("inner")?, root.child("beside")?);
    let ignoring = Member::doing(&group, || {
        // SAFETY: no handler, only a disposition.
        unsafe { libc::signal(libc::SIGTERM, libc::SIG_IGN) };
        child::pause()
    })?;
    let (deep, stranger) = (Member::idle(&inner)?, Member::idle(&beside)?);
    let unkilled = group.try_read("cgroup.kill");
    check!(unkilled.is_err(), "cgroup.kill can be read: {unkilled:?}");
    for (value, errno) in [("0", libc::ERANGE), ("2", libc::ERANGE), ("all", libc::EINVAL)] {
        fails_with(&format!("{value} in cgroup.kill"), group.write("cgroup.kill", value), errno)?;
    }
    check!(ignoring.lives() && deep.lives(), "a refused write to cgroup.kill killed");
    group.set("cgroup.kill", "1")?;
    check_eq!(ignoring.ending()?, Ending::Killed(libc::SIGKILL), "end of a process in the group");
    check_eq!(deep.ending()?, Ending::Killed(libc::SIGKILL), "end of a process in a child group");
    check!(stranger.lives(), "cgroup.kill reached a process beside the group");
    group.reaches("cgroup.events", "populated", 0, "after cgroup.kill")
}

pub fn kill_reaches_frozen_processes(context: &Context) -> CaseResult {
    let group = Group::root(context)?.child("case")?;
    let member = Member::idle(&group)?;
    group.set("cgroup.freeze", "1")?;
    group.reaches("cgroup.events", "frozen", 1, "after cgroup.freeze was set")?;
    group.set("cgroup.kill", "1")?;
    check_eq!(member.ending()?, Ending::Killed(libc::SIGKILL), "end of a frozen process");
    Ok(())
}

/// clone3(2) into a group; the child only waits.
fn born_in(directory: i32) -> Result<i32, Errno> {
    const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
    // flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup
    let mut arguments = [0u64; 11];
    arguments[0] = CLONE_INTO_CGROUP;
    arguments[4] = libc::SIGCHLD as u64;
    arguments[10] = directory as u64;
    // SAFETY: like fork(2); the child makes only plain calls.
    let pid = unsafe { syscall!(libc::SYS_clone3, arguments.as_ptr(), size_of_val(&arguments)) }?;
    if pid == 0 {
        child::pause()
    }
    Ok(pid as i32)
}

fn end(pid: i32) -> Result<Ending, Stop> {
    // SAFETY: a child of ours that is not waited for yet.
    setup("kill", unsafe { syscall!(libc::SYS_kill, pid, libc::SIGKILL) })?;
    child::wait(pid)
}

pub fn child_is_born_in_the_group_named(context: &Context) -> CaseResult {
    let group = Group::root(context)?.child("case")?;
    let directory = group.open()?;
    let pid = succeeds("clone3 with CLONE_INTO_CGROUP", exists("clone3", born_in(directory.as_raw_fd()))?)?;
    let (place, processes) = (place_of(pid), group.processes());
    end(pid)?;
    check_eq!(place?, "/case", "group of the new child");
    check_eq!(processes?, [pid], "processes of the group");
    Ok(())
}

pub fn birth_in_a_group_follows_the_rules_of_moving(context: &Context) -> CaseResult {
    let group = Group::with(context, &["memory", "pids"])?;
    let (inner, directory) = (group.child("inner")?, group.open()?);
    group.set("cgroup.subtree_control", "+memory +pids")?;
    let born = |fd: &OwnedFd| {
        // A child that should not have been born is not left behind.
        born_in(fd.as_raw_fd()).inspect(|&pid| drop(end(pid)))
    };
    let result = exists("clone3", born(&directory))?;
    fails_with("birth in a group that hands memory down", result, libc::EBUSY)?;
    let leaf = inner.open()?;
    inner.set("pids.max", "0")?;
    fails_with("birth in a group with pids.max 0", born(&leaf), libc::EAGAIN)?;
    inner.set("pids.max", "1")?;
    succeeds("birth in a group with pids.max 1", born(&leaf))?;
    let outside: OwnedFd = setup("open", std::fs::File::open("/proc").map_err(|_| Errno(0)))?.into();
    fails_with("birth in a directory of another filesystem", born(&outside), libc::EBADF)?;
    fails_with("birth in a descriptor that is not open", born_in(9999), libc::EBADF)?;
    child::unprivileged(|| fails_with("birth in somebody else's group", born(&leaf), libc::EACCES))
}
