//! Batches beyond those of hashes: reaching the end in pieces, and the kinds that learned them later.

use super::attach::identifier;
use super::crowd::on_cpu;
use super::support::{Since, create, eventually};
use crate::bpf::{Batch, Command, Map, MapKind, MapSpec, batch, map_flags};
use crate::case::{fails_with, setup, succeeds};
use crate::sys::Errno;
use crate::{CaseResult, Context, Stop, check, check_eq, skip};
use std::collections::BTreeSet;
use std::os::fd::AsRawFd;

const HASH: MapSpec = MapSpec::new(MapKind::Hash, 4, 8, 300);

/// The whole content in pieces of four.
pub fn batches_reach_the_end_in_pieces(_: &Context) -> CaseResult {
    const COUNT: u32 = 10;
    for (kind, entries) in [(MapKind::Array, 10), (MapKind::Hash, 100), (MapKind::LruHash, 512)] {
        let map = create(MapSpec { kind, entries, ..HASH })?;
        for key in 0..COUNT {
            setup("insertion", map.update_u64(key, &[u64::from(key) + 5]))?;
        }
        let pair = |key: u32| (key.to_ne_bytes().to_vec(), (u64::from(key) + 5).to_ne_bytes().to_vec());
        let expected: Pairs = (0..COUNT).map(pair).collect();
        let found = all_pairs(Command::MapLookupBatch, &map, 4)?;
        check_eq!(found, expected, "pairs of a {kind:?}, four at a time");
    }
    Ok(())
}

type Pairs = BTreeSet<(Vec<u8>, Vec<u8>)>;

/// All pairs of a map by BPF_MAP_LOOKUP_BATCH, `piece` at a time, or by its relative that also deletes them.
fn all_pairs(command: Command, map: &Map, piece: usize) -> Result<Pairs, Stop> {
    let mut pairs = BTreeSet::new();
    // Positions are as long as keys, and four bytes at least.
    let (mut from, mut to) = ([0u8; 16], [0u8; 16]);
    for round in 0..100 {
        let (mut keys, mut values) = (vec![0u8; piece * map.key], vec![0u8; piece * map.value]);
        let start = (round > 0).then_some(&from[..]);
        let Batch { result, count } = batch(command, map, (start, &mut to), &mut keys, &mut values);
        let found = keys.chunks(map.key).zip(values.chunks(map.value)).take(count as usize);
        for (key, value) in found {
            check!(pairs.insert((key.to_vec(), value.to_vec())), "{key:?} with {value:?} came twice");
        }
        from = to;
        match result {
            Ok(_) => {}
            Err(Errno(libc::ENOENT)) => return Ok(pairs),
            // Nothing is lost then, and the piece must be larger.
            Err(Errno(libc::ENOSPC)) => skip!("a bucket of the map holds more than {piece} keys"),
            Err(errno) => return Err(Stop::Fail(format!("{command:?}: failed with {errno}"))),
        }
    }
    Err(Stop::Fail(format!("{command:?} does not reach the end of a small map")))
}

/// BPF_MAP_UPDATE_BATCH of all, which must be counted. Maps that are not preallocated may be out of memory for a
/// moment; then the rest is tried again.
fn put_all(map: &Map, keys: &mut [u8], values: &mut [u8]) -> CaseResult {
    let (mut done, all) = (0, keys.len() / map.key);
    eventually("BPF_MAP_UPDATE_BATCH has memory for all", || {
        let rest = (&mut keys[done * map.key..], &mut values[done * map.value..]);
        let update = batch(Command::MapUpdateBatch, map, (None, &mut [0; 16]), rest.0, rest.1);
        done += update.count as usize;
        match update.result {
            Err(Errno(libc::ENOMEM)) if done < all => return Ok(false),
            result => succeeds("BPF_MAP_UPDATE_BATCH", result)?,
        };
        check_eq!(done, all, "elements updated");
        Ok(true)
    })
}

/// Puts all pairs in by one batch, finds them, and deletes the first two, where the kind deletes at all.
fn round_trip(map: &Map, pairs: &Pairs, room: usize, deletes: bool) -> CaseResult {
    let mut keys: Vec<u8> = pairs.iter().flat_map(|(key, _)| key.clone()).collect();
    let mut values: Vec<u8> = pairs.iter().flat_map(|(_, value)| value.clone()).collect();
    put_all(map, &mut keys, &mut values)?;
    for (key, value) in pairs {
        check_eq!(&succeeds("lookup", map.lookup(key))?, value, "value of key {key:?}");
    }
    check_eq!(&all_pairs(Command::MapLookupBatch, map, room)?, pairs, "pairs by batches of {room}");
    if !deletes {
        return Ok(());
    }
    let two = &mut keys[..2 * map.key];
    let delete = batch(Command::MapDeleteBatch, map, (None, &mut [0; 16]), two, &mut []);
    succeeds("BPF_MAP_DELETE_BATCH", delete.result)?;
    check_eq!(delete.count, 2, "elements deleted");
    let left: Pairs = pairs.iter().skip(2).cloned().collect();
    check_eq!(all_pairs(Command::MapLookupBatch, map, room)?, left, "pairs left after two were deleted");
    Ok(())
}

/// Each element has a value for each CPU.
pub fn per_cpu_values(_: &Context) -> CaseResult {
    // Or an LRU hash might give up a key, as each CPU holds some places of its own.
    setup("sched_setaffinity", on_cpu(0))?;
    for (kind, entries) in
        [(MapKind::PerCpuHash, 8), (MapKind::LruPerCpuHash, 512), (MapKind::PerCpuArray, 8)]
    {
        if kind == MapKind::PerCpuArray && !ARRAYS.is_reached() {
            continue;
        }
        let map = create(MapSpec { kind, entries, ..HASH })?;
        let words = map.value as u64 / 8;
        let value = |key: u64| (0..words).flat_map(|cpu| ((cpu << 32) | (key * 7)).to_ne_bytes()).collect();
        let pairs = (0..8u32).map(|key| (key.to_ne_bytes().to_vec(), value(key.into()))).collect();
        let array = kind == MapKind::PerCpuArray;
        // A bucket goes out in one piece, and might hold all of them.
        round_trip(&map, &pairs, if array { 3 } else { 8 }, !array)?;
        if !array {
            let drained = all_pairs(Command::MapLookupAndDeleteBatch, &map, 8)?;
            check_eq!(drained.len(), 6, "pairs drained from a {kind:?}");
            check_eq!(succeeds("iteration", map.keys(16))?.len(), 0, "keys after that");
        }
    }
    Ok(())
}

const ARRAYS: Since = Since::new(5, 13, "batches of per-CPU arrays");
pub const TRIES: Since = Since::new(5, 13, "batches of LPM tries");
pub const OUTER: Since = Since::new(5, 19, "batches of maps in maps");

pub fn prefixes(_: &Context) -> CaseResult {
    TRIES.or_skip()?;
    let trie = create(MapSpec::new(MapKind::LpmTrie, 8, 8, 16).flags(map_flags::NO_PREALLOC))?;
    let prefix = |length: u32, address: [u8; 4]| [length.to_ne_bytes(), address].concat();
    let pairs: Pairs = [
        (0, [0, 0, 0, 0]),
        (8, [10, 0, 0, 0]),
        (16, [10, 1, 0, 0]),
        (24, [10, 1, 2, 0]),
        (32, [10, 1, 2, 3]),
        (9, [192, 128, 0, 0]),
    ]
    .map(|(length, address)| (prefix(length, address), u64::from(length).to_ne_bytes().to_vec()))
    .into_iter()
    .collect();
    round_trip(&trie, &pairs, 4, true)?;
    let mut missing = prefix(30, [1, 2, 3, 0]);
    let delete = batch(Command::MapDeleteBatch, &trie, (None, &mut [0; 16]), &mut missing, &mut []);
    fails_with("BPF_MAP_DELETE_BATCH of a missing prefix", delete.result, libc::ENOENT)?;
    check_eq!(delete.count, 0, "prefixes deleted");
    Ok(())
}

/// Maps go in by descriptor and come out by identifier; from hashes they can be deleted.
pub fn maps_in_maps(_: &Context) -> CaseResult {
    const INNER: usize = 4;
    OUTER.or_skip()?;
    let inner: Vec<Map> = (0..INNER).map(|_| create(HASH)).collect::<Result<_, Stop>>()?;
    let ids = inner.iter().map(|map| Ok(identifier(map)?.to_ne_bytes().to_vec()));
    let ids: Vec<Vec<u8>> = ids.collect::<Result<_, Stop>>()?;
    for kind in [MapKind::ArrayOfMaps, MapKind::HashOfMaps] {
        let spec = MapSpec::new(kind, 4, 4, INNER as u32);
        let made = spec.create_with(|attributes| attributes.fd(20, &inner[0]));
        let outer = succeeds(&format!("BPF_MAP_CREATE of {spec:?}"), made)?;
        let mut keys: Vec<u8> = (0..INNER as u32).flat_map(u32::to_ne_bytes).collect();
        let mut values: Vec<u8> = inner.iter().flat_map(|map| map.as_raw_fd().to_ne_bytes()).collect();
        put_all(&outer, &mut keys, &mut values)?;
        let expected: Pairs = (0..INNER).map(|at| (keys[4 * at..][..4].to_vec(), ids[at].clone())).collect();
        let found = all_pairs(Command::MapLookupBatch, &outer, INNER)?;
        check_eq!(found, expected, "keys and identifiers in a {kind:?}");
        if kind == MapKind::ArrayOfMaps {
            continue;
        }
        let two = &mut keys[4..12];
        let delete = batch(Command::MapDeleteBatch, &outer, (None, &mut [0; 16]), two, &mut []);
        succeeds("BPF_MAP_DELETE_BATCH of maps", delete.result)?;
        fails_with("lookup of a deleted map", outer.lookup(&1u32.to_ne_bytes()), libc::ENOENT)?;
        let left = succeeds("lookup", outer.lookup(&3u32.to_ne_bytes()))?;
        check_eq!(left, ids[3], "identifier of a map that was not deleted");
    }
    Ok(())
}
