//! SCHED_DEADLINE: sched_setattr(2), sched_getattr(2), admission and enforcement.
//!
//! The document is Documentation/scheduler/sched-deadline.rst of the kernel tree.

use crate::{Case, CaseResult, Context, Need, Suite};

mod admission;
mod attributes;
mod enforcement;
mod inheritance;
mod parameters;
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
    Case {
        needs: &[Need::Cpus(2)],
        ..case(
            "restricted_affinity_is_refused",
            "sched_setattr(2) ERRORS: EPERM, the affinity mask lacks CPUs",
            inheritance::restricted_affinity,
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
];
