//! Priority inheritance from deadline tasks (locking/rt-mutex-design.rst, sched-deadline.rst).

use super::support::{Attributes, MILLISECOND};
use crate::case::{CaseResult, Stop, exists, succeeds};
use crate::child::needs_root;
use crate::scheduling::{
    Shared, Task, compute_for, effective_priority, now, policy, realtime, set_policy, sleep,
};
use crate::{Context, check, check_eq};
use libc::{SCHED_FIFO, SCHED_OTHER, SCHED_RR};

/// Little, because a task that leaves the policy while it sleeps keeps its bandwidth for a while.
const FIFTH: Attributes = Attributes::deadline(20 * MILLISECOND, 100 * MILLISECOND, 100 * MILLISECOND);
/// What proc_pid_stat(5) calls the priority of every deadline task.
const DEADLINE: i32 = -101;

/// Words of the shared page.
const GATE: usize = 0;
const RELEASE: usize = 8;
const LOCK: usize = 16;

/// A task that holds the lock until its word is opened, works a while and then lives on until the word is 2.
fn holder(shared: &Shared, kind: (i32, i32), work: u64) -> Result<Task, Stop> {
    let task = Task::ready(kind, shared.word(GATE), || {
        succeeds("FUTEX_LOCK_PI", shared.word(LOCK).lock())?;
        shared.word(RELEASE).wait_while(0);
        compute_for(work);
        succeeds("FUTEX_UNLOCK_PI", shared.word(LOCK).unlock())?;
        shared.word(RELEASE).wait_while(1);
        Ok(())
    })?;
    shared.word(GATE).open(1);
    task.until_asleep()?;
    Ok(task)
}

/// A deadline task at its gate; then it wants the lock, and notes the microseconds that takes.
fn waiter(shared: &Shared) -> Result<Task, Stop> {
    let task = Task::ready((SCHED_FIFO, 1), shared.word(GATE + 1), || {
        let start = now();
        succeeds("FUTEX_LOCK_PI", shared.word(LOCK).lock())?;
        shared.word(RELEASE + 1).set(((now() - start) / 1000) as u32);
        succeeds("FUTEX_UNLOCK_PI", shared.word(LOCK).unlock()).map(drop)
    })?;
    succeeds("SCHED_DEADLINE", exists("sched_setattr", FIFTH.set(task.process))?)?;
    Ok(task)
}

fn comes_to(task: &Task, expected: i32, when: &str) -> CaseResult {
    for _ in 0..2000 {
        if effective_priority(task.process)? == expected {
            break;
        }
        sleep(MILLISECOND);
    }
    check_eq!(effective_priority(task.process)?, expected, "effective priority {when}");
    Ok(())
}

pub fn owner_inherits_the_deadline(_: &Context) -> CaseResult {
    needs_root()?;
    for (kind, own) in
        [((SCHED_OTHER, 0), 20), ((SCHED_FIFO, 99), realtime(99)), ((SCHED_RR, 5), realtime(5))]
    {
        let shared = Shared::new()?;
        let owner = holder(&shared, kind, 0)?;
        check_eq!(effective_priority(owner.process)?, own, "effective priority of an owner before");
        let waiting = waiter(&shared)?;
        shared.word(GATE + 1).open(1);
        comes_to(&owner, DEADLINE, "of an owner for which a deadline task waits")?;
        check_eq!(policy(owner.process), Ok(kind.0.into()), "policy of the owner: its own");
        shared.word(RELEASE).open(1);
        waiting.finish()?;
        comes_to(&owner, own, "after the unlock")?;
        shared.word(RELEASE).open(2);
        owner.finish()?;
    }
    Ok(())
}

pub fn inherited_deadline_ends_with_the_waiter(_: &Context) -> CaseResult {
    needs_root()?;
    let shared = Shared::new()?;
    let owner = holder(&shared, (SCHED_OTHER, 0), 0)?;
    let waiting = waiter(&shared)?;
    shared.word(GATE + 1).open(1);
    comes_to(&owner, DEADLINE, "of an owner for which a deadline task waits")?;
    let normal = Attributes { size: FIFTH.size, ..Attributes::default() };
    succeeds("return of the waiter to SCHED_OTHER", normal.set(waiting.process))?;
    comes_to(&owner, 20, "when the waiter is no deadline task any more")?;
    succeeds("SCHED_DEADLINE for the waiter", FIFTH.set(waiting.process))?;
    comes_to(&owner, DEADLINE, "when it is one again")?;
    succeeds("return of the waiter to SCHED_OTHER", normal.set(waiting.process))?;
    drop(waiting);
    comes_to(&owner, 20, "when the waiter was killed")?;
    shared.word(RELEASE).open(2);
    owner.finish()
}

/// The owner has 20 ms to do; a hog of SCHED_FIFO 99 would keep it from that for half a second.
pub fn deadline_task_does_not_wait_for_a_hog(context: &Context) -> CaseResult {
    const WORK: u64 = 20 * MILLISECOND;
    super::in_virtual_time(context)?;
    needs_root()?;
    let shared = Shared::new()?;
    let owner = holder(&shared, (SCHED_OTHER, 0), WORK)?;
    let waiting = waiter(&shared)?;
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let hogs = (0..cpus).map(|_| {
        Task::ready((SCHED_FIFO, 98), shared.word(GATE + 2), || {
            compute_for(500 * MILLISECOND);
            Ok(())
        })
    });
    let hogs: Vec<Task> = hogs.collect::<Result<_, _>>()?;
    succeeds("sched_setscheduler", set_policy(0, SCHED_FIFO, 99))?;
    for word in [RELEASE, GATE + 1, GATE + 2] {
        shared.word(word).open(1);
    }
    waiting.finish()?;
    let waited = u64::from(shared.word(RELEASE + 1).get()) * 1000;
    check!(
        waited <= WORK + FIFTH.period,
        "a deadline task waited {waited} ns for a lock behind {WORK} ns of work"
    );
    hogs.into_iter().try_for_each(Task::finish)?;
    shared.word(RELEASE).open(2);
    owner.finish()
}
