//! Which function of a report is held responsible.

use super::{Frame, Kind};

/// Functions that only carry out what a caller asked for, by how their names start.
const NEVER_GUILTY: &[&str] = &[
    // Reporting itself.
    "dump_stack",
    "__dump_stack",
    "show_stack",
    "show_regs",
    "print_",
    "warn_",
    "__warn",
    "report_bug",
    "panic",
    "vpanic",
    "nmi_panic",
    "check_panic_on_warn",
    "bug_",
    "die",
    "__die",
    "oops_",
    "no_context",
    "page_fault_oops",
    "bad_area",
    "__bad_area",
    "kernelmode_fixup_or_oops",
    "add_taint",
    "debug_print_object",
    "__debug_",
    "debug_object",
    "debug_check_no_obj",
    // Sanitizers.
    "kasan_",
    "__kasan_",
    "__asan_",
    "check_memory_region",
    "kcsan_",
    "__tsan_",
    "kmsan_",
    "__msan_",
    "kfence_",
    "__kfence_",
    "ubsan_",
    "__ubsan_",
    "end_report",
    "save_stack",
    "stack_trace_",
    "check_region_inline",
    // Memory and string helpers.
    "mem",
    "__mem",
    "__pi_mem",
    "str",
    "__str",
    "kstrdup",
    "__fortify_",
    "fortify_",
    "copy_user",
    "_copy_",
    "__copy_",
    "copy_from_",
    "copy_to_",
    "rep_",
    "__check_object_size",
    "__check_heap_object",
    "usercopy_",
    "check_heap_object",
    "csum_partial",
    "clear_user",
    "__clear_user",
    "__put_user",
    "__get_user",
    "refcount_",
    "__refcount_",
    "kref_",
    "__list_add_valid",
    "__list_del_entry_valid",
    "list_",
    "__list_",
    "rb_erase",
    "rb_insert_color",
    // Allocators.
    "kmalloc",
    "__kmalloc",
    "__do_kmalloc",
    "kmem_cache_",
    "__kmem_cache_",
    "kfree",
    "__kfree",
    "kvfree",
    "kvmalloc",
    "kzalloc",
    "krealloc",
    "slab_",
    "__slab_",
    "___slab_",
    "do_slab_free",
    "cache_",
    "__cache_free",
    "vmalloc",
    "__vmalloc",
    "vfree",
    "__vfree",
    "alloc_pages",
    "__alloc_pages",
    "__free_pages",
    "free_unref_page",
    "__free_one_page",
    "free_pages",
    "bad_page",
    "get_page_from_freelist",
    "object_err",
    "setup_object",
    "free_to_partial_list",
    "new_slab",
    "allocate_slab",
    "kmemdup",
    "set_freepointer",
    // Locks and waiting.
    "_raw_",
    "__raw_",
    "do_raw_",
    "queued_",
    "native_queued_",
    "spin_",
    "mutex_",
    "__mutex_",
    "ww_mutex_",
    "down",
    "__down",
    "up_",
    "__up_",
    "rwsem_",
    "rt_mutex",
    "__rt_mutex",
    "rtlock_",
    "percpu_down",
    "percpu_up",
    "lock_",
    "__lock_",
    "check_lock",
    "check_noncircular",
    "check_prev",
    "validate_chain",
    "mark_lock",
    "check_deadlock",
    "lockdep_",
    "debug_check_no_locks",
    "rcu_lockdep_",
    "schedule",
    "__schedule",
    "preempt_schedule",
    "io_schedule",
    "context_switch",
    "__cond_resched",
    "wait_for_",
    "__wait_for_",
    "do_wait_for_",
    "wait_on_bit",
    "__wait_on",
    "out_of_line_wait",
    "bit_wait",
    "msleep",
    "usleep_",
    "__might_sleep",
    "__might_resched",
    "___might_sleep",
    "might_fault",
    "__might_fault",
    "completion",
    "synchronize_",
    "__synchronize_",
    "flush_work",
    "__flush_work",
    "flush_workqueue",
    "__flush_workqueue",
    // Entry, interrupts and the watchdogs.
    "asm_",
    "exc_",
    "entry_",
    "do_syscall_",
    "error_entry",
    "ret_from_fork",
    "handle_bug",
    "do_trap",
    "do_error_trap",
    "do_invalid_op",
    "invalid_op",
    "page_fault",
    "do_page_fault",
    "do_user_addr_fault",
    "apic_timer",
    "sysvec_",
    "__sysvec_",
    "smp_apic_",
    "irq_",
    "__irq_",
    "common_interrupt",
    "watchdog_",
    "touch_",
    "hrtimer_",
    "__hrtimer_",
    "tick_",
    "update_process_times",
    "sched_tick",
    "scheduler_tick",
    "rcu_sched_clock_irq",
    "rcu_check_",
    "rcu_dump_",
    "rcu_pending",
    "nmi_",
    "trigger_",
    "arch_trigger_",
    "native_apic_",
    "default_do_nmi",
    "cpu_relax",
    "rep_nop",
    "smp_call_function",
    "on_each_cpu",
];

/// Names that [`NEVER_GUILTY`] catches though they do work of their own.
const GUILTY_ALL_THE_SAME: &[&str] = &[
    "memfd",
    "mempolicy",
    "mem_cgroup",
    "memory_",
    "memblock",
    "strp_",
    "streebog",
    "stream_",
    "structure_",
    "downgrade",
    "list_lru",
    "page_fault_handler",
];

pub(super) fn is_guilty(function: &str) -> bool {
    let starts = |table: &[&str]| table.iter().any(|prefix| function.starts_with(prefix));
    !starts(NEVER_GUILTY) || starts(GUILTY_ALL_THE_SAME)
}

/// The first function that can be held responsible: where the processor was, then up the stack.
pub(super) fn guilty(kind: Kind, at: Option<&Frame>, stack: &[Frame]) -> Option<String> {
    // What the timer's interrupt was doing is not what hung.
    let counts = |frame: &&Frame| frame.reliable && !(kind.is_stall() && frame.interrupt);
    at.into_iter()
        .chain(stack.iter().filter(counts))
        .find(|frame| is_guilty(&frame.function))
        .map(|frame| frame.function.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn helpers_are_never_guilty() {
        for name in
            ["memcpy", "__kmalloc_node", "kasan_report", "_raw_spin_lock_irqsave", "mutex_lock", "strlen"]
        {
            assert!(!is_guilty(name), "{name}");
        }
        for name in
            ["ext4_readpage", "memfd_create", "tcp_sendmsg", "rename", "lab_null", "mem_cgroup_charge"]
        {
            assert!(is_guilty(name), "{name}");
        }
    }

    #[test]
    fn no_exception_is_idle() {
        for name in GUILTY_ALL_THE_SAME {
            assert!(NEVER_GUILTY.iter().any(|prefix| name.starts_with(prefix)), "{name}");
        }
    }
}
