//! `bpf(2)`: maps, programs and test runs. Layouts: `union bpf_attr` in the kernel's include/uapi/linux/bpf.h.

use crate::description::{Description, Field, Kind, Type, number};

/// HASH, ARRAY, PROG_ARRAY, PERCPU_HASH, PERCPU_ARRAY, LRU_HASH, LRU_PERCPU_HASH, LPM_TRIE, QUEUE, STACK, RINGBUF,
/// BLOOM_FILTER, STACK_TRACE, CGROUP_ARRAY, ARRAY_OF_MAPS, SOCKMAP, DEVMAP, TASK_STORAGE.
const MAP_TYPES: &[u64] = &[1, 2, 3, 5, 6, 9, 10, 11, 22, 23, 27, 30, 7, 8, 12, 15, 14, 29];
/// BPF_F_NO_PREALLOC, NO_COMMON_LRU, NUMA_NODE, RDONLY, WRONLY, ZERO_SEED, RDONLY_PROG, WRONLY_PROG, MMAPABLE.
const MAP_FLAGS: &[u64] = &[1, 2, 4, 8, 0x10, 0x40, 0x80, 0x100, 0x400];
/// SOCKET_FILTER, KPROBE, SCHED_CLS, SCHED_ACT, TRACEPOINT, XDP, PERF_EVENT, CGROUP_SKB, RAW_TRACEPOINT, SYSCALL.
const PROGRAM_TYPES: &[u64] = &[1, 2, 3, 4, 5, 6, 7, 8, 17, 31];
/// BPF_F_STRICT_ALIGNMENT, ANY_ALIGNMENT, TEST_RND_HI32, TEST_STATE_FREQ, SLEEPABLE.
const PROGRAM_FLAGS: &[u64] = &[1, 2, 4, 8, 0x10];
/// BPF_ANY, NOEXIST, EXIST, F_LOCK.
const UPDATE: &[u64] = &[0, 1, 2, 4];

const MAP_CREATE: &[Field] = &[
    ("map_type", 4, Type::OneOf(MAP_TYPES)),
    ("key_size", 4, Type::OneOf(&[4, 8, 0, 16, 512])),
    ("value_size", 4, Type::OneOf(&[8, 64, 4, 0, 4096])),
    ("max_entries", 4, Type::OneOf(&[1, 4, 256, 0, 3])),
    ("map_flags", 4, Type::Flags(MAP_FLAGS)),
    ("inner_map_fd", 4, Type::Resource(Kind::BpfMap)),
    ("numa_node", 4, Type::Range(0, 1)),
];
/// The kinds of map that programs can use without further ado.
const PLAIN_MAP: &[Field] = &[
    ("map_type", 4, Type::OneOf(&[2, 1, 9])),
    ("key_size", 4, Type::Constant(4)),
    ("value_size", 4, Type::OneOf(&[8, 16, 64])),
    ("max_entries", 4, Type::OneOf(&[1, 4, 64])),
    ("map_flags", 4, Type::Constant(0)),
];
const ELEMENT: &[Field] = &[
    ("map", 4, Type::Resource(Kind::BpfMap)),
    ("padding", 4, Type::Constant(0)),
    ("key", 8, Type::Bytes(4, 16)),
    ("value", 8, Type::Bytes(8, 64)),
    ("flags", 8, Type::OneOf(UPDATE)),
];
const ELEMENT_OUT: &[Field] = &[
    ("map", 4, Type::Resource(Kind::BpfMap)),
    ("padding", 4, Type::Constant(0)),
    ("key", 8, Type::Bytes(4, 16)),
    ("value", 8, Type::Output(4096)),
    ("flags", 8, Type::OneOf(UPDATE)),
];
const BATCH: &[Field] = &[
    ("in_batch", 8, Type::Constant(0)),
    ("out_batch", 8, Type::Output(64)),
    ("keys", 8, Type::Output(256)),
    ("values", 8, Type::Output(4096)),
    ("count", 4, Type::Range(0, 8)),
    ("map", 4, Type::Resource(Kind::BpfMap)),
    ("element_flags", 8, Type::OneOf(UPDATE)),
    ("flags", 8, Type::Constant(0)),
];
const LOAD: &[Field] = &[
    ("type", 4, Type::OneOf(PROGRAM_TYPES)),
    ("count", 4, Type::CountOf(2)),
    ("instructions", 8, Type::Bpf),
    ("license", 8, Type::Path),
    // The verifier's log is off: writing it is slow, and nobody reads it yet.
    ("log_level", 4, Type::Constant(0)),
    ("log_size", 4, Type::Constant(0)),
    ("log", 8, Type::Constant(0)),
    ("kernel_version", 4, Type::Constant(0)),
    ("flags", 4, Type::Flags(PROGRAM_FLAGS)),
];
/// A socket filter: what the generator of instructions knows best, and what a test run accepts.
const LOAD_FILTER: &[Field] = &[
    ("type", 4, Type::OneOf(&[1, 3])),
    ("count", 4, Type::CountOf(2)),
    ("instructions", 8, Type::Bpf),
    ("license", 8, Type::Path),
    ("log_level", 4, Type::Constant(0)),
    ("log_size", 4, Type::Constant(0)),
    ("log", 8, Type::Constant(0)),
    ("kernel_version", 4, Type::Constant(0)),
    ("flags", 4, Type::OneOf(&[0, 0, 8])),
];
const TEST_RUN: &[Field] = &[
    ("program", 4, Type::Resource(Kind::BpfProgram)),
    ("return", 4, Type::Constant(0)),
    ("input_size", 4, Type::LengthOf(4)),
    ("output_size", 4, Type::LengthOf(5)),
    ("input", 8, Type::Bytes(14, 128)),
    ("output", 8, Type::Output(256)),
    ("repeat", 4, Type::OneOf(&[1, 0, 2, 64])),
    ("duration", 4, Type::Constant(0)),
];
const INFO: &[Field] = &[
    ("object", 4, Type::Resource(Kind::Descriptor)),
    ("length", 4, Type::LengthOf(2)),
    ("info", 8, Type::Output(232)),
];
const ONE_MAP: &[Field] = &[("map", 4, Type::Resource(Kind::BpfMap))];
const BTF: &[Field] = &[
    ("btf", 8, Type::Bytes(0, 64)),
    ("log", 8, Type::Constant(0)),
    ("size", 4, Type::LengthOf(0)),
    ("log_size", 4, Type::Constant(0)),
    ("log_level", 4, Type::Constant(0)),
];

const DESCRIPTION: Description = Description { number: number(libc::SYS_bpf), ..Description::CALL };

macro_rules! bpf {
    ($name:literal, $command:literal, $attributes:ident, $weight:literal, $result:expr) => {
        Description {
            name: $name,
            arguments: &[
                ("command", Type::Constant($command)),
                ("attributes", Type::Record($attributes)),
                ("size", Type::LengthOf(1)),
            ],
            weight: $weight,
            result: $result,
            ..DESCRIPTION
        }
    };
}

pub(super) const CALLS: &[Description] = &[
    bpf!("bpf$map_create", 0, MAP_CREATE, 6, Some(Kind::BpfMap)),
    bpf!("bpf$map_create_plain", 0, PLAIN_MAP, 6, Some(Kind::BpfMap)),
    bpf!("bpf$map_lookup", 1, ELEMENT_OUT, 6, None),
    bpf!("bpf$map_update", 2, ELEMENT, 10, None),
    bpf!("bpf$map_delete", 3, ELEMENT_OUT, 4, None),
    bpf!("bpf$map_next_key", 4, ELEMENT_OUT, 4, None),
    bpf!("bpf$map_take", 21, ELEMENT_OUT, 3, None),
    bpf!("bpf$map_freeze", 22, ONE_MAP, 2, None),
    bpf!("bpf$map_lookup_batch", 24, BATCH, 3, None),
    bpf!("bpf$map_update_batch", 26, BATCH, 3, None),
    bpf!("bpf$map_delete_batch", 27, BATCH, 2, None),
    bpf!("bpf$load", 5, LOAD, 12, Some(Kind::BpfProgram)),
    bpf!("bpf$load_filter", 5, LOAD_FILTER, 20, Some(Kind::BpfProgram)),
    bpf!("bpf$test_run", 10, TEST_RUN, 16, None),
    bpf!("bpf$info", 15, INFO, 3, None),
    bpf!("bpf$btf_load", 18, BTF, 2, Some(Kind::BpfBtf)),
];
