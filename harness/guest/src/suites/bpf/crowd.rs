//! Maps used by many: several threads at once, values per CPU, filters and queues from programs.

use super::support::{accepted, create, look_up_first, returning, run};
use crate::bpf::{
    Atomic, Condition, Instruction, Map, MapKind, MapSpec, ProgramKind, Register::*, Width, possible_cpus,
    update,
};
use crate::case::{fails_with, setup, succeeds};
use crate::scheduling::set_affinity;
use crate::sys::Errno;
use crate::{CaseResult, Context, Stop, check, check_eq, code};
use ProgramKind::SocketFilter;

const HASH: MapSpec = MapSpec::new(MapKind::Hash, 4, 8, 300);

/// Four threads insert 100 keys each where 300 fit: 300 succeed, the others are told.
pub fn limit_holds_against_threads(_: &Context) -> CaseResult {
    let map = create(HASH)?;
    let outcomes: Vec<Result<i64, Errno>> = std::thread::scope(|scope| {
        let map = &map;
        let threads: Vec<_> = (0..4u32)
            .map(|thread| {
                scope.spawn(move || {
                    let keys = (0..100).map(|key| thread * 1000 + key);
                    keys.map(|key| map.update_u64(key, &[key.into()])).collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).flatten().collect()
    });
    check_eq!(outcomes.len(), 400, "insertions tried");
    let refused: Vec<_> = outcomes.into_iter().filter_map(Result::err).collect();
    check_eq!(refused, [Errno(libc::E2BIG); 100], "insertions refused");
    let keys = succeeds("iteration", map.keys(400))?;
    check_eq!(keys.len(), 300, "keys in the map");
    for key in keys {
        let number = u32::from_ne_bytes(key.as_slice().try_into().expect("keys have four bytes"));
        check_eq!(succeeds("lookup", map.lookup_u64(number))?, [u64::from(number)], "value of key {number}");
    }
    Ok(())
}

/// Atomic additions of programs that run at once add up.
pub fn atomics_hold_against_threads(_: &Context) -> CaseResult {
    const RUNS: u64 = 400;
    let map = create(MapSpec::new(MapKind::Array, 4, 8, 1))?;
    let program = accepted(
        "a program that adds",
        SocketFilter,
        &code![
            Instruction::load_map_value(R1, &map, 0),
            Instruction::mov(R2, 3),
            Instruction::atomic(Atomic::Add, Width::Double, R1, 0, R2),
            returning(0),
        ],
    )?;
    let ended = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..3).map(|_| scope.spawn(|| (0..RUNS).try_for_each(|_| run(&program).map(drop)))).collect();
        threads.into_iter().map(|thread| thread.join()).collect::<Vec<_>>()
    });
    for result in ended {
        result.map_err(|_| Stop::Broken("a thread panicked".into()))??;
    }
    check_eq!(succeeds("lookup", map.lookup_u64(0))?, [3 * 3 * RUNS], "sum of three threads");
    Ok(())
}

/// Runs on this CPU only from now on.
pub fn on_cpu(cpu: usize) -> Result<i64, Errno> {
    let mut mask = [0u64; 16];
    mask[cpu / 64] = 1 << (cpu % 64);
    set_affinity(0, &mask)
}

/// A program sees the value of the CPU it runs on, and no other.
pub fn program_changes_its_own_cpus_value(_: &Context) -> CaseResult {
    for kind in [MapKind::PerCpuArray, MapKind::PerCpuHash, MapKind::LruPerCpuHash] {
        let map = create(MapSpec::new(kind, 4, 8, 64))?;
        let cpus = possible_cpus();
        let mut expected: Vec<u64> = (0..cpus as u64).map(|cpu| cpu * 100).collect();
        succeeds("update", map.update_u64(0, &expected))?;
        let program = accepted("a program that adds to its CPU's value", SocketFilter, &add(&map, 7))?;
        for (cpu, value) in expected.iter_mut().enumerate() {
            if on_cpu(cpu).is_ok() {
                check_eq!(
                    run(&program)?,
                    *value as u32,
                    "the value that a program on CPU {cpu} finds, {kind:?}"
                );
                *value += 7;
            }
        }
        check_eq!(succeeds("lookup", map.lookup_u64(0))?, expected, "values of all CPUs, {kind:?}");
    }
    Ok(())
}

/// Adds to element 0 and returns what was there.
fn add(map: &Map, number: i32) -> Vec<Instruction> {
    code![
        look_up_first(map),
        Instruction::jump(Condition::Ne, R0, 0, 2),
        returning(-1),
        Instruction::mov(R6, R0),
        Instruction::load(Width::Double, R0, R6, 0),
        Instruction::mov(R1, R0),
        Instruction::add(R1, number),
        Instruction::store(Width::Double, R6, 0, R1),
        Instruction::exit(),
    ]
}

/// The same rules and limits when a program is the one that updates and deletes.
pub fn program_updates_obey_flags_and_limit(_: &Context) -> CaseResult {
    let map = create(MapSpec::new(MapKind::Hash, 4, 8, 2))?;
    let outcome = |helper: i32, key: i32, flags: i32| {
        let code = code![
            Instruction::store(Width::Word, R10, -4, key),
            Instruction::store(Width::Double, R10, -16, 5),
            Instruction::load_map(R1, &map),
            Instruction::mov(R2, R10),
            Instruction::add(R2, -4),
            Instruction::mov(R3, R10),
            Instruction::add(R3, -16),
            Instruction::mov(R4, flags),
            Instruction::call(helper),
            Instruction::exit(),
        ];
        run(&accepted("a program that changes a map", SocketFilter, &code)?).map(u32::cast_signed)
    };
    const UPDATE: i32 = 2;
    const DELETE: i32 = 3;
    for (what, helper, key, flags, expected) in [
        ("BPF_EXIST of a missing key", UPDATE, 1, 2, -libc::ENOENT),
        ("deletion of a missing key", DELETE, 1, 0, -libc::ENOENT),
        ("BPF_NOEXIST of a missing key", UPDATE, 1, 1, 0),
        ("BPF_NOEXIST of a present key", UPDATE, 1, 1, -libc::EEXIST),
        ("BPF_EXIST of a present key", UPDATE, 1, 2, 0),
        ("unknown flags", UPDATE, 1, 8, -libc::EINVAL),
        ("the second of two keys", UPDATE, 2, 0, 0),
        ("a third of two keys", UPDATE, 3, 0, -libc::E2BIG),
        ("deletion of a present key", DELETE, 1, 0, 0),
        ("a key in the place that is free", UPDATE, 3, 0, 0),
    ] {
        check_eq!(outcome(helper, key, flags)?, expected, "{what}, from a program");
    }
    let mut keys = succeeds("iteration", map.keys(4))?;
    keys.sort();
    check_eq!(keys, [2u32.to_ne_bytes(), 3u32.to_ne_bytes()], "keys after all that");
    Ok(())
}

/// Push, peek and pop from a program.
pub fn program_uses_queue_and_stack(_: &Context) -> CaseResult {
    const PUSH: i32 = 87;
    const POP: i32 = 88;
    const PEEK: i32 = 89;
    for (kind, order) in [(MapKind::Queue, [5, 6]), (MapKind::Stack, [6, 5])] {
        let map = create(MapSpec::new(kind, 0, 8, 2))?;
        // 1000 times the negative result of the helper, and the value behind R2.
        let outcome = |helper: i32, value: i32, flags: i32| {
            let code = code![
                Instruction::store(Width::Double, R10, -8, value),
                Instruction::load_map(R1, &map),
                Instruction::mov(R2, R10),
                Instruction::add(R2, -8),
                Instruction::mov(R3, flags),
                Instruction::call(helper),
                Instruction::alu64(crate::bpf::Alu::Mul, R0, -1000),
                Instruction::load(Width::Double, R1, R10, -8),
                Instruction::add(R0, R1),
                Instruction::exit(),
            ];
            run(&accepted("a program that uses a queue", SocketFilter, &code)?).map(u32::cast_signed)
        };
        check_eq!(outcome(POP, 0, 0)?, 1000 * libc::ENOENT, "pop from an empty {kind:?}");
        check_eq!(outcome(PUSH, 5, 0)?, 5, "push into a {kind:?}");
        check_eq!(outcome(PUSH, 6, 0)?, 6, "second push");
        check_eq!(outcome(PUSH, 7, 0)?, 1000 * libc::E2BIG + 7, "push into a full {kind:?}");
        check_eq!(outcome(PUSH, 7, 1)?, 1000 * libc::EINVAL + 7, "push with BPF_NOEXIST");
        for value in order {
            check_eq!(outcome(PEEK, 0, 0)?, value, "peek into a {kind:?}");
            check_eq!(outcome(POP, 0, 0)?, value, "pop from a {kind:?}");
        }
        check_eq!(outcome(PEEK, 0, 0)?, 1000 * libc::ENOENT, "peek into an emptied {kind:?}");
    }
    Ok(())
}

/// What was pushed is always found; of what was not, next to nothing.
pub fn bloom_filter_forgets_nothing(_: &Context) -> CaseResult {
    const PUSHED: u64 = 200;
    let map = create(MapSpec::new(MapKind::BloomFilter, 0, 8, PUSHED as u32))?;
    let bytes = |value: u64| value.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_ne_bytes();
    fails_with("a value in an empty filter", map.contains(&bytes(0)), libc::ENOENT)?;
    for value in 0..PUSHED {
        succeeds("push", map.update(&[], &bytes(value), update::ANY))?;
    }
    for value in 0..PUSHED {
        succeeds(&format!("lookup of value {value}, which was pushed"), map.contains(&bytes(value)))?;
    }
    // Five hash functions and the size chosen for them promise some 1 %.
    let wrong = (PUSHED..PUSHED + 1000).filter(|&value| map.contains(&bytes(value)).is_ok()).count();
    check!(wrong < 200, "{wrong} of 1000 values that were never pushed are found");
    for flags in [update::NOEXIST, update::EXIST, update::LOCK] {
        let refused = map.update(&[], &bytes(1), flags);
        fails_with(&format!("push with flags {flags}"), refused, libc::EINVAL)?;
    }
    fails_with("deletion", map.delete(&[]), libc::EOPNOTSUPP)?;
    // The kernel's internal ENOTSUPP.
    check!(map.lookup_and_delete(&[]).is_err(), "a value can be popped from a Bloom filter");
    fails_with("iteration", map.next_key(None), libc::EOPNOTSUPP)
}

/// Values come out as they are taken out; the other keys stay.
pub fn hash_lookup_and_delete(_: &Context) -> CaseResult {
    for kind in [MapKind::Hash, MapKind::LruHash, MapKind::PerCpuHash, MapKind::LruPerCpuHash] {
        let map = create(MapSpec { kind, entries: 512, ..HASH })?;
        let cpus = map.value / 8;
        for key in 0..3u64 {
            setup("insertion", map.update_u64(key as u32, &vec![key + 10; cpus]))?;
        }
        let value = succeeds("BPF_MAP_LOOKUP_AND_DELETE_ELEM", map.lookup_and_delete(&1u32.to_ne_bytes()))?;
        check_eq!(value, 11u64.to_ne_bytes().repeat(cpus), "value taken out of a {kind:?}");
        fails_with("the same again", map.lookup_and_delete(&1u32.to_ne_bytes()), libc::ENOENT)?;
        fails_with("lookup of what was taken out", map.lookup(&1u32.to_ne_bytes()), libc::ENOENT)?;
        for key in [0, 2] {
            let left = succeeds("lookup", map.lookup_u64(key))?;
            check_eq!(left, vec![u64::from(key) + 10; cpus], "value of the other key {key}");
        }
    }
    Ok(())
}
