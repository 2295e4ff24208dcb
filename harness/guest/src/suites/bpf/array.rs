//! Array maps and per-CPU arrays.

use super::support::{accepted, create, refuses_map, run};
use crate::bpf::{
    Instruction, MapKind, MapSpec, ProgramKind, Register::*, Width, map_flags, possible_cpus, update,
};
use crate::case::{fails_with, setup, succeeds};
use crate::{CaseResult, Context, check, check_eq, code};
use std::os::fd::AsRawFd;

const FOUR: MapSpec = MapSpec::new(MapKind::Array, 4, 8, 4);

pub fn create_rules(_: &Context) -> CaseResult {
    use libc::{E2BIG, EINVAL};
    refuses_map("keys of 3 bytes", MapSpec { key: 3, ..FOUR }, EINVAL)?;
    refuses_map("keys of 5 bytes", MapSpec { key: 5, ..FOUR }, EINVAL)?;
    refuses_map("keys of 8 bytes", MapSpec { key: 8, ..FOUR }, EINVAL)?;
    refuses_map("empty values", MapSpec { value: 0, ..FOUR }, EINVAL)?;
    refuses_map("no elements", MapSpec { entries: 0, ..FOUR }, EINVAL)?;
    refuses_map("values of 4 GiB", MapSpec { value: u32::MAX, ..FOUR }, E2BIG)?;
    refuses_map("BPF_F_NO_PREALLOC", FOUR.flags(map_flags::NO_PREALLOC), EINVAL)?;
    refuses_map("an unknown flag", FOUR.flags(1 << 31), EINVAL)?;
    refuses_map("contradicting access flags", FOUR.flags(map_flags::RDONLY | map_flags::WRONLY), EINVAL)?;
    let program_side = map_flags::RDONLY_PROG | map_flags::WRONLY_PROG;
    refuses_map("contradicting program access flags", FOUR.flags(program_side), EINVAL)?;
    create(MapSpec { value: 1, entries: 1, ..FOUR }).map(drop)
}

pub fn index_at_the_size_is_outside(_: &Context) -> CaseResult {
    let map = create(FOUR)?;
    for index in 0..4 {
        check_eq!(succeeds("lookup inside", map.lookup_u64(index))?, [0], "element {index} of a new array");
        succeeds("update inside", map.update_u64(index, &[u64::from(index) + 1]))?;
    }
    for index in [4, 5, 1 << 31, u32::MAX] {
        fails_with(&format!("update of index {index} of 4"), map.update_u64(index, &[!0]), libc::E2BIG)?;
        fails_with(&format!("lookup of index {index} of 4"), map.lookup_u64(index), libc::ENOENT)?;
    }
    for index in 0..4 {
        check_eq!(setup("lookup", map.lookup_u64(index))?, [u64::from(index) + 1], "element {index}");
    }
    Ok(())
}

/// The same bound seen from a program: a helper's lookup with a computed index.
pub fn program_lookup_stops_at_the_size(_: &Context) -> CaseResult {
    let map = create(MapSpec::new(MapKind::Array, 4, 4, 3))?;
    for (index, inside) in [(0, true), (2, true), (3, false), (-1, false), (i32::MIN, false)] {
        let program = accepted(
            "a checked lookup",
            ProgramKind::SocketFilter,
            &code![
                Instruction::store(Width::Word, R10, -4, index),
                Instruction::load_map(R1, &map),
                Instruction::mov(R2, R10),
                Instruction::add(R2, -4),
                Instruction::call(1),
                Instruction::jump(crate::bpf::Condition::Eq, R0, 0, 1),
                Instruction::mov(R0, 1),
                Instruction::exit(),
            ],
        )?;
        check_eq!(
            run(&program)?,
            u32::from(inside),
            "bpf_map_lookup_elem of index {index} of 3 finds a value"
        );
    }
    Ok(())
}

pub fn elements_always_exist(_: &Context) -> CaseResult {
    let map = create(FOUR)?;
    let key = 2u32.to_le_bytes();
    let value = 77u64.to_le_bytes();
    fails_with("BPF_NOEXIST on an array", map.update(&key, &value, update::NOEXIST), libc::EEXIST)?;
    fails_with("delete from an array", map.delete(&key), libc::EINVAL)?;
    for flags in [update::EXIST | update::NOEXIST, update::LOCK, 8, 1 << 63] {
        fails_with(&format!("update with flags {flags:#x}"), map.update(&key, &value, flags), libc::EINVAL)?;
    }
    check_eq!(setup("lookup", map.lookup_u64(2))?, [0], "the element after refused calls");
    succeeds("BPF_EXIST on an array", map.update(&key, &value, update::EXIST))?;
    check_eq!(setup("lookup", map.lookup_u64(2))?, [77], "the element after BPF_EXIST");
    check_eq!(setup("lookup", map.lookup_u64(1))?, [0], "its lower neighbour");
    check_eq!(setup("lookup", map.lookup_u64(3))?, [0], "its upper neighbour");
    Ok(())
}

pub fn keys_are_the_indices(_: &Context) -> CaseResult {
    let map = create(FOUR)?;
    let keys: Vec<u32> = succeeds("BPF_MAP_GET_NEXT_KEY", map.keys(16))?
        .iter()
        .map(|key| u32::from_le_bytes(key.as_slice().try_into().expect("keys have four bytes")))
        .collect();
    check_eq!(keys, [0, 1, 2, 3], "keys of an array of 4");
    let after_the_end = succeeds("next key of an index outside", map.next_key(Some(&[9, 0, 0, 0])))?;
    check_eq!(after_the_end, [0; 4], "next key of an index outside: the first one");
    Ok(())
}

pub fn odd_value_sizes_do_not_overlap(_: &Context) -> CaseResult {
    for size in [1usize, 3, 7, 9, 4095, 4097] {
        let value = u32::try_from(size).expect("small");
        let map = create(MapSpec::new(MapKind::Array, 4, value, 3))?;
        for index in 0..3u8 {
            setup("update", map.update(&[index, 0, 0, 0], &vec![index + 1; size], update::ANY))?;
        }
        for index in 0..3u8 {
            let got = succeeds("lookup", map.lookup(&[index, 0, 0, 0]))?;
            check!(
                got == vec![index + 1; size],
                "element {index} of {size} bytes does not hold what was stored"
            );
        }
    }
    Ok(())
}

pub fn per_cpu_values_are_apart(_: &Context) -> CaseResult {
    let cpus = possible_cpus();
    let spec = MapSpec::new(MapKind::PerCpuArray, 4, 8, 2);
    let map = create(spec)?;
    let values: Vec<u64> = (0..cpus as u64).map(|cpu| cpu << 32 | 5).collect();
    succeeds("update of all CPUs' values", map.update_u64(1, &values))?;
    check_eq!(succeeds("lookup", map.lookup_u64(1))?, values, "values of all {cpus} possible CPUs");
    check_eq!(succeeds("lookup", map.lookup_u64(0))?, vec![0; cpus], "the untouched element");
    refuses_map("BPF_F_MMAPABLE on per-CPU values", spec.flags(map_flags::MMAPABLE), libc::EINVAL)
}

/// Maps a memory-mappable array; the address as the kernel gave it.
fn mmap(map: &impl AsRawFd, length: usize, protection: i32) -> Result<*mut u64, crate::sys::Errno> {
    // SAFETY: a fresh mapping where the kernel likes.
    let address =
        unsafe { libc::mmap(std::ptr::null_mut(), length, protection, libc::MAP_SHARED, map.as_raw_fd(), 0) };
    if address == libc::MAP_FAILED { Err(crate::sys::Errno::last()) } else { Ok(address.cast()) }
}

pub fn mapped_memory_is_the_map(_: &Context) -> CaseResult {
    const PAGE: usize = 4096;
    let both = libc::PROT_READ | libc::PROT_WRITE;
    // The kernel answers with its internal ENOTSUPP here, so only the refusal is held against it.
    check!(mmap(&create(FOUR)?, PAGE, both).is_err(), "an array without BPF_F_MMAPABLE can be mapped");
    let map = create(FOUR.flags(map_flags::MMAPABLE))?;
    fails_with("mmap beyond the last page", mmap(&map, 2 * PAGE, both), libc::EINVAL)?;
    let memory = succeeds("mmap of the whole map", mmap(&map, PAGE, both))?;
    succeeds("update", map.update_u64(3, &[0x1234]))?;
    // SAFETY: the mapping is a page long and nobody else writes to it meanwhile.
    check_eq!(unsafe { memory.add(3).read_volatile() }, 0x1234, "element 3 through the mapping");
    // SAFETY: as above.
    unsafe { memory.add(1).write_volatile(0x5678) };
    check_eq!(succeeds("lookup", map.lookup_u64(1))?, [0x5678], "element 1 written through the mapping");
    fails_with("freeze while mapped for writing", map.freeze(), libc::EBUSY)?;
    // SAFETY: our own mapping, not used after this.
    unsafe { libc::munmap(memory.cast(), PAGE) };
    succeeds("freeze after munmap", map.freeze())?;
    fails_with("writable mmap of a frozen map", mmap(&map, PAGE, both), libc::EPERM)?;
    succeeds("read-only mmap of a frozen map", mmap(&map, PAGE, libc::PROT_READ)).map(drop)
}
