//! Deadline tasks in a part of the machine (sched-deadline.rst, section 5): a partition of CPUs is a scheduling domain,
//! to which a task may be confined, and which has bandwidth of its own.

use super::support::{Attributes, MILLISECOND, Sleeper};
use crate::case::{CaseResult, Stop, exists, fails_with, setup, succeeds};
use crate::child::isolated;
use crate::scheduling::{Shared, set_affinity, sleep};
use crate::suites::cgroup2::group::{Group, Member, PATIENCE};
use crate::sys::Errno;
use crate::{Context, check, check_eq};
use std::time::Instant;

const PERIOD: u64 = 100 * MILLISECOND;
const HALF: Attributes = Attributes::deadline(PERIOD / 2, PERIOD, PERIOD);

/// The second of two CPUs as a partition.
fn second_cpu(context: &Context) -> Result<Group, Stop> {
    let group = Group::with(context, &["cpuset"])?;
    setup("cpuset.cpus", group.write("cpuset.cpus", "1"))?;
    setup("cpuset.cpus.partition", group.write("cpuset.cpus.partition", "root"))?;
    check_eq!(group.read("cpuset.cpus.partition")?, "root", "a partition of CPU 1");
    Ok(group)
}

/// Runs a deadline task. The bandwidth of one that ended is given back at its zero-lag time (section 2.2), before which
/// domains had better not change.
fn task(body: impl FnOnce() -> CaseResult) -> CaseResult {
    let result = isolated(body);
    sleep(3 * PERIOD);
    result
}

/// Becomes a deadline task; the domains may take a moment to change.
fn become_deadline(attributes: &Attributes) -> Result<i64, Errno> {
    let end = Instant::now() + PATIENCE;
    loop {
        match attributes.set(0) {
            Err(Errno(libc::EPERM)) if Instant::now() < end => {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            result => return result,
        }
    }
}

/// One CPU is not enough where there are two, and is where it is all of a partition.
pub fn task_may_be_confined_to_a_partition(context: &Context) -> CaseResult {
    exists("sched_getattr", Attributes::get(0))?.ok();
    task(|| {
        setup("sched_setaffinity", set_affinity(0, &[0b10]))?;
        fails_with("SCHED_DEADLINE on one of two CPUs", HALF.set(0), libc::EPERM)
    })?;
    let group = second_cpu(context)?;
    task(|| {
        setup("move of oneself", group.join(0))?;
        succeeds("SCHED_DEADLINE in a partition of one CPU", become_deadline(&HALF))?;
        succeeds("sched_setaffinity to the CPU of the partition", set_affinity(0, &[0b10]))?;
        check!(
            set_affinity(0, &[0b01]).is_err(),
            "a deadline task leaves its partition by sched_setaffinity"
        );
        Ok(())
    })?;
    task(|| succeeds("SCHED_DEADLINE on what is left beside a partition", become_deadline(&HALF)).map(drop))
}

/// Two tasks of six tenths fit on two CPUs together, but not in a partition of one; what is taken there is missing
/// nowhere else.
pub fn partition_has_bandwidth_of_its_own(context: &Context) -> CaseResult {
    let much = Attributes::deadline(PERIOD / 10 * 6, PERIOD, PERIOD);
    exists("sched_getattr", Attributes::get(0))?.ok();
    task(|| {
        let _other = succeeds("six tenths", Sleeper::with(&much)?)?;
        succeeds("six tenths again, on two CPUs", much.set(0)).map(drop)
    })?;
    let group = second_cpu(context)?;
    task(|| {
        setup("move of oneself", group.join(0))?;
        let sleeper = Sleeper::new()?;
        succeeds("six tenths in a partition of one CPU", become_deadline(&much))?;
        let refused = much.set(sleeper.process);
        fails_with("six tenths again in a partition of one CPU", refused, libc::EBUSY)?;
        let less = Attributes::deadline(PERIOD / 10 * 2, PERIOD, PERIOD);
        succeeds("two tenths beside six", less.set(sleeper.process))?;
        setup("giving back", sleeper.give_back()).map(drop)
    })?;
    let member = member_with(&group, &much)?;
    let beside = task(|| {
        succeeds("six tenths beside a partition with a task of six tenths", become_deadline(&much)).map(drop)
    });
    drop(member);
    sleep(3 * PERIOD);
    beside
}

/// A member of the partition that has become a deadline task, and sleeps.
fn member_with(group: &Group, attributes: &Attributes) -> Result<Member, Stop> {
    let shared = Shared::new()?;
    let member = Member::doing(group, || {
        let admitted = become_deadline(attributes).is_ok();
        shared.word(0).open(if admitted { 1 } else { 2 });
        crate::child::pause()
    })?;
    shared.word(0).wait_while(0);
    check_eq!(shared.word(0).get(), 1, "a task of six tenths in the partition: 1 is admitted");
    Ok(member)
}
