//! bpf(2): maps, the verifier, what programs compute, and objects.
//!
//! Documents cited by file name are those of Documentation/bpf in the kernel tree.

use crate::{Case, Need, Suite, cases};

mod arena;
mod arithmetic;
mod array;
mod attach;
mod batch;
mod btf;
mod callback;
mod capability;
mod cgroup;
mod crowd;
mod device_link;
mod execution;
mod handles;
mod hash;
mod iteration;
mod jump;
mod kinds;
mod lock;
mod machine;
mod modes;
mod net_link;
mod objects;
mod packet;
mod probe_link;
mod ring;
mod shapes;
mod signed;
mod socket;
mod special;
mod stacks;
mod storage;
mod support;
mod tracing;
mod unprivileged;
mod verifier;
mod xdp_socket;

pub const SUITE: Suite = Suite {
    name: "bpf",
    about: "bpf(2): maps, verifier, programs and their objects",
    needs: &[Need::Config("BPF_SYSCALL"), Need::Config("NET"), Need::Config("UNIX")],
    cases: CASES,
};

const EVENTS: Need = Need::Config("BPF_EVENTS");
const CGROUPS: Need = Need::Config("CGROUP_BPF");
const INET: Need = Need::Config("INET");
const STREAM_PARSER: Need = Need::Config("BPF_STREAM_PARSER");
const LSM: Need = Need::Config("BPF_LSM");
const BLOOM: Need = Need::Since { major: 5, minor: 16, what: "BPF_MAP_TYPE_BLOOM_FILTER" };
const TASK_STORAGE: Need =
    Need::Since { major: 5, minor: 14, what: "BPF_MAP_TYPE_TASK_STORAGE without BPF_LSM" };
const CGROUP_STORAGE: Need = Need::Since { major: 6, minor: 2, what: "BPF_MAP_TYPE_CGRP_STORAGE" };
const USER_RING: Need = Need::Since { major: 6, minor: 1, what: "BPF_MAP_TYPE_USER_RINGBUF" };
const ARENA: Need = Need::Since { major: 6, minor: 9, what: "BPF_MAP_TYPE_ARENA" };
const INSTRUCTION_ARRAY: Need = Need::Since { major: 6, minor: 19, what: "BPF_MAP_TYPE_INSN_ARRAY" };
const PERF_LINK: Need = Need::Since { major: 5, minor: 15, what: "BPF_LINK_CREATE of perf events" };
const TCX: Need = Need::Since { major: 6, minor: 6, what: "tcx" };
/// Older series never got the check (CVE-2021-4204).
const OFFSET_CHECK: Need =
    Need::Since { major: 5, minor: 15, what: "the check of offsets of helpers' pointers" };
const LOOP: Need = Need::Since { major: 5, minor: 17, what: "bpf_loop" };
const FOR_EACH: Need = Need::Since { major: 5, minor: 13, what: "bpf_for_each_map_elem" };
const HASH_POP: Need = Need::Since { major: 5, minor: 14, what: "BPF_MAP_LOOKUP_AND_DELETE_ELEM on hashes" };

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
    lru_hash_keeps_what_is_used = hash::lru_keeps_what_is_used: "map_hash.rst, BPF_MAP_TYPE_LRU_HASH: least recently used entries are evicted";
    batch_commands_do_each_element_once = hash::batches_do_each_element_once: "bpf.h: BPF_MAP_LOOKUP_BATCH and its relatives";
    batch_takes_no_flag_but_the_lock = hash::batch_takes_no_flag_but_the_lock: "bpf.h: batch.elem_flags may be BPF_F_LOCK";
    batch_stops_at_the_first_error_and_counts = hash::batch_stops_at_the_first_error: "bpf.h: BPF_MAP_DELETE_BATCH, batch.count on error";

    // Other maps
    lpm_trie_finds_the_longest_prefix = special::trie_finds_the_longest_prefix: "map_lpm_trie.rst";
    lpm_trie_of_wrong_shape_is_refused = special::trie_rules: "map_lpm_trie.rst: BPF_F_NO_PREALLOC, prefix lengths";
    queue_is_first_in_first_out = special::queue_is_first_in_first_out: "map_queue_stack.rst";
    stack_is_last_in_first_out = special::stack_is_last_in_first_out: "map_queue_stack.rst";
    ring_buffer_of_wrong_size_is_refused = special::ring_buffer_create_rules: "ringbuf.rst: a power of two of pages, no key, no value";
    ring_buffer_keeps_records_in_order_and_refuses_when_full = special::ring_buffer_keeps_records_in_order: "ringbuf.rst";
    inner_map_unlike_the_model_is_refused = special::inner_maps_must_look_alike: "map_of_maps.rst";
    hash_of_maps_and_array_of_maps_lead_to_the_inner_map = handles::program_follows_a_map_in_a_map: "map_of_maps.rst; bpf-helpers(7), bpf_map_lookup_elem";
    lpm_trie_iteration_meets_every_prefix_once = iteration::meets_every_prefix: "map_lpm_trie.rst: iteration from the most specific prefix";
    bloom_filter_forgets_nothing = crowd::bloom_filter_forgets_nothing: "map_bloom_filter.rst: no false negatives; no delete, no iteration", needs [BLOOM];
    queue_and_stack_obey_programs = crowd::program_uses_queue_and_stack: "map_queue_stack.rst; bpf-helpers(7), bpf_map_push_elem and its relatives";
    ring_buffer_record_says_whether_it_was_submitted = ring::submitted_and_discarded_records_are_told_apart: "ringbuf.rst; bpf-helpers(7), bpf_ringbuf_submit, bpf_ringbuf_discard";
    ring_buffer_reservation_larger_than_the_ring_is_null = ring::reservation_larger_than_the_ring_is_null: "bpf-helpers(7), bpf_ringbuf_reserve: NULL on failure";
    ring_buffer_reservation_must_be_finished_once = ring::reservation_must_be_finished_once: "ringbuf.rst: the verifier tracks reservations";
    ring_buffer_pointer_amid_a_reservation_is_refused = ring::only_the_reservation_itself_is_submitted: "bpf-helpers(7), bpf_ringbuf_submit: the pointer from bpf_ringbuf_reserve", needs [OFFSET_CHECK];
    ring_buffer_query_tells_the_state = ring::query_tells_the_state: "bpf-helpers(7), bpf_ringbuf_query";
    ring_buffer_is_readable_while_it_has_data = ring::ring_is_readable_while_it_has_data: "ringbuf.rst: epoll; bpf-helpers(7), BPF_RB_NO_WAKEUP, BPF_RB_FORCE_WAKEUP";
    ring_buffer_wakeup_flags_are_obeyed = ring::wakeup_flags_are_obeyed: "bpf-helpers(7), bpf_ringbuf_submit: flags; ringbuf.rst: self-pacing notifications", needs [Need::Config("EPOLL")];
    user_ring_buffer_is_written_by_its_producer = ring::user_ring_is_written_by_its_producer: "ringbuf.rst; bpf.h, BPF_MAP_TYPE_USER_RINGBUF", needs [USER_RING];
    user_ring_buffer_drain_takes_what_was_produced = callback::drain_takes_what_was_produced: "bpf-helpers(7), bpf_user_ringbuf_drain", needs [USER_RING];
    socket_storage_keeps_one_value_for_each_socket = storage::socket_storage: "map_sk_storage.rst";
    inode_storage_keeps_one_value_for_each_inode = storage::inode_storage: "bpf-helpers(7), bpf_inode_storage_get; bpf.h, BPF_MAP_TYPE_INODE_STORAGE", needs [LSM];
    task_storage_keeps_one_value_for_each_task = storage::task_storage: "bpf-helpers(7), bpf_task_storage_get; bpf.h, BPF_MAP_TYPE_TASK_STORAGE", needs [TASK_STORAGE];
    cgroup_storage_keeps_one_value_for_each_cgroup = storage::cgroup_storage: "map_cgrp_storage.rst", needs [CGROUP_STORAGE, CGROUPS];
    storage_ends_with_its_owner = storage::storage_ends_with_its_owner: "map_sk_storage.rst: lifetime of the storage";
    attached_storage_counts_for_its_cgroup = storage::attached_storage: "map_cgroup_storage.rst: Usage, Semantics", needs [CGROUPS, INET];
    arena_is_shared_by_process_and_program = arena::process_and_program_share_pages: "bpf.h, BPF_MAP_TYPE_ARENA", needs [ARENA, Need::Config("BPF_JIT")];
    arena_is_mapped_where_it_was_meant_to_be = arena::address_can_be_chosen: "bpf.h, BPF_MAP_CREATE: map_extra of BPF_MAP_TYPE_ARENA", needs [ARENA, Need::Config("BPF_JIT")];
    arena_page_that_nobody_allocated_is_an_error_on_request = arena::page_fault_can_be_an_error: "bpf.h, BPF_F_SEGV_ON_FAULT", needs [ARENA, Need::Config("BPF_JIT")];
    lock_rules_are_enforced = lock::lock_rules: "bpf-helpers(7), bpf_spin_lock: restrictions";
    locked_section_is_exclusive = lock::locked_section_is_exclusive: "bpf-helpers(7), bpf_spin_lock";
    lock_is_no_part_of_the_value = lock::lock_is_no_part_of_the_value: "bpf.h, BPF_F_LOCK of BPF_MAP_LOOKUP_ELEM and BPF_MAP_UPDATE_ELEM";
    socket_map_gives_the_cookie_of_its_socket = handles::socket_maps: "map_sockmap.rst: user space", needs [STREAM_PARSER, INET];
    reuseport_array_takes_sharing_sockets_once = handles::reuseport_array: "bpf.h, BPF_MAP_TYPE_REUSEPORT_SOCKARRAY; bpf-helpers(7), bpf_sk_select_reuseport", needs [INET];
    cpu_map_takes_queues_up_to_16384 = handles::cpu_map: "map_cpumap.rst: user space";
    device_map_takes_devices_that_exist = handles::device_maps: "map_devmap.rst: user space";
    cgroup_array_knows_its_members = handles::cgroup_array: "bpf-helpers(7), bpf_current_task_under_cgroup", needs [CGROUPS, EVENTS];
    perf_event_output_arrives_in_the_chosen_ring = tracing::perf_event_output: "bpf-helpers(7), bpf_perf_event_output; perf_event_open(2)", needs [EVENTS];

    // Shapes of the kinds not above
    perf_event_array_of_wrong_shape_is_refused = shapes::perf_event_array: "bpf(2) BPF_MAP_CREATE; bpf.h, BPF_F_PRESERVE_ELEMS", needs [Need::Config("PERF_EVENTS")];
    program_array_of_wrong_shape_is_refused = shapes::program_array: "bpf(2) BPF_MAP_TYPE_PROG_ARRAY: keys and values of four bytes";
    cgroup_array_of_wrong_shape_is_refused = shapes::cgroup_array: "bpf(2) BPF_MAP_CREATE; bpf.h, BPF_MAP_TYPE_CGROUP_ARRAY", needs [Need::Config("CGROUPS")];
    stack_trace_map_of_wrong_shape_is_refused = shapes::stack_trace: "bpf-helpers(7), bpf_get_stackid; admin-guide/sysctl/kernel.rst, perf_event_max_stack", needs [Need::Config("PERF_EVENTS")];
    device_map_of_wrong_shape_is_refused = shapes::device_maps: "map_devmap.rst";
    cpu_map_of_wrong_shape_is_refused = shapes::cpu_map: "map_cpumap.rst";
    xdp_socket_map_of_wrong_shape_is_refused = shapes::xdp_socket_map: "map_xskmap.rst", needs [Need::Config("XDP_SOCKETS")];
    socket_map_of_wrong_shape_is_refused = shapes::socket_maps: "map_sockmap.rst", needs [STREAM_PARSER];
    reuseport_array_of_wrong_shape_is_refused = shapes::reuseport_array: "bpf.h, BPF_MAP_TYPE_REUSEPORT_SOCKARRAY", needs [INET];
    attached_storage_of_wrong_shape_is_refused = shapes::cgroup_storage: "map_cgroup_storage.rst", needs [CGROUPS];
    lru_percpu_hash_of_wrong_shape_is_refused = shapes::lru_per_cpu_hash: "map_hash.rst, BPF_MAP_TYPE_LRU_PERCPU_HASH";
    bloom_filter_of_wrong_shape_is_refused = shapes::bloom_filter: "map_bloom_filter.rst: map_extra, no key", needs [BLOOM];
    user_ring_buffer_of_wrong_size_is_refused = shapes::user_ring_buffer: "bpf.h, BPF_MAP_TYPE_USER_RINGBUF; ringbuf.rst", needs [USER_RING];
    arena_of_wrong_shape_is_refused = shapes::arena: "bpf.h, BPF_MAP_TYPE_ARENA", needs [ARENA, Need::Config("BPF_JIT")];
    instruction_array_of_wrong_shape_is_refused = shapes::instruction_array: "bpf.h, BPF_MAP_TYPE_INSN_ARRAY, struct bpf_insn_array_value", needs [INSTRUCTION_ARRAY];
    struct_ops_map_of_wrong_shape_is_refused = shapes::struct_ops: "bpf.h, BPF_MAP_CREATE: btf_vmlinux_value_type_id", needs [Need::Config("BPF_JIT"), Need::Config("DEBUG_INFO_BTF")];

    // Maps used by many
    hash_iteration_survives_deletion = iteration::survives_deletion: "bpf(2) BPF_MAP_GET_NEXT_KEY: the first key, if the key is not found";
    hash_iteration_meets_what_stays = iteration::meets_what_stays: "bpf(2) BPF_MAP_GET_NEXT_KEY";
    iteration_survives_other_threads = iteration::survives_other_threads: "bpf(2) BPF_MAP_GET_NEXT_KEY: next key, or the first, or ENOENT";
    hash_limit_holds_against_threads = crowd::limit_holds_against_threads: "bpf(2) ERRORS: E2BIG, the map reached max_entries";
    atomic_additions_hold_against_threads = crowd::atomics_hold_against_threads: "RFC 9669, section 5.3: atomic";
    percpu_value_is_that_of_the_programs_cpu = crowd::program_changes_its_own_cpus_value: "map_array.rst, map_hash.rst: per-CPU variants";
    program_updates_obey_flags_and_limit = crowd::program_updates_obey_flags_and_limit: "bpf-helpers(7), bpf_map_update_elem, bpf_map_delete_elem";
    hash_lookup_and_delete_takes_out_one_key = crowd::hash_lookup_and_delete: "bpf.h, BPF_MAP_LOOKUP_AND_DELETE_ELEM", needs [HASH_POP];
    batches_reach_the_end_in_pieces = batch::batches_reach_the_end_in_pieces: "bpf.h, BPF_MAP_LOOKUP_BATCH: in_batch, out_batch, ENOENT at the end";
    batches_hold_values_of_all_cpus = batch::per_cpu_values: "bpf.h, BPF_MAP_LOOKUP_BATCH and its relatives; map_hash.rst, map_array.rst: per-CPU variants";
    batches_of_prefixes_do_each_once = batch::prefixes: "bpf.h, BPF_MAP_LOOKUP_BATCH and its relatives; map_lpm_trie.rst", needs [batch::TRIES.need()];
    batches_of_maps_give_their_identifiers = batch::maps_in_maps: "bpf.h, BPF_MAP_LOOKUP_BATCH and its relatives; map_of_maps.rst", needs [batch::OUTER.need()];

    // The verifier
    uninitialised_register_is_refused = verifier::uninitialised_registers: "verifier.rst: Register value tracking, !read_ok";
    stack_access_outside_512_bytes_is_refused = verifier::stack_bounds: "verifier.rst: stack accesses";
    pointer_arithmetic_beyond_moves_is_refused = verifier::pointer_arithmetic: "verifier.rst: pointer arithmetic; alignment of stack accesses";
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
    sign_extending_moves_are_exact = signed::moves: "RFC 9669, section 4.1: MOVSX", needs [support::FOURTH_VERSION.need()];
    signed_division_is_exact = signed::division: "RFC 9669, section 4.1: SDIV, SMOD", needs [support::FOURTH_VERSION.need()];
    signed_division_by_immediates_is_exact = signed::division_by_immediates: "RFC 9669, section 4.1: SDIV, SMOD", needs [support::FOURTH_VERSION.need()];
    verifier_knows_signed_quotients_as_the_machine_does = signed::division_of_constants: "RFC 9669, section 4.1: SDIV, SMOD; verifier.rst: Register value tracking", needs [support::FOURTH_VERSION.need()];
    signed_division_overflow_is_defined = signed::overflow: "RFC 9669, section 4.1: LLONG_MIN divided by -1", needs [support::DEFINED_OVERFLOW.need()];
    interpreter_results_are_exact = modes::interpreted_arithmetic: "RFC 9669; admin-guide/sysctl/net.rst, bpf_jit_enable";
    interpreter_moves_and_jumps_are_exact = modes::interpreted_memory_and_jumps: "RFC 9669; admin-guide/sysctl/net.rst, bpf_jit_enable";
    hardened_compilers_results_are_exact = modes::hardened_arithmetic: "RFC 9669; admin-guide/sysctl/net.rst, bpf_jit_harden", needs [Need::Config("BPF_JIT")];
    hardened_compilers_moves_and_jumps_are_exact = modes::hardened_memory_and_jumps: "RFC 9669; admin-guide/sysctl/net.rst, bpf_jit_harden", needs [Need::Config("BPF_JIT")];
    loads_and_stores_touch_their_bytes_only = execution::loads_and_stores: "RFC 9669, section 5.1";
    sign_extending_loads_are_exact = signed::loads: "RFC 9669, section 5.2: MEMSX", needs [support::FOURTH_VERSION.need()];
    atomic_add_is_exact = execution::atomic_add: "RFC 9669, section 5.3";
    atomic_operations_return_the_old_value = execution::atomic_operations: "RFC 9669, section 5.3", needs [support::ATOMICS.need()];
    compare_and_exchange_stores_on_equality_only = execution::compare_and_exchange: "RFC 9669, section 5.3: CMPXCHG", needs [support::ATOMICS.need()];
    acquiring_loads_and_releasing_stores_are_exact = execution::acquiring_loads_and_releasing_stores: "bpf.h, BPF_LOAD_ACQ, BPF_STORE_REL", needs [support::ORDERED.need()];
    packet_loads_read_in_network_order_or_end_the_filter = packet::absolute_loads: "classic_vs_extended.rst: BPF_ABS; RFC 9669, section 5.6";
    indexed_packet_loads_read_in_network_order_or_end_the_filter = packet::indexed_loads: "classic_vs_extended.rst: BPF_IND; RFC 9669, section 5.6";
    packet_loads_have_rules = packet::loads_have_rules: "classic_vs_extended.rst: R6, scratched R1 to R5";
    jumps_are_taken_exactly_when_the_condition_holds = jump::of_registers: "RFC 9669, section 4.3";
    jumps_by_immediates_are_taken_exactly_when_the_condition_holds = jump::with_immediates: "RFC 9669, section 4.3";
    jumps_over_any_distance_arrive = jump::over_any_distance: "RFC 9669, section 4.3: JA of class JMP32", needs [support::FOURTH_VERSION.need()];
    verifier_decides_constant_jumps_as_the_machine_does = jump::on_constants: "RFC 9669, section 4.3; verifier.rst: dead code";
    bounded_loop_runs_its_count = execution::bounded_loops: "bpf_design_QA.rst: bounded loops";
    loop_helper_calls_until_told_to_stop = callback::loop_calls_until_it_is_told_to_stop: "bpf-helpers(7), bpf_loop", needs [LOOP];
    every_element_is_visited_once = callback::every_element_is_visited_once: "bpf-helpers(7), bpf_for_each_map_elem", needs [FOR_EACH];
    subprogram_keeps_the_callers_registers_and_stack = execution::subprograms: "bpf_design_QA.rst: calling convention";
    call_chain_one_frame_too_deep_is_refused = execution::call_depth: "bpf_design_QA.rst: MAX_CALL_FRAMES, 512 bytes of stack";
    tail_call_returns_only_when_it_fails = execution::tail_calls_do_not_return: "bpf-helpers(7), bpf_tail_call";
    tail_call_in_a_subprogram_returns_to_its_caller = callback::tail_call_in_a_subprogram: "bpf-helpers(7), bpf_tail_call; bpf_design_QA.rst: calls", needs [Need::Config("BPF_JIT")];
    tail_calls_end_after_33 = execution::tail_call_limit: "bpf-helpers(7), bpf_tail_call: MAX_TAIL_CALL_CNT";

    // Filters on sockets and test runs
    classic_filter_trims_datagrams_to_its_result = socket::classic_filter_trims: "socket(7) SO_ATTACH_FILTER; networking/filter.rst";
    classic_filter_is_read_back_as_attached = socket::classic_filter_is_read_back: "socket(7) SO_GET_FILTER (linux/socket.h); networking/filter.rst";
    extended_filter_trims_datagrams_to_its_result = socket::extended_filter_trims: "socket(7) SO_ATTACH_BPF";
    classic_filter_load_beyond_the_datagram_drops_it = socket::classic_filter_reads_the_datagram: "networking/filter.rst";
    locked_filter_cannot_be_replaced = socket::locked_filter_stays: "socket(7) SO_LOCK_FILTER";
    ill_formed_classic_filter_is_refused = socket::ill_formed_classic_filters: "socket(7) SO_ATTACH_FILTER: EINVAL; networking/filter.rst";
    test_run_returns_the_changed_packet = socket::test_run_returns_the_packet: "bpf_prog_run.rst";

    // Events
    raw_tracepoint_program_sees_every_call = tracing::raw_tracepoint: "bpf.h, BPF_RAW_TRACEPOINT_OPEN", needs [EVENTS, Need::Config("FTRACE_SYSCALLS")];
    tracepoint_program_sees_every_call = tracing::tracepoint: "perf_event_open(2) PERF_EVENT_IOC_SET_BPF; trace/events.rst", needs [EVENTS, Need::Config("FTRACE_SYSCALLS")];
    kprobe_program_sees_every_call_and_its_result = tracing::kprobe: "perf_event_open(2) kprobe PMU, PERF_EVENT_IOC_SET_BPF; trace/kprobes.rst", needs [EVENTS, Need::Config("KPROBE_EVENTS")];
    linked_kprobe_program_sees_every_call_until_closed = probe_link::probe: "bpf.h, BPF_LINK_CREATE with BPF_PERF_EVENT", needs [EVENTS, Need::Config("KPROBE_EVENTS"), PERF_LINK];
    kernel_stack_is_found_by_its_identifier = stacks::kernel_stack: "bpf-helpers(7), bpf_get_stackid; bpf.h, BPF_MAP_TYPE_STACK_TRACE", needs [EVENTS, Need::Config("FTRACE_SYSCALLS")];
    user_stack_begins_in_the_process = stacks::user_stack: "bpf-helpers(7), bpf_get_stackid: BPF_F_USER_STACK", needs [EVENTS, Need::Config("FTRACE_SYSCALLS")];

    // Networks
    linked_xdp_program_decides_about_packets = device_link::xdp: "bpf.h, BPF_LINK_CREATE with BPF_XDP, BPF_LINK_UPDATE, BPF_LINK_DETACH", needs [INET];
    tcx_programs_run_in_order_until_one_decides = device_link::tcx: "bpf.h, BPF_TCX_INGRESS, enum tcx_action_base, BPF_F_BEFORE, BPF_F_AFTER", needs [INET, TCX, Need::Config("NET_XGRESS")];
    socket_lookup_link_can_be_changed_and_detached = net_link::lookup_program_can_be_changed_and_detached: "prog_sk_lookup.rst: Attachment, Hooks; bpf.h, BPF_LINK_UPDATE, BPF_LINK_DETACH", needs [INET];
    socket_lookup_program_selects_the_socket = net_link::lookup_program_selects_the_socket: "prog_sk_lookup.rst: Hooks; bpf-helpers(7), bpf_sk_assign", needs [INET, STREAM_PARSER];
    xdp_socket_map_leads_to_its_socket = xdp_socket::map_leads_to_the_socket: "map_xskmap.rst; networking/af_xdp.rst", needs [INET, Need::Config("XDP_SOCKETS")];

    // Control groups
    cgroup_socket_program_decides_about_new_sockets = cgroup::socket_program_decides_about_new_sockets: "bpf.h, BPF_CGROUP_INET_SOCK_CREATE; libbpf/program_types.rst", needs [CGROUPS, INET];
    cgroup_address_program_refuses_and_redirects = cgroup::address_program_refuses_and_redirects: "bpf.h, BPF_CGROUP_INET4_CONNECT, struct bpf_sock_addr", needs [CGROUPS, INET];
    cgroup_packet_program_drops_packets = cgroup::packet_program_drops_packets: "bpf.h, BPF_CGROUP_INET_EGRESS, BPF_CGROUP_INET_INGRESS", needs [CGROUPS, INET];
    cgroup_device_program_decides_about_devices = cgroup::device_program_decides_about_devices: "admin-guide/cgroup-v2.rst: device controller", needs [CGROUPS];
    cgroup_sysctl_program_decides_about_writes = cgroup::sysctl_program_decides_about_writes: "prog_cgroup_sysctl.rst", needs [CGROUPS, Need::Config("SYSCTL")];
    cgroup_option_program_decides_about_options = cgroup::option_program_decides_about_options: "prog_cgroup_sockopt.rst", needs [CGROUPS, INET];
    exclusive_cgroup_program_is_alone = attach::exclusive_program_is_alone: "bpf.h, BPF_PROG_ATTACH: no flags", needs [CGROUPS, INET];
    overriding_cgroup_program_counts_alone = attach::overriding_program_counts_alone: "bpf.h, BPF_PROG_ATTACH: BPF_F_ALLOW_OVERRIDE", needs [CGROUPS, INET];
    all_of_multiple_cgroup_programs_count = attach::all_of_multiple_programs_count: "bpf.h, BPF_PROG_ATTACH: BPF_F_ALLOW_MULTI, BPF_F_REPLACE; BPF_PROG_QUERY", needs [CGROUPS, INET];
    link_holds_its_program_until_closed = attach::link_holds_its_program_until_closed: "bpf.h, BPF_LINK_CREATE, BPF_LINK_GET_FD_BY_ID, struct bpf_link_info", needs [CGROUPS, INET];
    link_can_change_its_program = attach::link_can_change_its_program: "bpf.h, BPF_LINK_UPDATE, BPF_LINK_DETACH", needs [CGROUPS, INET];
    pinned_link_outlives_its_descriptors = attach::pinned_link_outlives_its_descriptors: "bpf.h, BPF_OBJ_PIN of a link", needs [CGROUPS, INET];

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
    pinned_program_outlives_its_descriptors = objects::pinned_program_runs: "bpf.h: BPF_OBJ_PIN, BPF_OBJ_GET";
    btf_of_the_kernel_is_well_formed = btf::kernel_types_are_well_formed: "btf.rst, section 2", needs [Need::Config("DEBUG_INFO_BTF")];
    btf_object_is_found_by_its_identifier = btf::object_is_found_by_its_identifier: "bpf.h: BPF_BTF_GET_NEXT_ID, BPF_BTF_GET_FD_BY_ID";
    ill_formed_btf_is_refused = btf::blobs_are_checked: "btf.rst, sections 2 and 3";
    ill_formed_type_of_each_kind_is_refused = kinds::every_kind_has_rules: "btf.rst, section 2.2";
    type_that_contains_itself_is_refused = kinds::loops_are_found: "btf.rst, section 2.2";
    good_type_of_each_kind_is_taken = kinds::good_kinds_are_taken: "btf.rst, section 2.2";

    // Users without privileges
    disabled_unprivileged_bpf_is_refused_for_good = unprivileged::disabled_means_refused: "admin-guide/sysctl/kernel.rst: unprivileged_bpf_disabled";
    privileged_kind_by_nobody_is_refused = unprivileged::privileged_kinds_are_refused: "capabilities(7): CAP_BPF, CAP_NET_ADMIN";
    pointer_leak_by_nobody_is_refused = unprivileged::pointers_do_not_leak: "verifier.rst; bpf(2) on kernel addresses";
    long_or_looping_program_by_nobody_is_refused = unprivileged::complexity_is_limited: "bpf(2): 4096 instructions (BPF_MAXINSNS)";
    cap_bpf_opens_maps_types_and_filters = capability::cap_bpf_alone: "capabilities(7): CAP_BPF; linux/capability.h";
    cap_perfmon_and_cap_net_admin_alone_open_nothing = capability::others_alone_open_nothing: "capabilities(7): CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN; linux/capability.h";
    cap_bpf_with_another_opens_programs_of_its_field = capability::cap_bpf_with_another: "linux/capability.h: CAP_PERFMON and CAP_BPF, CAP_NET_ADMIN and CAP_BPF";
};
