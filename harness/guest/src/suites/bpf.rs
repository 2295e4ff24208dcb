//! bpf(2): maps, the verifier, what programs compute, and objects.
//!
//! Documents cited by file name are those of Documentation/bpf in the kernel tree.

use crate::{Case, CaseResult, Context, Need, Suite};

mod arithmetic;
mod array;
mod btf;
mod execution;
mod hash;
mod machine;
mod objects;
mod socket;
mod special;
mod support;
mod unprivileged;
mod verifier;

pub const SUITE: Suite = Suite {
    name: "bpf",
    about: "bpf(2): maps, verifier, programs and their objects",
    needs: &[Need::Config("BPF_SYSCALL"), Need::Config("NET"), Need::Config("UNIX")],
    cases: CASES,
};

const fn case(name: &'static str, cites: &'static str, run: fn(&Context) -> CaseResult) -> Case {
    Case { name, cites, needs: &[], files: &[], run }
}

const CASES: &[Case] = &[
    // Arrays
    case(
        "array_of_wrong_shape_is_refused",
        "bpf(2) BPF_MAP_TYPE_ARRAY: the key is four bytes; map_array.rst",
        array::create_rules,
    ),
    case(
        "array_index_at_max_entries_is_outside",
        "bpf(2) ERRORS: E2BIG, index beyond max_entries; BPF_MAP_LOOKUP_ELEM: ENOENT",
        array::index_at_the_size_is_outside,
    ),
    case(
        "array_lookup_from_program_stops_at_max_entries",
        "map_array.rst: bpf_map_lookup_elem returns NULL outside",
        array::program_lookup_stops_at_the_size,
    ),
    case(
        "array_elements_exist_and_cannot_be_deleted",
        "bpf(2) BPF_MAP_TYPE_ARRAY: map_delete_elem fails with EINVAL, BPF_NOEXIST with EEXIST",
        array::elements_always_exist,
    ),
    case("array_iteration_gives_the_indices", "bpf(2) BPF_MAP_GET_NEXT_KEY", array::keys_are_the_indices),
    case(
        "array_elements_of_odd_size_do_not_overlap",
        "bpf(2) BPF_MAP_TYPE_ARRAY",
        array::odd_value_sizes_do_not_overlap,
    ),
    case(
        "percpu_array_keeps_one_value_per_possible_cpu",
        "map_array.rst, BPF_MAP_TYPE_PERCPU_ARRAY",
        array::per_cpu_values_are_apart,
    ),
    case(
        "mapped_array_is_the_map",
        "map_array.rst, BPF_F_MMAPABLE; BPF_MAP_FREEZE in bpf.h",
        array::mapped_memory_is_the_map,
    ),
    // Hashes
    case("hash_of_wrong_shape_is_refused", "bpf(2) BPF_MAP_CREATE; map_hash.rst", hash::create_rules),
    case(
        "hash_update_flags_are_obeyed",
        "bpf(2) BPF_MAP_UPDATE_ELEM: BPF_ANY, BPF_NOEXIST, BPF_EXIST",
        hash::update_flags_decide_by_existence,
    ),
    case(
        "hash_holds_exactly_max_entries",
        "bpf(2) ERRORS: E2BIG, the map reached max_entries",
        hash::holds_exactly_max_entries,
    ),
    case("hash_delete_removes_one_key_once", "bpf(2) BPF_MAP_DELETE_ELEM", hash::delete_removes_one_key_once),
    case(
        "hash_iteration_meets_every_key_once",
        "bpf(2) BPF_MAP_GET_NEXT_KEY",
        hash::iteration_meets_every_key_once,
    ),
    case("hash_compares_whole_keys", "bpf(2) BPF_MAP_TYPE_HASH", hash::whole_key_counts),
    case(
        "percpu_hash_keeps_one_value_per_possible_cpu",
        "map_hash.rst, BPF_MAP_TYPE_PERCPU_HASH",
        hash::per_cpu_values_are_apart,
    ),
    case(
        "lru_hash_evicts_instead_of_refusing",
        "map_hash.rst, BPF_MAP_TYPE_LRU_HASH",
        hash::lru_evicts_instead_of_refusing,
    ),
    case(
        "batch_commands_do_each_element_once",
        "bpf.h: BPF_MAP_LOOKUP_BATCH and its relatives",
        hash::batches_do_each_element_once,
    ),
    case(
        "batch_stops_at_the_first_error_and_counts",
        "bpf.h: BPF_MAP_DELETE_BATCH, batch.count on error",
        hash::batch_stops_at_the_first_error,
    ),
    // Other maps
    case("lpm_trie_finds_the_longest_prefix", "map_lpm_trie.rst", special::trie_finds_the_longest_prefix),
    case(
        "lpm_trie_of_wrong_shape_is_refused",
        "map_lpm_trie.rst: BPF_F_NO_PREALLOC, prefix lengths",
        special::trie_rules,
    ),
    case("queue_is_first_in_first_out", "map_queue_stack.rst", special::queue_is_first_in_first_out),
    case("stack_is_last_in_first_out", "map_queue_stack.rst", special::stack_is_last_in_first_out),
    case(
        "ring_buffer_of_wrong_size_is_refused",
        "ringbuf.rst: a power of two of pages, no key, no value",
        special::ring_buffer_create_rules,
    ),
    case(
        "ring_buffer_keeps_records_in_order_and_refuses_when_full",
        "ringbuf.rst",
        special::ring_buffer_keeps_records_in_order,
    ),
    case("inner_map_unlike_the_model_is_refused", "map_of_maps.rst", special::inner_maps_must_look_alike),
    // The verifier
    case(
        "uninitialised_register_is_refused",
        "verifier.rst: Register value tracking, !read_ok",
        verifier::uninitialised_registers,
    ),
    case("stack_access_outside_512_bytes_is_refused", "verifier.rst: stack accesses", verifier::stack_bounds),
    case(
        "map_value_access_outside_is_refused",
        "verifier.rst: invalid access to map value",
        verifier::map_value_bounds,
    ),
    case(
        "map_value_index_one_too_large_is_refused",
        "verifier.rst: Register value tracking, bounds",
        verifier::variable_offset_bounds,
    ),
    case(
        "map_value_index_below_zero_is_refused",
        "verifier.rst: Register value tracking, signed bounds",
        verifier::negative_offsets_are_seen,
    ),
    case(
        "lookup_without_null_check_is_refused",
        "verifier.rst: PTR_TO_MAP_VALUE_OR_NULL",
        verifier::null_check_is_required,
    ),
    case("endless_loop_is_refused", "verifier.rst; bpf_design_QA.rst on loops", verifier::endless_loops),
    case(
        "control_flow_that_leaves_the_program_is_refused",
        "verifier.rst: unreachable instructions, jumps out of range",
        verifier::control_flow_stays_inside,
    ),
    case("ill_formed_instruction_is_refused", "RFC 9669, sections 3 to 5", verifier::ill_formed_instructions),
    case(
        "frame_pointer_write_is_refused",
        "RFC 9669, section 2: R10 is read-only",
        verifier::frame_pointer_is_read_only,
    ),
    case(
        "helper_call_with_wrong_arguments_is_refused",
        "verifier.rst: R1 type=; bpf-helpers(7)",
        verifier::helpers_are_known_and_typed,
    ),
    case(
        "context_access_outside_is_refused",
        "verifier.rst: invalid bpf_context access",
        verifier::context_bounds,
    ),
    case(
        "packet_access_beyond_the_check_is_refused",
        "verifier.rst: Direct packet access",
        verifier::packet_bounds,
    ),
    case(
        "program_access_flags_of_maps_are_obeyed",
        "bpf.h: BPF_F_RDONLY_PROG, BPF_F_WRONLY_PROG",
        verifier::read_only_map_is_read_only_for_programs,
    ),
    Case {
        needs: &[Need::Config("BPF_EVENTS")],
        ..case(
            "gpl_helper_without_the_gpl_is_refused",
            "bpf(2) BPF_PROG_LOAD: license",
            verifier::licence_gates_helpers,
        )
    },
    case(
        "program_of_wrong_size_or_kind_is_refused",
        "bpf(2) ERRORS: E2BIG, EINVAL",
        verifier::program_attributes,
    ),
    // What programs compute
    case("alu64_results_are_exact", "RFC 9669, section 4.1", arithmetic::alu64),
    case("alu32_results_are_exact_and_zero_extended", "RFC 9669, section 4.1", arithmetic::alu32),
    case("alu_immediates_are_sign_extended", "RFC 9669, section 4.1", arithmetic::immediates),
    case(
        "division_spares_other_registers",
        "RFC 9669, section 4.1",
        arithmetic::division_spares_other_registers,
    ),
    case("byte_order_conversions_are_exact", "RFC 9669, section 4.2", arithmetic::byte_order_conversions),
    Case {
        needs: &[support::FOURTH_VERSION.need()],
        ..case(
            "unconditional_byte_swaps_are_exact",
            "RFC 9669, section 4.2",
            arithmetic::unconditional_byte_swaps,
        )
    },
    Case {
        needs: &[support::FOURTH_VERSION.need()],
        ..case(
            "sign_extending_moves_are_exact",
            "RFC 9669, section 4.1: MOVSX",
            arithmetic::sign_extending_moves,
        )
    },
    Case {
        needs: &[support::FOURTH_VERSION.need()],
        ..case("signed_division_is_exact", "RFC 9669, section 4.1: SDIV, SMOD", arithmetic::signed_division)
    },
    Case {
        needs: &[support::DEFINED_OVERFLOW.need()],
        ..case(
            "signed_division_overflow_is_defined",
            "RFC 9669, section 4.1: LLONG_MIN divided by -1",
            arithmetic::signed_division_overflow,
        )
    },
    case(
        "interpreter_results_are_exact",
        "RFC 9669; admin-guide/sysctl/net.rst, bpf_jit_enable",
        arithmetic::interpreter,
    ),
    case("loads_and_stores_touch_their_bytes_only", "RFC 9669, section 5.1", execution::loads_and_stores),
    Case {
        needs: &[support::FOURTH_VERSION.need()],
        ..case(
            "sign_extending_loads_are_exact",
            "RFC 9669, section 5.2: MEMSX",
            execution::sign_extending_loads,
        )
    },
    case("atomic_add_is_exact", "RFC 9669, section 5.3", execution::atomic_add),
    Case {
        needs: &[support::ATOMICS.need()],
        ..case(
            "atomic_operations_return_the_old_value",
            "RFC 9669, section 5.3",
            execution::atomic_operations,
        )
    },
    Case {
        needs: &[support::ATOMICS.need()],
        ..case(
            "compare_and_exchange_stores_on_equality_only",
            "RFC 9669, section 5.3: CMPXCHG",
            execution::compare_and_exchange,
        )
    },
    case("jumps_are_taken_exactly_when_the_condition_holds", "RFC 9669, section 4.3", execution::jumps),
    case(
        "verifier_decides_constant_jumps_as_the_machine_does",
        "RFC 9669, section 4.3; verifier.rst: dead code",
        execution::jumps_on_constants,
    ),
    case("bounded_loop_runs_its_count", "bpf_design_QA.rst: bounded loops", execution::bounded_loops),
    case(
        "subprogram_keeps_the_callers_registers_and_stack",
        "bpf_design_QA.rst: calling convention",
        execution::subprograms,
    ),
    case(
        "call_chain_deeper_than_8_frames_is_refused",
        "bpf_design_QA.rst: MAX_CALL_FRAMES, 512 bytes of stack",
        execution::call_depth,
    ),
    case(
        "tail_call_returns_only_when_it_fails",
        "bpf-helpers(7), bpf_tail_call",
        execution::tail_calls_do_not_return,
    ),
    case(
        "tail_calls_end_after_33",
        "bpf-helpers(7), bpf_tail_call: MAX_TAIL_CALL_CNT",
        execution::tail_call_limit,
    ),
    // Filters on sockets and test runs
    case(
        "classic_filter_trims_datagrams_to_its_result",
        "socket(7) SO_ATTACH_FILTER; networking/filter.rst",
        socket::classic_filter_trims,
    ),
    case(
        "extended_filter_trims_datagrams_to_its_result",
        "socket(7) SO_ATTACH_BPF",
        socket::extended_filter_trims,
    ),
    case(
        "classic_filter_load_beyond_the_datagram_drops_it",
        "networking/filter.rst",
        socket::classic_filter_reads_the_datagram,
    ),
    case("locked_filter_cannot_be_replaced", "socket(7) SO_LOCK_FILTER", socket::locked_filter_stays),
    case(
        "ill_formed_classic_filter_is_refused",
        "socket(7) SO_ATTACH_FILTER: EINVAL; networking/filter.rst",
        socket::ill_formed_classic_filters,
    ),
    case("test_run_returns_the_changed_packet", "bpf_prog_run.rst", socket::test_run_returns_the_packet),
    // Objects
    case(
        "unknown_attributes_are_refused",
        "bpf(2): attributes behind the known ones must be zero",
        objects::unknown_attributes_are_refused,
    ),
    case(
        "bad_descriptors_and_pointers_are_refused",
        "bpf(2) ERRORS: EBADF, EFAULT, EINVAL",
        objects::bad_descriptors_and_pointers,
    ),
    case("ill_formed_object_name_is_refused", "bpf(2) BPF_MAP_CREATE, map_name", objects::names_have_rules),
    case(
        "map_information_is_true",
        "bpf.h: BPF_OBJ_GET_INFO_BY_FD, struct bpf_map_info",
        objects::map_information,
    ),
    case(
        "program_information_is_true",
        "bpf.h: BPF_OBJ_GET_INFO_BY_FD, struct bpf_prog_info",
        objects::program_information,
    ),
    case(
        "map_lives_while_a_program_holds_it",
        "bpf.h: BPF_MAP_GET_NEXT_ID, BPF_MAP_GET_FD_BY_ID",
        objects::identifiers_live_as_long_as_objects,
    ),
    case(
        "program_is_gone_after_its_last_close",
        "bpf.h: BPF_PROG_GET_FD_BY_ID",
        objects::closed_program_is_gone,
    ),
    case(
        "frozen_map_is_read_only_for_system_calls_alone",
        "bpf.h: BPF_MAP_FREEZE",
        objects::frozen_map_is_read_only_for_system_calls,
    ),
    case(
        "access_modes_of_map_descriptors_are_obeyed",
        "bpf.h: BPF_F_RDONLY, BPF_F_WRONLY",
        objects::descriptor_access_modes,
    ),
    case(
        "pinned_map_outlives_its_descriptors",
        "bpf.h: BPF_OBJ_PIN, BPF_OBJ_GET",
        objects::pinned_object_outlives_its_descriptors,
    ),
    Case {
        needs: &[Need::Config("DEBUG_INFO_BTF")],
        ..case("btf_of_the_kernel_is_well_formed", "btf.rst, section 2", btf::kernel_types_are_well_formed)
    },
    case("ill_formed_btf_is_refused", "btf.rst, sections 2 and 3", btf::blobs_are_checked),
    // Users without privileges
    case(
        "disabled_unprivileged_bpf_is_refused_for_good",
        "admin-guide/sysctl/kernel.rst: unprivileged_bpf_disabled",
        unprivileged::disabled_means_refused,
    ),
    case(
        "privileged_kind_by_nobody_is_refused",
        "capabilities(7): CAP_BPF, CAP_NET_ADMIN",
        unprivileged::privileged_kinds_are_refused,
    ),
    case(
        "pointer_leak_by_nobody_is_refused",
        "verifier.rst; bpf(2) on kernel addresses",
        unprivileged::pointers_do_not_leak,
    ),
    case(
        "long_or_looping_program_by_nobody_is_refused",
        "bpf(2): 4096 instructions (BPF_MAXINSNS)",
        unprivileged::complexity_is_limited,
    ),
];
