//! Spin locks inside map values (bpf-helpers(7), bpf_spin_lock; bpf.h, BPF_F_LOCK).

use super::support::{accepted, create, look_up_first, rejected_with, returning, run};
use crate::bpf::{
    Condition, Instruction, Load, Map, MapKind, MapSpec, ProgramKind, Register::*, Types, Width, update,
};
use crate::case::{exists, fails_with, succeeds};
use crate::{CaseResult, Context, Stop, check_eq, code};
use ProgramKind::{Classifier, SocketFilter};

const LOCK: i32 = 93;
const UNLOCK: i32 = 94;
const PRINT_RANDOM: i32 = 7;

/// A lock of four bytes, four of nothing, and a number.
const VALUE: MapSpec = MapSpec::new(MapKind::Array, 4, 16, 1);
const NUMBER: i16 = 8;

fn locked_map(spec: MapSpec) -> Result<Map, Stop> {
    let mut types = Types::default();
    let word = types.integer("word", 4);
    let double = types.integer("double", 8);
    let lock = types.structure("bpf_spin_lock", 4, &[("val", word, 0)]);
    let value = types.structure("value", 16, &[("lock", lock, 0), ("number", double, NUMBER as u32)]);
    let types = succeeds("BPF_BTF_LOAD of a structure with a lock", exists("bpf", types.load())?)?;
    let made = spec.create_with(|attributes| attributes.fd(48, &types).u32(52, word).u32(56, value));
    succeeds("BPF_MAP_CREATE with a lock in the value", made)
}

/// R6 and R0 = element 0, which is there; then the body.
fn with_element(map: &Map, body: Vec<Instruction>) -> Vec<Instruction> {
    code![
        look_up_first(map),
        Instruction::jump(Condition::Ne, R0, 0, 2),
        returning(99),
        Instruction::mov(R6, R0),
        body,
    ]
}

fn call(helper: i32) -> Vec<Instruction> {
    code![Instruction::mov(R1, R6), Instruction::call(helper)]
}

/// `number += 1` under the lock.
fn count() -> Vec<Instruction> {
    code![
        call(LOCK),
        Instruction::load(Width::Double, R7, R6, NUMBER),
        Instruction::add(R7, 1),
        Instruction::store(Width::Double, R6, NUMBER, R7),
        call(UNLOCK),
        returning(0),
    ]
}

pub fn lock_rules(_: &Context) -> CaseResult {
    let map = locked_map(VALUE)?;
    let plain = create(VALUE)?;
    let bad: [(&str, Vec<Instruction>, &[&str]); 6] = [
        (
            "an exit with the lock held",
            with_element(&map, code![call(LOCK), returning(0)]),
            &["bpf_spin_lock", "missing unlock"],
        ),
        (
            "an unlock without a lock",
            with_element(&map, code![call(UNLOCK), returning(0)]),
            &["without taking a lock"],
        ),
        (
            "the lock taken twice",
            with_element(&map, code![call(LOCK), call(LOCK), call(UNLOCK), returning(0)]),
            &["Locking two bpf_spin_locks", "function calls are not allowed"],
        ),
        (
            "a helper called with the lock held",
            with_element(
                &map,
                code![call(LOCK), Instruction::call(PRINT_RANDOM), call(UNLOCK), returning(0)],
            ),
            &["function calls are not allowed"],
        ),
        (
            "a store into the lock",
            with_element(&map, code![Instruction::store(Width::Word, R6, 0, 1), returning(0)]),
            &["cannot be accessed directly"],
        ),
        (
            "a lock in a value without types",
            with_element(&plain, count()),
            &["has to have BTF", "has no valid bpf_spin_lock"],
        ),
    ];
    for (what, code, texts) in &bad {
        rejected_with(what, &Load::new(Classifier, code), &[libc::EINVAL, libc::EACCES], texts)?;
    }
    let beside =
        with_element(&map, code![call(LOCK), call(UNLOCK), Instruction::call(PRINT_RANDOM), returning(0)]);
    accepted("a helper called when the lock is free again", Classifier, &beside)?;
    let texts = ["cannot use bpf_spin_lock yet", "unknown func", "cannot use helper"];
    let filter = with_element(&map, count());
    rejected_with("a lock in a socket filter", &Load::new(SocketFilter, &filter), &[libc::EINVAL], &texts)
}

/// What threads do to one number under the lock adds up.
pub fn locked_section_is_exclusive(_: &Context) -> CaseResult {
    const RUNS: u64 = 300;
    let map = locked_map(VALUE)?;
    let program = accepted("a program that counts under a lock", Classifier, &with_element(&map, count()))?;
    let ended = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..3).map(|_| scope.spawn(|| (0..RUNS).try_for_each(|_| run(&program).map(drop)))).collect();
        threads.into_iter().map(|thread| thread.join()).collect::<Vec<_>>()
    });
    for result in ended {
        result.map_err(|_| Stop::Broken("a thread panicked".into()))??;
    }
    let value = succeeds("lookup", map.lookup_u64(0))?;
    check_eq!(value[1], 3 * RUNS, "the number after three threads counted to {RUNS} each");
    Ok(())
}

pub fn lock_is_no_part_of_the_value(_: &Context) -> CaseResult {
    for spec in [VALUE, MapSpec { kind: MapKind::Hash, ..VALUE }] {
        let map = locked_map(spec)?;
        let set = |word: u64, flags| {
            let bytes = [u64::MAX, word].map(u64::to_le_bytes).concat();
            map.update(&[0; 4], &bytes, flags)
        };
        let kind = spec.kind;
        succeeds("update", set(1, update::ANY))?;
        succeeds("update with BPF_F_LOCK", set(2, update::LOCK))?;
        for flags in [0, update::LOCK] {
            let value = succeeds("lookup", map.lookup_with(&[0; 4], flags))?;
            check_eq!(value[..4], [0; 4], "the lock in a value that was read from a {kind:?}, flags {flags}");
            check_eq!(value[8..], 2u64.to_le_bytes(), "the number behind it");
        }
        // The lock was not overwritten with what stood in its place, so a program can take it.
        let program = accepted("a program that counts", Classifier, &with_element(&map, count()))?;
        check_eq!(run(&program)?, 0, "return value of a program that takes the lock");
        check_eq!(succeeds("lookup", map.lookup_u64(0))?[1], 3, "the number after that");
    }
    let plain = create(VALUE)?;
    let refused = plain.lookup_with(&[0; 4], update::LOCK);
    fails_with("lookup with BPF_F_LOCK where there is no lock", refused, libc::EINVAL)?;
    for flags in [update::NOEXIST, update::EXIST, 8, 1 << 63] {
        let refused = plain.lookup_with(&[0; 4], flags);
        fails_with(&format!("lookup with flags {flags:#x}"), refused, libc::EINVAL)?;
    }
    Ok(())
}
