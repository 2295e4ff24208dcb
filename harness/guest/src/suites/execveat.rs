//! execveat(2), and what it shares with execve(2).

use crate::{Case, Need, Suite, cases};

mod attributes;
mod format;
mod identity;
mod interpreter;
mod memory;
mod path;
mod permission;
mod process;
mod program;
mod run;

use {attributes::*, format::*, identity::*, interpreter::*, memory::*, path::*, permission::*, process::*};

pub const SUITE: Suite = Suite {
    name: "execveat",
    about: "execveat(2): which file, in which format, as whom, and what it gets",
    needs: &[Need::Config("TMPFS"), Need::Config("BINFMT_ELF")],
    cases: CASES,
};

const SCRIPT: Need = Need::Config("BINFMT_SCRIPT");
const CHECK: Need = Need::Since { major: 6, minor: 14, what: "AT_EXECVE_CHECK" };
const COMM: Need =
    Need::Since { major: 6, minor: 14, what: "the command name of a program executed by descriptor" };
const EXEC_SEAL: Need = Need::Since { major: 6, minor: 3, what: "F_SEAL_EXEC" };
const ARGV0: Need = Need::Since { major: 5, minor: 18, what: "an argv[0] for every program" };

const CASES: &[Case] = cases! {
    descriptor_with_empty_path_is_executed: "execveat(2) AT_EMPTY_PATH: the file to be executed is specified via dirfd";
    empty_path_needs_its_flag: "execveat(2) ERRORS: ENOENT, pathname is an empty string; EBADF";
    unknown_flag_is_refused: "execveat(2) ERRORS: EINVAL, invalid flag specified in flags";
    nofollow_refuses_the_last_link_only: "execveat(2) AT_SYMLINK_NOFOLLOW: ELOOP; path_resolution(7)";
    path_is_relative_to_its_directory: "execveat(2): relative to dirfd, AT_FDCWD; absolute: dirfd is ignored";
    bad_directory_or_path_is_refused: "execveat(2) ERRORS: EBADF, ENOTDIR; execve(2) ERRORS: ENOENT, ENAMETOOLONG";
    addresses_outside_memory_are_refused: "execve(2) ERRORS: EFAULT, pointers outside the accessible address space";
    check_flag_tells_and_does_not_execute: "userspace-api/check_exec.rst AT_EXECVE_CHECK", needs [CHECK];

    file_without_execute_bits_is_refused: "execve(2) ERRORS: EACCES, execute permission is denied";
    special_file_is_refused: "execve(2) ERRORS: EACCES, the file is not a regular file";
    execute_bits_count_by_class: "execve(2) ERRORS: EACCES, execute permission is denied; inode(7)";
    noexec_mount_is_refused: "execve(2) ERRORS: EACCES, the filesystem is mounted noexec";
    script_or_its_interpreter_on_a_noexec_mount_is_refused: "execve(2) ERRORS: EACCES, a script interpreter; the filesystem is mounted noexec", needs [SCRIPT];
    check_flag_tells_of_a_noexec_mount: "userspace-api/check_exec.rst AT_EXECVE_CHECK: ignoring the file format and interpreter", needs [CHECK];
    setuid_bit_is_honoured_unless_forbidden: "execve(2) Effect on process credentials: no_new_privs, nosuid";
    setgid_bit_is_honoured_unless_forbidden: "execve(2) Effect on process credentials: set-group-ID; inode(7) S_ISGID";
    setuid_program_is_marked_secure: "getauxval(3) AT_SECURE; execve(2): saved set-user-ID, dumpable, parent-death signal";
    setuid_bit_of_a_script_is_ignored: "execve(2) NOTES: Linux ignores the set-user-ID and set-group-ID bits on scripts", needs [SCRIPT];
    setuid_bit_is_ignored_under_an_unprivileged_tracer: "execve(2): not changed if the calling process is being ptraced";
    file_capabilities_are_honoured_unless_forbidden: "capabilities(7) File capabilities; no_new_privs, nosuid";
    capability_beyond_the_bounding_set_is_refused: "execve(2) ERRORS: EPERM, a capability-dumb application";
    plain_program_changes_no_user: "execve(2): the effective user ID is copied to the saved set-user-ID";
    process_limit_counts_after_a_change_of_user: "execve(2) ERRORS: EAGAIN, RLIMIT_NPROC";
    directory_without_search_permission_is_refused: "execve(2) ERRORS: EACCES, search permission; path_resolution(7)";
    unreadable_program_is_executed_and_not_dumpable: "PR_SET_DUMPABLE(2const): a program without read permission";
    file_open_for_writing_is_busy: "execve(2) ERRORS: ETXTBSY, open for writing by one or more processes";

    file_of_no_format_is_refused: "execve(2) ERRORS: ENOEXEC, not in a recognized format or for the wrong architecture";
    script_gets_its_path_as_argument: "execve(2) Interpreter scripts: interpreter [optional-arg] pathname arg...", needs [SCRIPT];
    script_by_close_on_exec_descriptor_is_refused: "execveat(2) BUGS: ENOENT for a script by FD_CLOEXEC descriptor", needs [SCRIPT];
    interpreter_must_be_executable: "execve(2) ERRORS: EACCES, ENOENT of an interpreter", needs [SCRIPT];
    interpreter_path_of_254_bytes_is_refused: "execve(2) Interpreter scripts: at most 255 bytes since Linux 5.1", needs [SCRIPT];
    sixth_script_in_a_chain_is_refused: "execve(2) ERRORS: ELOOP, recursive script interpretation", needs [SCRIPT];

    program_is_started_by_its_interpreter: "execve(2): PT_INTERP, the interpreter is loaded; elf(5)";
    interpreter_of_a_program_is_judged_as_a_program: "execve(2) ERRORS: EACCES, ENOENT, ELOOP, ENOTDIR of an ELF interpreter";
    interpreter_of_a_program_on_a_noexec_mount_is_refused: "execve(2) ERRORS: EACCES, an ELF interpreter; the filesystem is mounted noexec";
    interpreter_of_no_format_is_refused: "execve(2) ERRORS: ELIBBAD, an ELF interpreter was not in a recognized format";
    interpreter_path_without_end_is_refused: "elf(5) PT_INTERP: a null-terminated pathname; execve(2) ERRORS: ENOEXEC";

    arguments_and_variables_arrive_unchanged: "execve(2): argv and envp";
    argument_of_128_kib_is_refused: "execve(2) ERRORS: E2BIG, a string is longer than MAX_ARG_STRLEN (32 pages)";
    arguments_are_limited_in_total: "execve(2) Limits on size of arguments and environment: RLIMIT_STACK / 4";
    empty_argument_list_becomes_one_empty_string: "execve(2) VERSIONS: argv of NULL; exec: force single empty string, 5.18", needs [ARGV0];
    program_is_told_its_path: "getauxval(3) AT_EXECFN; execveat(2) NOTES: /dev/fd/N";
    command_name_by_descriptor_is_the_files: "proc_pid_comm(5); exec: fix up /proc/pid/comm, 6.14", needs [COMM];
    command_name_is_cut_at_15_bytes: "execve(2): the process name is set; proc_pid_comm(5) TASK_COMM_LEN";
    close_on_exec_closes_and_others_stay: "execve(2): descriptors marked close-on-exec are closed";
    refused_call_changes_nothing: "execve(2): on success it does not return, on error -1";
    signals_are_kept_and_handlers_are_not: "execve(2): signal dispositions; signal(7): mask and pending set";
    other_threads_end_and_the_process_stays: "execve(2): all threads other than the calling one are destroyed";

    sealed_memfd_is_executed: "execveat(2): fexecve(3) of a file without a name; fcntl(2) File Sealing";
    exec_sealed_memfd_is_executed_as_its_mode_says: "mfd_noexec.rst F_SEAL_EXEC: the execute bits cannot be changed; execve(2) ERRORS: EACCES", needs [EXEC_SEAL];
    memfd_opened_for_writing_is_busy: "execve(2) ERRORS: ETXTBSY; memfd_create(2)";
    memfd_is_named_by_its_descriptor: "execveat(2) NOTES: /dev/fd/N; memfd_create(2): the name, for debugging", needs [SCRIPT];

    attributes_are_kept: "execve(2) Effect on process attributes: all other attributes are preserved";
    attributes_of_the_old_program_are_lost: "execve(2) Effect on process attributes: not preserved";
    names_in_proc_tell_program_and_arguments: "proc_pid_cmdline(5), proc_pid_exe(5), proc_pid_comm(5)", needs [SCRIPT];
};
