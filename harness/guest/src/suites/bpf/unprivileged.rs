//! What users without CAP_BPF may not do (Documentation/admin-guide/sysctl/kernel.rst, unprivileged_bpf_disabled).

use super::support::{create, look_up_first, rejected, returning};
use crate::bpf::{
    Alu, Command, Condition, Instruction, Load, MapKind, MapSpec, ProgramKind, Register::*, Width, load,
    next_id, object_by_id,
};
use crate::case::{fails_with, succeeds};
use crate::child::unprivileged;
use crate::{CaseResult, Context, Stop, check_eq, code, skip};
use ProgramKind::{Classifier, PortReuse, SocketFilter, Xdp};
use libc::{E2BIG, EACCES, EINVAL, EPERM};

pub const SYSCTL: &str = "/proc/sys/kernel/unprivileged_bpf_disabled";

pub const ONE: MapSpec = MapSpec::new(MapKind::Array, 4, 8, 1);

/// Opens bpf(2) to everybody; a kernel where that was forbidden for good skips.
fn allow() -> CaseResult {
    match std::fs::write(SYSCTL, "0") {
        Ok(()) => Ok(()),
        Err(error) => skip!("{SYSCTL} cannot be set to 0: {error}"),
    }
}

pub fn load_errno(kind: ProgramKind) -> Result<(), crate::sys::Errno> {
    load(&Load::new(kind, &returning(0))).map(drop).map_err(|rejection| rejection.errno)
}

pub fn disabled_means_refused(_: &Context) -> CaseResult {
    for level in ["2", "1"] {
        if std::fs::write(SYSCTL, level).is_err() && level == "2" {
            continue; // Level 2 came with 5.13 and the stable kernels of its time.
        }
        create(ONE)?;
        unprivileged(|| {
            fails_with(&format!("BPF_MAP_CREATE at level {level}"), ONE.create(), EPERM)?;
            fails_with(&format!("BPF_PROG_LOAD at level {level}"), load_errno(SocketFilter), EPERM)
        })?;
    }
    // Level 1 is for good.
    let _ = std::fs::write(SYSCTL, "0");
    let level = std::fs::read_to_string(SYSCTL).map_err(|error| Stop::Broken(error.to_string()))?;
    check_eq!(level.trim(), "1", "{SYSCTL} after an attempt to lower it");
    Ok(())
}

pub fn privileged_kinds_are_refused(_: &Context) -> CaseResult {
    allow()?;
    let map = create(ONE)?;
    let id = succeeds("BPF_MAP_GET_NEXT_ID by root", next_id(Command::MapNextId, 0))?;
    unprivileged(|| {
        succeeds("an array by nobody", ONE.create())?;
        succeeds("a hash by nobody", MapSpec { kind: MapKind::Hash, ..ONE }.create())?;
        succeeds("a socket filter by nobody", load_errno(SocketFilter))?;
        for kind in [Classifier, Xdp, PortReuse] {
            fails_with(&format!("{kind:?} by nobody"), load_errno(kind), EPERM)?;
        }
        let trie = MapSpec::new(MapKind::LpmTrie, 8, 1, 4).flags(1);
        fails_with("an LPM trie by nobody", trie.create(), EPERM)?;
        let lru = MapSpec { kind: MapKind::LruHash, entries: 512, ..ONE };
        fails_with("an LRU hash by nobody", lru.create(), EPERM)?;
        fails_with("BPF_MAP_GET_NEXT_ID by nobody", next_id(Command::MapNextId, 0), EPERM)?;
        fails_with("BPF_PROG_GET_NEXT_ID by nobody", next_id(Command::ProgramNextId, 0), EPERM)?;
        fails_with("BPF_MAP_GET_FD_BY_ID by nobody", object_by_id(Command::MapById, id), EPERM)?;
        // A descriptor that was handed down is a permission.
        succeeds("lookup in an inherited map", map.lookup_u64(0)).map(drop)
    })
}

pub fn pointers_do_not_leak(_: &Context) -> CaseResult {
    allow()?;
    let map = create(ONE)?;
    let leaks: [(&str, Vec<Instruction>, &[&str]); 6] = [
        (
            "the frame pointer as return value",
            code![Instruction::mov(R0, R10), Instruction::exit()],
            &["leaks addr as return value"],
        ),
        (
            "a pointer stored into a map",
            code![
                look_up_first(&map),
                Instruction::jump(Condition::Eq, R0, 0, 1),
                Instruction::store(Width::Double, R0, 0, R10),
                returning(0),
            ],
            &["leaks addr into map"],
        ),
        (
            "a comparison of pointers",
            code![
                Instruction::mov(R0, 0),
                Instruction::jump(Condition::Gt, R10, R1, 1),
                Instruction::mov(R0, 1),
                Instruction::exit(),
            ],
            &["pointer comparison prohibited"],
        ),
        (
            "32-bit arithmetic on a pointer",
            code![Instruction::mov(R2, R10), Instruction::alu32(Alu::Add, R2, 1), returning(0),],
            &["pointer"],
        ),
        (
            "half of a pointer copied",
            code![Instruction::alu32(Alu::Mov, R0, R10), Instruction::exit()],
            &["partial copy of pointer"],
        ),
        (
            "the old content of the stack",
            code![Instruction::load(Width::Double, R0, R10, -8), Instruction::exit()],
            &["invalid read from stack"],
        ),
    ];
    unprivileged(|| {
        for (what, code, texts) in &leaks {
            rejected(what, SocketFilter, code, EACCES, texts)?;
        }
        Ok(())
    })
}

pub fn complexity_is_limited(_: &Context) -> CaseResult {
    allow()?;
    let long = |length: usize| {
        let mut code = vec![Instruction::mov(R0, 0); length - 1];
        code.push(Instruction::exit());
        code
    };
    let (fits, too_long) = (long(4096), long(4097));
    let looping = code![
        Instruction::mov(R0, 10),
        Instruction::alu64(Alu::Sub, R0, 1),
        Instruction::jump(Condition::Ne, R0, 0, -2),
        Instruction::exit(),
    ];
    for (what, code) in [("4097 instructions", &too_long), ("a bounded loop", &looping)] {
        super::support::accepted(&format!("{what} by root"), SocketFilter, code)?;
    }
    unprivileged(|| {
        super::support::accepted("4096 instructions by nobody", SocketFilter, &fits)?;
        rejected("4097 instructions by nobody", SocketFilter, &too_long, E2BIG, &[])?;
        rejected("a loop by nobody", SocketFilter, &looping, EINVAL, &["back-edge"])
    })
}
