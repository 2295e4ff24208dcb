//! Real-time scheduling: SCHED_FIFO and SCHED_RR, priority inheritance, limits, latencies and locked memory.

use crate::{Case, CaseResult, Context, Need, Suite, cases, skip};

mod futex;
mod inheritance;
mod kernel;
mod latency;
mod limits;
mod memory;
mod order;
mod owners;
mod rules;

use {futex::*, inheritance::*, kernel::*, latency::*, limits::*, memory::*, order::*, owners::*, rules::*};

pub const SUITE: Suite = Suite {
    name: "realtime",
    about: "SCHED_FIFO and SCHED_RR, priority inheritance, latencies in virtual time, real-time kernels",
    needs: &[],
    cases: CASES,
};

/// For cases that measure: on a loaded host a guest's clock runs while its processor does not.
fn in_virtual_time(context: &Context) -> CaseResult {
    if !context.exact {
        skip!("wrong mode: judged in virtual time only");
    }
    Ok(())
}

const EXACT: Need = Need::Exact;
const PI: Need = Need::Config("FUTEX_PI");
const RT: Need = Need::Config("PREEMPT_RT");
const THROTTLING: Need =
    Need::Before { major: 6, minor: 12, what: "throttling of real-time tasks by sched_rt_runtime_us" };
const SERVER: Need = Need::Since { major: 6, minor: 12, what: "the fair server" };
const LOCK_PI2: Need = Need::Since { major: 5, minor: 14, what: "FUTEX_LOCK_PI2" };
const POPULATE: Need = Need::Since { major: 5, minor: 14, what: "MADV_POPULATE_WRITE" };
const KTIMERS: Need = Need::Since { major: 6, minor: 1, what: "threads for timers" };

const CASES: &[Case] = cases! {
    priority_limits_are_obeyed: "sched_get_priority_min(2); sched_setscheduler(2) ERRORS: EINVAL";
    unknown_policy_is_refused: "sched_setscheduler(2), sched_get_priority_min(2) ERRORS: EINVAL";
    bad_process_or_pointer_is_refused: "sched_setscheduler(2), sched_setparam(2) ERRORS: EINVAL, ESRCH";
    parameter_changes_keep_the_policy: "sched_setparam(2)";
    unprivileged_user_needs_an_rtprio_limit: "sched(7): Privileges and resource limits, RLIMIT_RTPRIO";
    unprivileged_user_cannot_change_others: "sched(7): Privileges and resource limits, effective user ID";
    policy_is_changed_by_its_owner_only: "sched_setscheduler(2) ERRORS: EPERM; sched(7): Privileges and resource limits";
    affinity_is_changed_by_its_owner_only: "sched_setaffinity(2) ERRORS: EPERM, effective user ID or CAP_SYS_NICE";
    nice_value_is_changed_by_its_owner_only: "setpriority(2) ERRORS: EPERM, effective user ID or CAP_SYS_NICE; NOTES";
    capability_decides_over_everybody: "capabilities(7) CAP_SYS_NICE: for arbitrary processes";
    child_inherits_policy_and_priority: "sched_setscheduler(2), sched(7): inherited by a child";
    reset_on_fork_gives_a_normal_child: "sched(7): Resetting scheduling policy for child processes";
    unprivileged_user_cannot_clear_reset_on_fork: "sched(7): the reset-on-fork flag, CAP_SYS_NICE";
    policy_is_the_threads_own: "sched(7): scheduling policy and priority are of a thread";
    exec_keeps_the_policy: "sched(7): preserved across execve(2)";
    rt_limits_are_checked: "scheduler/sched-rt-group.rst, section 2.1: ranges of the settings";
    quantum_is_told_and_can_be_set: "sched_rr_get_interval(2); sched(7): sched_rr_timeslice_ms";

    higher_priority_runs_first: "sched(7): the highest static priority is selected";
    equal_priorities_run_in_the_order_they_woke: "sched(7) SCHED_FIFO: inserted at the end of the list";
    woken_task_preempts_a_lower_priority_only: "sched(7) SCHED_FIFO: preempts any lower priority at once";
    yield_lets_equals_run_in_turn: "sched_yield(2): moved to the end of the queue for its priority";
    yield_does_not_let_a_lower_priority_run: "sched_yield(2): the only thread in the highest priority list";
    preempted_task_stays_at_the_head: "sched(7) SCHED_FIFO: a preempted thread stays at the head of its list";
    changed_priority_moves_a_task_as_promised: "sched(7) SCHED_FIFO: raised, unchanged or lowered priority";
    changed_policy_takes_effect_at_once: "sched_setscheduler(2); sched(7)";
    lowering_ones_own_priority_lets_others_run: "sched_setparam(2); sched(7)";
    round_robin_takes_turns_of_a_quantum: "sched(7) SCHED_RR: the maximum time quantum", needs [EXACT];
    fifo_has_no_quantum: "sched(7) SCHED_FIFO: without time slicing", needs [EXACT];
    normal_task_waits_for_a_realtime_one: "sched(7): SCHED_OTHER at static priority 0", needs [EXACT];

    owner_inherits_the_highest_priority_waiting: "futex(2) Priority-inheritance futexes; locking/rt-mutex.rst", needs [PI];
    inherited_priority_ends_with_the_unlock: "futex(2) FUTEX_UNLOCK_PI; locking/rt-mutex.rst", needs [PI];
    each_lock_brings_its_own_priority: "locking/rt-mutex-design.rst: the owner's tree of top waiters", needs [PI];
    priority_goes_through_a_chain_of_locks: "futex(2): inheritance is transitive; locking/rt-mutex-design.rst", needs [PI];
    inherited_priority_follows_the_waiter: "locking/rt-mutex-design.rst; sched_setscheduler(2)", needs [PI];
    inherited_priority_ends_with_the_waiters_patience: "futex(2) FUTEX_LOCK_PI: the timeout, ETIMEDOUT", needs [PI];
    lock_goes_to_the_highest_priority: "futex(2) Priority-inheritance futexes; locking/rt-mutex.rst", needs [PI];
    inversion_is_bounded: "futex(2): priority inversion; locking/pi-futex.rst", needs [EXACT, PI];

    lock_holds_its_owners_number: "futex(2): the policy of the futex word, FUTEX_WAITERS", needs [PI];
    lock_errors_are_told: "futex(2) ERRORS: EAGAIN, EDEADLK, EINVAL, ENOSYS, EPERM, ESRCH, ETIMEDOUT", needs [PI];
    deadlock_is_told: "futex(2) ERRORS: EDEADLK", needs [PI];
    plain_lock_of_a_dead_owner_is_given_up: "get_robust_list(2); locking/robust-futex-ABI.rst: FUTEX_OWNER_DIED, one waiter is woken", needs [Need::Config("FUTEX")];
    lock_of_a_dead_owner_is_passed_on: "futex(2) FUTEX_OWNER_DIED; get_robust_list(2)", needs [PI];
    lock_pi2_takes_either_clock: "futex(2) FUTEX_LOCK_PI2, since Linux 5.14", needs [PI, LOCK_PI2];
    requeued_waiters_get_the_lock_by_priority: "futex(2) FUTEX_CMP_REQUEUE_PI; locking/futex-requeue-pi.rst", needs [PI];
    requeued_waiter_lends_its_priority: "futex(2) FUTEX_CMP_REQUEUE_PI; locking/futex-requeue-pi.rst", needs [PI];
    requeue_errors_are_told: "futex(2) ERRORS: EAGAIN, EINVAL of FUTEX_CMP_REQUEUE_PI", needs [PI];

    realtime_hog_leaves_a_share_to_normal_tasks: "sched(7): Limiting the CPU usage of real-time processes", needs [EXACT];
    throttling_obeys_its_limits: "scheduler/sched-rt-group.rst: sched_rt_period_us, sched_rt_runtime_us", needs [EXACT, THROTTLING];
    fair_server_obeys_its_limits: "scheduler/sched-debug.rst: the fair server's runtime and period", needs [EXACT, SERVER];
    limit_of_minus_one_turns_throttling_off: "sched(7): sched_rt_runtime_us of -1", needs [EXACT, THROTTLING];
    cpu_time_limit_is_enforced: "getrlimit(2) RLIMIT_RTTIME: SIGXCPU and SIGKILL";
    sleeping_resets_the_cpu_time_limit: "getrlimit(2) RLIMIT_RTTIME: a blocking call resets the count", needs [EXACT];

    timer_wakes_a_realtime_task_in_time: "clock_nanosleep(2); sched(7)", needs [EXACT];
    normal_task_wakes_a_realtime_one_in_time: "sched(7): a higher priority that becomes ready preempts", needs [EXACT];
    timer_slack_is_for_normal_tasks_only: "PR_SET_TIMERSLACK(2const): not applied to real-time threads", needs [EXACT];
    unlock_hands_over_in_time: "futex(2) FUTEX_UNLOCK_PI", needs [EXACT, PI];
    realtime_kernel_preempts_itself: "CONFIG_PREEMPT_RT: preemptible but for selected critical sections", needs [EXACT, RT, POPULATE];

    locked_memory_is_present_and_counted: "mlock(2), munlock(2); proc_pid_status(5) VmLck";
    lock_on_fault_waits_for_the_touch: "mlock(2) MLOCK_ONFAULT; ERRORS: EINVAL";
    lock_of_memory_that_is_not_there_is_refused: "mlock(2) ERRORS: ENOMEM, EINVAL";
    unprivileged_locks_are_limited_to_the_page: "mlock(2) ERRORS: ENOMEM, EPERM; RLIMIT_MEMLOCK";
    mlockall_locks_what_is_and_what_comes: "mlock(2) MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT; munlockall";
    child_does_not_inherit_locks: "mlock(2) NOTES: not inherited by a child";
    locked_memory_cannot_be_discarded: "madvise(2) MADV_DONTNEED: EINVAL for locked pages";

    realtime_kernel_says_so: "CONFIG_PREEMPT_RT; /sys/kernel/realtime", needs [RT];
    other_kernel_does_not_claim_to_be_realtime: "CONFIG_PREEMPT_RT; /sys/kernel/realtime";
    interrupts_run_in_threads: "CONFIG_PREEMPT_RT: forced interrupt threading, SCHED_FIFO 50", needs [RT];
    timers_run_in_threads: "CONFIG_PREEMPT_RT: ktimers threads", needs [RT, KTIMERS];
};
