//! memfd_create(2) and file sealing, fcntl(2) F_ADD_SEALS and F_GET_SEALS.

use crate::{Case, Need, Suite, cases};

mod attack;
mod calls;
mod combination;
mod create;
mod exec;
mod huge;
mod ring;
mod roads;
mod sealing;
mod size;
mod write;

use {attack::*, combination::*, create::*, exec::*, huge::*, roads::*, sealing::*, size::*, write::*};

pub const SUITE: Suite = Suite {
    name: "memfd",
    about: "memfd_create(2) and file sealing",
    needs: &[Need::Config("MEMFD_CREATE"), Need::Config("TMPFS")],
    cases: CASES,
};

const EXEC: Need = Need::Since { major: 6, minor: 3, what: "MFD_EXEC, MFD_NOEXEC_SEAL and F_SEAL_EXEC" };
const STRICT: Need = Need::Since {
    major: 6,
    minor: 6,
    what: "vm.memfd_noexec=2 that judges the resulting mode, not the missing flag",
};
const NAMESPACE: Need = Need::Config("PID_NS");
const SETTING: Need = Need::Config("SYSCTL");
const HUGE: Need = Need::Config("HUGETLBFS");

const CASES: &[Case] = cases! {
    new_file_is_empty_and_has_no_name: "memfd_create(2): an anonymous file, initial size 0, O_RDWR";
    name_of_250_bytes_is_refused: "memfd_create(2) ERRORS: EINVAL, name was too long; the limit is 249 bytes";
    same_name_makes_another_file: "memfd_create(2): multiple files can have the same name without side effects";
    name_outside_memory_is_refused: "memfd_create(2) ERRORS: EFAULT, name points to invalid memory";
    unknown_flag_is_refused: "memfd_create(2) ERRORS: EINVAL, flags included unknown bits";
    descriptor_limit_is_respected: "memfd_create(2) ERRORS: EMFILE, the per-process limit on open descriptors";
    cloexec_is_set_only_on_request: "memfd_create(2) MFD_CLOEXEC";
    offset_beyond_4_gib_works: "memfd_create(2): the O_LARGEFILE flag is set";
    truncated_bytes_do_not_come_back: "ftruncate(2): the extended part reads as null bytes";
    punched_hole_reads_as_zeros_and_nothing_else_does: "fallocate(2): subsequent reads from this range return zeros";
    mapping_and_descriptor_see_the_same_bytes: "memfd_create(2): the file behaves like a regular file";
    access_beyond_the_end_raises_sigbus: "memfd_create(2) NOTES: access beyond the new end results in SIGBUS";

    sealing_must_be_allowed_at_creation: "memfd_create(2) MFD_ALLOW_SEALING: if not set, the initial seal is F_SEAL_SEAL";
    seals_add_up_and_stay: "fcntl(2) File Sealing: once a seal is set, it cannot be removed";
    unknown_seal_is_refused_whole: "fcntl(2) ERRORS: EINVAL, arg includes an unrecognized sealing bit";
    sealed_sealing_is_final: "fcntl(2) F_SEAL_SEAL: any further F_ADD_SEALS fails with EPERM";
    read_only_descriptor_cannot_seal: "fcntl(2) F_ADD_SEALS: EPERM, the file descriptor does not refer to a writable file";
    seals_belong_to_the_file: "fcntl(2) File Sealing: seals are a property of an inode";
    files_without_seals_are_refused: "fcntl(2) ERRORS: EINVAL, the filesystem containing the inode does not support sealing";
    sealing_needs_no_privilege: "fcntl(2) File Sealing: seals restrict what the holder of any descriptor can do";
    privilege_breaks_no_seal: "fcntl(2) File Sealing: the operations fail with EPERM, for anyone";

    every_set_of_seals_forbids_exactly_its_changes: "fcntl(2) File Sealing: each seal and the operations it affects";
    order_of_sealing_does_not_matter: "fcntl(2) File Sealing: F_ADD_SEALS adds the seals to the set of seals";
    adding_a_seal_again_changes_nothing: "fcntl(2) F_ADD_SEALS: if the file already has the seal, this has no effect";
    mappings_that_cannot_write_do_not_hinder_sealing: "fcntl(2) ERRORS: EBUSY, a writable, shared mapping exists";
    path_descriptor_knows_no_seals: "open(2) O_PATH: other operations fail with EBADF; fcntl(2)";

    shrink_seal_refuses_every_shrinking: "fcntl(2) F_SEAL_SHRINK: affects open(2) with O_TRUNC, truncate(2), ftruncate(2)";
    shrink_seal_refuses_nothing_else: "fcntl(2) F_SEAL_SHRINK: the file cannot be reduced in size";
    grow_seal_refuses_every_growing: "fcntl(2) F_SEAL_GROW: affects write(2) beyond the end, ftruncate(2), fallocate(2)";
    grow_seal_holds_against_a_write_across_the_end: "fcntl(2) F_SEAL_GROW: the size of the file cannot be increased";
    grow_seal_refuses_nothing_else: "fcntl(2) F_SEAL_GROW: the size of the file cannot be increased";
    empty_sealed_file_stays_empty: "fcntl(2) F_SEAL_GROW, F_SEAL_SHRINK";

    write_seal_refuses_every_write: "fcntl(2) F_SEAL_WRITE: you cannot modify the contents of the file";
    write_seal_leaves_the_size_free: "fcntl(2) F_SEAL_WRITE: shrinking or growing is still possible and allowed";
    write_seal_refuses_writable_shared_mappings: "fcntl(2) F_SEAL_WRITE: no new shared, writable memory mapping: EPERM";
    future_write_seal_refuses_writable_shared_mappings: "fcntl(2) F_SEAL_FUTURE_WRITE: no new shared, writable mapping: EPERM";
    write_seal_allows_private_mappings: "fcntl(2) F_SEAL_WRITE: affects shared, writable mappings";
    write_seal_is_refused_while_mapped_writable: "fcntl(2) ERRORS: EBUSY, a writable, shared mapping exists";
    write_seal_is_refused_while_a_child_maps_writable: "fcntl(2) ERRORS: EBUSY, a writable, shared mapping exists";
    future_write_seal_refuses_every_write: "fcntl(2) F_SEAL_FUTURE_WRITE: write(2) fails with EPERM";
    future_write_seal_spares_the_mappings_there_are: "fcntl(2) F_SEAL_FUTURE_WRITE: mappings created before stay writable";
    sealed_file_reads_as_before: "fcntl(2) File Sealing: seals restrict modification";

    vectored_writes_are_held_to_the_seals: "fcntl(2) F_SEAL_WRITE, F_SEAL_GROW; pwritev2(2)";
    splice_is_held_to_the_seals: "fcntl(2) F_SEAL_WRITE, F_SEAL_GROW; splice(2)";
    sendfile_is_held_to_the_seals: "fcntl(2) F_SEAL_WRITE, F_SEAL_GROW; sendfile(2)";
    copy_file_range_is_held_to_the_seals: "fcntl(2) F_SEAL_WRITE, F_SEAL_GROW; copy_file_range(2)";
    asynchronous_writes_are_held_to_the_seals: "fcntl(2) F_SEAL_WRITE, F_SEAL_GROW; io_submit(2)", needs [Need::Config("AIO")];
    io_uring_is_held_to_the_seals: "fcntl(2) F_SEAL_WRITE, F_SEAL_GROW; io_uring_enter(2)", needs [Need::Config("IO_URING")];
    writes_into_another_process_are_held_to_the_seals: "fcntl(2) F_SEAL_WRITE; process_vm_writev(2) ERRORS: EFAULT";
    write_seal_is_refused_while_pages_are_in_a_pipe: "fcntl(2) ERRORS: EBUSY, asynchronous I/O operations pending on the file";

    write_to_a_pipe_spares_the_page_spliced_into_it: "splice(2): the file is read; CVE-2022-0847";
    write_through_proc_mem_spares_the_file: "fcntl(2) F_SEAL_WRITE: you cannot modify the contents; proc_pid_mem(5)";
    path_in_proc_is_held_to_the_seals: "fcntl(2) F_SEAL_SHRINK, F_SEAL_GROW: truncate(2)";

    file_without_either_flag_is_executable: "memfd_create(2); mfd_noexec.rst: vm.memfd_noexec=0 acts like MFD_EXEC";
    exec_flag_makes_an_executable: "memfd_create(2) MFD_EXEC", needs [EXEC];
    exec_flag_with_noexec_flag_is_refused: "mfd_noexec.rst: MFD_EXEC and MFD_NOEXEC_SEAL exclude each other", needs [EXEC];
    noexec_flag_makes_what_nobody_can_execute: "mfd_noexec.rst MFD_NOEXEC_SEAL: not executable, and never will be", needs [EXEC];
    exec_seal_freezes_the_execute_bits: "fcntl(2) F_SEAL_EXEC: the execute bits cannot be changed", needs [EXEC];
    exec_seal_combines_with_every_set: "fcntl(2) F_SEAL_EXEC; mfd_noexec.rst: with any other seal, in any order", needs [EXEC];
    exec_seal_on_an_executable_seals_its_bytes: "fcntl(2) F_SEAL_EXEC: on an executable, implies the other content seals", needs [EXEC];
    exec_seal_on_an_executable_is_refused_while_mapped_writable: "fcntl(2) ERRORS: EBUSY, F_SEAL_WRITE and a writable mapping; F_SEAL_EXEC implies it", needs [EXEC];
    noexec_sysctl_1_changes_the_default: "mfd_noexec.rst: vm.memfd_noexec=1 acts like MFD_NOEXEC_SEAL", needs [EXEC, NAMESPACE, SETTING];
    noexec_sysctl_2_refuses_executables: "mfd_noexec.rst: vm.memfd_noexec=2 refuses without MFD_NOEXEC_SEAL", needs [STRICT, NAMESPACE, SETTING];
    noexec_sysctl_cannot_be_loosened_in_a_child_namespace: "mfd_noexec.rst: a child namespace cannot have a lower value", needs [STRICT, NAMESPACE, SETTING];
    noexec_sysctl_refuses_other_values: "mfd_noexec.rst: the values of vm.memfd_noexec are 0, 1 and 2", needs [EXEC, NAMESPACE, SETTING];

    huge_file_counts_in_huge_pages: "memfd_create(2) MFD_HUGETLB: on the hugetlbfs filesystem", needs [HUGE];
    size_seals_hold_on_huge_pages: "memfd_create(2): MFD_HUGETLB with MFD_ALLOW_SEALING, since Linux 4.16", needs [HUGE];
    write_seal_holds_on_huge_pages: "memfd_create(2): MFD_HUGETLB with MFD_ALLOW_SEALING, since Linux 4.16", needs [HUGE];
    huge_file_keeps_its_bytes_when_sealed: "memfd_create(2): MFD_HUGETLB with MFD_ALLOW_SEALING; MFD_HUGE_2MB", needs [HUGE];
    huge_page_size_that_does_not_exist_is_refused: "memfd_create(2) MFD_HUGE_2MB and others: one of the system's sizes", needs [HUGE];
};
