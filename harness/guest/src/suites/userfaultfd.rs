//! userfaultfd(2) and ioctl_userfaultfd(2).

use crate::{Case, Need, Suite, cases};

pub(super) mod calls;
mod events;
mod handshake;
mod minor;
mod missing;
mod protect;
mod register;
mod relocate;

use {events::*, handshake::*, minor::*, missing::*, protect::*, register::*, relocate::*};

pub const SUITE: Suite = Suite {
    name: "userfaultfd",
    about: "userfaultfd(2): page faults, protection and memory events handled by the process itself",
    needs: &[Need::Config("USERFAULTFD")],
    cases: CASES,
};

const FILE: Need = Need::Config("SHMEM");
const HUGE: Need = Need::Config("HUGETLBFS");
const SETTING: Need = Need::Config("SYSCTL");
const PROTECT: Need = Need::Config("HAVE_ARCH_USERFAULTFD_WP");
const PAGEMAP_BIT: Need = Need::Since { major: 5, minor: 13, what: "bit 57 of pagemap" };
const PAGEMAP: Need = Need::Config("PROC_PAGE_MONITOR");
const DEVICE: Need = Need::Since { major: 6, minor: 1, what: "/dev/userfaultfd" };
const MINOR_HUGE: Need = Need::Since { major: 5, minor: 13, what: "minor faults of hugetlbfs" };
const MINOR_FILE: Need = Need::Since { major: 5, minor: 14, what: "minor faults of shared memory" };
const PROTECT_FILE: Need = Need::Since { major: 5, minor: 19, what: "write protection of shared memory" };
const PROTECT_HOLE: Need = Need::Since { major: 6, minor: 4, what: "UFFD_FEATURE_WP_UNPOPULATED" };
const CONTINUE_PROTECTED: Need = Need::Since { major: 6, minor: 4, what: "UFFDIO_CONTINUE_MODE_WP" };
const POISON: Need = Need::Since { major: 6, minor: 6, what: "UFFDIO_POISON" };
const ASYNC: Need = Need::Since { major: 6, minor: 7, what: "UFFD_FEATURE_WP_ASYNC" };
const MOVE: Need = Need::Since { major: 6, minor: 8, what: "UFFDIO_MOVE" };

const CASES: &[Case] = cases! {
    unknown_flag_is_refused: "userfaultfd(2) ERRORS: EINVAL, an unsupported value was specified in flags";
    flags_of_the_descriptor_are_as_asked: "userfaultfd(2) O_CLOEXEC, O_NONBLOCK";
    handshake_tells_version_and_ioctls: "UFFDIO_API(2const): features and ioctls that are available";
    features_of_the_release_are_offered: "UFFDIO_API(2const): UFFD_FEATURE_*, since Linux …";
    unknown_version_or_feature_is_refused: "UFFDIO_API(2const) ERRORS: EINVAL; all fields are zeroed";
    handshake_is_made_once: "UFFDIO_API(2const) ERRORS: EINVAL, a previous UFFDIO_API call already enabled features";
    nothing_works_before_the_handshake: "userfaultfd(2): UFFDIO_API must be called first; read(2): EINVAL; poll(2): POLLERR";
    unknown_ioctl_and_bad_address_are_refused: "ioctl_userfaultfd(2) ERRORS: EFAULT, EINVAL";
    read_with_nothing_to_tell_is_eagain: "userfaultfd(2) Reading: EAGAIN; EINVAL for less than a uffd_msg";
    read_takes_as_many_messages_as_fit: "userfaultfd(2) Reading: each read(2) returns one or more uffd_msg structures";
    blocking_descriptor_cannot_be_polled: "userfaultfd(2): poll(2) of a descriptor without O_NONBLOCK indicates POLLERR";
    privilege_is_needed_for_kernel_faults: "userfaultfd(2) ERRORS: EPERM, /proc/sys/vm/unprivileged_userfaultfd is 0", needs [SETTING];
    sysctl_1_lets_everybody: "sysctl/vm.rst unprivileged_userfaultfd: 1 allows, other values are refused", needs [SETTING];
    user_mode_only_needs_no_privilege: "userfaultfd(2) UFFD_USER_MODE_ONLY: an unprivileged process", needs [USER_MODE, SETTING];
    user_mode_only_stalls_no_kernel_code: "userfaultfd(2) UFFD_USER_MODE_ONLY: faults from kernel mode are not handled", needs [USER_MODE];
    fault_of_the_kernel_is_told_and_resolved: "userfaultfd(2): faults of system calls, too, are delivered";
    device_gives_descriptors_by_file_permission: "userfaultfd.rst: /dev/userfaultfd and USERFAULTFD_IOC_NEW", needs [DEVICE, SETTING];
    fork_feature_needs_privilege: "UFFDIO_API(2const) ERRORS: EPERM, UFFD_FEATURE_EVENT_FORK without CAP_SYS_PTRACE", needs [USER_MODE];

    register_tells_the_calls_of_its_mode: "UFFDIO_REGISTER(2const): the ioctls field";
    bad_register_is_refused: "UFFDIO_REGISTER(2const) ERRORS: EINVAL";
    anonymous_memory_has_no_minor_faults: "UFFDIO_REGISTER(2const) MODE_MINOR: hugetlbfs and shared memory only", needs [MINOR_FILE];
    file_that_is_not_in_shared_memory_is_refused: "UFFDIO_REGISTER(2const) ERRORS: EINVAL, not anonymous, hugetlbfs or shared memory";
    file_open_for_reading_is_refused: "fs/userfaultfd.c, since 4.20: filling holes needs VM_MAYWRITE; CVE-2018-18397", needs [FILE];
    range_of_another_descriptor_is_busy: "UFFDIO_REGISTER(2const) ERRORS: EBUSY, registered with another userfaultfd object";
    only_the_registered_range_faults: "UFFDIO_REGISTER(2const): a memory address range";
    unregister_ends_the_faults_and_wakes_who_waits: "UFFDIO_UNREGISTER(2const)";
    memory_of_the_dead_is_esrch: "UFFDIO_COPY(2const) ERRORS: ESRCH, the faulting process has exited";

    access_waits_for_the_page_it_is_given: "UFFDIO_REGISTER(2const) MODE_MISSING; UFFDIO_COPY(2const)";
    address_of_a_fault_is_its_pages_start: "userfaultfd(2) pagefault.address; UFFD_FEATURE_EXACT_ADDRESS since 5.18";
    fault_names_its_thread_on_request: "userfaultfd(2) UFFD_FEATURE_THREAD_ID: pagefault.feat.ptid";
    zeropage_gives_zeros: "UFFDIO_ZEROPAGE(2const)";
    dontwake_leaves_the_access_asleep_until_woken: "UFFDIO_COPY(2const), UFFDIO_ZEROPAGE(2const): MODE_DONTWAKE; UFFDIO_WAKE(2const)";
    wake_without_a_page_faults_again: "UFFDIO_WAKE(2const): wake up the thread waiting for page-fault resolution";
    wake_spares_other_pages: "UFFDIO_WAKE(2const): on a specified memory address range";
    page_that_is_there_is_never_overwritten: "UFFDIO_COPY(2const) ERRORS: EEXIST; EAGAIN with the bytes done";
    bad_ranges_and_modes_are_refused: "UFFDIO_COPY(2const), UFFDIO_ZEROPAGE(2const), UFFDIO_WAKE(2const) ERRORS: EINVAL, EFAULT";
    range_that_is_not_registered_is_refused: "UFFDIO_COPY(2const) ERRORS: ENOENT";
    sigbus_feature_signals_instead_of_telling: "userfaultfd(2) UFFD_FEATURE_SIGBUS: no page-fault event, a SIGBUS signal";
    closing_lets_the_access_go_on: "userfaultfd(2): when the last descriptor is closed, ranges are unregistered";

    copy_into_shared_memory_reaches_the_file: "userfaultfd(2) UFFD_FEATURE_MISSING_SHMEM", needs [FILE];
    punched_page_is_missing_again: "userfaultfd.rst: missing means no page in the page cache", needs [FILE];
    minor_fault_is_told_and_continued: "userfaultfd.rst: minor faults; UFFDIO_CONTINUE(2const)", needs [MINOR_FILE, FILE];
    bad_continue_is_refused: "UFFDIO_CONTINUE(2const) ERRORS: EINVAL, EFAULT, EAGAIN, ENOENT", needs [MINOR_FILE, FILE];
    continue_with_dontwake_leaves_the_access_asleep: "UFFDIO_CONTINUE(2const) MODE_DONTWAKE", needs [MINOR_FILE, FILE];
    missing_and_minor_are_told_apart: "userfaultfd.rst: minor faults, missing faults; either or both", needs [MINOR_FILE, FILE];
    huge_page_is_missing_and_copied_whole: "userfaultfd(2) UFFD_FEATURE_MISSING_HUGETLBFS", needs [HUGE];
    huge_page_has_minor_faults: "userfaultfd(2) UFFD_FEATURE_MINOR_HUGETLBFS", needs [MINOR_HUGE, HUGE];

    write_waits_until_protection_is_taken_away: "UFFDIO_WRITEPROTECT(2const); userfaultfd(2) UFFD_PAGEFAULT_FLAG_WP", needs [PROTECT];
    write_to_protected_shared_memory_waits: "userfaultfd(2) UFFD_FEATURE_WP_HUGETLBFS_SHMEM", needs [PROTECT_FILE, PROTECT, FILE];
    write_to_protected_huge_page_waits: "userfaultfd(2) UFFD_FEATURE_WP_HUGETLBFS_SHMEM", needs [PROTECT_FILE, PROTECT, HUGE];
    write_of_the_kernels_waits_too: "userfaultfd(2) Write-protect mode: any write", needs [PROTECT];
    unprotect_with_dontwake_leaves_the_write_asleep: "UFFDIO_WRITEPROTECT(2const) MODE_DONTWAKE", needs [PROTECT];
    bad_write_protect_is_refused: "UFFDIO_WRITEPROTECT(2const) ERRORS: EINVAL, ENOENT", needs [PROTECT];
    copied_page_arrives_protected_on_request: "UFFDIO_COPY(2const) MODE_WP", needs [PROTECT];
    continued_page_arrives_protected_on_request: "userfaultfd.rst: UFFDIO_CONTINUE_MODE_WP", needs [CONTINUE_PROTECTED, PROTECT, FILE];
    pagemap_shows_protection_until_it_ends: "pagemap.rst: bit 57, pte is uffd-wp write-protected", needs [PAGEMAP_BIT, PAGEMAP, PROTECT];
    child_of_a_protected_process_writes_freely: "userfaultfd(2): registrations are not inherited without EVENT_FORK", needs [PROTECT];
    protection_is_kept_across_a_fork_with_its_event: "userfaultfd(2) UFFD_EVENT_FORK: the objects of the parent are duplicated; UFFDIO_WRITEPROTECT(2const)", needs [PROTECT];
    page_that_is_not_there_is_protected_on_request: "userfaultfd(2) UFFD_FEATURE_WP_UNPOPULATED", needs [PROTECT_HOLE, PROTECT];
    asynchronous_protection_only_marks: "userfaultfd(2) UFFD_FEATURE_WP_ASYNC: no fault is delivered", needs [ASYNC, PROTECT];

    fork_hands_over_the_childs_memory: "userfaultfd(2) UFFD_EVENT_FORK: fork.ufd, a descriptor for the child";
    fork_waits_for_its_event_to_be_read: "userfaultfd(2) Non-cooperative mode: the process is stopped until the event is read";
    fork_without_the_event_leaves_the_child_alone: "userfaultfd(2): VM_UFFD flags are cleared in the child";
    remap_tells_from_where_to_where: "userfaultfd(2) UFFD_EVENT_REMAP: remap.from, to, len";
    remap_without_the_event_ends_the_registration: "userfaultfd(2) UFFD_FEATURE_EVENT_REMAP";
    remove_tells_what_is_gone: "userfaultfd(2) UFFD_EVENT_REMOVE: remove.start, end";
    unmap_tells_what_is_gone: "userfaultfd(2) UFFD_EVENT_UNMAP: remove.start, end";
    events_not_asked_for_are_not_told: "UFFDIO_API(2const): only the requested features are enabled";

    poisoned_page_kills_who_touches_it: "userfaultfd.rst: UFFDIO_POISON, SIGBUS as of memory that is broken", needs [POISON];
    poisoned_huge_page_kills_who_touches_it: "userfaultfd.rst: UFFDIO_POISON; UFFDIO_POISON(2const) ERRORS: EINVAL, EEXIST", needs [POISON, HUGE];
    poisoned_page_fails_the_kernels_copies: "userfaultfd.rst: UFFDIO_POISON; write(2) ERRORS: EFAULT", needs [POISON];
    bad_poison_is_refused: "UFFDIO_POISON(2const) ERRORS: EINVAL, EEXIST, EAGAIN, ENOENT", needs [POISON];
    moved_page_is_there_and_no_longer_here: "UFFDIO_MOVE(2const)", needs [MOVE];
    move_needs_a_page_and_an_empty_place: "UFFDIO_MOVE(2const) ERRORS: ENOENT, EEXIST; MODE_ALLOW_SRC_HOLES", needs [MOVE];
    shared_page_does_not_move: "UFFDIO_MOVE(2const) ERRORS: EBUSY, not exclusively mapped", needs [MOVE];
    bad_move_is_refused: "UFFDIO_MOVE(2const) ERRORS: EINVAL", needs [MOVE];
};
