//! Who runs first (sched(7), SCHED_FIFO and SCHED_RR). All tasks are on one CPU and log when they run; the case
//! leads them with a priority above theirs.

use crate::case::{CaseResult, setup, succeeds};
use crate::scheduling::{MILLISECOND, Shared, Task, compute_for, lead, now, set_policy, set_priority, sleep};
use crate::{Context, check, check_eq};
use libc::{SCHED_FIFO, SCHED_OTHER, SCHED_RR};

const LEADER: i32 = 50;
/// Words of the shared page: what the tasks wait for.
const GATE: usize = 0;

/// Tasks with these policies and priorities, asleep at gates of their own; each logs its number when it is let
/// through, then goes on with what is to be done.
fn at_gates(
    shared: &Shared,
    tasks: &[(i32, i32)],
    and_then: fn(&Shared, u32) -> CaseResult,
) -> Result<Vec<Task>, crate::Stop> {
    let ready = |(number, &kind): (usize, &(i32, i32))| {
        Task::ready(kind, shared.word(GATE + number), || {
            shared.log(number as u32);
            and_then(shared, number as u32)
        })
    };
    tasks.iter().enumerate().map(ready).collect()
}

/// Lets all tasks through in this order, without letting any run meanwhile; then waits for their ends.
fn release(shared: &Shared, order: &[usize], tasks: Vec<Task>) -> CaseResult {
    for &number in order {
        shared.word(GATE + number).open(1);
    }
    tasks.into_iter().try_for_each(Task::finish)
}

/// What a released task does when only its turn counts.
fn nothing(_: &Shared, _: u32) -> CaseResult {
    Ok(())
}

pub fn higher_priority_runs_first(_: &Context) -> CaseResult {
    lead(LEADER)?;
    for (first, second) in [(SCHED_FIFO, SCHED_FIFO), (SCHED_FIFO, SCHED_RR), (SCHED_RR, SCHED_FIFO)] {
        let shared = Shared::new()?;
        let tasks = at_gates(&shared, &[(first, 10), (second, 30), (first, 11), (second, 49)], nothing)?;
        release(&shared, &[0, 1, 2, 3], tasks)?;
        check_eq!(shared.logged(), [3, 1, 2, 0], "order of tasks with priorities 10, 30, 11 and 49");
    }
    Ok(())
}

pub fn equal_priorities_run_in_the_order_they_woke(_: &Context) -> CaseResult {
    lead(LEADER)?;
    for order in [[0, 1, 2], [2, 0, 1], [1, 2, 0]] {
        let shared = Shared::new()?;
        let tasks = at_gates(&shared, &[(SCHED_FIFO, 10), (SCHED_FIFO, 10), (SCHED_FIFO, 10)], nothing)?;
        release(&shared, &order, tasks)?;
        check_eq!(shared.logged(), order.map(|number| number as u32), "order of tasks woken {order:?}");
    }
    Ok(())
}

/// Task 0 wakes another while it runs and goes on: only a higher priority gets in between.
pub fn woken_task_preempts_a_lower_priority_only(_: &Context) -> CaseResult {
    const BEGIN: u32 = 10;
    const END: u32 = 11;
    lead(LEADER)?;
    let shared = Shared::new()?;
    for (priority, expected) in [(21, [0, BEGIN, 1, END]), (20, [0, BEGIN, END, 1]), (19, [0, BEGIN, END, 1])]
    {
        shared.clear_log();
        shared.word(GATE).set(0);
        shared.word(GATE + 1).set(0);
        let tasks = at_gates(&shared, &[(SCHED_FIFO, 20), (SCHED_FIFO, priority)], |shared, number| {
            if number == 0 {
                shared.log(BEGIN);
                shared.word(GATE + 1).open(1);
                compute_for(5 * MILLISECOND);
                shared.log(END);
            }
            Ok(())
        })?;
        release(&shared, &[0], tasks)?;
        check_eq!(shared.logged(), expected, "order when priority 20 wakes priority {priority}");
    }
    Ok(())
}

fn yield_three_times(shared: &Shared, number: u32) -> CaseResult {
    for _ in 0..3 {
        // SAFETY: no arguments.
        unsafe { libc::sched_yield() };
        shared.log(number);
    }
    Ok(())
}

pub fn yield_lets_equals_run_in_turn(_: &Context) -> CaseResult {
    lead(LEADER)?;
    let shared = Shared::new()?;
    let tasks = at_gates(&shared, &[(SCHED_FIFO, 10); 3], yield_three_times)?;
    release(&shared, &[0, 1, 2], tasks)?;
    check_eq!(shared.logged(), [0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2], "order of three that yield");
    Ok(())
}

pub fn yield_does_not_let_a_lower_priority_run(_: &Context) -> CaseResult {
    lead(LEADER)?;
    let shared = Shared::new()?;
    let tasks = at_gates(&shared, &[(SCHED_FIFO, 9), (SCHED_FIFO, 10)], yield_three_times)?;
    release(&shared, &[0, 1], tasks)?;
    check_eq!(shared.logged(), [1, 1, 1, 1, 0, 0, 0, 0], "order of two priorities that yield");
    Ok(())
}

/// Task 0 runs and is preempted by the leader, who returns to sleep: task 0 must go on before its equal.
pub fn preempted_task_stays_at_the_head(_: &Context) -> CaseResult {
    lead(LEADER)?;
    let shared = Shared::new()?;
    let tasks = at_gates(&shared, &[(SCHED_FIFO, 10), (SCHED_FIFO, 10)], |shared, number| {
        for _ in 0..10 {
            compute_for(2 * MILLISECOND);
            shared.log(number);
        }
        Ok(())
    })?;
    shared.word(GATE).open(1);
    shared.word(GATE + 1).open(1);
    // Comes back in the midst of task 0, several times.
    for _ in 0..5 {
        sleep(3 * MILLISECOND);
    }
    tasks.into_iter().try_for_each(Task::finish)?;
    let expected: Vec<u32> = [[0; 11], [1; 11]].concat();
    check_eq!(shared.logged(), expected, "order of two equals of which the first was preempted");
    Ok(())
}

/// While both are ready and none runs, the priority of one is changed by the leader.
pub fn changed_priority_moves_a_task_as_promised(_: &Context) -> CaseResult {
    lead(LEADER)?;
    for (what, first, second, change, expected) in [
        ("raised to that of another: behind it", 10, 11, (0, 11), [1, 0]),
        ("lowered to that of another: before it", 11, 10, (0, 10), [0, 1]),
        ("lowered to that of one that came before: before it", 10, 11, (1, 10), [1, 0]),
        ("set to what it is: where it was", 10, 10, (0, 10), [0, 1]),
        ("raised above another: before it", 10, 11, (0, 12), [0, 1]),
        ("lowered below another: behind it", 11, 10, (0, 9), [1, 0]),
    ] {
        let shared = Shared::new()?;
        let tasks = at_gates(&shared, &[(SCHED_FIFO, first), (SCHED_FIFO, second)], nothing)?;
        shared.word(GATE).open(1);
        shared.word(GATE + 1).open(1);
        let (number, priority) = change;
        let changed: &Task = &tasks[number];
        succeeds("sched_setparam", set_priority(changed.process, priority))?;
        tasks.into_iter().try_for_each(Task::finish)?;
        check_eq!(shared.logged(), expected, "order when a priority was {what}");
    }
    Ok(())
}

/// A task that becomes real-time while it is ready goes before those that are not, at once; and the other way.
pub fn changed_policy_takes_effect_at_once(_: &Context) -> CaseResult {
    lead(LEADER)?;
    let shared = Shared::new()?;
    let tasks = at_gates(&shared, &[(SCHED_OTHER, 0), (SCHED_OTHER, 0), (SCHED_FIFO, 5)], nothing)?;
    for number in 0..3 {
        shared.word(GATE + number).open(1);
    }
    let (promoted, demoted) = (tasks[1].process, tasks[2].process);
    succeeds("SCHED_FIFO for a ready task", set_policy(promoted, SCHED_FIFO, 1))?;
    succeeds("SCHED_IDLE for a ready task", set_policy(demoted, libc::SCHED_IDLE, 0))?;
    tasks.into_iter().try_for_each(Task::finish)?;
    check_eq!(
        shared.logged().first().copied(),
        Some(1),
        "first of the ready tasks: the one that was promoted"
    );
    Ok(())
}

/// The case itself sets its priority below that of a ready task: it must not go on before that.
pub fn lowering_ones_own_priority_lets_others_run(_: &Context) -> CaseResult {
    lead(LEADER)?;
    let shared = Shared::new()?;
    let tasks = at_gates(&shared, &[(SCHED_FIFO, 20), (SCHED_FIFO, 10)], nothing)?;
    shared.word(GATE).open(1);
    shared.word(GATE + 1).open(1);
    check_eq!(shared.logged(), [0u32; 0], "tasks that ran beside their leader");
    setup("sched_setparam", set_priority(0, 15))?;
    check_eq!(shared.logged(), [0], "tasks that ran when the leader went from 50 to 15");
    setup("sched_setparam", set_priority(0, 5))?;
    check_eq!(shared.logged(), [0, 1], "tasks that ran when the leader went from 15 to 5");
    tasks.into_iter().try_for_each(Task::finish)
}

/// Two SCHED_RR hogs log the moments of their turns; in virtual time, because a quantum is counted in ticks.
pub fn round_robin_takes_turns_of_a_quantum(context: &Context) -> CaseResult {
    const QUANTUM: u64 = 20;
    const END: usize = 8;
    super::in_virtual_time(context)?;
    lead(LEADER)?;
    let knob = "/proc/sys/kernel/sched_rr_timeslice_ms";
    std::fs::write(knob, QUANTUM.to_string())
        .map_err(|error| crate::Stop::Skip(format!("no {knob}: {error}")))?;
    let shared = Shared::new()?;
    let tasks = at_gates(&shared, &[(SCHED_RR, 10), (SCHED_RR, 10)], |shared, number| {
        let mut last = now();
        while shared.word(END).get() == 0 {
            compute_for(100_000);
            let this = now();
            // A gap in this task's time is the other's turn.
            if this - last > 2 * MILLISECOND {
                shared.log(100 * number + ((this - last) / MILLISECOND) as u32);
            }
            last = this;
        }
        Ok(())
    })?;
    shared.word(GATE).open(1);
    shared.word(GATE + 1).open(1);
    sleep(12 * QUANTUM * MILLISECOND);
    shared.word(END).set(1);
    tasks.into_iter().try_for_each(Task::finish)?;
    let logged = shared.logged();
    // The first entries say who began; the leader's return cuts the last turns.
    let turns: Vec<u32> = logged.iter().copied().skip(3).collect();
    check!(turns.len() >= 7, "in 12 quanta there were only these turns: {logged:?}");
    for pair in turns.windows(2) {
        check!(pair[0] / 100 != pair[1] / 100, "no turns taken: {logged:?}");
    }
    for turn in &turns[..6] {
        let milliseconds = u64::from(turn % 100);
        check!(milliseconds.abs_diff(QUANTUM) <= 10, "turns of other than {QUANTUM} ms: {logged:?}");
    }
    Ok(())
}

/// SCHED_FIFO has no quantum: of two equals the first runs to its end, however long that takes.
pub fn fifo_has_no_quantum(context: &Context) -> CaseResult {
    super::in_virtual_time(context)?;
    lead(LEADER)?;
    let shared = Shared::new()?;
    let tasks =
        at_gates(&shared, &[(SCHED_FIFO, 10), (SCHED_FIFO, 10), (SCHED_RR, 10)], |shared, number| {
            if number == 0 {
                compute_for(250 * MILLISECOND);
                shared.log(9);
            }
            Ok(())
        })?;
    release(&shared, &[0, 1, 2], tasks)?;
    check_eq!(shared.logged(), [0, 9, 1, 2], "order, where 9 is the end of a long turn");
    Ok(())
}

/// Normal tasks, whatever their nice value, wait for real-time ones.
pub fn normal_task_waits_for_a_realtime_one(context: &Context) -> CaseResult {
    super::in_virtual_time(context)?;
    lead(LEADER)?;
    let shared = Shared::new()?;
    let tasks = at_gates(&shared, &[(SCHED_OTHER, 0), (SCHED_FIFO, 1), (SCHED_RR, 1)], |shared, number| {
        if number > 0 {
            compute_for(50 * MILLISECOND);
            shared.log(9);
        }
        Ok(())
    })?;
    // SAFETY: no pointers.
    let nice =
        unsafe { crate::syscall!(libc::SYS_setpriority, libc::PRIO_PROCESS, tasks[0].process, -20i32) };
    setup("setpriority", nice)?;
    release(&shared, &[0, 1, 2], tasks)?;
    check_eq!(shared.logged(), [1, 9, 2, 9, 0], "order, where 9 is the end of a real-time task");
    Ok(())
}
