//! What a new map of each kind may look like: a good one, and the nearest that must be refused.

use super::support::refuses_map;
use crate::bpf::{Map, MapKind, MapSpec, map_flags, update};
use crate::case::{exists, fails_with, succeeds};
use crate::{CaseResult, Context, Stop};
use libc::{E2BIG, EINVAL};

/// What is changed in the good shape, how, and the error that this must give.
type Change = (&'static str, fn(MapSpec) -> MapSpec, i32);

type Refused = &'static [Change];

const NO_KEY: Change = ("no key", |spec| MapSpec { key: 0, ..spec }, EINVAL);
const KEY_OF_3: Change = ("keys of 3 bytes", |spec| MapSpec { key: 3, ..spec }, EINVAL);
const KEY_OF_8: Change = ("keys of 8 bytes", |spec| MapSpec { key: 8, ..spec }, EINVAL);
const NO_VALUE: Change = ("no value", |spec| MapSpec { value: 0, ..spec }, EINVAL);
const VALUE_OF_3: Change = ("values of 3 bytes", |spec| MapSpec { value: 3, ..spec }, EINVAL);
const VALUE_OF_5: Change = ("values of 5 bytes", |spec| MapSpec { value: 5, ..spec }, EINVAL);
const NO_ENTRIES: Change = ("no elements", |spec| MapSpec { entries: 0, ..spec }, EINVAL);
const AN_ENTRY: Change = ("a number of elements", |spec| MapSpec { entries: 1, ..spec }, EINVAL);
const UNKNOWN_FLAG: Change = ("an unknown flag", |spec| spec.flags(spec.flags | 1 << 31), EINVAL);
const NO_PREALLOC: Change =
    ("BPF_F_NO_PREALLOC", |spec| spec.flags(spec.flags | map_flags::NO_PREALLOC), EINVAL);

/// Keys and values of four bytes.
const fn four(kind: MapKind) -> MapSpec {
    MapSpec::new(kind, 4, 4, 4)
}

/// The good shape must be taken, and each changed one refused.
fn shape(good: MapSpec, refused: Refused) -> CaseResult {
    succeeds(&format!("BPF_MAP_CREATE of {good:?}"), exists("bpf", good.create())?)?;
    refuses(good, refused)
}

fn refuses(good: MapSpec, refused: Refused) -> CaseResult {
    for (why, change, errno) in refused {
        refuses_map(why, change(good), *errno)?;
    }
    Ok(())
}

pub fn perf_event_array(_: &Context) -> CaseResult {
    let good = four(MapKind::PerfEventArray);
    shape(
        good,
        &[
            NO_KEY,
            KEY_OF_3,
            KEY_OF_8,
            NO_VALUE,
            VALUE_OF_3,
            VALUE_OF_5,
            NO_ENTRIES,
            NO_PREALLOC,
            UNKNOWN_FLAG,
        ],
    )?;
    succeeds("BPF_F_PRESERVE_ELEMS", good.flags(map_flags::PRESERVE_ELEMENTS).create()).map(drop)
}

pub fn program_array(_: &Context) -> CaseResult {
    shape(
        four(MapKind::ProgramArray),
        &[
            NO_KEY,
            KEY_OF_3,
            KEY_OF_8,
            VALUE_OF_3,
            ("values of 8 bytes", |spec| MapSpec { value: 8, ..spec }, EINVAL),
            NO_ENTRIES,
            ("BPF_F_RDONLY_PROG", |spec| spec.flags(map_flags::RDONLY_PROG), EINVAL),
            ("BPF_F_WRONLY_PROG", |spec| spec.flags(map_flags::WRONLY_PROG), EINVAL),
            ("BPF_F_MMAPABLE", |spec| spec.flags(map_flags::MMAPABLE), EINVAL),
            UNKNOWN_FLAG,
        ],
    )
}

pub fn cgroup_array(_: &Context) -> CaseResult {
    shape(
        four(MapKind::CgroupArray),
        &[NO_KEY, KEY_OF_3, KEY_OF_8, VALUE_OF_3, VALUE_OF_5, NO_ENTRIES, NO_PREALLOC, UNKNOWN_FLAG],
    )
}

/// Values are whole addresses, as many as `kernel.perf_event_max_stack` at most.
pub fn stack_trace(_: &Context) -> CaseResult {
    let good = MapSpec::new(MapKind::StackTrace, 4, 8 * 127, 4);
    shape(
        good,
        &[
            NO_KEY,
            KEY_OF_8,
            NO_VALUE,
            ("values of 4 bytes", |spec| MapSpec { value: 4, ..spec }, EINVAL),
            ("values of 12 bytes", |spec| MapSpec { value: 12, ..spec }, EINVAL),
            ("values of 128 addresses", |spec| MapSpec { value: 8 * 128, ..spec }, EINVAL),
            NO_ENTRIES,
            NO_PREALLOC,
            UNKNOWN_FLAG,
        ],
    )?;
    succeeds("values of one address", MapSpec { value: 8, ..good }.create()).map(drop)
}

pub fn device_maps(_: &Context) -> CaseResult {
    for kind in [MapKind::DeviceMap, MapKind::DeviceHash] {
        shape(
            four(kind),
            &[
                NO_KEY,
                KEY_OF_3,
                KEY_OF_8,
                NO_VALUE,
                VALUE_OF_3,
                VALUE_OF_5,
                NO_ENTRIES,
                NO_PREALLOC,
                UNKNOWN_FLAG,
            ],
        )?;
        shape(MapSpec { value: 8, ..four(kind) }, &[])?;
    }
    Ok(())
}

pub fn cpu_map(_: &Context) -> CaseResult {
    let good = MapSpec { entries: 1, ..four(MapKind::CpuMap) };
    shape(
        good,
        &[
            NO_KEY,
            KEY_OF_8,
            NO_VALUE,
            VALUE_OF_3,
            VALUE_OF_5,
            NO_ENTRIES,
            ("more elements than a kernel has CPUs", |spec| MapSpec { entries: 1 << 20, ..spec }, E2BIG),
            NO_PREALLOC,
            UNKNOWN_FLAG,
        ],
    )?;
    shape(MapSpec { value: 8, ..good }, &[])
}

pub fn xdp_socket_map(_: &Context) -> CaseResult {
    shape(
        four(MapKind::XdpSocketMap),
        &[
            NO_KEY,
            KEY_OF_8,
            NO_VALUE,
            VALUE_OF_3,
            ("values of 8 bytes", |spec| MapSpec { value: 8, ..spec }, EINVAL),
            NO_ENTRIES,
            NO_PREALLOC,
            UNKNOWN_FLAG,
        ],
    )
}

/// Values are a descriptor, or eight bytes for the cookie to be read back.
pub fn socket_maps(_: &Context) -> CaseResult {
    let refused: Refused = &[NO_KEY, NO_VALUE, VALUE_OF_3, VALUE_OF_5, NO_ENTRIES, NO_PREALLOC, UNKNOWN_FLAG];
    for value in [4, 8] {
        shape(MapSpec { value, ..four(MapKind::SocketMap) }, refused)?;
        shape(MapSpec { value, ..four(MapKind::SocketHash) }, refused)?;
    }
    refuses(four(MapKind::SocketMap), &[KEY_OF_3, KEY_OF_8])?;
    shape(
        MapSpec { key: 512, ..four(MapKind::SocketHash) },
        &[("keys of 513 bytes", |spec| MapSpec { key: 513, ..spec }, E2BIG)],
    )
}

pub fn reuseport_array(_: &Context) -> CaseResult {
    let good = MapSpec { value: 8, ..four(MapKind::ReuseportSocketArray) };
    shape(
        good,
        &[NO_KEY, KEY_OF_8, NO_VALUE, VALUE_OF_3, VALUE_OF_5, NO_ENTRIES, NO_PREALLOC, UNKNOWN_FLAG],
    )?;
    shape(MapSpec { value: 4, ..good }, &[])
}

/// Keys name a cgroup, or a cgroup and a way of attaching; elements come with the attached programs.
pub fn cgroup_storage(_: &Context) -> CaseResult {
    for kind in [MapKind::CgroupStorage, MapKind::PerCpuCgroupStorage] {
        for key in [8, 16] {
            shape(
                MapSpec::new(kind, key, 8, 0),
                &[
                    NO_KEY,
                    ("keys of 4 bytes", |spec| MapSpec { key: 4, ..spec }, EINVAL),
                    ("keys of 12 bytes", |spec| MapSpec { key: 12, ..spec }, EINVAL),
                    NO_VALUE,
                    ("values of 4 GiB", |spec| MapSpec { value: u32::MAX, ..spec }, E2BIG),
                    AN_ENTRY,
                    NO_PREALLOC,
                    UNKNOWN_FLAG,
                ],
            )?;
        }
    }
    Ok(())
}

pub fn lru_per_cpu_hash(_: &Context) -> CaseResult {
    let good = MapSpec { entries: 512, value: 8, ..four(MapKind::LruPerCpuHash) };
    shape(
        good,
        &[
            NO_KEY,
            NO_VALUE,
            NO_ENTRIES,
            ("values of 4 GiB", |spec| MapSpec { value: u32::MAX, ..spec }, E2BIG),
            UNKNOWN_FLAG,
        ],
    )?;
    shape(good.flags(map_flags::NO_COMMON_LRU), &[])?;
    // The kernel's internal ENOTSUPP.
    crate::check!(
        good.flags(map_flags::NO_PREALLOC).create().is_err(),
        "an LRU hash takes BPF_F_NO_PREALLOC"
    );
    Ok(())
}

/// `map_extra`: the number of hash functions, at most 15.
pub fn bloom_filter(_: &Context) -> CaseResult {
    let good = MapSpec::new(MapKind::BloomFilter, 0, 8, 100);
    shape(
        good,
        &[
            ("a key", |spec| MapSpec { key: 4, ..spec }, EINVAL),
            NO_VALUE,
            NO_ENTRIES,
            NO_PREALLOC,
            UNKNOWN_FLAG,
        ],
    )?;
    let hashes = |number| good.create_with(|attributes| attributes.u64(64, number));
    for number in [1, 15] {
        succeeds(&format!("a Bloom filter with {number} hash functions"), hashes(number))?;
    }
    for number in [16, 1 << 32] {
        fails_with(&format!("a Bloom filter with map_extra {number:#x}"), hashes(number), EINVAL)?;
    }
    let other = four(MapKind::Array).create_with(|attributes| attributes.u64(64, 1));
    fails_with("an array with map_extra", other, EINVAL)
}

pub fn user_ring_buffer(_: &Context) -> CaseResult {
    shape(
        MapSpec::new(MapKind::UserRingBuffer, 0, 0, 4096),
        &[
            ("a key", |spec| MapSpec { key: 4, ..spec }, EINVAL),
            ("a value", |spec| MapSpec { value: 4, ..spec }, EINVAL),
            NO_ENTRIES,
            ("half a page", |spec| MapSpec { entries: 2048, ..spec }, EINVAL),
            ("three pages", |spec| MapSpec { entries: 3 * 4096, ..spec }, EINVAL),
            NO_PREALLOC,
            UNKNOWN_FLAG,
        ],
    )
}

/// Pages shared by programs and a process; `max_entries` counts pages.
pub fn arena(_: &Context) -> CaseResult {
    let good = MapSpec::new(MapKind::Arena, 0, 0, 10).flags(map_flags::MMAPABLE);
    if let Err(crate::sys::Errno(libc::EOPNOTSUPP)) = exists("bpf", good.create())? {
        crate::skip!("by design: no arena without a JIT that knows it");
    }
    shape(
        good,
        &[
            ("a key", |spec| MapSpec { key: 4, ..spec }, EINVAL),
            ("a value", |spec| MapSpec { value: 8, ..spec }, EINVAL),
            NO_ENTRIES,
            ("no BPF_F_MMAPABLE", |spec| spec.flags(0), EINVAL),
            UNKNOWN_FLAG,
            ("a page more than 4 GiB", |spec| MapSpec { entries: (1 << 20) + 1, ..spec }, E2BIG),
        ],
    )
}

/// The value must be a type of the kernel's own that is a set of operations.
pub fn struct_ops(_: &Context) -> CaseResult {
    let plain = MapSpec::new(MapKind::StructOps, 4, 8, 1);
    if let Err(crate::sys::Errno(libc::EOPNOTSUPP)) = exists("bpf", plain.create())? {
        crate::skip!("missing symbol: BPF_JIT");
    }
    refuses(
        plain,
        &[
            ("no type", |spec| spec, EINVAL),
            NO_KEY,
            KEY_OF_8,
            ("two elements", |spec| MapSpec { entries: 2, ..spec }, EINVAL),
            NO_ENTRIES,
            UNKNOWN_FLAG,
        ],
    )?;
    // An int is no set of operations; EINVAL where there are none, ENOTSUPP (524) where the type is not one.
    for identifier in [1, 2, i32::MAX as u32] {
        let typed: Result<Map, _> = plain.create_with(|attributes| attributes.u32(60, identifier));
        match typed {
            Ok(_) => return Err(Stop::Fail(format!("a map of operations of type {identifier} was made"))),
            Err(_) => continue,
        }
    }
    let array = four(MapKind::Array).create_with(|attributes| attributes.u32(60, 1));
    fails_with("an array with a type of the kernel's for value", array, EINVAL)
}

/// A value is where an instruction is in the program as loaded, in that rewritten and in the machine code; the process
/// says the first, and zero for the others.
pub fn instruction_array(_: &Context) -> CaseResult {
    let good = MapSpec::new(MapKind::InstructionArray, 4, 16, 3);
    shape(
        good,
        &[
            NO_KEY,
            KEY_OF_8,
            NO_VALUE,
            ("values of 8 bytes", |spec| MapSpec { value: 8, ..spec }, EINVAL),
            ("values of 24 bytes", |spec| MapSpec { value: 24, ..spec }, EINVAL),
            NO_ENTRIES,
            NO_PREALLOC,
            ("BPF_F_MMAPABLE", |spec| spec.flags(map_flags::MMAPABLE), EINVAL),
            UNKNOWN_FLAG,
        ],
    )?;
    let map = succeeds("an array of instructions", good.create())?;
    let place = |original: u32, rewritten: u32, compiled: u32| {
        [original, rewritten, compiled, 0].iter().flat_map(|word| word.to_ne_bytes()).collect::<Vec<u8>>()
    };
    let put = |index: u32, value: &[u8], flags| map.update(&index.to_ne_bytes(), value, flags);
    fails_with("a place in rewritten code", put(0, &place(1, 1, 0), 0), EINVAL)?;
    fails_with("a place in machine code", put(0, &place(1, 0, 1), 0), EINVAL)?;
    fails_with("BPF_NOEXIST", put(0, &place(1, 0, 0), update::NOEXIST), libc::EEXIST)?;
    fails_with("insertion outside", put(3, &place(1, 0, 0), 0), E2BIG)?;
    succeeds("the place of an instruction", put(2, &place(7, 0, 0), 0))?;
    let value = succeeds("lookup", map.lookup(&2u32.to_ne_bytes()))?;
    crate::check_eq!(value, place(7, 0, 0), "the place of the instruction");
    fails_with("lookup outside", map.lookup(&3u32.to_ne_bytes()), libc::ENOENT)?;
    fails_with("deletion", map.delete(&2u32.to_ne_bytes()), EINVAL)?;
    crate::check_eq!(succeeds("iteration", map.keys(8))?.len(), 3, "keys of an array of three");
    Ok(())
}
