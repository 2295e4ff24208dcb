//! What a kernel's configuration promises against those who attack it.

use crate::module::DONOR;
use crate::{Case, FileNeed, Need, Suite, cases};

mod built;
mod facts;
mod layout;
mod lkdtm;
mod lockdown;
mod processor;
mod random;
mod restrict;

use {built::*, layout::*, lkdtm::*, lockdown::*, processor::*, random::*, restrict::*};

pub const SUITE: Suite = Suite {
    name: "hardening",
    about: "what the configuration promises: memory protection, random layout, restrictions, lockdown, lkdtm",
    needs: &[Need::Config("PROC_FS")],
    cases: CASES,
};

const LKDTM: Need = Need::Module { symbol: "LKDTM", module: "lkdtm" };
const DEBUGFS: Need = Need::Config("DEBUG_FS");
const STACK_PROT: Need = Need::Config("STACKPROTECTOR");
const VMAP: Need = Need::Config("VMAP_STACK");
const KERNEL_RWX: Need = Need::Config("STRICT_KERNEL_RWX");
const USERCOPY: Need = Need::Config("HARDENED_USERCOPY");
const FORTIFY: Need = Need::Config("FORTIFY_SOURCE");
const LISTS: Need = Need::Config("DEBUG_LIST");
const CORRUPTION: Need = Need::Config("BUG_ON_DATA_CORRUPTION");
const KALLSYMS: Need = Need::Config("KALLSYMS");
const CORE: Need = Need::Config("PROC_KCORE");
const LOCKDOWN: Need = Need::Config("SECURITY_LOCKDOWN_LSM");
const SECURITYFS: Need = Need::Config("SECURITYFS");
const PERF: Need = Need::Config("PERF_EVENTS");
const AT_LOAD: Need =
    Need::Since { major: 5, minor: 13, what: "forbidden helpers that are refused when a program is loaded" };

const CASES: &[Case] = cases! {
    log_is_restricted_by_default: "security/Kconfig SECURITY_DMESG_RESTRICT: the default of dmesg_restrict", needs [Need::Config("SECURITY_DMESG_RESTRICT")];
    restricted_log_is_for_the_privileged: "sysctl/kernel.rst dmesg_restrict; syslog(2) ERRORS: EPERM", needs [Need::Config("PRINTK"), Need::Config("SYSCTL")];
    addresses_of_the_kernel_are_hidden_by_kptr_restrict: "sysctl/kernel.rst kptr_restrict; proc(5) /proc/kallsyms", needs [KALLSYMS, Need::Config("SYSCTL")];
    yama_bounds_who_traces_whom: "LSM/Yama.rst ptrace_scope; PR_SET_PTRACER(2const)", needs [Need::Config("SECURITY_YAMA")];
    lowest_pages_cannot_be_mapped: "sysctl/vm.rst mmap_min_addr; mmap(2) ERRORS: EPERM", needs [Need::Config("MMU")];

    lockdown_integrity_keeps_the_kernel_whole: "kernel_lockdown(7): /dev/mem, /dev/port, iopl; the level can only be raised", needs [LOCKDOWN, SECURITYFS];
    lockdown_integrity_loads_no_other_kernel: "kernel_lockdown(7): kexec; kexec_load(2)", needs [LOCKDOWN, SECURITYFS, Need::Config("KEXEC")];
    lockdown_integrity_takes_no_unsigned_module: "kernel_lockdown(7): loading of unsigned modules; init_module(2)", needs [LOCKDOWN, SECURITYFS], files [FileNeed::Module(DONOR)];
    lockdown_integrity_closes_debugfs_to_writers: "kernel_lockdown(7): debugfs; include/linux/security.h LOCKDOWN_DEBUGFS", needs [LOCKDOWN, SECURITYFS, DEBUGFS];
    lockdown_integrity_keeps_the_processors_registers: "kernel_lockdown(7): writing of MSRs; msr(4)", needs [LOCKDOWN, SECURITYFS, Need::Module { symbol: "X86_MSR", module: "msr" }];
    lockdown_confidentiality_keeps_the_kernels_secrets: "kernel_lockdown(7): /proc/kcore, /dev/mem", needs [LOCKDOWN, SECURITYFS, CORE];
    lockdown_confidentiality_closes_tracefs: "include/linux/security.h LOCKDOWN_TRACEFS", needs [LOCKDOWN, SECURITYFS, Need::Config("TRACING")];
    lockdown_confidentiality_hides_memory_from_bpf: "include/linux/security.h LOCKDOWN_BPF_READ_KERNEL", needs [LOCKDOWN, SECURITYFS, Need::Config("BPF_EVENTS"), Need::Config("KPROBES"), AT_LOAD];
    lockdown_confidentiality_sets_no_probe: "include/linux/security.h LOCKDOWN_KPROBES", needs [LOCKDOWN, SECURITYFS, PERF, Need::Config("KPROBE_EVENTS")];
    lockdown_confidentiality_shows_no_registers: "include/linux/security.h LOCKDOWN_PERF; perf_event_open(2) PERF_SAMPLE_REGS_INTR", needs [LOCKDOWN, SECURITYFS, PERF];

    functions_check_their_stack: "arch/Kconfig STACKPROTECTOR: __stack_chk_fail; self-protection.rst Stack buffer overflow", needs [STACK_PROT, KALLSYMS, CORE];
    copies_from_and_to_programs_are_checked: "security/Kconfig HARDENED_USERCOPY: __check_object_size", needs [USERCOPY, KALLSYMS, CORE];
    copies_of_known_size_are_checked: "security/Kconfig FORTIFY_SOURCE; lib/string_helpers.c: fortify_panic", needs [FORTIFY, KALLSYMS, CORE];
    caches_say_what_may_be_copied: "ABI/testing/sysfs-kernel-slab: usersize; self-protection.rst: whitelists of slab caches", needs [USERCOPY, Need::Config("SLUB_DEBUG"), Need::Config("SYSFS")];

    programs_are_laid_out_at_random: "sysctl/kernel.rst randomize_va_space; personality(2) ADDR_NO_RANDOMIZE", needs [Need::Config("SYSCTL")];
    kernel_is_where_it_was_not_linked: "self-protection.rst KASLR; x86/zero-page.rst, x86/boot.rst loadflags", needs [Need::Config("RANDOMIZE_BASE"), Need::Config("RANDOMIZE_MEMORY"), KALLSYMS, Need::Config("PROC_KCORE")];
    no_page_was_writable_and_executable_at_boot: "mm/Kconfig.debug, arch/x86/Kconfig.debug DEBUG_WX", needs [Need::Config("DEBUG_WX"), Need::Config("PRINTK")];
    no_page_is_writable_and_executable: "self-protection.rst: executable code and read-only data must not be writable", needs [Need::Config("PTDUMP_DEBUGFS"), KERNEL_RWX];
    data_cannot_be_executed: "mmap(2) PROT_EXEC; mprotect(2)";
    memory_of_the_system_is_closed_to_dev_mem: "lib/Kconfig.debug STRICT_DEVMEM; mem(4)", needs [Need::Config("STRICT_DEVMEM"), Need::Config("DEVMEM")];
    kernel_stacks_have_guard_pages: "arch/Kconfig VMAP_STACK; mm/vmalloced-kernel-stacks.rst", needs [VMAP];
    fresh_memory_is_cleared_as_configured: "security/Kconfig.hardening INIT_ON_ALLOC_DEFAULT_ON", needs [Need::Config("INIT_ON_ALLOC_DEFAULT_ON"), Need::Config("PRINTK")];

    smep_is_used_where_there_is_one: "Intel SDM vol. 3, 4.6: SMEP; self-protection.rst";
    smap_is_used_where_there_is_one: "Intel SDM vol. 3, 4.6: SMAP; self-protection.rst";
    no_execute_is_used: "Intel SDM vol. 3, 4.6: execute-disable";
    umip_hides_where_the_kernels_tables_are: "Intel SDM vol. 3, 2.5: UMIP; arch/x86/kernel/umip.c", needs [Need::Config("X86_UMIP")];
    vsyscall_page_can_only_be_executed: "arch/x86/Kconfig LEGACY_VSYSCALL_XONLY", needs [Need::Config("LEGACY_VSYSCALL_XONLY"), Need::Config("X86_VSYSCALL_EMULATION")];
    vsyscall_page_is_not_there: "arch/x86/Kconfig LEGACY_VSYSCALL_NONE", needs [Need::Config("LEGACY_VSYSCALL_NONE")];

    overwritten_stack_is_noticed: "self-protection.rst Stack buffer overflow; lkdtm CORRUPT_STACK", needs [LKDTM, DEBUGFS, STACK_PROT], splats [STACK_PROTECTOR, KASAN_STACK];
    stack_ends_at_a_guard_page_below: "self-protection.rst Stack depth overflow; lkdtm STACK_GUARD_PAGE_LEADING", needs [LKDTM, DEBUGFS, VMAP], splats [GUARD_PAGE, BAD_ACCESS, KASAN_GUARD];
    stack_ends_at_a_guard_page_above: "self-protection.rst Stack depth overflow; lkdtm STACK_GUARD_PAGE_TRAILING", needs [LKDTM, DEBUGFS, VMAP], splats [GUARD_PAGE, BAD_ACCESS, KASAN_GUARD];
    constants_cannot_be_written: "self-protection.rst: function pointers and sensitive variables must not be writable; lkdtm WRITE_RO", needs [LKDTM, DEBUGFS, KERNEL_RWX], splats [BAD_ACCESS];
    data_sealed_after_boot_cannot_be_written: "self-protection.rst: __ro_after_init; lkdtm WRITE_RO_AFTER_INIT", needs [LKDTM, DEBUGFS, KERNEL_RWX], splats [BAD_ACCESS];
    code_cannot_be_written: "self-protection.rst: executable code must not be writable; lkdtm WRITE_KERN", needs [LKDTM, DEBUGFS, KERNEL_RWX], splats [BAD_ACCESS];
    data_of_the_kernel_cannot_be_executed: "self-protection.rst: data must not be executable; lkdtm EXEC_DATA", needs [LKDTM, DEBUGFS, KERNEL_RWX], splats [BAD_ACCESS];
    stack_of_the_kernel_cannot_be_executed: "self-protection.rst: data must not be executable; lkdtm EXEC_STACK", needs [LKDTM, DEBUGFS], splats [BAD_ACCESS];
    heap_of_the_kernel_cannot_be_executed: "self-protection.rst: data must not be executable; lkdtm EXEC_KMALLOC", needs [LKDTM, DEBUGFS], splats [BAD_ACCESS];
    vmalloc_memory_cannot_be_executed: "self-protection.rst: data must not be executable; lkdtm EXEC_VMALLOC", needs [LKDTM, DEBUGFS], splats [BAD_ACCESS];
    constants_cannot_be_executed: "self-protection.rst: read-only data must not be executable; lkdtm EXEC_RODATA", needs [LKDTM, DEBUGFS, KERNEL_RWX], splats [BAD_ACCESS];
    smep_stops_execution_of_user_memory: "self-protection.rst Segregation of kernel memory from userspace memory: SMEP; lkdtm EXEC_USERSPACE", needs [LKDTM, DEBUGFS], splats [BAD_ACCESS];
    smap_stops_access_to_user_memory: "self-protection.rst Segregation of kernel memory from userspace memory: SMAP; lkdtm ACCESS_USERSPACE", needs [LKDTM, DEBUGFS], splats [BAD_ACCESS, PROTECTION_FAULT, KASAN_USER];
    usercopy_stops_copies_beyond_the_stack: "security/Kconfig.hardening HARDENED_USERCOPY; lkdtm USERCOPY_STACK_BEYOND", needs [LKDTM, DEBUGFS, USERCOPY], splats [BAD_USERCOPY];
    usercopy_stops_copies_of_code: "security/Kconfig.hardening HARDENED_USERCOPY: not part of the kernel text; lkdtm USERCOPY_KERNEL", needs [LKDTM, DEBUGFS, USERCOPY], splats [BAD_USERCOPY];
    fortify_stops_copies_beyond_an_object: "security/Kconfig.hardening FORTIFY_SOURCE; lkdtm FORTIFY_MEM_OBJECT", needs [LKDTM, DEBUGFS, FORTIFY], splats [OVERFLOW, OVERFLOW_WARNING];
    fortify_stops_strings_beyond_an_object: "security/Kconfig.hardening FORTIFY_SOURCE; lkdtm FORTIFY_STR_OBJECT", needs [LKDTM, DEBUGFS, FORTIFY], splats [OVERFLOW, OVERFLOW_WARNING];
    corrupt_list_is_not_added_to: "lib/Kconfig.debug DEBUG_LIST, BUG_ON_DATA_CORRUPTION; lkdtm CORRUPT_LIST_ADD", needs [LKDTM, DEBUGFS, LISTS, CORRUPTION], splats [CORRUPTED_LIST];
    corrupt_list_is_not_deleted_from: "lib/Kconfig.debug DEBUG_LIST, BUG_ON_DATA_CORRUPTION; lkdtm CORRUPT_LIST_DEL", needs [LKDTM, DEBUGFS, LISTS, CORRUPTION], splats [CORRUPTED_LIST];
    reference_count_saturates: "include/linux/refcount.h: saturation; lkdtm REFCOUNT_INC_OVERFLOW", needs [LKDTM, DEBUGFS], splats [REFCOUNT_BUG];
    reference_count_does_not_pass_zero: "include/linux/refcount.h: saturation; lkdtm REFCOUNT_DEC_NEGATIVE", needs [LKDTM, DEBUGFS], splats [REFCOUNT_BUG];
    freed_object_is_not_revived: "include/linux/refcount.h: an object without references; lkdtm REFCOUNT_INC_ZERO", needs [LKDTM, DEBUGFS], splats [REFCOUNT_BUG];
};
