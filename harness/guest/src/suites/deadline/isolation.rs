//! What deadline tasks do to each other and to all others, on one CPU and in virtual time.

use super::enforcement::{PERIODS, QUARTER, TICK, hog};
use super::in_virtual_time;
use super::support::{Attributes, RECLAIM};
use crate::case::{CaseResult, Stop, exists, setup, succeeds};
use crate::scheduling::{MILLISECOND, Shared, Task, compute, compute_for, now, set_policy, used};
use crate::sys::check as result_of;
use crate::{Context, check, skip};
use libc::{SCHED_FIFO, SCHED_OTHER};

/// Words of the shared page.
const END: usize = 0;
const USED: usize = 1;
const GATE: usize = 2;

/// Deadline tasks may not be bound to a CPU, so there must be only one for them to meet.
fn on_one_cpu(context: &Context) -> CaseResult {
    in_virtual_time(context)?;
    if std::thread::available_parallelism().is_ok_and(|count| count.get() > 1) {
        skip!("wrong mode: judged on a machine with one CPU");
    }
    Ok(())
}

fn become_deadline(attributes: &Attributes) -> CaseResult {
    succeeds("SCHED_DEADLINE", exists("sched_setattr", attributes.set(0))?).map(drop)
}

/// Becomes a deadline task and lets the rivals begin, which would keep this process from it otherwise.
fn begin(shared: &Shared, attributes: &Attributes) -> CaseResult {
    become_deadline(attributes)?;
    shared.word(GATE).open(1);
    Ok(())
}

/// Takes all it can get until the end; tells the milliseconds it got.
fn compete(shared: &Shared) -> CaseResult {
    shared.word(GATE).wait_while(0);
    while shared.word(END).get() == 0 {
        compute();
        shared.word(USED).set((used() / MILLISECOND) as u32);
    }
    Ok(())
}

/// A task of another policy that competes.
fn rival(shared: &Shared, policy: i32, priority: i32) -> Result<Task, Stop> {
    Task::start(|| {
        setup("sched_setscheduler", set_policy(0, policy, priority))?;
        compete(shared)
    })
}

/// A deadline task that competes.
fn deadline_rival(shared: &Shared, attributes: Attributes) -> Result<Task, Stop> {
    Task::start(move || {
        become_deadline(&attributes)?;
        compete(shared)
    })
}

/// Runs the body in a task of its own, then ends the rivals.
fn beside(shared: &Shared, rivals: Vec<Task>, body: impl FnOnce() -> CaseResult) -> CaseResult {
    let verdict = crate::child::isolated(|| {
        let result = body();
        // Also when it did not come to let the rivals begin.
        shared.word(END).set(1);
        shared.word(GATE).open(1);
        result
    });
    rivals.into_iter().try_for_each(Task::finish)?;
    verdict
}

fn yield_now() -> CaseResult {
    // SAFETY: no arguments.
    setup("sched_yield", result_of(unsafe { libc::sched_yield() }.into())).map(drop)
}

/// SCHED_DEADLINE is above every static priority.
pub fn budget_is_kept_against_a_fifo_hog(context: &Context) -> CaseResult {
    on_one_cpu(context)?;
    let shared = Shared::new()?;
    let rivals = vec![rival(&shared, SCHED_FIFO, 99)?];
    beside(&shared, rivals, || {
        begin(&shared, &QUARTER)?;
        let used = hog();
        let least = (PERIODS - 1) * QUARTER.runtime - TICK;
        check!(used >= least, "beside SCHED_FIFO 99, {used} ns of the due {least} ns were given");
        Ok(())
    })
}

/// A task with long budget and deadline runs half of all time; one with an earlier deadline must never wait for it.
pub fn earlier_deadline_runs_first(context: &Context) -> CaseResult {
    const WORK: u64 = 5 * MILLISECOND;
    on_one_cpu(context)?;
    let long = Attributes::deadline(100 * MILLISECOND, 200 * MILLISECOND, 200 * MILLISECOND);
    let short = Attributes::deadline(10 * MILLISECOND, 50 * MILLISECOND, 100 * MILLISECOND);
    let shared = Shared::new()?;
    let rivals = vec![deadline_rival(&shared, long)?];
    beside(&shared, rivals, || {
        begin(&shared, &short)?;
        for _ in 0..6 {
            yield_now()?;
            let start = now();
            compute_for(WORK);
            let took = now() - start;
            check!(
                took <= WORK + 2 * MILLISECOND,
                "{took} ns passed for {WORK} ns of work beside a task with a later deadline"
            );
        }
        Ok(())
    })
}

/// Jobs of 8 ms every 60 ms, due after 30 ms, beside everything that may compete.
pub fn jobs_meet_their_deadlines_under_load(context: &Context) -> CaseResult {
    on_one_cpu(context)?;
    let job = Attributes::deadline(10 * MILLISECOND, 30 * MILLISECOND, 60 * MILLISECOND);
    let other = Attributes::deadline(40 * MILLISECOND, 100 * MILLISECOND, 100 * MILLISECOND);
    let shared = Shared::new()?;
    let rivals = vec![
        rival(&shared, SCHED_OTHER, 0)?,
        deadline_rival(&shared, other)?,
        rival(&shared, SCHED_FIFO, 99)?,
    ];
    beside(&shared, rivals, || {
        begin(&shared, &job)?;
        yield_now()?;
        let first = now();
        for number in 0..8 {
            let release = first + number * job.period;
            compute_for(8 * MILLISECOND);
            let end = now() - release;
            check!(
                end <= job.deadline,
                "job {number} ended {end} ns after its release, due {} ns",
                job.deadline
            );
            yield_now()?;
            let next = now();
            let late = next.abs_diff(release + job.period);
            check!(
                late <= job.deadline,
                "the period after job {number} began {late} ns away from its moment"
            );
        }
        Ok(())
    })
}

/// The budget is one for each period, not for each deadline.
pub fn budget_is_one_for_each_period(context: &Context) -> CaseResult {
    in_virtual_time(context)?;
    let constrained = Attributes::deadline(5 * MILLISECOND, 10 * MILLISECOND, 100 * MILLISECOND);
    crate::child::isolated(|| {
        become_deadline(&constrained)?;
        let (start, before) = (now(), used());
        while now() - start < 500 * MILLISECOND {
            compute();
        }
        let used = used() - before;
        let most = 6 * constrained.runtime + TICK;
        check!(
            used <= most,
            "a hog with a deadline before its period used {used} ns, {most} ns at most were due"
        );
        let least = 4 * constrained.runtime - TICK;
        check!(used >= least, "a hog with a deadline before its period used {used} ns, {least} ns were due");
        Ok(())
    })
}

/// A task that sleeps for moments gets no new budget by that.
pub fn wakeups_bring_no_new_budget(context: &Context) -> CaseResult {
    in_virtual_time(context)?;
    let tenth = Attributes::deadline(10 * MILLISECOND, 100 * MILLISECOND, 100 * MILLISECOND);
    crate::child::isolated(|| {
        become_deadline(&tenth)?;
        let (start, before) = (now(), used());
        while now() - start < 500 * MILLISECOND {
            compute_for(MILLISECOND);
            crate::scheduling::sleep(200_000);
        }
        let used = used() - before;
        let most = 6 * tenth.runtime + TICK;
        check!(used <= most, "a task that sleeps in between used {used} ns, {most} ns at most were due");
        Ok(())
    })
}

/// Nine tenths of the CPU are admitted; what is left is for all others, and they must get it.
pub fn admitted_hog_starves_nobody(context: &Context) -> CaseResult {
    on_one_cpu(context)?;
    let most = Attributes::deadline(90 * MILLISECOND, 100 * MILLISECOND, 100 * MILLISECOND);
    for (policy, priority) in [(SCHED_OTHER, 0), (SCHED_FIFO, 1)] {
        // The bandwidth of a task that left is given back at its zero-lag time (sched-deadline.rst 2.2), not at once.
        std::thread::sleep(std::time::Duration::from_millis(300));
        let shared = Shared::new()?;
        let rivals = vec![rival(&shared, policy, priority)?];
        beside(&shared, rivals, || {
            begin(&shared, &most)?;
            let before = shared.word(USED).get();
            let start = now();
            while now() - start < 600 * MILLISECOND {
                compute();
            }
            let got = shared.word(USED).get() - before;
            check!(got >= 25, "beside a hog of nine tenths, policy {policy} got {got} of 600 ms");
            check!(got <= 110, "beside a hog of nine tenths, policy {policy} got {got} of 600 ms");
            Ok(())
        })?;
    }
    Ok(())
}

/// Alone, a task with SCHED_FLAG_RECLAIM gets what nobody else was admitted for; not all of it.
pub fn reclaiming_hog_gets_unused_bandwidth(context: &Context) -> CaseResult {
    on_one_cpu(context)?;
    let shared = Shared::new()?;
    let rivals = vec![rival(&shared, SCHED_OTHER, 0)?];
    beside(&shared, rivals, || {
        begin(&shared, &QUARTER.flags(RECLAIM))?;
        let used = hog();
        let whole = PERIODS * QUARTER.period;
        check!(used * 10 >= whole * 6, "a reclaiming hog used {used} ns of {whole} ns that nobody else had");
        check!(
            used * 100 <= whole * 98,
            "a reclaiming hog used {used} of {whole} ns, nothing is left to others"
        );
        Ok(())
    })
}

pub fn reclaiming_leaves_others_their_budget(context: &Context) -> CaseResult {
    on_one_cpu(context)?;
    let other = Attributes::deadline(30 * MILLISECOND, 80 * MILLISECOND, 80 * MILLISECOND);
    let shared = Shared::new()?;
    let reclaiming = deadline_rival(&shared, QUARTER.flags(RECLAIM))?;
    beside(&shared, vec![reclaiming], || {
        begin(&shared, &other)?;
        let used = hog();
        let least = (PERIODS - 1) * other.runtime - TICK;
        check!(used >= least, "beside a reclaiming hog, {used} ns of the due {least} ns were given");
        let most = (PERIODS + 1) * other.runtime + TICK;
        check!(used <= most, "a hog that does not reclaim used {used} ns, {most} ns were its due");
        Ok(())
    })
}
