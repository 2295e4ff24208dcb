//! Iteration by keys: over what stays, what goes, and what other threads change meanwhile.

use super::support::{create, eventually};
use crate::bpf::{Map, MapKind, MapSpec, map_flags, update};
use crate::case::{fails_with, setup, succeeds};
use crate::sys::Errno;
use crate::{CaseResult, Context, check, check_eq};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

const HASH: MapSpec = MapSpec::new(MapKind::Hash, 4, 8, 300);

/// The next key after one that is gone is the first one, so that a loop that deletes comes to an end.
pub fn survives_deletion(_: &Context) -> CaseResult {
    for flags in [0, map_flags::NO_PREALLOC] {
        let map = create(HASH.flags(flags))?;
        for key in 0..200 {
            setup("insertion", map.update_u64(key, &[0]))?;
        }
        let mut met = BTreeSet::new();
        let mut last: Option<Vec<u8>> = None;
        for step in 0..=200 {
            match map.next_key(last.as_deref()) {
                Ok(key) => {
                    succeeds("deletion of the key just met", map.delete(&key))?;
                    check!(met.insert(key.clone()), "key {key:?} was met again after it was deleted");
                    last = Some(key);
                }
                Err(errno) => {
                    check_eq!(errno, Errno(libc::ENOENT), "error at the end of the iteration");
                    check_eq!(step, 200, "keys met and deleted when the iteration ended");
                }
            }
        }
        check_eq!(succeeds("iteration", map.keys(1))?.len(), 0, "keys left");
    }
    Ok(())
}

/// Keys that stay are met, whatever is inserted beside them.
pub fn meets_what_stays(_: &Context) -> CaseResult {
    let map = create(HASH)?;
    for key in 0..100 {
        setup("insertion", map.update_u64(key, &[0]))?;
    }
    let mut met = BTreeSet::new();
    let mut last: Option<Vec<u8>> = None;
    for newcomer in 1000..1200 {
        match map.next_key(last.as_deref()) {
            Ok(key) => {
                met.insert(key.clone());
                last = Some(key);
            }
            Err(_) => break,
        }
        setup("insertion", map.update_u64(newcomer, &[0]))?;
    }
    while let Ok(key) = map.next_key(last.as_deref()) {
        check!(met.len() <= 300, "an iteration over at most 300 keys does not end");
        met.insert(key.clone());
        last = Some(key);
    }
    for key in 0..100u32 {
        check!(met.contains(&key.to_ne_bytes()[..]), "key {key} was there all the time and never met");
    }
    Ok(())
}

/// The kinds whose iteration follows links, which another thread takes apart meanwhile.
const LINKED: [MapSpec; 4] = [
    HASH,
    HASH.flags(map_flags::NO_PREALLOC),
    MapSpec { kind: MapKind::LruHash, ..HASH },
    MapSpec { kind: MapKind::LpmTrie, key: 8, ..HASH }.flags(map_flags::NO_PREALLOC),
];

/// A key of the map's length; for tries, a prefix of all 32 bits.
fn long_key(map: &Map, number: u32) -> Vec<u8> {
    match map.key {
        4 => number.to_be_bytes().to_vec(),
        _ => [32u32.to_ne_bytes(), number.to_be_bytes()].concat(),
    }
}

/// While a thread inserts and deletes, each step of an iteration gives a key that somebody inserts or the end; once
/// there is quiet, the iteration ends and has met what is there.
pub fn survives_other_threads(_: &Context) -> CaseResult {
    const KEYS: u32 = 64;
    for spec in LINKED {
        let map = create(spec)?;
        let known: BTreeSet<Vec<u8>> = (0..KEYS).map(|number| long_key(&map, number)).collect();
        let stop = AtomicBool::new(false);
        let steps = std::thread::scope(|scope| {
            scope.spawn(|| change_until(&stop, &map, KEYS));
            let steps = steps_through(&map, &known, 4000);
            stop.store(true, Ordering::Relaxed);
            steps
        });
        steps?;
        for number in (0..KEYS).step_by(2) {
            // Memory that was freed by the thread is not there again at once.
            let insertion = || Ok(map.update(&long_key(&map, number), &[0; 8], update::ANY).is_ok());
            eventually("insertion after the thread has ended", insertion)?;
        }
        for number in (1..KEYS).step_by(2) {
            let _ = map.delete(&long_key(&map, number));
        }
        let keys: BTreeSet<_> = succeeds("iteration", map.keys(4 * KEYS as usize))?.into_iter().collect();
        let expected: BTreeSet<_> = (0..KEYS).step_by(2).map(|number| long_key(&map, number)).collect();
        // The one kind that may give up keys of its own accord.
        let all = keys == expected || spec.kind == MapKind::LruHash && keys.is_subset(&expected);
        check!(all, "keys of a quiet {:?} after a thread changed it: {keys:?}", spec.kind);
    }
    Ok(())
}

fn change_until(stop: &AtomicBool, map: &Map, keys: u32) {
    let mut number = 1;
    while !stop.load(Ordering::Relaxed) {
        number = (number * 5 + 3) % keys;
        // What is there already or is gone already is as good.
        let _ = map.update(&long_key(map, number), &[0; 8], update::ANY);
        let _ = map.delete(&long_key(map, (number + keys / 2) % keys));
    }
}

/// So many steps, from the beginning again after each end.
fn steps_through(map: &Map, known: &BTreeSet<Vec<u8>>, steps: u32) -> CaseResult {
    let mut last: Option<Vec<u8>> = None;
    for step in 0..steps {
        last = match map.next_key(last.as_deref()) {
            Ok(key) => {
                check!(known.contains(&key), "step {step} gives {key:?}, which nobody inserts");
                Some(key)
            }
            Err(errno) => {
                check_eq!(errno, Errno(libc::ENOENT), "error of step {step}");
                None
            }
        };
    }
    Ok(())
}

/// Prefixes come out from the most specific ones to the least, each once.
pub fn meets_every_prefix(_: &Context) -> CaseResult {
    let trie = create(MapSpec::new(MapKind::LpmTrie, 8, 1, 16).flags(map_flags::NO_PREALLOC))?;
    fails_with("first prefix of an empty trie", trie.next_key(None), libc::ENOENT)?;
    let mut prefixes = BTreeSet::new();
    for (length, address) in [
        (0u32, [0, 0, 0, 0]),
        (8, [10, 0, 0, 0]),
        (16, [10, 1, 0, 0]),
        (24, [10, 1, 2, 0]),
        (32, [10, 1, 2, 3]),
        (9, [192, 128, 0, 0]),
    ] {
        let prefix = [length.to_ne_bytes(), address].concat();
        succeeds("insertion", trie.update(&prefix, &[1], update::ANY))?;
        prefixes.insert(prefix);
    }
    let keys = succeeds("iteration", trie.keys(32))?;
    check_eq!(keys.len(), prefixes.len(), "prefixes met");
    check_eq!(keys.iter().cloned().collect::<BTreeSet<_>>(), prefixes, "the prefixes");
    let lengths: Vec<u8> = keys.iter().filter(|key| key[4] == 10 || key[0] == 0).map(|key| key[0]).collect();
    check_eq!(lengths, [32, 24, 16, 8, 0], "lengths of the prefixes of one address, the more specific first");
    Ok(())
}
