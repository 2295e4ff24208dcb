//! The cpu controller, and cpuset.

use super::group::*;
use crate::case::{fails_with, setup, succeeds};
use crate::scheduling::set_affinity;
use crate::sys::Errno;
use crate::{CaseResult, Context, Stop, check, check_eq, syscall};
use std::time::{Duration, Instant};

/// Waits until a key is above a value.
pub fn exceeds(group: &Group, key: &str, value: u64) -> CaseResult {
    let deadline = Instant::now() + PATIENCE;
    while group.key("cpu.stat", key)? <= value {
        check!(Instant::now() < deadline, "{key} of cpu.stat stays at {}", group.key("cpu.stat", key)?);
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// A tenth of a CPU. On a busy host only that the hog was throttled can be judged; in virtual time, how much.
pub fn hog_is_throttled_to_its_bandwidth(context: &Context) -> CaseResult {
    let group = Group::with(context, &["cpu"])?;
    group.holds("cpu.max", "max 100000", "of a new group")?;
    group.set("cpu.max", "10000 100000")?;
    let _hog = Member::busy(&group)?;
    exceeds(&group, "nr_throttled", 2)?;
    exceeds(&group, "throttled_usec", 0)?;
    if context.exact {
        let (usage, start) = (group.key("cpu.stat", "usage_usec")?, Instant::now());
        std::thread::sleep(Duration::from_secs(2));
        let used = (group.key("cpu.stat", "usage_usec")? - usage) as f64;
        let share = used / start.elapsed().as_micros() as f64;
        check!((0.08..0.13).contains(&share), "share of a CPU under a limit of 0.1: {share:.3}");
    }
    Ok(())
}

pub fn limit_of_an_ancestor_throttles_too(context: &Context) -> CaseResult {
    let group = Group::with(context, &["cpu"])?;
    let inner = group.child("inner")?;
    group.set("cgroup.subtree_control", "+cpu")?;
    group.set("cpu.max", "10000 100000")?;
    let _hog = Member::busy(&inner)?;
    exceeds(&group, "nr_throttled", 2)?;
    check_eq!(
        inner.key("cpu.stat", "nr_throttled")?,
        0,
        "nr_throttled of a child without a limit of its own"
    );
    group.set("cpu.max", "max")?;
    let before = group.key("cpu.stat", "nr_throttled")?;
    exceeds(&group, "usage_usec", group.key("cpu.stat", "usage_usec")? + 200_000)?;
    check_eq!(group.key("cpu.stat", "nr_throttled")?, before, "nr_throttled after the limit was lifted");
    Ok(())
}

pub fn bad_bandwidth_is_refused(context: &Context) -> CaseResult {
    let group = Group::with(context, &["cpu"])?;
    for value in ["0", "999", "1000 999", "1000 1000001", "-1", "much", "max 0", "max 1000001"] {
        check_eq!(group.write("cpu.max", value), Err(Errno(libc::EINVAL)), "{value} in cpu.max");
        group.holds("cpu.max", "max 100000", "after a refused write")?;
    }
    for (value, shown) in [
        ("1000", "1000 100000"),
        ("1000 1000", "1000 1000"),
        ("2000", "2000 1000"),
        ("max", "max 1000"),
        ("3000000 1000000", "3000000 1000000"),
    ] {
        group.set("cpu.max", value)?;
        group.holds("cpu.max", shown, &format!("after {value} was written"))?;
    }
    Ok(())
}

pub fn weight_and_nice_say_the_same(context: &Context) -> CaseResult {
    let group = Group::with(context, &["cpu"])?;
    group.holds("cpu.weight", "100", "of a new group")?;
    group.holds("cpu.weight.nice", "0", "of a new group")?;
    for (value, errno) in [("0", libc::ERANGE), ("10001", libc::ERANGE), ("heavy", libc::EINVAL)] {
        check_eq!(group.write("cpu.weight", value), Err(Errno(errno)), "{value} in cpu.weight");
    }
    for value in ["-21", "20"] {
        check_eq!(
            group.write("cpu.weight.nice", value),
            Err(Errno(libc::ERANGE)),
            "{value} in cpu.weight.nice"
        );
    }
    group.holds("cpu.weight", "100", "after refused writes")?;
    for value in ["1", "10000"] {
        group.set("cpu.weight", value)?;
        group.holds("cpu.weight", value, "after it was written")?;
    }
    // The weights of nice levels: sched_prio_to_weight[] in kernel/sched/core.c, of which 1024 is 100.
    for (nice, weight) in [("-20", 8668), ("-1", 125), ("0", 100), ("1", 80), ("19", 1)] {
        group.set("cpu.weight.nice", nice)?;
        group.holds("cpu.weight.nice", nice, "after it was written")?;
        let got = group.number("cpu.weight")?;
        check!(got.abs_diff(weight) <= 1, "cpu.weight after nice {nice}: got {got}, expected {weight}");
    }
    Ok(())
}

pub fn burst_is_bounded_by_the_quota(context: &Context) -> CaseResult {
    let group = Group::with(context, &["cpu"])?;
    group.holds("cpu.max.burst", "0", "of a new group")?;
    group.set("cpu.max", "20000 100000")?;
    for value in ["20001", "-1", "much"] {
        check_eq!(group.write("cpu.max.burst", value), Err(Errno(libc::EINVAL)), "{value} in cpu.max.burst");
        group.holds("cpu.max.burst", "0", "after a refused write")?;
    }
    for value in ["20000", "1", "0"] {
        group.set("cpu.max.burst", value)?;
        group.holds("cpu.max.burst", value, "after it was written")?;
    }
    group.holds("cpu.max", "20000 100000", "after the burst was set")?;
    for key in ["nr_bursts", "burst_usec"] {
        check_eq!(group.key("cpu.stat", key)?, 0, "{key} of cpu.stat of a group that did nothing");
    }
    Ok(())
}

pub fn idle_group_has_the_least_weight(context: &Context) -> CaseResult {
    let group = Group::with(context, &["cpu"])?;
    group.holds("cpu.idle", "0", "of a new group")?;
    for value in ["2", "-1", "yes"] {
        check!(group.write("cpu.idle", value).is_err(), "{value} in cpu.idle was accepted");
        group.holds("cpu.idle", "0", "after a refused write")?;
    }
    group.set("cpu.idle", "1")?;
    group.holds("cpu.idle", "1", "after it was written")?;
    // By the document it shows as 0; since 6.12 it is the least there is.
    let weight = group.number("cpu.weight")?;
    check!(weight <= 1, "cpu.weight of an idle group: {weight}");
    let _hog = Member::busy(&group)?;
    exceeds(&group, "usage_usec", 0)?;
    group.set("cpu.idle", "0")?;
    group.holds("cpu.weight", "100", "of a group that is idle no more")
}

/// What two groups use of a second, in microseconds, when each has a member that wants all of it.
fn used_by_hogs(groups: [&Group; 2]) -> Result<[u64; 2], Stop> {
    let _hogs = [Member::busy(groups[0])?, Member::busy(groups[1])?];
    std::thread::sleep(Duration::from_millis(200));
    let usage = || -> Result<[u64; 2], Stop> {
        Ok([groups[0].key("cpu.stat", "usage_usec")?, groups[1].key("cpu.stat", "usage_usec")?])
    };
    let before = usage()?;
    std::thread::sleep(Duration::from_secs(1));
    let after = usage()?;
    Ok([after[0] - before[0], after[1] - before[1]])
}

/// Very low priority relative to its peers: judged in virtual time.
pub fn idle_group_leaves_the_cpu_to_its_peers(context: &Context) -> CaseResult {
    let group = Group::with(context, &["cpu"])?;
    let (idle, busy) = (group.child("idle")?, group.child("busy")?);
    group.set("cgroup.subtree_control", "+cpu")?;
    idle.set("cpu.idle", "1")?;
    let [idle, busy] = used_by_hogs([&idle, &busy])?;
    check!(idle * 10 < busy, "time of an idle group beside a busy one: {idle} of {} µs", idle + busy);
    Ok(())
}

/// Time is shared by weight: three to one. Judged in virtual time.
pub fn weights_share_the_cpu(context: &Context) -> CaseResult {
    let group = Group::with(context, &["cpu"])?;
    let (light, heavy) = (group.child("light")?, group.child("heavy")?);
    group.set("cgroup.subtree_control", "+cpu")?;
    heavy.set("cpu.weight", "300")?;
    let [light, heavy] = used_by_hogs([&light, &heavy])?;
    let ratio = heavy as f64 / light as f64;
    check!((2.4..3.6).contains(&ratio), "time of weight 300 over time of weight 100: {ratio:.2}");
    Ok(())
}

pub fn time_is_counted_where_it_is_used(context: &Context) -> CaseResult {
    let group = Group::with(context, &["cpu"])?;
    let (idle, busy) = (group.child("idle")?, group.child("busy")?);
    group.set("cgroup.subtree_control", "+cpu")?;
    let _hog = Member::busy(&busy)?;
    exceeds(&busy, "usage_usec", 50_000)?;
    check_eq!(idle.key("cpu.stat", "usage_usec")?, 0, "usage_usec of a group without processes");
    // The parent's was read later than the child's, so it cannot be less.
    let (child, parent) = (busy.key("cpu.stat", "usage_usec")?, group.key("cpu.stat", "usage_usec")?);
    check!(parent >= child, "usage_usec of the parent, {parent}, is less than its child's, {child}");
    let user = busy.key("cpu.stat", "user_usec")?;
    check!(user > 25_000, "user_usec of a process that only computes: {user}");
    Ok(())
}

pub fn affinity(pid: i32) -> Result<u64, Stop> {
    let mut mask = [0u64; 128];
    // SAFETY: the mask is ours and as long as said.
    setup("sched_getaffinity", unsafe {
        syscall!(libc::SYS_sched_getaffinity, pid, size_of_val(&mask), mask.as_mut_ptr())
    })?;
    Ok(mask[0])
}

pub fn cpuset_of_nothing_is_the_parents(context: &Context) -> CaseResult {
    let root = Group::root(context)?;
    let group = Group::with(context, &["cpuset"])?;
    for list in ["cpus", "mems"] {
        let (own, effective) = (format!("cpuset.{list}"), format!("cpuset.{list}.effective"));
        group.holds(&own, "", "of a new group")?;
        group.holds(&effective, &root.read(&effective)?, "of a group without a set of its own")?;
        group.set(&own, "0")?;
        group.holds(&effective, "0", "after 0 was written")?;
        for value in ["zero", "0-", "1-0", "99999999"] {
            let result = group.write(&own, value);
            check!(result.is_err(), "{value} in {own} was accepted");
            group.holds(&own, "0", "after a refused write")?;
        }
        group.set(&own, "\n")?;
        group.holds(&effective, &root.read(&effective)?, "after the set was emptied")?;
    }
    Ok(())
}

pub fn cpuset_confines_its_processes(context: &Context) -> CaseResult {
    let group = Group::with(context, &["cpuset"])?;
    let inner = group.child("inner")?;
    group.set("cgroup.subtree_control", "+cpuset")?;
    group.set("cpuset.cpus", "1")?;
    inner.holds("cpuset.cpus.effective", "1", "of a child of a confined group")?;
    let member = Member::idle(&inner)?;
    check_eq!(affinity(member.pid)?, 0b10, "affinity of a process that moved into the set of CPU 1");
    fails_with("sched_setaffinity to CPU 0 alone", set_affinity(member.pid, &[0b01]), libc::EINVAL)?;
    succeeds("sched_setaffinity to both CPUs", set_affinity(member.pid, &[0b11]))?;
    check_eq!(affinity(member.pid)?, 0b10, "affinity after both CPUs were asked for");
    // Who is inside follows the set. A child cannot get more than its parent.
    group.set("cpuset.cpus", "0")?;
    check_eq!(affinity(member.pid)?, 0b01, "affinity after the set became CPU 0");
    inner.set("cpuset.cpus", "1")?;
    inner.holds("cpuset.cpus.effective", "0", "of a child that asks for what its parent does not have")
}
