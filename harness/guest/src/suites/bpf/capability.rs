//! What each capability opens by itself, and what it does not (capabilities(7); linux/capability.h, CAP_BPF).

use super::support::{accepted, create, rejected, returning};
use super::unprivileged::{ONE, SYSCTL, load_errno};
use crate::bpf::{
    Command, Instruction, MapKind, MapSpec, ProgramKind, Register::*, Types, map_flags, next_id,
};
use crate::case::{fails_with, succeeds};
use crate::child::{become_nobody_with, isolated, needs_root};
use crate::sys::Errno;
use crate::{CaseResult, Context, code};
use ProgramKind::{Classifier, SocketFilter, Xdp};
use libc::{EACCES, EPERM};

const NET_ADMIN: u64 = 1 << 12;
const PERFMON: u64 = 1 << 38;
const BPF: u64 = 1 << 39;

/// Runs the body as nobody with these capabilities, where everybody without any is shut out.
fn with_capabilities(kept: u64, body: impl FnOnce() -> CaseResult) -> CaseResult {
    needs_root()?;
    // 1 is for good, 2 came later; what was there is one of the two already, or 0.
    if std::fs::write(SYSCTL, "2").is_err() {
        let _ = std::fs::write(SYSCTL, "1");
    }
    // Lifts the limit of locked memory for those after it.
    create(ONE)?;
    isolated(|| {
        become_nobody_with(kept)?;
        body()
    })
}

fn types() -> Result<(), Errno> {
    let mut types = Types::default();
    types.integer("number", 4);
    types.load().map(drop)
}

/// A program of a kind that traces the kernel.
const TRACING: ProgramKind = ProgramKind::RawTracepoint;

/// The frame pointer as a number, which tells where the kernel's memory is.
fn leaking() -> Vec<Instruction> {
    code![Instruction::mov(R0, R10), Instruction::exit()]
}

/// Neither CAP_PERFMON nor CAP_NET_ADMIN nor both open bpf(2) to those who are shut out.
pub fn others_alone_open_nothing(_: &Context) -> CaseResult {
    for kept in [PERFMON, NET_ADMIN, PERFMON | NET_ADMIN] {
        with_capabilities(kept, || {
            let name = format!("with capabilities {kept:#x}");
            fails_with(&format!("an array {name}"), ONE.create(), EPERM)?;
            fails_with(&format!("types {name}"), types(), EPERM)?;
            for kind in [SocketFilter, Xdp, Classifier, TRACING] {
                fails_with(&format!("{kind:?} {name}"), load_errno(kind), EPERM)?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// Maps, types and the verifier's advanced features; no programs for networks or for tracing, no pointers as numbers,
/// no list of what there is.
pub fn cap_bpf_alone(_: &Context) -> CaseResult {
    let calling = code![Instruction::call_subprogram(1), Instruction::exit(), returning(3)];
    let mut long = vec![Instruction::mov(R0, 0); 5000];
    long.push(Instruction::exit());
    with_capabilities(BPF, || {
        for spec in [
            ONE,
            MapSpec { kind: MapKind::Hash, ..ONE },
            MapSpec { kind: MapKind::LruHash, entries: 512, ..ONE },
            MapSpec { kind: MapKind::LpmTrie, key: 8, ..ONE }.flags(map_flags::NO_PREALLOC),
            MapSpec { kind: MapKind::Queue, key: 0, ..ONE },
            MapSpec::new(MapKind::RingBuffer, 0, 0, 4096),
        ] {
            succeeds(&format!("{spec:?} with CAP_BPF"), spec.create())?;
        }
        succeeds("BPF_BTF_LOAD with CAP_BPF", types())?;
        accepted("a socket filter with CAP_BPF", SocketFilter, &returning(0))?;
        accepted("a subprogram with CAP_BPF", SocketFilter, &calling)?;
        accepted("5001 instructions with CAP_BPF", SocketFilter, &long)?;
        let texts = ["leaks addr as return value"];
        rejected("a pointer as a number with CAP_BPF", SocketFilter, &leaking(), EACCES, &texts)?;
        for kind in [Xdp, Classifier, TRACING] {
            fails_with(&format!("{kind:?} with CAP_BPF alone"), load_errno(kind), EPERM)?;
        }
        for command in [Command::MapNextId, Command::ProgramNextId, Command::BtfNextId] {
            fails_with(&format!("{command:?} with CAP_BPF"), next_id(command, 0), EPERM)?;
        }
        Ok(())
    })
}

/// With CAP_NET_ADMIN come programs for networks, with CAP_PERFMON those for tracing and pointers as numbers.
pub fn cap_bpf_with_another(_: &Context) -> CaseResult {
    with_capabilities(BPF | NET_ADMIN, || {
        for kind in [Xdp, Classifier] {
            succeeds(&format!("{kind:?} with CAP_BPF and CAP_NET_ADMIN"), load_errno(kind))?;
        }
        fails_with("a tracing program with CAP_BPF and CAP_NET_ADMIN", load_errno(TRACING), EPERM)?;
        let texts = ["leaks addr as return value"];
        rejected("a pointer as a number with CAP_NET_ADMIN", SocketFilter, &leaking(), EACCES, &texts)
    })?;
    with_capabilities(BPF | PERFMON, || {
        succeeds("a tracing program with CAP_BPF and CAP_PERFMON", load_errno(TRACING))?;
        accepted("a pointer as a number with CAP_PERFMON", SocketFilter, &leaking())?;
        for kind in [Xdp, Classifier] {
            fails_with(&format!("{kind:?} with CAP_BPF and CAP_PERFMON"), load_errno(kind), EPERM)?;
        }
        let ids = next_id(Command::ProgramNextId, 0);
        fails_with("BPF_PROG_GET_NEXT_ID with CAP_BPF and CAP_PERFMON", ids, EPERM)
    })
}
