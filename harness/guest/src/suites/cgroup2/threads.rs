//! Threaded mode: groups whose members are threads.

use super::cpu::{affinity, exceeds};
use super::group::*;
use crate::case::{fails_with, setup, succeeds};
use crate::child;
use crate::sys::Errno;
use crate::{CaseResult, Context, Stop, check, check_eq};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;

pub fn threaded_group_makes_its_parent_the_domain(context: &Context) -> CaseResult {
    let group = Group::root(context)?.child("case")?;
    let (inner, beside) = (group.child("inner")?, group.child("beside")?);
    succeeds("threaded in cgroup.type", inner.write("cgroup.type", "threaded"))?;
    inner.holds("cgroup.type", "threaded", "after it was written")?;
    group.holds("cgroup.type", "domain threaded", "of the parent")?;
    beside.holds("cgroup.type", "domain invalid", "of a sibling that is no thread group")?;
    let deep = inner.child("deep")?;
    deep.holds("cgroup.type", "domain invalid", "of a new group below a threaded one")?;
    let member = Member::idle(&group)?;
    fails_with("move into an invalid domain", beside.join(member.pid), libc::EOPNOTSUPP)?;
    for value in ["domain", "domain threaded", "process"] {
        check!(inner.write("cgroup.type", value).is_err(), "{value} in cgroup.type was accepted");
    }
    inner.holds("cgroup.type", "threaded", "after refused writes: there is no way back")
}

pub fn threaded_group_lists_threads_only(context: &Context) -> CaseResult {
    let group = Group::root(context)?.child("case")?;
    let inner = group.child("inner")?;
    inner.set("cgroup.type", "threaded")?;
    let refused = inner.try_read("cgroup.procs");
    check_eq!(refused, Err(Errno(libc::EOPNOTSUPP)), "read of cgroup.procs of a threaded group");
    inner.holds("cgroup.threads", "", "of a threaded group without members")
}

/// Runs in a child with a second thread: gets its number.
fn with_two_threads(judge: impl FnOnce(i32) -> CaseResult) -> CaseResult {
    thread::scope(|scope| {
        let (tell, told) = mpsc::channel();
        let (_hold, held) = mpsc::channel::<()>();
        scope.spawn(move || {
            // SAFETY: takes no pointers.
            let _ = tell.send(unsafe { libc::gettid() });
            let _ = held.recv();
        });
        judge(told.recv().map_err(|_| Stop::Broken("a thread vanished".into()))?)
    })
}

pub fn threads_of_a_process_go_apart(context: &Context) -> CaseResult {
    let root = Group::root(context)?;
    let (group, elsewhere) = (root.child("case")?, root.child("elsewhere")?);
    let (first, second) = (group.child("first")?, group.child("second")?);
    first.set("cgroup.type", "threaded")?;
    second.set("cgroup.type", "threaded")?;
    child::isolated(|| {
        setup("move of oneself", group.join(0))?;
        with_two_threads(|thread| {
            let own = std::process::id() as i32;
            let into = |group: &Group, thread: i32| group.write("cgroup.threads", &thread.to_string());
            succeeds("move of a thread", into(&first, thread))?;
            succeeds("move of another thread of the process", into(&second, own))?;
            first.holds("cgroup.threads", &thread.to_string(), "of the first thread group")?;
            second.holds("cgroup.threads", &own.to_string(), "of the second thread group")?;
            check_eq!(group.processes()?, [own], "processes of the domain");
            // Within the domain only: resources that are no thread's are the process's as a whole.
            let out = into(&elsewhere, thread);
            fails_with("move of a thread out of its domain", out, libc::EOPNOTSUPP)?;
            first.holds("cgroup.threads", &thread.to_string(), "after a refused move")
        })
    })
}

/// pids and cpu know threads; memory is a process's.
pub fn only_thread_aware_controllers_reach_threads(context: &Context) -> CaseResult {
    let group = Group::with(context, &["pids", "memory"])?;
    let inner = group.child("inner")?;
    inner.set("cgroup.type", "threaded")?;
    let refused = group.write("cgroup.subtree_control", "+memory");
    check!(refused.is_err(), "+memory above threaded groups was accepted");
    group.set("cgroup.subtree_control", "+pids")?;
    inner.holds("cgroup.controllers", "pids", "of a threaded group")?;
    let member = Member::idle(&group)?;
    drop(member);
    group.set("cgroup.subtree_control", "-pids")
}

/// Runs in a child whose two threads are each in a threaded group of its own: the second one, which computes until it
/// is told to stop, in the first of the groups.
fn apart(context: &Context, controller: &str, judge: fn(&[Group; 2], [i32; 2]) -> CaseResult) -> CaseResult {
    let group = Group::with(context, &[controller])?;
    let groups = [group.child("first")?, group.child("second")?];
    for one in &groups {
        one.set("cgroup.type", "threaded")?;
    }
    group.set("cgroup.subtree_control", &format!("+{controller}"))?;
    let end = AtomicBool::new(false);
    child::isolated(|| {
        setup("move of oneself", group.join(0))?;
        thread::scope(|scope| {
            let (tell, told) = mpsc::channel();
            let end = &end;
            scope.spawn(move || {
                // SAFETY: takes no pointers.
                let _ = tell.send(unsafe { libc::gettid() });
                while !end.load(Ordering::Relaxed) {
                    std::hint::black_box(());
                }
            });
            let threads = [told.recv().unwrap_or(-1), std::process::id() as i32];
            let moved = groups.iter().zip(threads).try_for_each(|(group, thread)| {
                succeeds("move of a thread", group.write("cgroup.threads", &thread.to_string()))
            });
            let judged = moved.and_then(|()| judge(&groups, threads));
            end.store(true, Ordering::Relaxed);
            judged
        })
    })
}

pub fn cpu_limit_holds_for_single_threads(context: &Context) -> CaseResult {
    apart(context, "cpu", |[first, second], _| {
        first.set("cpu.max", "10000 100000")?;
        let judged = exceeds(first, "nr_throttled", 2);
        first.set("cpu.max", "max")?;
        judged?;
        check_eq!(second.key("cpu.stat", "nr_throttled")?, 0, "nr_throttled of the other thread's group");
        let (limited, other) = (first.number("cpu.weight")?, second.number("cpu.weight")?);
        check_eq!((limited, other), (100, 100), "weights of both groups");
        Ok(())
    })
}

pub fn cpuset_holds_for_single_threads(context: &Context) -> CaseResult {
    apart(context, "cpuset", |[first, second], threads| {
        first.set("cpuset.cpus", "1")?;
        check_eq!(affinity(threads[0])?, 0b10, "affinity of the thread in the set of CPU 1");
        check_eq!(affinity(threads[1])?, 0b11, "affinity of the other thread of the process");
        second.set("cpuset.cpus", "0")?;
        check_eq!(threads.map(|thread| affinity(thread).ok()), [Some(0b10), Some(0b01)], "affinities, apart");
        Ok(())
    })
}

pub fn domain_with_resources_below_cannot_become_threaded(context: &Context) -> CaseResult {
    let group = Group::with(context, &["memory"])?;
    let inner = group.child("inner")?;
    group.set("cgroup.subtree_control", "+memory")?;
    let refused = inner.write("cgroup.type", "threaded");
    fails_with("threaded below a domain that hands memory down", refused, libc::EOPNOTSUPP)?;
    inner.holds("cgroup.type", "domain", "after a refused write")
}

pub fn pids_limit_counts_threads(context: &Context) -> CaseResult {
    let group = Group::with(context, &["pids"])?;
    child::isolated(|| {
        setup("move of oneself", group.join(0))?;
        group.set("pids.max", "2")?;
        with_two_threads(|_| {
            check_eq!(group.number("pids.current")?, 2, "pids.current of a process with two threads");
            let third = thread::Builder::new().spawn(|| {}).map(|handle| drop(handle.join()));
            let errno = third.map_err(|error| error.raw_os_error());
            check_eq!(errno, Err(Some(libc::EAGAIN)), "a third thread under pids.max 2");
            Ok(())
        })
    })
}
