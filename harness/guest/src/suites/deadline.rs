//! SCHED_DEADLINE: sched_setattr(2), sched_getattr(2), admission and enforcement.
//!
//! The document is Documentation/scheduler/sched-deadline.rst of the kernel tree.

use crate::{Case, CaseResult, Context, Need, Suite, skip};

mod admission;
mod attributes;
mod enforcement;
mod inheritance;
mod isolation;
mod lending;
mod parameters;
mod partition;
mod support;

pub const SUITE: Suite = Suite {
    name: "deadline",
    about: "SCHED_DEADLINE: its parameters, admission control and enforcement",
    needs: &[],
    cases: CASES,
};

const fn case(name: &'static str, cites: &'static str, run: fn(&Context) -> CaseResult) -> Case {
    Case { name, cites, needs: &[], files: &[], splats: &[], run }
}

/// Judged in virtual time only: on a loaded host a guest's clock runs while its processor does not.
const fn exact(name: &'static str, cites: &'static str, run: fn(&Context) -> CaseResult) -> Case {
    Case { needs: &[Need::Exact], ..case(name, cites, run) }
}

/// Through futexes with priority inheritance.
const fn lending(name: &'static str, cites: &'static str, run: fn(&Context) -> CaseResult) -> Case {
    Case { needs: &[Need::Config("FUTEX_PI")], ..case(name, cites, run) }
}

const PARTITIONS: &[Need] = &[
    Need::Config("CGROUPS"),
    Need::Config("CPUSETS"),
    Need::Cpus(2),
    Need::Since {
        major: 6,
        minor: 1,
        what: "partitions that leave per-CPU workers where they are (5.10 warns)",
    },
];

fn in_virtual_time(context: &Context) -> CaseResult {
    if !context.exact {
        skip!("wrong mode: budgets are judged in exact mode only");
    }
    Ok(())
}

const CASES: &[Case] = &[
    case(
        "what_was_set_is_read_back",
        "sched_setattr(2); sched_getattr(2)",
        parameters::what_was_set_is_read_back,
    ),
    case(
        "runtime_deadline_period_out_of_order_are_refused",
        "sched(7): sched_runtime <= sched_deadline <= sched_period",
        parameters::order,
    ),
    case(
        "runtime_below_1024_ns_is_refused",
        "sched(7): parameters under 1024 are not accepted",
        parameters::smallest_runtime,
    ),
    case(
        "period_outside_the_limits_is_refused",
        "sched-deadline.rst; sysctl kernel.sched_deadline_period_{min,max}_us",
        parameters::period_limits,
    ),
    case(
        "old_interface_cannot_make_a_deadline_task",
        "sched_setscheduler(2): EINVAL; sched_get_priority_max(2)",
        parameters::old_interface,
    ),
    case("unknown_flag_is_refused", "sched_setattr(2) ERRORS: EINVAL", attributes::unknown_flags),
    case(
        "attribute_size_is_negotiated",
        "sched_setattr(2) ERRORS: E2BIG, the size field is updated",
        attributes::set_sizes,
    ),
    case(
        "priority_of_a_deadline_task_is_refused",
        "sched(7): static priority 0 for all but SCHED_FIFO and SCHED_RR",
        attributes::priority_is_refused,
    ),
    Case {
        needs: &[Need::Since {
            major: 6,
            minor: 1,
            what: "SCHED_FLAG_KEEP_PARAMS that does not warn (5.10 does, in switched_from_dl)",
        }],
        ..case(
            "keep_flags_keep_policy_and_parameters",
            "include/uapi/linux/sched.h: SCHED_FLAG_KEEP_POLICY, SCHED_FLAG_KEEP_PARAMS",
            attributes::keep_flags,
        )
    },
    Case {
        needs: &[Need::Since { major: 5, minor: 3, what: "utilization clamps" }],
        ..case(
            "utilization_clamps_need_their_fields",
            "scheduler/sched-util-clamp.rst: sched_util_min, sched_util_max",
            attributes::clamps_need_their_fields,
        )
    },
    case("getattr_size_is_obeyed", "sched_getattr(2): size, EINVAL", attributes::get_sizes),
    case(
        "bad_process_or_pointer_is_refused",
        "sched_setattr(2) ERRORS: EINVAL, ESRCH",
        attributes::bad_process_or_pointer,
    ),
    case(
        "unprivileged_user_is_refused",
        "sched(7): Privileges and resource limits; CAP_SYS_NICE",
        inheritance::unprivileged_user,
    ),
    case(
        "fork_of_a_deadline_task_is_refused",
        "sched(7): a SCHED_DEADLINE thread's fork(2) fails with EAGAIN",
        inheritance::fork_is_refused,
    ),
    case(
        "reset_on_fork_gives_a_normal_child",
        "sched(7): Resetting scheduling policy for child processes",
        inheritance::reset_on_fork,
    ),
    case(
        "thread_of_a_deadline_task_is_refused",
        "sched(7): a SCHED_DEADLINE thread's fork(2) fails with EAGAIN; pthread_create(3)",
        inheritance::thread_creation_is_refused,
    ),
    case("exec_keeps_the_policy", "sched(7): preserved across execve(2)", inheritance::exec_keeps_the_policy),
    case(
        "unprivileged_task_may_only_leave_the_policy",
        "sched(7): Privileges and resource limits; CAP_SYS_NICE",
        inheritance::unprivileged_task_may_only_leave,
    ),
    Case {
        needs: &[Need::Cpus(2)],
        ..case(
            "restricted_affinity_is_refused",
            "sched_setattr(2) ERRORS: EPERM, the affinity mask lacks CPUs",
            inheritance::restricted_affinity,
        )
    },
    Case {
        needs: PARTITIONS,
        ..case(
            "task_may_be_confined_to_a_partition",
            "sched-deadline.rst, section 5; cgroup-v2.rst cpuset.cpus.partition: a scheduling domain",
            partition::task_may_be_confined_to_a_partition,
        )
    },
    Case {
        needs: PARTITIONS,
        ..case(
            "partition_has_bandwidth_of_its_own",
            "sched-deadline.rst, sections 4 and 5; cgroup-v2.rst cpuset.cpus.partition: a scheduling domain",
            partition::partition_has_bandwidth_of_its_own,
        )
    },
    case(
        "admission_adds_up_bandwidth",
        "sched_setattr(2) ERRORS: EBUSY; sched-deadline.rst, section 4",
        admission::adds_up,
    ),
    case(
        "bandwidth_returns_when_its_task_ends",
        "sched-deadline.rst, section 4.1",
        admission::bandwidth_returns,
    ),
    case(
        "rt_limit_below_admitted_bandwidth_is_refused",
        "sched-deadline.rst, section 4: sched_rt_runtime_us",
        admission::limit_below_admitted,
    ),
    case(
        "rt_limit_of_minus_one_turns_admission_off",
        "sched-deadline.rst, section 4: sched_rt_runtime_us of -1",
        admission::unlimited,
    ),
    exact(
        "hog_is_throttled_to_its_budget",
        "sched-deadline.rst, section 2.1: CBS",
        enforcement::hog_is_throttled,
    ),
    exact(
        "budget_is_kept_against_a_normal_hog",
        "sched-deadline.rst, section 2.1: temporal isolation",
        enforcement::budget_is_kept,
    ),
    exact(
        "yield_waits_for_the_next_period",
        "sched_yield(2); sched-deadline.rst, section 5.2",
        enforcement::yield_waits,
    ),
    exact("overrun_is_told_by_sigxcpu", "sched(7): SCHED_FLAG_DL_OVERRUN", enforcement::overrun_signal),
    exact(
        "budget_is_kept_against_a_fifo_hog",
        "sched(7): SCHED_DEADLINE threads have the highest priority",
        isolation::budget_is_kept_against_a_fifo_hog,
    ),
    exact(
        "earlier_deadline_runs_first",
        "sched-deadline.rst, section 2.1: EDF",
        isolation::earlier_deadline_runs_first,
    ),
    exact(
        "jobs_meet_their_deadlines_under_load",
        "sched-deadline.rst, section 3; sched(7): sched_period",
        isolation::jobs_meet_their_deadlines_under_load,
    ),
    exact(
        "budget_is_one_for_each_period",
        "sched-deadline.rst, section 2.1: a deadline shorter than the period",
        isolation::budget_is_one_for_each_period,
    ),
    exact(
        "wakeups_bring_no_new_budget",
        "sched-deadline.rst, section 2.1: CBS, when a task wakes up",
        isolation::wakeups_bring_no_new_budget,
    ),
    exact(
        "admitted_hog_starves_nobody",
        "sched-deadline.rst, section 4: a fraction is left to other tasks",
        isolation::admitted_hog_starves_nobody,
    ),
    exact(
        "reclaiming_hog_gets_unused_bandwidth",
        "sched-deadline.rst, section 2.2: GRUB, SCHED_FLAG_RECLAIM",
        isolation::reclaiming_hog_gets_unused_bandwidth,
    ),
    exact(
        "reclaiming_leaves_others_their_budget",
        "sched-deadline.rst, section 2.2: GRUB, SCHED_FLAG_RECLAIM",
        isolation::reclaiming_leaves_others_their_budget,
    ),
    lending(
        "owner_of_a_lock_inherits_the_deadline",
        "futex(2) Priority-inheritance futexes; sched-deadline.rst, section 5.1",
        lending::owner_inherits_the_deadline,
    ),
    lending(
        "inherited_deadline_ends_with_the_waiter",
        "futex(2) Priority-inheritance futexes; locking/rt-mutex-design.rst",
        lending::inherited_deadline_ends_with_the_waiter,
    ),
    Case {
        needs: &[Need::Exact, Need::Config("FUTEX_PI")],
        ..case(
            "deadline_task_does_not_wait_for_a_hog",
            "futex(2): priority inversion; locking/pi-futex.rst",
            lending::deadline_task_does_not_wait_for_a_hog,
        )
    },
];
