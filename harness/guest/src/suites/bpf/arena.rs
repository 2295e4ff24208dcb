//! Arenas: pages that a process and programs have in common, at addresses that both understand (bpf.h,
//! BPF_MAP_TYPE_ARENA).

use super::support::{accepted, rejected};
use crate::bpf::{
    Instruction, Map, MapKind, MapSpec, ProgramKind::SocketFilter, Register::*, Width, map_flags,
};
use crate::case::{exists, fails_with, succeeds};
use crate::child::killed_by;
use crate::mapping::{Mapping, PAGE};
use crate::sys::Errno;
use crate::{CaseResult, Context, Stop, check_eq, code, skip, syscall};
use std::os::fd::AsRawFd;

const PAGES: usize = 10;
const LENGTH: usize = PAGES * PAGE;
const SPEC: MapSpec = MapSpec::new(MapKind::Arena, 0, 0, PAGES as u32).flags(map_flags::MMAPABLE);
const BOTH: i32 = libc::PROT_READ | libc::PROT_WRITE;

fn create(spec: MapSpec) -> Result<Map, Stop> {
    match exists("bpf", spec.create())? {
        Err(Errno(libc::EOPNOTSUPP)) => skip!("by design: no arena without a JIT that knows it"),
        made => succeeds("BPF_MAP_CREATE of an arena", made),
    }
}

/// `r0 = word at the address; word at the address + 8 = r0 + 1`.
fn increments(arena: &Map, address: u64) -> Vec<Instruction> {
    code![
        Instruction::load_map(R1, arena),
        Instruction::load_u64(R2, address),
        Instruction::cast_from_arena(R2, R2),
        Instruction::load(Width::Double, R0, R2, 0),
        Instruction::mov(R3, R0),
        Instruction::add(R3, 1),
        Instruction::store(Width::Double, R2, 8, R3),
        Instruction::exit(),
    ]
}

pub fn process_and_program_share_pages(_: &Context) -> CaseResult {
    let arena = create(SPEC)?;
    let early = increments(&arena, 0);
    let texts = ["user address must be set"];
    rejected("use of an arena that nobody has mapped", SocketFilter, &early, libc::EINVAL, &texts)?;
    let private = Mapping::of(&arena, LENGTH, BOTH, libc::MAP_PRIVATE);
    fails_with("mmap of an arena for oneself", private, libc::EINVAL)?;
    let mut memory = succeeds("mmap of an arena", Mapping::of(&arena, LENGTH, BOTH, libc::MAP_SHARED))?;
    for (round, page) in [0, 3, PAGES - 1, 3].into_iter().enumerate() {
        let number = 0x1234_5678_0000_0000 + 100 * (round as u64 + 1);
        memory.bytes()[page * PAGE..][..8].copy_from_slice(&number.to_ne_bytes());
        let address = memory.address() + (page * PAGE) as u64;
        let program = accepted("a program that uses an arena", SocketFilter, &increments(&arena, address))?;
        let got = super::support::run(&program)?;
        check_eq!(got, number as u32, "low half of the number that the program finds in page {page}");
        let stored: [u8; 8] = std::array::from_fn(|byte| memory.peek(page * PAGE + 8 + byte));
        check_eq!(u64::from_ne_bytes(stored), number + 1, "the number that the program left in page {page}");
    }
    let quiet: Vec<u8> = (0..16).map(|byte| memory.peek(PAGE + byte)).collect();
    check_eq!(quiet, [0; 16], "a page that nobody has written to");
    Ok(())
}

/// `map_extra` is where the process is going to map the arena, all of it, and nowhere else.
pub fn address_can_be_chosen(_: &Context) -> CaseResult {
    const ADDRESS: u64 = 1 << 44;
    create(SPEC)?;
    let at = |address| SPEC.create_with(|attributes| attributes.u64(64, address));
    fails_with("an arena at an address amid a page", at(ADDRESS + 8), libc::EINVAL)?;
    let across = at(ADDRESS - PAGE as u64);
    fails_with("an arena across a multiple of 4 GiB", across, libc::ERANGE)?;
    let arena = succeeds("an arena at an address", at(ADDRESS))?;
    let map = |address: u64, length: usize| {
        let flags = libc::MAP_SHARED | libc::MAP_FIXED_NOREPLACE;
        // SAFETY: the address is where nothing of a process is, or it is refused.
        unsafe { syscall!(libc::SYS_mmap, address, length, BOTH, flags, arena.as_raw_fd(), 0) }
    };
    fails_with("mmap of an arena elsewhere", map(ADDRESS + (1 << 32), LENGTH), libc::EINVAL)?;
    fails_with("mmap of a part of an arena", map(ADDRESS, LENGTH - PAGE), libc::EINVAL)?;
    fails_with("mmap of more than an arena", map(ADDRESS, LENGTH + PAGE), libc::E2BIG)?;
    check_eq!(map(ADDRESS, LENGTH), Ok(ADDRESS.cast_signed()), "address of the arena");
    // SAFETY: our own mapping, of which nothing points to memory.
    let undone = unsafe { syscall!(libc::SYS_munmap, ADDRESS, LENGTH) };
    succeeds("munmap", undone).map(drop)
}

/// With BPF_F_SEGV_ON_FAULT a page comes into being by a program only.
pub fn page_fault_can_be_an_error(_: &Context) -> CaseResult {
    let lazily = SPEC.flags(map_flags::MMAPABLE | map_flags::SEGV_ON_FAULT);
    create(lazily)?;
    let touch = |spec: MapSpec| {
        let memory = Mapping::of(&create(spec)?, LENGTH, BOTH, libc::MAP_SHARED);
        let memory = succeeds("mmap of an arena", memory)?;
        check_eq!(memory.peek(PAGE), 0, "a byte of a new page");
        Ok(())
    };
    touch(SPEC)?;
    killed_by("a look at a page that no program has allocated", libc::SIGSEGV, || touch(lazily))
}
