//! seccomp(2) and seccomp_unotify(2).

use crate::{Case, Need, Suite, cases};

mod actions;
mod cache;
mod checker;
mod compat;
mod data;
mod descriptor;
mod filter;
mod install;
mod interrupt;
mod log;
mod notify;
mod precedence;
mod privilege;
mod speculation;
mod strict;
mod supervisor;
mod threads;
mod tracer;

use {
    actions::*, cache::*, checker::*, compat::*, data::*, descriptor::*, install::*, interrupt::*, log::*,
    notify::*,
};
use {precedence::*, privilege::*, speculation::*, strict::*, threads::*, tracer::*};

pub const SUITE: Suite = Suite {
    name: "seccomp",
    about: "seccomp(2): strict mode, filters, actions, threads and user notification",
    needs: &[Need::Config("SECCOMP"), Need::Config("SECCOMP_FILTER")],
    cases: CASES,
};

const STATUS: Need = Need::Config("PROC_FS");
const IA32: Need = Need::Config("IA32_EMULATION");
/// Records are the audit subsystem's.
const AUDIT: Need = Need::Config("AUDITSYSCALL");
const SYSCTL: Need = Need::Config("SYSCTL");
const ADDFD_SEND: Need = Need::Since { major: 5, minor: 14, what: "SECCOMP_ADDFD_FLAG_SEND" };
const WAIT_KILLABLE: Need =
    Need::Since { major: 5, minor: 19, what: "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV" };
const SET_FLAGS: Need = Need::Since { major: 6, minor: 6, what: "SECCOMP_IOCTL_NOTIF_SET_FLAGS" };

const CASES: &[Case] = cases! {
    strict_mode_allows_read_write_and_exit: "seccomp(2) SECCOMP_SET_MODE_STRICT: read(2), write(2), _exit(2), sigreturn(2)";
    strict_mode_kills_on_everything_else: "seccomp(2) SECCOMP_SET_MODE_STRICT: SIGKILL; not exit_group(2)";
    strict_mode_by_prctl_is_the_same: "seccomp(2) SECCOMP_SET_MODE_STRICT: identical to prctl(PR_SET_SECCOMP)";
    strict_mode_takes_no_arguments: "seccomp(2) SECCOMP_SET_MODE_STRICT: flags must be 0, args must be NULL";
    strict_mode_lets_a_handler_return: "seccomp(2) SECCOMP_SET_MODE_STRICT: sigreturn(2)";
    strict_mode_knows_the_32_bit_numbers: "seccomp(2) SECCOMP_SET_MODE_STRICT, NOTES: a process can use several ABIs", needs [IA32];
    filter_mode_cannot_become_strict: "seccomp(2) ERRORS: EINVAL; a secure mode cannot be changed";

    filter_needs_no_new_privs_or_capability: "seccomp(2) ERRORS: EACCES, no CAP_SYS_ADMIN and no no_new_privs";
    filter_mode_by_prctl_is_the_same: "PR_SET_SECCOMP(2const) SECCOMP_MODE_FILTER; ERRORS: EACCES, EFAULT, EINVAL";
    no_capability_but_sys_admin_allows_a_filter: "seccomp(2) SECCOMP_SET_MODE_FILTER: CAP_SYS_ADMIN in its user namespace", needs [STATUS];
    namespace_root_may_filter: "seccomp(2) SECCOMP_SET_MODE_FILTER: CAP_SYS_ADMIN in its user namespace", needs [Need::Config("USER_NS")];
    no_new_privs_cannot_be_taken_back: "PR_SET_NO_NEW_PRIVS(2const); userspace-api/no_new_privs.rst";
    filter_mitigates_speculation_unless_allowed: "seccomp(2) SECCOMP_FILTER_FLAG_SPEC_ALLOW; userspace-api/spec_ctrl.rst", needs [Need::Config("SYSFS")];
    filter_mitigates_indirect_branches_unless_allowed: "userspace-api/spec_ctrl.rst PR_SPEC_INDIRECT_BRANCH; hw-vuln/spectre.rst spectre_v2_user=", needs [Need::Config("SYSFS")];
    unknown_operation_is_refused: "seccomp(2) ERRORS: EINVAL, operation is unknown";
    unknown_filter_flag_is_refused: "seccomp(2) ERRORS: EINVAL, flags are invalid for the operation";
    known_filter_flags_are_accepted: "seccomp(2) SECCOMP_SET_MODE_FILTER: recognized flags";
    program_of_4097_instructions_is_refused: "seccomp(2) ERRORS: EINVAL, len was 0 or exceeded BPF_MAXINSNS (4096)";
    filters_are_limited_in_total: "seccomp(2) ERRORS: ENOMEM, MAX_INSNS_PER_PATH (32768) instructions, 4 more for each";
    unsound_program_is_refused: "seccomp(2) ERRORS: EINVAL, the filter program is not valid; Filters";
    every_opcode_outside_the_list_is_refused: "seccomp(2) Filters: not all BPF instructions are permitted; ERRORS: EINVAL";
    every_offset_outside_the_data_is_refused: "seccomp(2) Filters: BPF_LD | BPF_W | BPF_ABS inside struct seccomp_data, aligned";
    every_word_outside_the_scratch_memory_is_refused: "networking/filter.rst: M[] is 16 words, loaded after they were stored";
    bad_address_is_refused: "seccomp(2) ERRORS: EFAULT, args was not a valid address";
    installed_program_cannot_be_changed: "seccomp(2): filters are installed once and for all";
    action_is_available_exactly_if_known: "seccomp(2) SECCOMP_GET_ACTION_AVAIL; ERRORS: EOPNOTSUPP";
    status_counts_the_filters: "proc_pid_status(5) Seccomp, Seccomp_filters, since Linux 5.9", needs [STATUS];

    filter_sees_number_and_architecture: "seccomp(2) Filters: struct seccomp_data nr and arch";
    filter_sees_every_half_of_every_argument: "seccomp(2) Filters: struct seccomp_data args";
    filter_sees_the_instruction_pointer: "seccomp(2) Filters: struct seccomp_data instruction_pointer";
    verdict_follows_each_calls_arguments: "seccomp(2) Filters: the filter is run for each system call";
    verdict_by_comparison_of_the_number_is_obeyed: "seccomp(2) Filters: the filter is run for each system call; networking/filter.rst";
    verdict_behind_masks_and_jumps_is_obeyed: "seccomp(2) Filters: the filter is run for each system call; networking/filter.rst";
    newer_filter_loosens_nothing: "seccomp(2) Filters: all filters are executed, the value of highest precedence counts";
    x32_call_has_another_number: "seccomp(2) NOTES: the x32 ABI sets __X32_SYSCALL_BIT";
    int80_call_has_another_architecture: "seccomp(2) NOTES: filters must check arch; a process can use several", needs [IA32];
    int80_arguments_are_32_bits: "seccomp(2) Filters: struct seccomp_data args; NOTES on arch", needs [IA32];
    filter_computes_in_32_bits: "seccomp(2) Filters: classic BPF; networking/filter.rst: 32-bit accumulator";
    filter_compares_without_sign: "seccomp(2) Filters: classic BPF; networking/filter.rst: JGT, JGE, JSET";
    filter_keeps_its_scratch_memory: "networking/filter.rst: M[] is 16 words of 32 bits";

    errno_is_returned_and_capped: "seccomp(2) SECCOMP_RET_ERRNO: the data is the errno value, without the call being made";
    stopped_call_is_not_made: "seccomp(2) Filters: the system call is not executed";
    stop_without_tracer_or_listener_is_enosys: "seccomp(2) SECCOMP_RET_TRACE, SECCOMP_RET_USER_NOTIF: fails with ENOSYS";
    trap_tells_which_call_it_was: "seccomp(2) SECCOMP_RET_TRAP: SIGSYS, si_code SYS_SECCOMP, si_errno the data";
    kill_cannot_be_caught: "seccomp(2) SECCOMP_RET_KILL_PROCESS: as though killed by SIGSYS, even with a handler";
    most_restrictive_filter_wins: "seccomp(2) Filters: actions in decreasing order of precedence";
    newest_of_equal_filters_wins: "seccomp(2) Filters: the first-seen action value of highest precedence";

    log_wins_over_allow: "seccomp(2) SECCOMP_RET_LOG: precedence over SECCOMP_RET_ALLOW", needs [AUDIT];
    records_are_left_where_the_manual_says: "seccomp(2) SECCOMP_FILTER_FLAG_LOG, /proc interfaces: audit logging of actions", needs [AUDIT];
    administrator_can_silence_an_action: "seccomp(2) /proc/sys/kernel/seccomp/actions_logged", needs [AUDIT, SYSCTL];
    action_sysctls_are_checked: "seccomp(2) /proc/sys/kernel/seccomp/actions_avail, actions_logged", needs [SYSCTL];

    child_inherits_the_filter: "seccomp(2): if fork(2) is allowed, children are constrained by the same filters";
    filter_survives_exec: "seccomp(2): filters are preserved across execve(2)";
    filter_is_the_threads_own_without_tsync: "seccomp(2): the calling thread; clone(2) inherits";
    tsync_reaches_every_thread: "seccomp(2) SECCOMP_FILTER_FLAG_TSYNC: all other threads";
    tsync_names_the_thread_that_differs: "seccomp(2) SECCOMP_FILTER_FLAG_TSYNC, TSYNC_ESRCH: no filter is attached";
    tsync_brings_older_threads_up_to_date: "seccomp(2) SECCOMP_FILTER_FLAG_TSYNC: the same filter tree";
    tsync_and_listener_go_together: "seccomp(2) SECCOMP_FILTER_FLAG_TSYNC_ESRCH: with SECCOMP_FILTER_FLAG_NEW_LISTENER, since Linux 5.7";
    tsync_hands_on_no_new_privs: "seccomp(2) SECCOMP_FILTER_FLAG_TSYNC; userspace-api/no_new_privs.rst: inherited, never taken back";
    kill_thread_spares_the_others: "seccomp(2) SECCOMP_RET_KILL_THREAD: the thread, not its group";
    kill_process_spares_nobody: "seccomp(2) SECCOMP_RET_KILL_PROCESS: the entire process; unknown actions too";
    tracer_gets_the_data_and_cannot_evade_the_filter: "seccomp(2) SECCOMP_RET_TRACE: PTRACE_EVENT_SECCOMP; number -1 skips";
    filter_judges_the_call_that_a_tracer_made_of_it: "seccomp(2) SECCOMP_RET_TRACE: not run again before 4.8; ptrace(2) PTRACE_SYSCALL";
    tracer_must_ask_for_seccomp_events: "seccomp(2) SECCOMP_RET_TRACE; ptrace(2) PTRACE_O_TRACESECCOMP";
    tracer_can_suspend_the_filters: "ptrace(2) PTRACE_O_SUSPEND_SECCOMP: CAP_SYS_ADMIN, no filters of one's own", needs [Need::Config("CHECKPOINT_RESTORE")];
    tracer_can_read_the_filters: "ptrace(2) PTRACE_SECCOMP_GET_FILTER; linux/ptrace.h: PTRACE_SECCOMP_GET_METADATA", needs [Need::Config("CHECKPOINT_RESTORE")];

    notification_carries_the_call: "seccomp_unotify(2) SECCOMP_IOCTL_NOTIF_RECV";
    supervisor_decides_the_result: "seccomp_unotify(2) SECCOMP_IOCTL_NOTIF_SEND: val and error";
    continue_makes_the_call_and_takes_no_result: "seccomp_unotify(2) SECCOMP_USER_NOTIF_FLAG_CONTINUE";
    answer_to_another_call_is_refused: "seccomp_unotify(2) ERRORS: ENOENT, EINPROGRESS";
    closed_listener_means_enosys: "seccomp_unotify(2): when the listener is closed, ENOSYS";
    listener_is_closed_by_execve: "seccomp(2) SECCOMP_FILTER_FLAG_NEW_LISTENER: the close-on-exec flag is set for the file descriptor", needs [STATUS];
    second_listener_is_refused: "seccomp_unotify(2): only one filter may have a listener, EBUSY";
    receiver_must_hand_in_zeros: "seccomp_unotify(2) ERRORS: EINVAL, the structure contains nonzero fields";
    supervisor_can_add_a_descriptor: "seccomp_unotify(2) SECCOMP_IOCTL_NOTIF_ADDFD, since Linux 5.9";
    added_descriptor_can_be_the_result: "seccomp_unotify(2) SECCOMP_ADDFD_FLAG_SEND, since Linux 5.14", needs [ADDFD_SEND];
    added_descriptor_replaces_the_one_in_its_place: "seccomp_unotify(2) SECCOMP_ADDFD_FLAG_SETFD";
    added_descriptor_obeys_the_callers_limit: "seccomp_unotify(2) SECCOMP_IOCTL_NOTIF_ADDFD: EBADF, EMFILE";
    descriptor_for_no_call_is_refused: "seccomp_unotify(2) SECCOMP_IOCTL_NOTIF_ADDFD: ENOENT, EINPROGRESS";
    descriptor_structure_may_grow_by_zeros: "linux/seccomp.h: extensible ioctl; seccomp_unotify(2) SECCOMP_IOCTL_NOTIF_ADDFD: EINVAL";
    unknown_listener_request_is_refused: "ioctl(2); seccomp_unotify(2): the requests of a listener; linux/seccomp.h";
    listener_flags_are_checked: "linux/seccomp.h: SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP", needs [SET_FLAGS];
    notification_survives_a_bad_address: "seccomp_unotify(2) SECCOMP_IOCTL_NOTIF_RECV; ioctl(2) ERRORS: EFAULT";
    answers_reach_their_own_callers: "seccomp_unotify(2): the id is unique for the notification";
    signal_interrupts_a_waiting_call: "seccomp_unotify(2): the target is interrupted by a signal handler; ENOENT";
    restarted_call_is_notified_again: "seccomp_unotify(2) Interaction with SA_RESTART signal handlers";
    answer_to_a_killed_caller_is_refused: "seccomp_unotify(2) SECCOMP_IOCTL_NOTIF_ID_VALID: the target has terminated";
    received_call_waits_killable: "userspace-api/seccomp_filter.rst: SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", needs [WAIT_KILLABLE];
    unreceived_call_is_interrupted_even_if_killable: "userspace-api/seccomp_filter.rst: until the notification is received", needs [WAIT_KILLABLE];
    wait_killable_needs_a_listener: "userspace-api/seccomp_filter.rst: with SECCOMP_FILTER_FLAG_NEW_LISTENER only", needs [WAIT_KILLABLE];
    listener_can_be_polled: "seccomp_unotify(2): POLLIN, POLLOUT, and POLLHUP since 5.9";
    sizes_are_told: "seccomp(2) SECCOMP_GET_NOTIF_SIZES";
};
