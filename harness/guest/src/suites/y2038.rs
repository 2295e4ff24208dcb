//! Times beyond 2038-01-19T03:14:07Z, which 32 bits with a sign cannot tell, and beyond 2106, which they cannot
//! without one either.

use crate::{Case, FileNeed, Need, Suite, cases};

mod calls;
mod clock;
mod compat;
mod compat_socket;
mod disk_times;
mod entry;
mod file_times;
mod ipc;
mod key;
mod legacy;
mod socket;
mod support;
mod timer;
mod wait;

use {
    clock::*, compat::*, compat_socket::*, disk_times::*, file_times::*, ipc::*, key::*, legacy::*, socket::*,
};
use {timer::*, wait::*};

pub const SUITE: Suite = Suite {
    name: "y2038",
    about: "times beyond 2038: clocks, timers, files, sockets, IPC and 32-bit entry points",
    needs: &[],
    cases: CASES,
};

const IA32: Need = Need::Config("IA32_EMULATION");
const TIME64: Need = Need::Since { major: 5, minor: 1, what: "time64 calls of 32-bit programs" };
const SYSVIPC: Need = Need::Config("SYSVIPC");

const LOOP: Need = Need::Module { symbol: "BLK_DEV_LOOP", module: "loop" };
const EXT4: Need = Need::Module { symbol: "EXT4_FS", module: "ext4" };
const BTRFS: Need = Need::Module { symbol: "BTRFS_FS", module: "btrfs" };
const XFS: Need = Need::Module { symbol: "XFS_FS", module: "xfs" };
const BIGTIME: Need = Need::Since { major: 5, minor: 10, what: "times beyond 2038 on xfs" };
const OVERLAY: Need = Need::Module { symbol: "OVERLAY_FS", module: "overlay" };
const TIME32: Need = Need::Config("COMPAT_32BIT_TIME");
const EXT4_DISK: FileNeed = FileNeed::Filesystem("ext4");
const BTRFS_DISK: FileNeed = FileNeed::Filesystem("btrfs");
const XFS_DISK: FileNeed = FileNeed::Filesystem("xfs-bigtime");

const CASES: &[Case] = cases! {
    clock_runs_through_the_end_of_32_bits: "clock_gettime(2), time(2), gettimeofday(2): time_t; clock_settime(2)";
    clock_can_be_set_to_any_time: "clock_settime(2), settimeofday(2); TIME_SETTOD_SEC_MAX in time64.h";
    impossible_time_is_refused: "clock_settime(2) ERRORS: EINVAL, also a time below CLOCK_MONOTONIC";
    other_clocks_do_not_jump: "clock_gettime(2) CLOCK_MONOTONIC: not affected by discontinuous jumps";
    vdso_agrees_with_the_kernel: "vdso(7); clock_gettime(2)";
    adjtimex_steps_over_the_end: "clock_adjtime(2) ADJ_SETOFFSET, ADJ_NANO; ERRORS: EINVAL";
    tai_keeps_its_distance: "clock_gettime(2) CLOCK_TAI; adjtimex(2) ADJ_TAI";
    boot_time_follows_the_clock: "proc_stat(5): btime, boot time in seconds since the Epoch";

    timer_value_beyond_32_bits_is_kept: "timer_settime(2), timerfd_settime(2): struct itimerspec";
    timer_expires_after_the_end_of_32_bits: "timer_settime(2) TIMER_ABSTIME; timerfd_settime(2) TFD_TIMER_ABSTIME";
    clock_set_past_a_timer_expires_it: "timer_settime(2): adjustments of CLOCK_REALTIME, absolute and relative timers";
    timer_is_cancelled_when_the_clock_is_set: "timerfd_settime(2) TFD_TIMER_CANCEL_ON_SET: ECANCELED";
    waiting_reader_learns_that_the_clock_was_set: "timerfd_settime(2) TFD_TIMER_CANCEL_ON_SET: a current read(2)";
    bad_timer_value_is_refused: "timer_settime(2), timerfd_settime(2) ERRORS: EINVAL, tv_nsec";
    interval_timers_do_not_see_the_clock_jump: "setitimer(2); time(7): ITIMER_REAL is not affected by clock changes";

    timeout_beyond_32_bits_is_not_cut: "clock_nanosleep(2), ppoll(2), futex(2), sigtimedwait(2) and others: struct timespec";
    absolute_wait_ends_after_the_end_of_32_bits: "clock_nanosleep(2) TIMER_ABSTIME; futex(2); mq_receive(3)";
    clock_set_past_the_end_ends_absolute_waits: "clock_nanosleep(2): discontinuous changes of CLOCK_REALTIME";
    rest_of_a_long_sleep_is_told: "nanosleep(2): the remaining time in rem, EINTR";

    tmpfs_keeps_times_beyond_32_bits: "utimensat(2), inode(7); tmpfs(5)", needs [Need::Config("TMPFS")];
    ramfs_keeps_times_beyond_32_bits: "utimensat(2), inode(7); ramfs-rootfs-initramfs.rst";
    hugetlbfs_keeps_times_beyond_32_bits: "utimensat(2), inode(7)", needs [Need::Config("HUGETLBFS")];
    mqueue_keeps_times_beyond_32_bits: "utimensat(2), inode(7); mq_overview(7)", needs [Need::Config("POSIX_MQUEUE")];
    cgroup2_keeps_times_beyond_32_bits: "utimensat(2), inode(7)", needs [Need::Config("CGROUPS")];
    ext4_keeps_times_beyond_32_bits: "utimensat(2), inode(7); filesystems/ext4/inodes.rst: timestamps to 2446", needs [LOOP, EXT4], files [EXT4_DISK];
    btrfs_keeps_times_beyond_32_bits: "utimensat(2), inode(7); btrfs(5)", needs [LOOP, BTRFS], files [BTRFS_DISK];
    xfs_with_bigtime_keeps_times_beyond_32_bits: "utimensat(2), inode(7); xfs_format.h XFS_BIGTIME_TIME_MAX: timestamps to 2486", needs [LOOP, XFS, BIGTIME], files [XFS_DISK];
    overlay_keeps_times_beyond_32_bits: "utimensat(2), inode(7); filesystems/overlayfs.rst: mtime is copied up", needs [OVERLAY, Need::Config("TMPFS_XATTR")];
    every_kind_of_file_keeps_times_beyond_32_bits: "utimensat(2) AT_SYMLINK_NOFOLLOW; inode(7)";
    nameless_inodes_are_of_today: "fstat(2): st_mtime, st_ctime of pipes and memory";

    timestamp_of_a_unix_datagram_is_whole: "socket(7) SO_TIMESTAMP, SO_TIMESTAMPNS; networking/timestamping.rst";
    timestamp_of_a_udp_datagram_is_whole: "networking/timestamping.rst: SO_TIMESTAMP, SO_TIMESTAMPNS, SO_TIMESTAMPING";
    timestamp_of_the_last_datagram_is_whole: "socket(7) SIOCGSTAMP; networking/timestamping.rst";
    socket_timeout_beyond_32_bits_is_kept: "socket(7) SO_RCVTIMEO and SO_SNDTIMEO: struct timeval";
    recvmmsg_timeout_beyond_32_bits_is_not_cut: "recvmmsg(2): timeout, checked after each datagram";

    ipc_objects_tell_whole_times: "semctl(2), msgctl(2), shmctl(2): the times of IPC_STAT", needs [SYSVIPC];
    ipc_tables_tell_whole_times: "sysvipc(7); proc(5) /proc/sysvipc", needs [SYSVIPC];
    ipc_change_is_noted: "semctl(2): sem_ctime, sem_otime", needs [SYSVIPC];
    key_expires_after_the_end_of_32_bits: "keyctl(2) KEYCTL_SET_TIMEOUT", needs [Need::Config("KEYS")];

    clock_gettime64_and_settime64_are_whole: "syscalls(2); clock_settime(2)", needs [IA32, TIME64];
    padding_of_32_bit_nanoseconds_is_ignored: "timespec(3type): tv_nsec is a long; get_timespec64", needs [IA32, TIME64];
    clock_adjtime64_steps_and_tells: "clock_adjtime(2) ADJ_SETOFFSET", needs [IA32, TIME64];
    utimensat_time64_and_statx_are_whole: "utimensat(2); statx(2)", needs [IA32, TIME64];
    round_robin_interval_is_told_to_32_bit_programs: "sched_rr_get_interval(2)", needs [IA32, TIME64];
    timers_of_32_bit_programs_are_whole: "timer_settime(2), timerfd_settime(2)", needs [IA32, TIME64];
    timeouts_of_32_bit_programs_are_whole: "clock_nanosleep(2), ppoll(2), futex(2) and others", needs [IA32, TIME64];
    absolute_waits_of_32_bit_programs_end_in_time: "clock_nanosleep(2) TIMER_ABSTIME; futex(2)", needs [IA32, TIME64];
    clock_set_past_the_end_ends_waits_of_32_bit_programs: "clock_nanosleep(2) TIMER_ABSTIME", needs [IA32, TIME64];
    timestamp_for_32_bit_programs_is_whole: "socket(7) SO_TIMESTAMP; networking/timestamping.rst SO_TIMESTAMPING_NEW", needs [IA32, TIME64];
    last_timestamp_for_32_bit_programs_is_whole: "socket(7) SIOCGSTAMP; networking/timestamping.rst SIOCGSTAMP_NEW", needs [IA32, TIME64];
    socket_timeout_of_32_bit_programs_is_kept: "socket(7) SO_RCVTIMEO and SO_SNDTIMEO; include/uapi/asm-generic/socket.h SO_RCVTIMEO_NEW", needs [IA32, TIME64];
    recvmmsg_timeout_of_32_bit_programs_is_not_cut: "recvmmsg(2): timeout", needs [IA32, TIME64];
    ipc_times_for_32_bit_programs_are_whole: "semctl(2), msgctl(2), shmctl(2): sem_otime_high", needs [IA32, SYSVIPC];

    old_clocks_of_32_bit_programs_keep_the_low_half: "time(2), gettimeofday(2), clock_gettime(2); include/linux/time32.h old_time32_t", needs [IA32, TIME32];
    old_stat_of_32_bit_programs_keeps_the_low_half: "stat(2) ERRORS: EOVERFLOW; arch/x86/include/asm/ia32.h struct stat64", needs [IA32];
    old_timestamp_for_32_bit_programs_keeps_the_low_half: "networking/timestamping.rst: SO_TIMESTAMP_OLD and the 32 bits of its time", needs [IA32, TIME64];
};
