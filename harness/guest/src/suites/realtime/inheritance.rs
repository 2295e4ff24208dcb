//! Priority inheritance through futexes, as the effective priorities of the tasks show it.

use crate::case::{CaseResult, Stop, fails_with, setup, succeeds};
use crate::scheduling::{
    MILLISECOND, Shared, Task, Word, clock, compute_for, effective_priority, lead, now, operation, realtime,
    set_policy, set_priority, sleep,
};
use crate::{Context, check, check_eq, syscall};
use libc::{SCHED_FIFO, SCHED_OTHER, SCHED_RR};

const LEADER: i32 = 60;
/// Of SCHED_OTHER with nice value 0.
const NORMAL: i32 = 20;

/// Words of the shared page. Locks are the last ones.
const GATE: usize = 0;
const RELEASE: usize = 8;
const LOCK: usize = 16;

/// A task that takes the lock (after others it holds, if any) and keeps it until its word is opened.
fn holder(shared: &Shared, kind: (i32, i32), number: usize, locks: &[usize]) -> Result<Task, Stop> {
    let task = Task::ready(kind, shared.word(GATE + number), || {
        for &lock in locks {
            succeeds("FUTEX_LOCK_PI", shared.word(LOCK + lock).lock())?;
        }
        shared.log(number as u32);
        shared.word(RELEASE + number).wait_while(0);
        for &lock in locks.iter().rev() {
            succeeds("FUTEX_UNLOCK_PI", shared.word(LOCK + lock).unlock())?;
        }
        Ok(())
    })?;
    shared.word(GATE + number).open(1);
    // Asleep again, holding or waiting.
    task.until_asleep()?;
    Ok(task)
}

fn let_go(shared: &Shared, number: usize) {
    shared.word(RELEASE + number).open(1);
}

fn has(task: &Task, expected: i32, when: &str) -> CaseResult {
    check_eq!(effective_priority(task.process)?, expected, "effective priority {when}");
    Ok(())
}

/// Until it has this priority, for changes that come a moment later.
fn comes_to(task: &Task, expected: i32, when: &str) -> CaseResult {
    for _ in 0..2000 {
        if effective_priority(task.process)? == expected {
            return Ok(());
        }
        sleep(MILLISECOND);
    }
    has(task, expected, when)
}

pub fn owner_inherits_the_highest_priority_waiting(_: &Context) -> CaseResult {
    lead(LEADER)?;
    for kind in [(SCHED_OTHER, 0), (SCHED_FIFO, 5), (SCHED_RR, 5)] {
        let own = if kind.0 == SCHED_OTHER { NORMAL } else { realtime(5) };
        let shared = Shared::new()?;
        let owner = holder(&shared, kind, 0, &[0])?;
        has(&owner, own, "of an owner nobody waits for")?;
        let low = holder(&shared, (SCHED_OTHER, 0), 1, &[0])?;
        has(&owner, own, "of an owner for which a normal task waits")?;
        let middle = holder(&shared, (SCHED_RR, 20), 2, &[0])?;
        has(&owner, realtime(20), "of an owner for which priority 20 waits")?;
        let high = holder(&shared, (SCHED_FIFO, 30), 3, &[0])?;
        has(&owner, realtime(30), "of an owner for which priorities 20 and 30 wait")?;
        let lower = holder(&shared, (SCHED_FIFO, 10), 4, &[0])?;
        has(&owner, realtime(30), "of an owner for which one more of priority 10 waits")?;
        has(&high, realtime(30), "of a waiter")?;
        for number in 0..5 {
            let_go(&shared, number);
        }
        for task in [owner, high, middle, lower, low] {
            task.finish()?;
        }
        check_eq!(shared.logged(), [0, 3, 2, 4, 1], "order in which the lock was had");
    }
    Ok(())
}

pub fn inherited_priority_ends_with_the_unlock(_: &Context) -> CaseResult {
    lead(LEADER)?;
    let shared = Shared::new()?;
    // Unlocks, and lives on.
    let owner = Task::ready((SCHED_OTHER, 0), shared.word(GATE), || {
        succeeds("FUTEX_LOCK_PI", shared.word(LOCK).lock())?;
        shared.word(RELEASE).wait_while(0);
        succeeds("FUTEX_UNLOCK_PI", shared.word(LOCK).unlock())?;
        shared.word(RELEASE).wait_while(1);
        Ok(())
    })?;
    shared.word(GATE).open(1);
    owner.until_asleep()?;
    let waiter = holder(&shared, (SCHED_FIFO, 30), 1, &[0])?;
    has(&owner, realtime(30), "of the owner")?;
    let_go(&shared, 0);
    comes_to(&owner, NORMAL, "of the former owner")?;
    let_go(&shared, 1);
    waiter.finish()?;
    shared.word(RELEASE).open(2);
    owner.finish()
}

/// One owner holds two locks: what each brings is lost with that one.
pub fn each_lock_brings_its_own_priority(_: &Context) -> CaseResult {
    lead(LEADER)?;
    let shared = Shared::new()?;
    let owner = Task::ready((SCHED_FIFO, 5), shared.word(GATE), || {
        for lock in [0, 1] {
            succeeds("FUTEX_LOCK_PI", shared.word(LOCK + lock).lock())?;
        }
        for (step, lock) in [(0, 0), (1, 1)] {
            shared.word(RELEASE).wait_while(step);
            succeeds("FUTEX_UNLOCK_PI", shared.word(LOCK + lock).unlock())?;
        }
        shared.word(RELEASE).wait_while(2);
        Ok(())
    })?;
    shared.word(GATE).open(1);
    owner.until_asleep()?;
    let first = holder(&shared, (SCHED_FIFO, 30), 1, &[0])?;
    let second = holder(&shared, (SCHED_FIFO, 20), 2, &[1])?;
    has(&owner, realtime(30), "of an owner of two locks")?;
    shared.word(RELEASE).open(1);
    comes_to(&owner, realtime(20), "after the first unlock")?;
    shared.word(RELEASE).open(2);
    comes_to(&owner, realtime(5), "after the second unlock")?;
    let_go(&shared, 1);
    let_go(&shared, 2);
    shared.word(RELEASE).open(3);
    first.finish()?;
    second.finish()?;
    owner.finish()
}

/// 0 owns A; 1 owns B and waits for A; 2 owns C and waits for B; then 3 waits for C.
pub fn priority_goes_through_a_chain_of_locks(_: &Context) -> CaseResult {
    lead(LEADER)?;
    let shared = Shared::new()?;
    let first = holder(&shared, (SCHED_OTHER, 0), 0, &[0])?;
    let second = holder(&shared, (SCHED_FIFO, 5), 1, &[1, 0])?;
    let third = holder(&shared, (SCHED_FIFO, 10), 2, &[2, 1])?;
    has(&first, realtime(10), "of the end of a chain of three")?;
    let fourth = holder(&shared, (SCHED_FIFO, 40), 3, &[2])?;
    for task in [&first, &second, &third] {
        has(task, realtime(40), "in a chain for whose end priority 40 waits")?;
    }
    succeeds("sched_setparam", set_priority(fourth.process, 30))?;
    for task in [&first, &second, &third] {
        comes_to(task, realtime(30), "in a chain whose waiter went from 40 to 30")?;
    }
    drop(fourth);
    comes_to(&third, realtime(10), "in a chain whose waiter was killed")?;
    comes_to(&second, realtime(10), "in a chain whose waiter was killed")?;
    comes_to(&first, realtime(10), "in a chain whose waiter was killed")?;
    for number in 0..3 {
        let_go(&shared, number);
    }
    first.finish()?;
    second.finish()?;
    third.finish()
}

pub fn inherited_priority_follows_the_waiter(_: &Context) -> CaseResult {
    lead(LEADER)?;
    let shared = Shared::new()?;
    let owner = holder(&shared, (SCHED_FIFO, 5), 0, &[0])?;
    let waiter = holder(&shared, (SCHED_FIFO, 20), 1, &[0])?;
    for (policy, priority, expected) in
        [(SCHED_FIFO, 30, realtime(30)), (SCHED_RR, 15, realtime(15)), (SCHED_OTHER, 0, realtime(5))]
    {
        succeeds("sched_setscheduler of the waiter", set_policy(waiter.process, policy, priority))?;
        comes_to(&owner, expected, &format!("when the waiter came to policy {policy}, priority {priority}"))?;
    }
    // And the owner's own, while it is boosted: it must not lose what it inherits, and keep what it was given.
    succeeds("sched_setscheduler of the waiter", set_policy(waiter.process, SCHED_FIFO, 30))?;
    comes_to(&owner, realtime(30), "of the owner")?;
    succeeds("sched_setscheduler of the owner", set_policy(owner.process, SCHED_FIFO, 2))?;
    has(&owner, realtime(30), "of an owner that was lowered meanwhile")?;
    succeeds("sched_setscheduler of the owner", set_policy(owner.process, SCHED_FIFO, 40))?;
    has(&owner, realtime(40), "of an owner that was raised above its waiter")?;
    succeeds("sched_setscheduler of the owner", set_policy(owner.process, SCHED_FIFO, 3))?;
    drop(waiter);
    comes_to(&owner, realtime(3), "of an owner whose waiter was killed")?;
    let_go(&shared, 0);
    owner.finish()
}

/// The timeout of FUTEX_LOCK_PI is by the real-time clock, which is moved when the boost has been seen.
pub fn inherited_priority_ends_with_the_waiters_patience(_: &Context) -> CaseResult {
    const HOUR: i64 = 3600;
    lead(LEADER)?;
    let shared = Shared::new()?;
    let owner = holder(&shared, (SCHED_OTHER, 0), 0, &[0])?;
    let seconds = (clock(libc::CLOCK_REALTIME) / 1_000_000_000).cast_signed();
    let waiter = Task::ready((SCHED_FIFO, 30), shared.word(GATE + 1), || {
        let lock = shared.word(LOCK).futex(operation::LOCK_PI, 0, Some([seconds + HOUR, 0]));
        fails_with("FUTEX_LOCK_PI with a timeout", lock, libc::ETIMEDOUT)?;
        shared.word(RELEASE + 1).wait_while(0);
        Ok(())
    })?;
    shared.word(GATE + 1).open(1);
    comes_to(&owner, realtime(30), "of the owner")?;
    let later = [seconds + 2 * HOUR, 0];
    // SAFETY: two words are a timespec.
    let set = unsafe { syscall!(libc::SYS_clock_settime, libc::CLOCK_REALTIME, later.as_ptr()) };
    setup("clock_settime", set)?;
    comes_to(&owner, NORMAL, "of an owner whose waiter gave up")?;
    let_go(&shared, 1);
    waiter.finish()?;
    let_go(&shared, 0);
    owner.finish()
}

/// The lock goes to the highest priority, whoever waits longer, and among equals to the first.
pub fn lock_goes_to_the_highest_priority(_: &Context) -> CaseResult {
    lead(LEADER)?;
    let shared = Shared::new()?;
    let owner = holder(&shared, (SCHED_FIFO, 50), 0, &[0])?;
    let mut waiters = vec![];
    for (number, priority) in [(1, 10), (2, 30), (3, 20), (4, 30), (5, 10)] {
        waiters.push(holder(&shared, (SCHED_FIFO, priority), number, &[0])?);
        let_go(&shared, number);
    }
    let_go(&shared, 0);
    owner.finish()?;
    waiters.into_iter().try_for_each(Task::finish)?;
    check_eq!(shared.logged(), [0, 2, 4, 3, 1, 5], "order in which the lock was had");
    Ok(())
}

/// Priority inversion: a low owner with 20 ms of work to do, a high waiter, and a middle hog that would run half a
/// second before the owner if that did not inherit.
pub fn inversion_is_bounded(context: &Context) -> CaseResult {
    const WORK: u64 = 20 * MILLISECOND;
    super::in_virtual_time(context)?;
    lead(LEADER)?;
    for kind in [(SCHED_FIFO, 5), (SCHED_OTHER, 0)] {
        let shared = Shared::new()?;
        let owner = Task::ready(kind, shared.word(GATE), || {
            succeeds("FUTEX_LOCK_PI", shared.word(LOCK).lock())?;
            shared.word(RELEASE).wait_while(0);
            compute_for(WORK);
            succeeds("FUTEX_UNLOCK_PI", shared.word(LOCK).unlock()).map(drop)
        })?;
        shared.word(GATE).open(1);
        owner.until_asleep()?;
        let hog = Task::ready((SCHED_FIFO, 20), shared.word(GATE + 1), || {
            compute_for(500 * MILLISECOND);
            Ok(())
        })?;
        let high = Task::ready((SCHED_FIFO, 30), shared.word(GATE + 2), || {
            let start = now();
            succeeds("FUTEX_LOCK_PI", shared.word(LOCK).lock())?;
            shared.word(RELEASE + 2).set(((now() - start) / 1000) as u32);
            succeeds("FUTEX_UNLOCK_PI", shared.word(LOCK).unlock()).map(drop)
        })?;
        // All are ready when the leader sleeps: high runs, and waits; then the owner must run, not the hog.
        open_all(&shared, &[RELEASE, GATE + 1, GATE + 2]);
        high.finish()?;
        let waited = u64::from(shared.word(RELEASE + 2).get()) * 1000;
        check!(
            waited <= WORK + 5 * MILLISECOND,
            "priority 30 waited {waited} ns for a lock behind {WORK} ns of work"
        );
        owner.finish()?;
        hog.finish()?;
    }
    Ok(())
}

fn open_all(shared: &Shared, words: &[usize]) {
    words.iter().for_each(|&word| Word::open(shared.word(word), 1));
}
