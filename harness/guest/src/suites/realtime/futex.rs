//! The rules of futexes with priority inheritance (futex(2), FUTEX_LOCK_PI and its like).

use crate::case::{CaseResult, Stop, exists, fails_with, setup, succeeds};
use crate::child;
use crate::scheduling::{
    Shared, Task, Word, effective_priority, lead, operation, policy, realtime, set_policy, thread,
};
use crate::sys::Errno;
use crate::{Context, check, check_eq, syscall};
use libc::{
    EAGAIN, EDEADLK, EINVAL, ENOSYS, EPERM, ESRCH, ETIMEDOUT, FUTEX_OWNER_DIED, FUTEX_TID_MASK,
    FUTEX_WAITERS, SCHED_FIFO, SCHED_OTHER,
};

const LEADER: i32 = 60;

/// Words of the shared page.
const GATE: usize = 0;
const RELEASE: usize = 8;
const LOCK: usize = 16;
const CONDITION: usize = 24;
const ENTRY: usize = 40;

/// A task that holds the lock until its word is opened.
fn holder(shared: &Shared) -> Result<Task, Stop> {
    let task = Task::ready((SCHED_OTHER, 0), shared.word(GATE), || {
        succeeds("FUTEX_LOCK_PI", shared.word(LOCK).lock())?;
        shared.word(RELEASE).wait_while(0);
        succeeds("FUTEX_UNLOCK_PI", shared.word(LOCK).unlock()).map(drop)
    })?;
    shared.word(GATE).open(1);
    task.until_asleep()?;
    Ok(task)
}

/// The lock must exist in this kernel.
fn available(word: Word<'_>) -> CaseResult {
    match word.lock() {
        Err(Errno(ENOSYS)) => Err(Stop::Skip("missing config symbol: CONFIG_FUTEX_PI".into())),
        other => succeeds("FUTEX_LOCK_PI of a free lock", other).map(drop),
    }
}

pub fn lock_holds_its_owners_number(_: &Context) -> CaseResult {
    lead(LEADER)?;
    let shared = Shared::new()?;
    let word = shared.word(LOCK);
    available(word)?;
    check_eq!(word.get(), thread(), "a locked word");
    succeeds("FUTEX_UNLOCK_PI", word.unlock())?;
    check_eq!(word.get(), 0, "an unlocked word");
    succeeds("FUTEX_TRYLOCK_PI", word.futex(operation::TRYLOCK_PI, 0, None))?;
    check_eq!(word.get(), thread(), "a word locked by FUTEX_TRYLOCK_PI");
    // Locked by a program alone, as it may, the kernel must give it up all the same.
    word.set(thread());
    succeeds("FUTEX_UNLOCK_PI of a word the program locked", word.unlock())?;
    check_eq!(word.get(), 0, "that word");
    let owner = holder(&shared)?;
    check_eq!(word.get(), owner.process.cast_unsigned(), "a word another locked");
    // One more that waits is marked in the word.
    let waiter = Task::start(|| {
        succeeds("FUTEX_LOCK_PI", shared.word(LOCK).lock())?;
        succeeds("FUTEX_UNLOCK_PI", shared.word(LOCK).unlock()).map(drop)
    })?;
    waiter.until_asleep()?;
    check_eq!(word.get(), owner.process.cast_unsigned() | FUTEX_WAITERS, "a word somebody waits for");
    shared.word(RELEASE).open(1);
    owner.finish()?;
    waiter.finish()?;
    check_eq!(word.get() & FUTEX_TID_MASK, 0, "the owner in a word that everybody unlocked");
    Ok(())
}

pub fn lock_errors_are_told(_: &Context) -> CaseResult {
    lead(LEADER)?;
    let shared = Shared::new()?;
    let word = shared.word(LOCK);
    available(word)?;
    fails_with("FUTEX_LOCK_PI of one's own lock", word.lock(), EDEADLK)?;
    let again = word.futex(operation::TRYLOCK_PI, 0, None);
    fails_with("FUTEX_TRYLOCK_PI of one's own lock", again, EDEADLK)?;
    succeeds("FUTEX_UNLOCK_PI", word.unlock())?;
    fails_with("FUTEX_UNLOCK_PI of a free lock", word.unlock(), EPERM)?;

    let owner = holder(&shared)?;
    let held = word.get();
    fails_with("FUTEX_UNLOCK_PI of another's lock", word.unlock(), EPERM)?;
    let tried = word.futex(operation::TRYLOCK_PI, 0, None);
    fails_with("FUTEX_TRYLOCK_PI of another's lock", tried, EAGAIN)?;
    check_eq!(word.get() & FUTEX_TID_MASK, held & FUTEX_TID_MASK, "the owner after refused calls");
    let past = word.futex(operation::LOCK_PI, 0, Some([1, 0]));
    fails_with("FUTEX_LOCK_PI until 1970", past, ETIMEDOUT)?;
    for bad in [[-1, 0], [1, -1], [1, 1_000_000_000]] {
        let locked = word.futex(operation::LOCK_PI, 0, Some(bad));
        fails_with(&format!("FUTEX_LOCK_PI until {bad:?}"), locked, EINVAL)?;
    }
    shared.word(RELEASE).open(1);
    owner.finish()?;

    // A word with the number of a thread that is none.
    let ended = Task::start(|| Ok(()))?.process;
    word.set(ended.cast_unsigned());
    fails_with("FUTEX_LOCK_PI of an ended thread's lock", word.lock(), ESRCH)?;
    word.set(0);
    // SAFETY: misaligned, but inside the page; nothing is written.
    let odd = unsafe { syscall!(libc::SYS_futex, word.address() + 1, operation::LOCK_PI, 0, 0, 0, 0) };
    fails_with("FUTEX_LOCK_PI of a misaligned word", odd, EINVAL)?;
    // SAFETY: the kernel refuses the address.
    let unmapped = unsafe { syscall!(libc::SYS_futex, 8, operation::LOCK_PI, 0, 0, 0, 0) };
    fails_with("FUTEX_LOCK_PI at no address", unmapped, libc::EFAULT)?;
    let clock = word.futex(operation::LOCK_PI | operation::CLOCK_REALTIME, 0, None);
    fails_with("FUTEX_LOCK_PI with FUTEX_CLOCK_REALTIME", clock, ENOSYS)
}

/// Two that hold one lock each and want the other's: the one that closes the circle is told.
pub fn deadlock_is_told(_: &Context) -> CaseResult {
    lead(LEADER)?;
    let shared = Shared::new()?;
    let (mine, its) = (shared.word(LOCK), shared.word(LOCK + 1));
    available(mine)?;
    let other = Task::ready((SCHED_FIFO, 5), shared.word(GATE), || {
        succeeds("FUTEX_LOCK_PI", shared.word(LOCK + 1).lock())?;
        succeeds("FUTEX_LOCK_PI", shared.word(LOCK).lock())?;
        succeeds("FUTEX_UNLOCK_PI", shared.word(LOCK).unlock())?;
        succeeds("FUTEX_UNLOCK_PI", shared.word(LOCK + 1).unlock()).map(drop)
    })?;
    shared.word(GATE).open(1);
    other.until_asleep()?;
    fails_with("FUTEX_LOCK_PI that closes a circle", its.lock(), EDEADLK)?;
    succeeds("FUTEX_UNLOCK_PI", mine.unlock())?;
    other.finish()
}

/// `struct robust_list_head`: the list, offset of the words, the one that is being locked.
#[repr(C)]
struct RobustList {
    next: u64,
    offset: i64,
    pending: u64,
}

/// In a task, lists the lock as one that the kernel must give up when the task ends. One entry, elsewhere on the page;
/// its low bit says that it is of a lock with inheritance.
fn list(shared: &Shared, inherits: bool) -> CaseResult {
    let entry = shared.word(ENTRY).address();
    let offset = shared.word(LOCK).address().cast_signed() - entry.cast_signed();
    let head = Box::leak(Box::new(RobustList { next: entry | u64::from(inherits), offset, pending: 0 }));
    let address = std::ptr::from_mut(head);
    // SAFETY: the entry is a word of the page, which points back to the head; both live until the end.
    unsafe {
        (entry as *mut u64).write_volatile(address as u64);
        setup("set_robust_list", syscall!(libc::SYS_set_robust_list, address, size_of::<RobustList>()))
            .map(drop)
    }
}

/// A waiter gets a lock whose owner ends without unlocking, if the owner listed it, and is told so.
pub fn lock_of_a_dead_owner_is_passed_on(_: &Context) -> CaseResult {
    lead(LEADER)?;
    let shared = Shared::new()?;
    let word = shared.word(LOCK);
    available(word)?;
    succeeds("FUTEX_UNLOCK_PI", word.unlock())?;
    let owner = Task::ready((SCHED_OTHER, 0), shared.word(GATE), || {
        list(&shared, true)?;
        succeeds("FUTEX_LOCK_PI", shared.word(LOCK).lock())?;
        shared.word(RELEASE).wait_while(0);
        child::exit(0)
    })?;
    shared.word(GATE).open(1);
    owner.until_asleep()?;
    let waiter = Task::start(|| {
        let word = shared.word(LOCK);
        succeeds("FUTEX_LOCK_PI", word.lock())?;
        check_eq!(word.get() & FUTEX_TID_MASK, thread(), "the owner told by the word");
        check!(word.get() & FUTEX_OWNER_DIED != 0, "the word is {:#x}, without FUTEX_OWNER_DIED", word.get());
        succeeds("FUTEX_UNLOCK_PI", word.unlock()).map(drop)
    })?;
    waiter.until_asleep()?;
    shared.word(RELEASE).open(1);
    owner.finish()?;
    waiter.finish()
}

/// The same for a lock that programs keep themselves: the word says that its owner died, and one waiter is woken.
pub fn plain_lock_of_a_dead_owner_is_given_up(_: &Context) -> CaseResult {
    lead(LEADER)?;
    let shared = Shared::new()?;
    let owner = Task::ready((SCHED_OTHER, 0), shared.word(GATE), || {
        list(&shared, false)?;
        shared.word(LOCK).set(thread() | FUTEX_WAITERS);
        shared.word(RELEASE).wait_while(0);
        child::exit(0)
    })?;
    shared.word(GATE).open(1);
    owner.until_asleep()?;
    let held = shared.word(LOCK).get();
    let waiter = Task::start(|| {
        shared.word(LOCK).wait_while(held);
        Ok(())
    })?;
    waiter.until_asleep()?;
    shared.word(RELEASE).open(1);
    owner.finish()?;
    waiter.finish()?;
    let word = shared.word(LOCK).get();
    check_eq!(word & FUTEX_TID_MASK, 0, "the owner told by the word");
    check!(word & FUTEX_OWNER_DIED != 0, "the word is {word:#x}, without FUTEX_OWNER_DIED");
    check!(word & FUTEX_WAITERS != 0, "the word is {word:#x}, without FUTEX_WAITERS");
    Ok(())
}

/// FUTEX_LOCK_PI2 waits by the monotonic clock, or by the real-time clock if asked to.
pub fn lock_pi2_takes_either_clock(_: &Context) -> CaseResult {
    lead(LEADER)?;
    let shared = Shared::new()?;
    let word = shared.word(LOCK);
    let first = word.futex(operation::LOCK_PI2, 0, None);
    succeeds("FUTEX_LOCK_PI2 of a free lock", exists("futex(FUTEX_LOCK_PI2)", first)?)?;
    succeeds("FUTEX_UNLOCK_PI", word.unlock())?;
    let owner = holder(&shared)?;
    for (what, flag, clock) in [
        ("monotonic", 0, libc::CLOCK_MONOTONIC),
        ("real-time", operation::CLOCK_REALTIME, libc::CLOCK_REALTIME),
    ] {
        let end = crate::scheduling::clock(clock) + 20 * crate::scheduling::MILLISECOND;
        let timeout = [(end / 1_000_000_000) as i64, (end % 1_000_000_000) as i64];
        let locked = word.futex(operation::LOCK_PI2 | flag, 0, Some(timeout));
        fails_with(&format!("FUTEX_LOCK_PI2 by the {what} clock"), locked, ETIMEDOUT)?;
        let now = crate::scheduling::clock(clock);
        check!(now >= end, "FUTEX_LOCK_PI2 by the {what} clock came back {} ns early", end - now.min(end));
    }
    shared.word(RELEASE).open(1);
    owner.finish()
}

/// futex(2) with all its arguments.
fn requeue(from: Word<'_>, to: Word<'_>, wake: u32, requeue: u32, value: u32) -> Result<i64, Errno> {
    let operation = operation::CMP_REQUEUE_PI;
    // SAFETY: both words are shared memory; the fourth argument is a number here.
    unsafe { syscall!(libc::SYS_futex, from.address(), operation, wake, requeue, to.address(), value) }
}

fn wait_requeue(from: Word<'_>, to: Word<'_>, value: u32) -> Result<i64, Errno> {
    let operation = operation::WAIT_REQUEUE_PI;
    // SAFETY: both words are shared memory; there is no timeout.
    unsafe { syscall!(libc::SYS_futex, from.address(), operation, value, 0, to.address(), 0) }
}

/// Tasks that wait for the condition and want the lock then; each logs its number when it has that.
fn condition_waiters(shared: &Shared, priorities: &[i32]) -> Result<Vec<Task>, Stop> {
    let waiter = |(number, &priority): (usize, &i32)| {
        let task = Task::ready((SCHED_FIFO, priority), shared.word(GATE + 1), || {
            let waited = wait_requeue(shared.word(CONDITION), shared.word(LOCK), 0);
            succeeds("FUTEX_WAIT_REQUEUE_PI", waited)?;
            let owner = shared.word(LOCK).get() & FUTEX_TID_MASK;
            check_eq!(owner, thread(), "the owner when FUTEX_WAIT_REQUEUE_PI returned");
            shared.log(number as u32);
            succeeds("FUTEX_UNLOCK_PI", shared.word(LOCK).unlock()).map(drop)
        })?;
        shared.word(GATE + 1).open(1);
        task.until_asleep()?;
        shared.word(GATE + 1).set(0);
        Ok(task)
    };
    priorities.iter().enumerate().map(waiter).collect()
}

/// A free lock goes to the highest waiter at once; the others wait for it, by priority.
pub fn requeued_waiters_get_the_lock_by_priority(_: &Context) -> CaseResult {
    lead(LEADER)?;
    let shared = Shared::new()?;
    available(shared.word(LOCK))?;
    succeeds("FUTEX_UNLOCK_PI", shared.word(LOCK).unlock())?;
    let tasks = condition_waiters(&shared, &[10, 30, 20, 40])?;
    let moved = requeue(shared.word(CONDITION), shared.word(LOCK), 1, 2, 0);
    check_eq!(succeeds("FUTEX_CMP_REQUEUE_PI", moved)?, 3, "woken and requeued");
    // The fourth still waits for the condition.
    while shared.logged().len() < 3 {
        crate::scheduling::sleep(crate::scheduling::MILLISECOND);
    }
    check_eq!(shared.logged(), [3, 1, 2], "order in which the lock was had");
    let moved = requeue(shared.word(CONDITION), shared.word(LOCK), 1, i32::MAX.cast_unsigned(), 0);
    check_eq!(succeeds("FUTEX_CMP_REQUEUE_PI", moved)?, 1, "woken and requeued");
    tasks.into_iter().try_for_each(Task::finish)?;
    check_eq!(shared.logged(), [3, 1, 2, 0], "order in which the lock was had");
    Ok(())
}

/// Requeued to a lock that is held, a waiter lends its priority like any other.
pub fn requeued_waiter_lends_its_priority(_: &Context) -> CaseResult {
    lead(LEADER)?;
    let shared = Shared::new()?;
    let owner = holder(&shared)?;
    let tasks = condition_waiters(&shared, &[30])?;
    check_eq!(effective_priority(owner.process)?, 20, "priority of the owner before");
    let moved = requeue(shared.word(CONDITION), shared.word(LOCK), 1, 1, 0);
    check_eq!(succeeds("FUTEX_CMP_REQUEUE_PI", moved)?, 1, "woken and requeued");
    check_eq!(effective_priority(owner.process)?, realtime(30), "priority of the owner after");
    check_eq!(policy(owner.process), Ok(SCHED_OTHER.into()), "policy of the owner: its own");
    shared.word(RELEASE).open(1);
    owner.finish()?;
    tasks.into_iter().try_for_each(Task::finish)
}

pub fn requeue_errors_are_told(_: &Context) -> CaseResult {
    lead(LEADER)?;
    let shared = Shared::new()?;
    let (condition, lock) = (shared.word(CONDITION), shared.word(LOCK));
    available(lock)?;
    succeeds("FUTEX_UNLOCK_PI", lock.unlock())?;
    fails_with("a condition that changed", requeue(condition, lock, 1, 1, 7), EAGAIN)?;
    for wake in [0, 2] {
        let moved = requeue(condition, lock, wake, 1, 0);
        fails_with(&format!("FUTEX_CMP_REQUEUE_PI that wakes {wake}"), moved, EINVAL)?;
    }
    fails_with("FUTEX_CMP_REQUEUE_PI to the same word", requeue(lock, lock, 1, 1, 0), EINVAL)?;
    fails_with("FUTEX_WAIT_REQUEUE_PI with the same word", wait_requeue(lock, lock, 0), EINVAL)?;
    fails_with("FUTEX_WAIT_REQUEUE_PI of another value", wait_requeue(condition, lock, 7), EAGAIN)?;
    // A plain waiter does not expect to be given a lock.
    let plain = Task::ready((SCHED_FIFO, 10), shared.word(GATE), || {
        shared.word(CONDITION).wait_while(0);
        Ok(())
    })?;
    shared.word(GATE).open(1);
    plain.until_asleep()?;
    fails_with("FUTEX_CMP_REQUEUE_PI of a plain waiter", requeue(condition, lock, 1, 1, 0), EINVAL)?;
    condition.open(1);
    plain.finish()?;
    // One that expects it must not be woken without.
    condition.set(0);
    let tasks = condition_waiters(&shared, &[10])?;
    let woken = condition.futex(libc::FUTEX_WAKE, 1, None);
    fails_with("FUTEX_WAKE of one that waits for a requeue", woken, EINVAL)?;
    let other = shared.word(LOCK + 1);
    fails_with(
        "FUTEX_CMP_REQUEUE_PI to a lock it does not wait for",
        requeue(condition, other, 1, 1, 0),
        EINVAL,
    )?;
    succeeds("FUTEX_CMP_REQUEUE_PI", requeue(condition, lock, 1, 1, 0))?;
    tasks.into_iter().try_for_each(Task::finish)?;
    setup("sched_setscheduler", set_policy(0, SCHED_OTHER, 0)).map(drop)
}
