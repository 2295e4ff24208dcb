//! Control groups, version 2.

use crate::{Case, Need, Suite, cases};

mod cpu;
mod delegation;
pub mod group;
mod io;
mod life;
mod memory;
mod notice;
mod partition;
mod pids;
mod pressure;
mod reclaim;
mod threads;
mod tree;

use {cpu::*, delegation::*, io::*, life::*, memory::*, notice::*, partition::*, pids::*};
use {pressure::*, reclaim::*, threads::*, tree::*};

pub const SUITE: Suite = Suite {
    name: "cgroup2",
    about: "control groups, version 2: the tree, its controllers, freezing, killing, delegation, threads",
    needs: &[Need::Config("CGROUPS")],
    cases: CASES,
};

const PIDS: Need = Need::Config("CGROUP_PIDS");
const MEMORY: Need = Need::Config("MEMCG");
const CPU: Need = Need::Config("FAIR_GROUP_SCHED");
const BANDWIDTH: Need = Need::Config("CFS_BANDWIDTH");
const CPUSET: Need = Need::Config("CPUSETS");
const IO: Need = Need::Config("BLK_CGROUP");
const THROTTLE: Need = Need::Config("BLK_DEV_THROTTLING");
const DISK: Need = Need::Module { symbol: "BLK_DEV_NULL_BLK", module: "null_blk" };
const KILL: Need = Need::Since { major: 5, minor: 14, what: "cgroup.kill" };
const PEAK: Need = Need::Since { major: 5, minor: 19, what: "memory.peak and memory.reclaim" };
const BURST: Need = Need::Since { major: 5, minor: 14, what: "cpu.max.burst" };
const IDLE: Need = Need::Since { major: 5, minor: 15, what: "cpu.idle" };
const PARTITIONS: Need = Need::Since { major: 6, minor: 1, what: "isolated and invalid partitions" };
const PRESSURE: Need = Need::Config("PSI");
const TRIGGERS: Need = Need::Since { major: 5, minor: 2, what: "triggers on pressure" };
const LOCAL_EVENTS: Need = Need::Since { major: 5, minor: 2, what: "memory.events.local" };
const PRESSURE_SWITCH: Need = Need::Since { major: 6, minor: 1, what: "cgroup.pressure" };
const COST: Need = Need::Config("BLK_CGROUP_IOCOST");
const BOTH_CPUS: Need = Need::Cpus(2);

const CASES: &[Case] = cases! {
    every_mount_shows_the_one_hierarchy: "cgroup-v2.rst Mounting: a single hierarchy";
    unknown_mount_option_is_refused: "cgroup-v2.rst Mounting; mount(2) ERRORS: EINVAL";
    group_has_the_core_files: "cgroup-v2.rst Core Interface Files";
    controllers_are_what_the_parent_hands_down: "cgroup-v2.rst Enabling and Disabling; Top-down Constraint", needs [PIDS, MEMORY];
    bad_controllers_change_nothing: "cgroup-v2.rst Enabling and Disabling: either they all succeed or fail", needs [PIDS];
    controller_in_use_below_cannot_be_taken_away: "cgroup-v2.rst Top-down Constraint: one or more children have it enabled", needs [PIDS];
    group_with_processes_hands_no_resources_down: "cgroup-v2.rst No Internal Process Constraint", needs [MEMORY];
    process_is_in_one_group_and_so_are_its_children: "cgroup-v2.rst Processes: cgroup.procs; /proc/PID/cgroup";
    move_of_a_thread_moves_the_process: "cgroup-v2.rst Processes: writing the PID of any thread migrates all threads";
    bad_process_numbers_are_refused: "cgroup-v2.rst cgroup.procs; cgroups(7) ERRORS";
    group_in_use_cannot_be_removed: "cgroup-v2.rst Processes: a cgroup without children or live processes can be destroyed";
    populated_tells_of_the_whole_subtree: "cgroup-v2.rst [Un]populated Notification";
    descendants_and_depth_are_limited: "cgroup-v2.rst cgroup.max.descendants, cgroup.max.depth, cgroup.stat";

    frozen_process_stands_still_until_thawed: "cgroup-v2.rst cgroup.freeze; cgroup.events: frozen";
    freezing_reaches_the_whole_subtree: "cgroup-v2.rst cgroup.freeze: the cgroup and all descendants; its own or an ancestor's settings";
    thawed_group_stays_frozen_below_a_frozen_one: "cgroup-v2.rst cgroup.freeze: if any of the ancestor cgroups is frozen, the cgroup will stay frozen";
    moving_in_freezes_and_moving_out_thaws: "cgroup-v2.rst cgroup.freeze: processes may enter and leave a frozen cgroup";
    frozen_process_can_be_killed: "cgroup-v2.rst cgroup.freeze: can be killed by a fatal signal";
    bad_freeze_is_refused: "cgroup-v2.rst cgroup.freeze: allowed values are 0 and 1";
    kill_reaches_the_whole_subtree_and_nobody_else: "cgroup-v2.rst cgroup.kill: the only allowed value is 1; SIGKILL", needs [KILL];
    kill_reaches_frozen_processes: "cgroup-v2.rst cgroup.kill, cgroup.freeze", needs [KILL];
    child_is_born_in_the_group_named: "clone3(2) CLONE_INTO_CGROUP, since Linux 5.7";
    birth_in_a_group_follows_the_rules_of_moving: "clone3(2) ERRORS: EACCES, EAGAIN, EBADF, EBUSY for CLONE_INTO_CGROUP", needs [MEMORY, PIDS];

    threaded_group_makes_its_parent_the_domain: "cgroup-v2.rst Threads: threaded, domain threaded, domain invalid";
    threaded_group_lists_threads_only: "cgroup-v2.rst Threads: cgroup.procs is not readable in the subtree proper";
    threads_of_a_process_go_apart: "cgroup-v2.rst Threads: cgroup.threads, within the same threaded domain";
    only_thread_aware_controllers_reach_threads: "cgroup-v2.rst Threads: only threaded controllers can be enabled", needs [MEMORY, PIDS];
    domain_with_resources_below_cannot_become_threaded: "cgroup-v2.rst Threads: no domain controllers enabled in the parent", needs [MEMORY];
    cpu_limit_holds_for_single_threads: "cgroup-v2.rst Threads: threaded controllers; cpu.max", needs [CPU, BANDWIDTH];
    cpuset_holds_for_single_threads: "cgroup-v2.rst Threads: threaded controllers; cpuset.cpus", needs [CPUSET, BOTH_CPUS];
    pids_limit_counts_threads: "cgroup-v2.rst PID: the pids controller counts TIDs", needs [PIDS];

    nobody_touches_groups_of_others: "cgroup-v2.rst Delegation: write access of the directory and its files";
    delegatee_rules_inside_and_not_outside: "cgroup-v2.rst Delegation Containment", needs [PIDS];
    opener_of_a_file_is_judged_not_its_writer: "cgroup-v2.rst Delegation Containment; CVE-2021-4197";
    namespace_shows_paths_from_its_root: "cgroup_namespaces(7)";
    nsdelegate_makes_the_namespace_a_border: "cgroup-v2.rst Mounting: nsdelegate; Delegation Containment: ENOENT", needs [PIDS];

    fork_is_refused_exactly_above_the_limit: "cgroup-v2.rst pids.max, pids.current; fork(2) ERRORS: EAGAIN", needs [PIDS];
    move_may_exceed_the_limit_and_fork_may_not: "cgroup-v2.rst PID: organisational operations are not blocked by cgroup policies", needs [PIDS];
    limit_of_an_ancestor_holds_for_all_below: "cgroup-v2.rst pids.max: hard limit; descendants", needs [PIDS];
    bad_pids_limit_is_refused: "cgroup-v2.rst pids.max", needs [PIDS];
    ended_process_no_longer_counts: "cgroup-v2.rst pids.current", needs [PIDS];
    pids_events_are_told: "cgroup-v2.rst pids.events: a value change generates a file modified event; cgroups(7)", needs [PIDS];

    used_memory_is_counted_and_given_back: "cgroup-v2.rst memory.current, memory.stat: anon", needs [MEMORY];
    hard_limit_kills_inside_the_group_only: "cgroup-v2.rst memory.max: the OOM killer is invoked in the cgroup; memory.events", needs [MEMORY];
    limit_is_reached_and_not_passed: "cgroup-v2.rst memory.max: if usage reaches this limit", needs [MEMORY];
    limit_is_rounded_down_to_pages_and_shown: "cgroup-v2.rst Memory Interface Files: rounded to PAGE_SIZE", needs [MEMORY];
    oom_group_kills_them_all: "cgroup-v2.rst memory.oom.group", needs [MEMORY];
    high_limit_never_kills: "cgroup-v2.rst memory.high: never invokes the OOM killer", needs [MEMORY];
    limit_of_an_ancestor_kills_below_it: "cgroup-v2.rst memory.max, memory.events.local", needs [MEMORY];
    files_in_memory_count: "cgroup-v2.rst Memory Ownership; memory.stat: shmem", needs [MEMORY];
    lowered_limit_reclaims_or_kills: "cgroup-v2.rst memory.max: if usage reaches this limit and can't be reduced", needs [MEMORY];
    largest_use_is_remembered: "cgroup-v2.rst memory.peak", needs [PEAK, MEMORY];
    memory_events_are_told: "cgroup-v2.rst memory.events, memory.events.local: a value change generates a file modified event", needs [MEMORY, LOCAL_EVENTS];
    memory_below_min_is_not_taken: "cgroup-v2.rst memory.min: won't be reclaimed under any conditions", needs [MEMORY, DISK];
    memory_below_low_is_taken_last: "cgroup-v2.rst memory.low: unless nothing is reclaimable in unprotected cgroups", needs [MEMORY, DISK];
    reclaim_on_request_gives_back_what_was_read: "cgroup-v2.rst memory.reclaim", needs [PEAK, MEMORY, DISK];
    reclaim_on_request_frees_files: "cgroup-v2.rst memory.reclaim: EAGAIN when less bytes were reclaimed", needs [PEAK, MEMORY];

    hog_is_throttled_to_its_bandwidth: "cgroup-v2.rst cpu.max, cpu.stat: nr_throttled, throttled_usec", needs [CPU, BANDWIDTH];
    limit_of_an_ancestor_throttles_too: "sched-bwc.rst Hierarchical considerations", needs [CPU, BANDWIDTH];
    bad_bandwidth_is_refused: "cgroup-v2.rst cpu.max; sched-bwc.rst: at least 1 ms, at most 1 s", needs [CPU, BANDWIDTH];
    weight_and_nice_say_the_same: "cgroup-v2.rst cpu.weight in [1, 10000], cpu.weight.nice in [-20, 19]", needs [CPU];
    burst_is_bounded_by_the_quota: "cgroup-v2.rst cpu.max.burst; sched-bwc.rst Burst: in the range [0, quota]", needs [CPU, BANDWIDTH, BURST];
    idle_group_has_the_least_weight: "cgroup-v2.rst cpu.idle; cpu.weight of an idle cgroup", needs [CPU, IDLE];
    idle_group_leaves_the_cpu_to_its_peers: "cgroup-v2.rst cpu.idle: the analog of SCHED_IDLE", needs [CPU, IDLE, Need::Exact];
    weights_share_the_cpu: "cgroup-v2.rst Weights: in proportion to the active children's weights", needs [CPU, Need::Exact];
    time_is_counted_where_it_is_used: "cgroup-v2.rst cpu.stat: usage_usec, user_usec", needs [CPU];
    cpuset_of_nothing_is_the_parents: "cgroup-v2.rst cpuset.cpus, cpuset.mems and their .effective", needs [CPUSET];
    cpuset_confines_its_processes: "cgroup-v2.rst cpuset.cpus; cpuset(7): sched_setaffinity(2)", needs [CPUSET, BOTH_CPUS];
    partition_has_its_cpus_for_itself: "cgroup-v2.rst cpuset.cpus.partition", needs [CPUSET, BOTH_CPUS];
    isolated_partition_has_its_cpus_for_itself: "cgroup-v2.rst cpuset.cpus.partition: isolated; cpuset.cpus.isolated", needs [CPUSET, PARTITIONS, BOTH_CPUS];
    invalid_partition_says_why: "cgroup-v2.rst cpuset.cpus.partition: invalid (<reason>)", needs [CPUSET, PARTITIONS, BOTH_CPUS];
    partition_without_its_parent_is_invalid: "cgroup-v2.rst cpuset.cpus.partition: poll and inotify events", needs [CPUSET, PARTITIONS, BOTH_CPUS];

    pressure_is_told_of_each_resource: "accounting/psi.rst Cgroup2 interface; Pressure interface", needs [PRESSURE];
    contended_cpu_is_pressure_where_it_is: "accounting/psi.rst: tracked for tasks grouped into cgroups", needs [PRESSURE];
    trigger_wakes_whoever_waits_for_pressure: "accounting/psi.rst Monitoring for pressure thresholds: POLLPRI, EBUSY", needs [PRESSURE, TRIGGERS];
    bad_trigger_is_refused: "accounting/psi.rst Monitoring for pressure thresholds: window sizes up to 10s", needs [PRESSURE, TRIGGERS];
    pressure_is_not_accounted_for_when_switched_off: "cgroup-v2.rst cgroup.pressure", needs [PRESSURE, PRESSURE_SWITCH];

    transfers_are_counted_for_who_made_them: "cgroup-v2.rst io.stat", needs [IO, DISK];
    bytes_per_second_are_limited: "cgroup-v2.rst io.max: rbps, wbps", needs [IO, THROTTLE, DISK];
    operations_per_second_are_limited: "cgroup-v2.rst io.max: riops, wiops", needs [IO, THROTTLE, DISK];
    io_weight_is_kept_within_its_range: "cgroup-v2.rst io.weight: [1, 10000], default 100", needs [IO, COST];
    bad_io_limit_is_refused: "cgroup-v2.rst io.max", needs [IO, THROTTLE, DISK];
};
