//! Hash maps, LRU and per-CPU hashes, and the commands on many elements.

use super::crowd::on_cpu;
use super::support::{accepted, create, refuses_map, returning, run};
use crate::bpf::{
    Attributes, Command, Condition, Instruction, Map, MapKind, MapSpec, ProgramKind, Register::*, Width,
    batch, map_flags, possible_cpus, update,
};
use crate::case::{fails_with, setup, succeeds};
use crate::sys::Errno;
use crate::{CaseResult, Context, Stop, check, check_eq, code};
use std::collections::BTreeSet;

const SIX: MapSpec = MapSpec::new(MapKind::Hash, 4, 8, 6);

/// Both ways a hash gets its memory: all of it at once, or each element by itself.
const ALLOCATIONS: [u32; 2] = [0, map_flags::NO_PREALLOC];

fn filled(spec: MapSpec, count: u32) -> Result<Map, Stop> {
    let map = create(spec)?;
    for key in 0..count {
        succeeds(
            &format!("insertion {} of {}", key + 1, spec.entries),
            map.update_u64(key, &[u64::from(key)]),
        )?;
    }
    Ok(map)
}

pub fn create_rules(_: &Context) -> CaseResult {
    use libc::{E2BIG, EINVAL};
    refuses_map("empty keys", MapSpec { key: 0, ..SIX }, EINVAL)?;
    refuses_map("empty values", MapSpec { value: 0, ..SIX }, EINVAL)?;
    refuses_map("no elements", MapSpec { entries: 0, ..SIX }, EINVAL)?;
    refuses_map("values of 4 GiB", MapSpec { value: u32::MAX, ..SIX }, E2BIG)?;
    refuses_map("keys of 4 GiB", MapSpec { key: u32::MAX, ..SIX }, E2BIG)?;
    refuses_map("an unknown flag", SIX.flags(1 << 31), EINVAL)?;
    refuses_map("BPF_F_NO_COMMON_LRU on a plain hash", SIX.flags(map_flags::NO_COMMON_LRU), EINVAL)?;
    let lru = MapSpec { kind: MapKind::LruHash, ..SIX };
    // An LRU hash is always preallocated; the kernel says so with its internal ENOTSUPP.
    check!(lru.flags(map_flags::NO_PREALLOC).create().is_err(), "an LRU hash takes BPF_F_NO_PREALLOC");
    create(MapSpec { key: 1, value: 1, entries: 1, ..SIX }).map(drop)
}

pub fn update_flags_decide_by_existence(_: &Context) -> CaseResult {
    for flags in ALLOCATIONS {
        let map = create(SIX.flags(flags))?;
        let key = 9u32.to_le_bytes();
        let set = |value: u64, flags| map.update(&key, &value.to_le_bytes(), flags);
        fails_with("BPF_EXIST on a missing key", set(1, update::EXIST), libc::ENOENT)?;
        fails_with("lookup after the refused update", map.lookup(&key), libc::ENOENT)?;
        succeeds("BPF_NOEXIST on a missing key", set(2, update::NOEXIST))?;
        fails_with("BPF_NOEXIST on a present key", set(3, update::NOEXIST), libc::EEXIST)?;
        check_eq!(succeeds("lookup", map.lookup_u64(9))?, [2], "the value after a refused update");
        succeeds("BPF_EXIST on a present key", set(4, update::EXIST))?;
        check_eq!(succeeds("lookup", map.lookup_u64(9))?, [4], "the value after BPF_EXIST");
        succeeds("BPF_ANY on a present key", set(5, update::ANY))?;
        for unknown in [update::EXIST | update::NOEXIST, update::LOCK, 8, 1 << 63] {
            fails_with(&format!("update with flags {unknown:#x}"), set(6, unknown), libc::EINVAL)?;
        }
        check_eq!(succeeds("lookup", map.lookup_u64(9))?, [5], "the value after unknown flags");
        for unknown in [update::NOEXIST, 8, 1 << 63] {
            let looked_up = map.lookup_with(&key, unknown);
            fails_with(&format!("lookup with flags {unknown:#x}"), looked_up, libc::EINVAL)?;
        }
        check_eq!(succeeds("iteration", map.keys(16))?.len(), 1, "keys after updates of one key");
    }
    Ok(())
}

pub fn holds_exactly_max_entries(_: &Context) -> CaseResult {
    for flags in ALLOCATIONS {
        for entries in [1, 2, 6, 7] {
            let spec = MapSpec { entries, ..SIX }.flags(flags);
            let map = filled(spec, entries)?;
            let one_more = map.update_u64(entries, &[0]);
            fails_with(&format!("insertion {} of {entries}", entries + 1), one_more, libc::E2BIG)?;
            fails_with("lookup of the refused key", map.lookup_u64(entries), libc::ENOENT)?;
            for round in 0..3 {
                succeeds("replacement in a full map", map.update_u64(0, &[round]))?;
            }
            succeeds("deletion from a full map", map.delete(&0u32.to_le_bytes()))?;
            succeeds("insertion into the free place", map.update_u64(entries, &[1]))?;
            fails_with("insertion into the full map", map.update_u64(entries + 1, &[1]), libc::E2BIG)?;
            check_eq!(succeeds("iteration", map.keys(16))?.len(), entries as usize, "keys of the full map");
        }
    }
    Ok(())
}

pub fn delete_removes_one_key_once(_: &Context) -> CaseResult {
    for kind in [MapKind::Hash, MapKind::LruHash] {
        let map = filled(MapSpec { kind, entries: 512, ..SIX }, 3)?;
        let key = 1u32.to_le_bytes();
        fails_with("deletion of a missing key", map.delete(&7u32.to_le_bytes()), libc::ENOENT)?;
        succeeds("deletion", map.delete(&key))?;
        fails_with("lookup of the deleted key", map.lookup(&key), libc::ENOENT)?;
        fails_with("second deletion", map.delete(&key), libc::ENOENT)?;
        for other in [0, 2] {
            check_eq!(
                succeeds("lookup", map.lookup_u64(other))?,
                [u64::from(other)],
                "the other key {other}"
            );
        }
    }
    Ok(())
}

pub fn iteration_meets_every_key_once(_: &Context) -> CaseResult {
    let map = create(MapSpec { entries: 200, ..SIX })?;
    fails_with("first key of an empty map", map.next_key(None), libc::ENOENT)?;
    for key in 0..200 {
        setup("insertion", map.update_u64(key, &[0]))?;
    }
    let keys = succeeds("BPF_MAP_GET_NEXT_KEY", map.keys(400))?;
    check_eq!(keys.len(), 200, "keys met in a map of 200");
    let expected: BTreeSet<Vec<u8>> = (0..200u32).map(|key| key.to_le_bytes().to_vec()).collect();
    check!(keys.iter().cloned().collect::<BTreeSet<_>>() == expected, "iteration met other keys: {keys:?}");
    let after_missing = succeeds("next key of a missing key", map.next_key(Some(&[0xff; 4])))?;
    check_eq!(&after_missing, &keys[0], "next key of a missing key: the first one");
    fails_with("next key of the last key", map.next_key(Some(&keys[199])), libc::ENOENT)
}

/// Keys that differ in their last byte only, and keys longer than any shortcut for small ones.
pub fn whole_key_counts(_: &Context) -> CaseResult {
    for size in [1u32, 3, 4, 8, 13, 511] {
        let map = create(MapSpec { key: size, entries: 16, ..SIX })?;
        for last in 0..8u8 {
            let mut key = vec![0x5a; size as usize];
            key[size as usize - 1] = last;
            succeeds("insertion", map.update(&key, &u64::from(last).to_le_bytes(), update::NOEXIST))?;
        }
        for last in 0..8u8 {
            let mut key = vec![0x5a; size as usize];
            key[size as usize - 1] = last;
            let value = succeeds("lookup", map.lookup(&key))?;
            check_eq!(value, u64::from(last).to_le_bytes(), "value of the {size}-byte key ending in {last}");
        }
    }
    Ok(())
}

pub fn per_cpu_values_are_apart(_: &Context) -> CaseResult {
    let cpus = possible_cpus();
    let map = create(MapSpec { kind: MapKind::PerCpuHash, ..SIX })?;
    let values: Vec<u64> = (0..cpus as u64).map(|cpu| cpu << 32 | 9).collect();
    fails_with("lookup of a missing key", map.lookup_u64(3), libc::ENOENT)?;
    succeeds("insertion of all CPUs' values", map.update_u64(3, &values))?;
    check_eq!(succeeds("lookup", map.lookup_u64(3))?, values, "values of all {cpus} possible CPUs");
    succeeds("deletion", map.delete(&3u32.to_le_bytes()))?;
    fails_with("lookup after deletion", map.lookup_u64(3), libc::ENOENT)
}

pub fn lru_evicts_instead_of_refusing(_: &Context) -> CaseResult {
    const ENTRIES: u32 = 512;
    let map = create(MapSpec { kind: MapKind::LruHash, entries: ENTRIES, ..SIX })?;
    for key in 0..4 * ENTRIES {
        succeeds("insertion into a full LRU hash", map.update_u64(key, &[u64::from(key) * 3]))?;
        check_eq!(
            succeeds("lookup of the newest key", map.lookup_u64(key))?,
            [u64::from(key) * 3],
            "its value"
        );
    }
    succeeds("update of the newest key", map.update_u64(4 * ENTRIES - 1, &[u64::from(4 * ENTRIES - 1) * 3]))?;
    let keys = succeeds("iteration", map.keys(4 * ENTRIES as usize))?;
    let distinct: BTreeSet<&Vec<u8>> = keys.iter().collect();
    check_eq!(distinct.len(), keys.len(), "different keys met by an iteration of as many");
    check!(keys.len() <= ENTRIES as usize, "{} keys live in an LRU hash of {ENTRIES}", keys.len());
    for key in &keys {
        let number = u32::from_le_bytes(key.as_slice().try_into().expect("keys have four bytes"));
        let value = succeeds("lookup of a surviving key", map.lookup_u64(number))?;
        check_eq!(value, [u64::from(number) * 3], "value of the surviving key {number}");
    }
    Ok(())
}

/// Keys that a program looks up all the time outlive those that nobody does. "Recently" is approximate in general;
/// here it is certain: all happens on one CPU, and what is looked up is a small part of what there is.
pub fn lru_keeps_what_is_used(_: &Context) -> CaseResult {
    const ENTRIES: u32 = 1024;
    const HOT: u32 = 8;
    setup("sched_setaffinity", on_cpu(0))?;
    let map = create(MapSpec { kind: MapKind::LruHash, entries: ENTRIES, ..SIX })?;
    let uses: Vec<Instruction> = (0..HOT).flat_map(|key| looks_up(&map, key)).collect();
    let program = accepted("a program that looks up", ProgramKind::SocketFilter, &code![uses, returning(1)])?;
    for key in 0..HOT {
        succeeds("insertion", map.update_u64(key, &[u64::from(key) + 7]))?;
    }
    for key in HOT..4 * ENTRIES {
        check_eq!(run(&program)?, 1, "1 when all keys in use are found, {key} keys after the first");
        succeeds("insertion into a full LRU hash", map.update_u64(key, &[0]))?;
    }
    for key in 0..HOT {
        let value = succeeds(&format!("lookup of key {key}, always in use"), map.lookup_u64(key))?;
        check_eq!(value, [u64::from(key) + 7], "its value");
    }
    Ok(())
}

/// Ends the program with 0 unless the key is found.
fn looks_up(map: &Map, key: u32) -> Vec<Instruction> {
    code![
        Instruction::store(Width::Word, R10, -4, key.cast_signed()),
        Instruction::load_map(R1, map),
        Instruction::mov(R2, R10),
        Instruction::add(R2, -4),
        Instruction::call(1),
        Instruction::jump(Condition::Ne, R0, 0, 2),
        returning(0),
    ]
}

pub fn batches_do_each_element_once(_: &Context) -> CaseResult {
    let map = create(MapSpec { entries: 32, ..SIX })?;
    let mut keys: Vec<u8> = (0..32u32).flat_map(u32::to_le_bytes).collect();
    let mut values: Vec<u8> = (0..32u64).flat_map(|key| (key * key).to_le_bytes()).collect();
    let mut at = [0u8; 4];
    let update = batch(Command::MapUpdateBatch, &map, (None, &mut at), &mut keys, &mut values);
    succeeds("BPF_MAP_UPDATE_BATCH", update.result)?;
    check_eq!(update.count, 32, "elements updated");
    for key in 0..32 {
        check_eq!(succeeds("lookup", map.lookup_u64(key))?, [u64::from(key * key)], "value of key {key}");
    }

    let mut found = vec![0u8; 64 * 4];
    let mut found_values = vec![0u8; 64 * 8];
    let lookup = batch(Command::MapLookupBatch, &map, (None, &mut at), &mut found, &mut found_values);
    check_eq!(lookup.result, Err(Errno(libc::ENOENT)), "BPF_MAP_LOOKUP_BATCH that reaches the end");
    check_eq!(lookup.count, 32, "elements looked up");
    let pairs: BTreeSet<(u32, u64)> = found
        .as_chunks()
        .0
        .iter()
        .zip(found_values.as_chunks().0)
        .take(32)
        .map(|(&key, &value)| (u32::from_le_bytes(key), u64::from_le_bytes(value)))
        .collect();
    let expected: BTreeSet<(u32, u64)> = (0..32u32).map(|key| (key, u64::from(key * key))).collect();
    check_eq!(pairs, expected, "pairs looked up");

    let some = 20 * 4;
    let delete = batch(Command::MapDeleteBatch, &map, (None, &mut at), &mut keys[..some], &mut []);
    succeeds("BPF_MAP_DELETE_BATCH", delete.result)?;
    check_eq!(succeeds("iteration", map.keys(64))?.len(), 12, "keys left after 20 of 32 were deleted");
    let drain = batch(Command::MapLookupAndDeleteBatch, &map, (None, &mut at), &mut found, &mut found_values);
    check_eq!(drain.count, 12, "elements drained by BPF_MAP_LOOKUP_AND_DELETE_BATCH");
    check_eq!(succeeds("iteration", map.keys(64))?.len(), 0, "keys left after the drain");
    Ok(())
}

pub fn batch_stops_at_the_first_error(_: &Context) -> CaseResult {
    let map = filled(SIX, 2)?;
    let mut keys: Vec<u8> = [0u32, 9, 1].into_iter().flat_map(u32::to_le_bytes).collect();
    let mut at = [0u8; 4];
    let delete = batch(Command::MapDeleteBatch, &map, (None, &mut at), &mut keys, &mut []);
    check_eq!(delete.result, Err(Errno(libc::ENOENT)), "batch deletion with a missing second key");
    check_eq!(delete.count, 1, "elements deleted before the missing one");
    fails_with("lookup of the deleted key", map.lookup_u64(0), libc::ENOENT)?;
    check_eq!(succeeds("lookup", map.lookup_u64(1))?, [1], "the key after the missing one");

    let full = filled(SIX, 5)?;
    let mut keys: Vec<u8> = [10u32, 11, 12].into_iter().flat_map(u32::to_le_bytes).collect();
    let update = batch(Command::MapUpdateBatch, &full, (None, &mut at), &mut keys, &mut [0; 24]);
    check_eq!(update.result, Err(Errno(libc::E2BIG)), "batch update beyond max_entries");
    check_eq!(update.count, 1, "elements that still fitted");
    check_eq!(succeeds("iteration", full.keys(16))?.len(), 6, "keys of the full map");
    Ok(())
}

pub fn batch_takes_no_flag_but_the_lock(_: &Context) -> CaseResult {
    /// Where `batch.elem_flags` is in `union bpf_attr`.
    const ELEMENT_FLAGS: usize = 40;
    let commands = [
        Command::MapLookupBatch,
        Command::MapUpdateBatch,
        Command::MapDeleteBatch,
        Command::MapLookupAndDeleteBatch,
    ];
    let map = filled(SIX, 6)?;
    for command in commands {
        let (mut at, mut key, mut value) = ([0; 4], [0; 4], [0; 8]);
        let attributes = Attributes::default().output(8, &mut at).output(16, &mut key).output(24, &mut value);
        let mut asked = attributes.u32(32, 1).fd(36, &map).u64(ELEMENT_FLAGS, update::EXIST);
        let what = format!("{command:?} with BPF_EXIST for its elements");
        fails_with(&what, asked.call(command), libc::EINVAL)?;
    }
    check_eq!(succeeds("iteration", map.keys(16))?.len(), 6, "keys after refused batches");
    Ok(())
}
