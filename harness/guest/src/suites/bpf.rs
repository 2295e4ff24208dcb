//! bpf(2): maps, the verifier, what programs compute, and objects.
//!
//! Documents cited by file name are those of Documentation/bpf in the kernel tree.

use crate::{Case, Need, Suite, cases};

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

const CASES: &[Case] = cases! {
    // Arrays
    array_of_wrong_shape_is_refused = array::create_rules: "bpf(2) BPF_MAP_TYPE_ARRAY: the key is four bytes; map_array.rst";
    array_index_at_max_entries_is_outside = array::index_at_the_size_is_outside: "bpf(2) ERRORS: E2BIG, index beyond max_entries; BPF_MAP_LOOKUP_ELEM: ENOENT";
    array_lookup_from_program_stops_at_max_entries = array::program_lookup_stops_at_the_size: "map_array.rst: bpf_map_lookup_elem returns NULL outside";
    array_elements_exist_and_cannot_be_deleted = array::elements_always_exist: "bpf(2) BPF_MAP_TYPE_ARRAY: map_delete_elem fails with EINVAL, BPF_NOEXIST with EEXIST";
    array_iteration_gives_the_indices = array::keys_are_the_indices: "bpf(2) BPF_MAP_GET_NEXT_KEY";
    array_elements_of_odd_size_do_not_overlap = array::odd_value_sizes_do_not_overlap: "bpf(2) BPF_MAP_TYPE_ARRAY";
    percpu_array_keeps_one_value_per_possible_cpu = array::per_cpu_values_are_apart: "map_array.rst, BPF_MAP_TYPE_PERCPU_ARRAY";
    mapped_array_is_the_map = array::mapped_memory_is_the_map: "map_array.rst, BPF_F_MMAPABLE; BPF_MAP_FREEZE in bpf.h";

    // Hashes
    hash_of_wrong_shape_is_refused = hash::create_rules: "bpf(2) BPF_MAP_CREATE; map_hash.rst";
    hash_update_flags_are_obeyed = hash::update_flags_decide_by_existence: "bpf(2) BPF_MAP_UPDATE_ELEM: BPF_ANY, BPF_NOEXIST, BPF_EXIST";
    hash_holds_exactly_max_entries = hash::holds_exactly_max_entries: "bpf(2) ERRORS: E2BIG, the map reached max_entries";
    hash_delete_removes_one_key_once = hash::delete_removes_one_key_once: "bpf(2) BPF_MAP_DELETE_ELEM";
    hash_iteration_meets_every_key_once = hash::iteration_meets_every_key_once: "bpf(2) BPF_MAP_GET_NEXT_KEY";
    hash_compares_whole_keys = hash::whole_key_counts: "bpf(2) BPF_MAP_TYPE_HASH";
    percpu_hash_keeps_one_value_per_possible_cpu = hash::per_cpu_values_are_apart: "map_hash.rst, BPF_MAP_TYPE_PERCPU_HASH";
    lru_hash_evicts_instead_of_refusing = hash::lru_evicts_instead_of_refusing: "map_hash.rst, BPF_MAP_TYPE_LRU_HASH";
    batch_commands_do_each_element_once = hash::batches_do_each_element_once: "bpf.h: BPF_MAP_LOOKUP_BATCH and its relatives";
    batch_stops_at_the_first_error_and_counts = hash::batch_stops_at_the_first_error: "bpf.h: BPF_MAP_DELETE_BATCH, batch.count on error";

    // Other maps
    lpm_trie_finds_the_longest_prefix = special::trie_finds_the_longest_prefix: "map_lpm_trie.rst";
    lpm_trie_of_wrong_shape_is_refused = special::trie_rules: "map_lpm_trie.rst: BPF_F_NO_PREALLOC, prefix lengths";
    queue_is_first_in_first_out = special::queue_is_first_in_first_out: "map_queue_stack.rst";
    stack_is_last_in_first_out = special::stack_is_last_in_first_out: "map_queue_stack.rst";
    ring_buffer_of_wrong_size_is_refused = special::ring_buffer_create_rules: "ringbuf.rst: a power of two of pages, no key, no value";
    ring_buffer_keeps_records_in_order_and_refuses_when_full = special::ring_buffer_keeps_records_in_order: "ringbuf.rst";
    inner_map_unlike_the_model_is_refused = special::inner_maps_must_look_alike: "map_of_maps.rst";

    // The verifier
    uninitialised_register_is_refused = verifier::uninitialised_registers: "verifier.rst: Register value tracking, !read_ok";
    stack_access_outside_512_bytes_is_refused = verifier::stack_bounds: "verifier.rst: stack accesses";
    map_value_access_outside_is_refused = verifier::map_value_bounds: "verifier.rst: invalid access to map value";
    map_value_index_one_too_large_is_refused = verifier::variable_offset_bounds: "verifier.rst: Register value tracking, bounds";
    map_value_index_below_zero_is_refused = verifier::negative_offsets_are_seen: "verifier.rst: Register value tracking, signed bounds";
    lookup_without_null_check_is_refused = verifier::null_check_is_required: "verifier.rst: PTR_TO_MAP_VALUE_OR_NULL";
    endless_loop_is_refused = verifier::endless_loops: "verifier.rst; bpf_design_QA.rst on loops";
    control_flow_that_leaves_the_program_is_refused = verifier::control_flow_stays_inside: "verifier.rst: unreachable instructions, jumps out of range";
    ill_formed_instruction_is_refused = verifier::ill_formed_instructions: "RFC 9669, sections 3 to 5";
    frame_pointer_write_is_refused = verifier::frame_pointer_is_read_only: "RFC 9669, section 2: R10 is read-only";
    helper_call_with_wrong_arguments_is_refused = verifier::helpers_are_known_and_typed: "verifier.rst: R1 type=; bpf-helpers(7)";
    context_access_outside_is_refused = verifier::context_bounds: "verifier.rst: invalid bpf_context access";
    packet_access_beyond_the_check_is_refused = verifier::packet_bounds: "verifier.rst: Direct packet access";
    program_access_flags_of_maps_are_obeyed = verifier::read_only_map_is_read_only_for_programs: "bpf.h: BPF_F_RDONLY_PROG, BPF_F_WRONLY_PROG";
    gpl_helper_without_the_gpl_is_refused = verifier::licence_gates_helpers: "bpf(2) BPF_PROG_LOAD: license", needs [Need::Config("BPF_EVENTS")];
    program_of_wrong_size_or_kind_is_refused = verifier::program_attributes: "bpf(2) ERRORS: E2BIG, EINVAL";

    // What programs compute
    alu64_results_are_exact = arithmetic::alu64: "RFC 9669, section 4.1";
    alu32_results_are_exact_and_zero_extended = arithmetic::alu32: "RFC 9669, section 4.1";
    alu_immediates_are_sign_extended = arithmetic::immediates: "RFC 9669, section 4.1";
    division_spares_other_registers = arithmetic::division_spares_other_registers: "RFC 9669, section 4.1";
    byte_order_conversions_are_exact = arithmetic::byte_order_conversions: "RFC 9669, section 4.2";
    unconditional_byte_swaps_are_exact = arithmetic::unconditional_byte_swaps: "RFC 9669, section 4.2", needs [support::FOURTH_VERSION.need()];
    sign_extending_moves_are_exact = arithmetic::sign_extending_moves: "RFC 9669, section 4.1: MOVSX", needs [support::FOURTH_VERSION.need()];
    signed_division_is_exact = arithmetic::signed_division: "RFC 9669, section 4.1: SDIV, SMOD", needs [support::FOURTH_VERSION.need()];
    signed_division_overflow_is_defined = arithmetic::signed_division_overflow: "RFC 9669, section 4.1: LLONG_MIN divided by -1", needs [support::DEFINED_OVERFLOW.need()];
    interpreter_results_are_exact = arithmetic::interpreter: "RFC 9669; admin-guide/sysctl/net.rst, bpf_jit_enable";
    loads_and_stores_touch_their_bytes_only = execution::loads_and_stores: "RFC 9669, section 5.1";
    sign_extending_loads_are_exact = execution::sign_extending_loads: "RFC 9669, section 5.2: MEMSX", needs [support::FOURTH_VERSION.need()];
    atomic_add_is_exact = execution::atomic_add: "RFC 9669, section 5.3";
    atomic_operations_return_the_old_value = execution::atomic_operations: "RFC 9669, section 5.3", needs [support::ATOMICS.need()];
    compare_and_exchange_stores_on_equality_only = execution::compare_and_exchange: "RFC 9669, section 5.3: CMPXCHG", needs [support::ATOMICS.need()];
    jumps_are_taken_exactly_when_the_condition_holds = execution::jumps: "RFC 9669, section 4.3";
    verifier_decides_constant_jumps_as_the_machine_does = execution::jumps_on_constants: "RFC 9669, section 4.3; verifier.rst: dead code";
    bounded_loop_runs_its_count = execution::bounded_loops: "bpf_design_QA.rst: bounded loops";
    subprogram_keeps_the_callers_registers_and_stack = execution::subprograms: "bpf_design_QA.rst: calling convention";
    call_chain_deeper_than_8_frames_is_refused = execution::call_depth: "bpf_design_QA.rst: MAX_CALL_FRAMES, 512 bytes of stack";
    tail_call_returns_only_when_it_fails = execution::tail_calls_do_not_return: "bpf-helpers(7), bpf_tail_call";
    tail_calls_end_after_33 = execution::tail_call_limit: "bpf-helpers(7), bpf_tail_call: MAX_TAIL_CALL_CNT";

    // Filters on sockets and test runs
    classic_filter_trims_datagrams_to_its_result = socket::classic_filter_trims: "socket(7) SO_ATTACH_FILTER; networking/filter.rst";
    extended_filter_trims_datagrams_to_its_result = socket::extended_filter_trims: "socket(7) SO_ATTACH_BPF";
    classic_filter_load_beyond_the_datagram_drops_it = socket::classic_filter_reads_the_datagram: "networking/filter.rst";
    locked_filter_cannot_be_replaced = socket::locked_filter_stays: "socket(7) SO_LOCK_FILTER";
    ill_formed_classic_filter_is_refused = socket::ill_formed_classic_filters: "socket(7) SO_ATTACH_FILTER: EINVAL; networking/filter.rst";
    test_run_returns_the_changed_packet = socket::test_run_returns_the_packet: "bpf_prog_run.rst";

    // Objects
    unknown_attributes_are_refused = objects::unknown_attributes_are_refused: "bpf(2): attributes behind the known ones must be zero";
    bad_descriptors_and_pointers_are_refused = objects::bad_descriptors_and_pointers: "bpf(2) ERRORS: EBADF, EFAULT, EINVAL";
    ill_formed_object_name_is_refused = objects::names_have_rules: "bpf(2) BPF_MAP_CREATE, map_name";
    map_information_is_true = objects::map_information: "bpf.h: BPF_OBJ_GET_INFO_BY_FD, struct bpf_map_info";
    program_information_is_true = objects::program_information: "bpf.h: BPF_OBJ_GET_INFO_BY_FD, struct bpf_prog_info";
    map_lives_while_a_program_holds_it = objects::identifiers_live_as_long_as_objects: "bpf.h: BPF_MAP_GET_NEXT_ID, BPF_MAP_GET_FD_BY_ID";
    program_is_gone_after_its_last_close = objects::closed_program_is_gone: "bpf.h: BPF_PROG_GET_FD_BY_ID";
    frozen_map_is_read_only_for_system_calls_alone = objects::frozen_map_is_read_only_for_system_calls: "bpf.h: BPF_MAP_FREEZE";
    access_modes_of_map_descriptors_are_obeyed = objects::descriptor_access_modes: "bpf.h: BPF_F_RDONLY, BPF_F_WRONLY";
    pinned_map_outlives_its_descriptors = objects::pinned_object_outlives_its_descriptors: "bpf.h: BPF_OBJ_PIN, BPF_OBJ_GET";
    btf_of_the_kernel_is_well_formed = btf::kernel_types_are_well_formed: "btf.rst, section 2", needs [Need::Config("DEBUG_INFO_BTF")];
    ill_formed_btf_is_refused = btf::blobs_are_checked: "btf.rst, sections 2 and 3";

    // Users without privileges
    disabled_unprivileged_bpf_is_refused_for_good = unprivileged::disabled_means_refused: "admin-guide/sysctl/kernel.rst: unprivileged_bpf_disabled";
    privileged_kind_by_nobody_is_refused = unprivileged::privileged_kinds_are_refused: "capabilities(7): CAP_BPF, CAP_NET_ADMIN";
    pointer_leak_by_nobody_is_refused = unprivileged::pointers_do_not_leak: "verifier.rst; bpf(2) on kernel addresses";
    long_or_looping_program_by_nobody_is_refused = unprivileged::complexity_is_limited: "bpf(2): 4096 instructions (BPF_MAXINSNS)";
};
