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
    "0x",
    "__die_body",
    "fixup_bug",
    "skb_panic",
    "skb_over_panic",
    "skb_under_panic",
    "__stack_chk_fail",
    "check_preemption_disabled",
    "debug_smp_processor_id",
    "__this_cpu_preempt_check",
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
    "kmemleak_",
    "set_report_info",
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
    "__rmqueue",
    "rmqueue",
    "vma_alloc_",
    "folio_alloc",
    "__folio_alloc",
    "get_free_pages",
    "__get_free_pages",
    "vunmap",
    "__vunmap",
    "remove_vm_area",
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
    "complete",
    "completion",
    "__wake_up",
    "wake_up_",
    "try_to_wake_up",
    "prepare_to_wait",
    "finish_wait",
    "add_wait_queue",
    "remove_wait_queue",
    "rcu_note_context_switch",
    "__schedule_bug",
    "debug_mutex_",
    "debug_rt_mutex_",
    "debug_spin_",
    "rt_spin_",
    "rt_read_",
    "rt_write_",
    "migrate_disable",
    "migrate_enable",
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
    "generic_smp_call_function",
    "__flush_smp_call_function",
    "flush_smp_call_function",
    "csd_",
    "__csd_",
    "irqentry_",
    "do_softirq",
    "__do_softirq",
    "handle_softirqs",
    "invoke_softirq",
    "run_ksoftirqd",
    "call_timer_fn",
    "expire_timers",
    "run_timer_",
    "__run_timer",
    "run_local_timers",
    "smpboot_thread_fn",
    "process_one_work",
    "process_scheduled_works",
    "worker_thread",
    "kthread",
    "instrument_",
    "__x86_return_thunk",
    "srso_",
];

/// The end of a task or of a call: where the lock validator notices what was forgotten long before.
const WHERE_LOCKS_ARE_MISSED: &[&str] = &[
    "do_exit",
    "do_group_exit",
    "__do_sys_exit",
    "__se_sys_exit",
    "__x64_sys_exit",
    "__ia32_sys_exit",
    "x64_sys_call",
    "exit_to_user_mode",
    "syscall_exit_",
    "prepare_exit_to_usermode",
    "make_task_dead",
];

/// Names that [`NEVER_GUILTY`] catches though they do work of their own.
const GUILTY_ALL_THE_SAME: &[&str] = &[
    "memfd",
    "mempolicy",
    "mem_cgroup",
    "complete_signal",
    "complete_walk",
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

fn is_late(function: &str) -> bool {
    WHERE_LOCKS_ARE_MISSED.iter().any(|prefix| function.starts_with(prefix))
}

/// The first function that can be held responsible: where the processor was, then up the stack.
pub(super) fn guilty(kind: Kind, at: Option<&Frame>, stack: &[Frame]) -> Option<String> {
    let first = |reliable: bool| {
        // What the timer's interrupt was doing is not what hung.
        let counts = |frame: &&Frame| frame.reliable == reliable && !(kind.is_stall() && frame.interrupt);
        at.into_iter()
            .chain(stack.iter().filter(counts))
            .find(|frame| is_guilty(&frame.function) && !(kind == Kind::Lockdep && is_late(&frame.function)))
            .map(|frame| frame.function.clone())
    };
    // Of a task that runs on another processor only remains of its stack are seen.
    first(true).or_else(|| if kind.is_stall() { first(false) } else { None })
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
    fn remains_of_a_stack_count_only_for_what_ran_on_and_only_without_better() {
        let frame = |text| Frame::parse(text).unwrap();
        let stack = [frame("? lab_old+0x1/0x2"), frame("kthread+0x1/0x2")];
        assert_eq!(guilty(Kind::RcuStall, None, &stack).as_deref(), Some("lab_old"));
        assert_eq!(guilty(Kind::Warning, None, &stack), None);
        let stack = [frame("? lab_old+0x1/0x2"), frame("lab_loop+0x1/0x2")];
        assert_eq!(guilty(Kind::RcuStall, None, &stack).as_deref(), Some("lab_loop"));
    }

    #[test]
    fn no_exception_is_idle() {
        for name in GUILTY_ALL_THE_SAME {
            assert!(NEVER_GUILTY.iter().any(|prefix| name.starts_with(prefix)), "{name}");
        }
    }
}
