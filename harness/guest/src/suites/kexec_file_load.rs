//! kexec_file_load(2): what is loaded, what is refused, and a real reboot into the loaded kernel.

use crate::{Case, CaseResult, Complaint, Context, FileNeed, Need, Suite};

mod images;
mod permission;
mod reboot;
mod slots;
mod support;

pub const SUITE: Suite = Suite {
    name: "kexec_file_load",
    about: "kexec_file_load(2): loading another kernel and starting it",
    needs: &[Need::Config("KEXEC_FILE")],
    cases: CASES,
};

const fn case(name: &'static str, cites: &'static str, run: fn(&Context) -> CaseResult) -> Case {
    Case { name, cites, needs: &[], files: &[], splats: &[], run }
}

/// The host supplies the image of the kernel that runs the case.
const fn with_image(name: &'static str, cites: &'static str, run: fn(&Context) -> CaseResult) -> Case {
    Case { files: &[FileNeed::KernelImage], ..case(name, cites, run) }
}

const CASES: &[Case] = &[
    case("unknown_flag_is_refused", "kexec_load(2) ERRORS: EINVAL, invalid flags", images::unknown_flags),
    Case {
        needs: &[Need::Before {
            major: 6,
            minor: 7,
            what: "refusal of the flag 8, KEXEC_FILE_DEBUG since then",
        }],
        ..with_image(
            "debug_flag_is_refused_before_its_time",
            "kexec_load(2) ERRORS: EINVAL, invalid flags",
            images::debug_flag_before_its_time,
        )
    },
    Case {
        needs: &[Need::Since { major: 6, minor: 7, what: "KEXEC_FILE_DEBUG" }],
        ..with_image(
            "debug_flag_makes_the_load_tell",
            "kexec_load(2); include/uapi/linux/kexec.h: KEXEC_FILE_DEBUG",
            images::debug_flag,
        )
    },
    with_image(
        "unreadable_file_is_refused",
        "kexec_load(2) ERRORS: EBADF; EINVAL, EFBIG and ETXTBSY of kernel_read_file_from_fd",
        images::unreadable_files,
    ),
    with_image(
        "unload_ignores_other_arguments",
        "kexec_load(2) KEXEC_FILE_UNLOAD: unload the currently loaded kernel",
        images::unload_ignores_the_rest,
    ),
    with_image(
        "old_call_without_segments_unloads",
        "kexec_load(2): nr_segments of 0",
        images::old_call_unloads,
    ),
    case(
        "bad_kernel_descriptor_is_refused",
        "kexec_load(2) ERRORS: EBADF, kernel_fd is not valid",
        images::bad_kernel_descriptor,
    ),
    with_image(
        "bad_initrd_descriptor_is_refused",
        "kexec_load(2) ERRORS: EBADF, initrd_fd is not valid; KEXEC_FILE_NO_INITRAMFS",
        images::bad_initrd_descriptor,
    ),
    case(
        "file_that_is_no_kernel_is_refused",
        "kexec_load(2) ERRORS: ENOEXEC, not a kernel image or an unknown format",
        images::no_kernel,
    ),
    with_image(
        "image_cut_inside_its_header_is_refused",
        "kexec_load(2) ERRORS: ENOEXEC; Documentation/arch/x86/boot.rst, setup_sects",
        images::cut_image,
    ),
    with_image(
        "image_without_its_end_is_loaded_or_refused",
        "kexec_load(2) ERRORS: ENOEXEC; Documentation/ABI/testing/sysfs-kernel-kexec-kdump",
        images::image_without_its_end,
    ),
    with_image(
        "image_with_wrong_header_is_refused",
        "kexec_load(2) ERRORS: ENOEXEC; Documentation/arch/x86/boot.rst, the real-mode header",
        images::wrong_header,
    ),
    with_image(
        "command_line_limits_are_obeyed",
        "kexec_load(2): cmdline ends with NUL; Documentation/arch/x86/boot.rst, cmdline_size",
        images::command_line_limits,
    ),
    with_image(
        "command_line_limit_is_the_images_own",
        "Documentation/arch/x86/boot.rst, cmdline_size: the maximum size of the command line",
        images::command_line_limit_of_the_image,
    ),
    with_image(
        "loaded_state_is_told_and_unloaded",
        "kexec_load(2) KEXEC_FILE_UNLOAD; Documentation/ABI/testing/sysfs-kernel-kexec-kdump",
        slots::load_and_unload,
    ),
    with_image(
        "failed_load_keeps_the_loaded_kernel",
        "kexec_load(2)",
        slots::failed_load_keeps_the_loaded_kernel,
    ),
    with_image(
        "crash_kernel_without_reservation_is_refused",
        "kexec_load(2) KEXEC_FILE_ON_CRASH; Documentation/admin-guide/kdump/kdump.rst",
        slots::crash_kernel_without_reservation,
    ),
    with_image(
        "crash_kernel_has_its_own_slot",
        "kexec_load(2) KEXEC_FILE_ON_CRASH; Documentation/ABI/testing/sysfs-kernel-kexec-kdump",
        slots::crash_kernel_has_its_own_slot,
    ),
    case(
        "unprivileged_user_is_refused",
        "kexec_load(2) ERRORS: EPERM, no CAP_SYS_BOOT",
        permission::unprivileged_user,
    ),
    with_image(
        "capability_decides_and_not_the_user",
        "kexec_load(2) ERRORS: EPERM, no CAP_SYS_BOOT; capabilities(7)",
        permission::capability_decides,
    ),
    Case {
        needs: &[Need::Config("USER_NS")],
        ..with_image(
            "root_of_a_user_namespace_is_refused",
            "user_namespaces(7): capabilities are of the namespace; kexec_load(2)",
            permission::namespaces_root_is_refused,
        )
    },
    Case {
        needs: &[Need::Config("SECURITY_LOCKDOWN_LSM"), Need::Config("KEXEC_SIG")],
        ..with_image(
            "lockdown_refuses_unsigned_images",
            "kernel_lockdown(7): only validly signed binaries may be kexec'd",
            permission::lockdown_refuses_unsigned_images,
        )
    },
    with_image(
        "disabled_kexec_stays_disabled",
        "Documentation/admin-guide/sysctl/kernel.rst: kexec_load_disabled",
        permission::disabled_for_good,
    ),
    Case {
        needs: &[Need::Since { major: 6, minor: 3, what: "sysctl kernel.kexec_load_limit_reboot" }],
        ..with_image(
            "load_limit_is_counted_down",
            "Documentation/admin-guide/sysctl/kernel.rst: kexec_load_limit_reboot",
            permission::load_limit,
        )
    },
    Case {
        needs: &[Need::Since { major: 6, minor: 3, what: "sysctl kernel.kexec_load_limit_panic" }],
        ..with_image(
            "load_limit_for_crash_kernels_is_counted_down",
            "Documentation/admin-guide/sysctl/kernel.rst: kexec_load_limit_panic",
            permission::crash_load_limit,
        )
    },
    case(
        "reboot_without_a_loaded_kernel_is_refused",
        "reboot(2) LINUX_REBOOT_CMD_KEXEC: EINVAL when nothing was loaded",
        reboot::nothing_loaded,
    ),
    with_image(
        "reboot_without_privilege_or_magic_is_refused",
        "reboot(2) ERRORS: EINVAL, EPERM; Behavior inside PID namespaces",
        reboot::unprivileged_or_malformed,
    ),
    Case {
        files: &[FileNeed::KernelImage, FileNeed::AgentInitrd],
        ..case(
            "longest_command_line_arrives_whole",
            "kexec_load(2): cmdline; Documentation/arch/x86/boot.rst, cmdline_size",
            reboot::with_the_longest_command_line,
        )
    },
    Case {
        files: &[FileNeed::KernelImage, FileNeed::AgentInitrd],
        splats: &[Complaint { title: "kernel panic: sysrq triggered crash", through: None, may_end: false }],
        ..case(
            "crash_kernel_starts_after_a_panic",
            "kexec_load(2) KEXEC_FILE_ON_CRASH; Documentation/admin-guide/kdump/kdump.rst",
            reboot::after_a_panic,
        )
    },
    Case {
        files: &[FileNeed::KernelImage, FileNeed::AgentInitrd],
        ..case(
            "loaded_kernel_starts_and_answers",
            "kexec_load(2); reboot(2) LINUX_REBOOT_CMD_KEXEC",
            reboot::into_the_loaded_kernel,
        )
    },
];
