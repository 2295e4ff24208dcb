//! Every set of seals, in every order, against every kind of change.

use super::calls::*;
use crate::case::{fails_with, setup, succeeds};
use crate::mapping::{Mapping, PAGE};
use crate::sys::Errno;
use crate::{CaseResult, Context, check_eq, file};
use std::os::fd::OwnedFd;

const SIZE: i64 = PAGE as i64 + 1;
const WRITE: u32 = SEAL_WRITE | SEAL_FUTURE_WRITE;

/// A change, the seals that forbid it, and the call that tries it.
struct Change {
    what: &'static str,
    forbidden_by: u32,
    attempt: fn(&OwnedFd) -> Result<(), Errno>,
}

fn map(fd: &OwnedFd, protection: i32, flags: i32) -> Result<(), Errno> {
    Mapping::of(fd, PAGE, protection, flags).map(drop)
}

const READ_WRITE: i32 = libc::PROT_READ | libc::PROT_WRITE;

const CHANGES: &[Change] = &[
    Change {
        what: "ftruncate by one byte less",
        forbidden_by: SEAL_SHRINK,
        attempt: |fd| file::truncate(fd, SIZE - 1).map(drop),
    },
    Change {
        what: "ftruncate to 0",
        forbidden_by: SEAL_SHRINK,
        attempt: |fd| file::truncate(fd, 0).map(drop),
    },
    Change {
        what: "open with O_TRUNC",
        forbidden_by: SEAL_SHRINK,
        attempt: |fd| file::reopen(fd, libc::O_RDWR | libc::O_TRUNC).map(drop),
    },
    Change {
        what: "ftruncate by one byte more",
        forbidden_by: SEAL_GROW,
        attempt: |fd| file::truncate(fd, SIZE + 1).map(drop),
    },
    Change {
        what: "fallocate of one byte more",
        forbidden_by: SEAL_GROW,
        attempt: |fd| file::allocate(fd, 0, SIZE, 1).map(drop),
    },
    Change {
        what: "pwrite at the end",
        forbidden_by: SEAL_GROW | WRITE,
        attempt: |fd| file::write_at(fd, b"!", SIZE).map(drop),
    },
    Change {
        what: "pwrite of the last byte",
        forbidden_by: WRITE,
        attempt: |fd| file::write_at(fd, b"!", SIZE - 1).map(drop),
    },
    Change {
        what: "fallocate(PUNCH_HOLE)",
        forbidden_by: WRITE,
        attempt: |fd| file::punch(fd, 0, 1).map(drop),
    },
    Change {
        what: "mmap shared and writable",
        forbidden_by: WRITE,
        attempt: |fd| map(fd, READ_WRITE, libc::MAP_SHARED),
    },
    Change {
        what: "ftruncate to the same size",
        forbidden_by: 0,
        attempt: |fd| file::truncate(fd, SIZE).map(drop),
    },
    Change {
        what: "fallocate inside the file",
        forbidden_by: 0,
        attempt: |fd| file::allocate(fd, 0, 0, SIZE).map(drop),
    },
    Change {
        what: "mmap private and writable",
        forbidden_by: 0,
        attempt: |fd| map(fd, READ_WRITE, libc::MAP_PRIVATE),
    },
    Change {
        what: "mmap shared of a read-only descriptor",
        forbidden_by: 0,
        attempt: |fd| map(&file::reopen(fd, libc::O_RDONLY)?, libc::PROT_READ, libc::MAP_SHARED),
    },
];

/// The four seals that can be added one after another; the fifth ends it.
const FOUR: [u32; 4] = [SEAL_SHRINK, SEAL_GROW, SEAL_WRITE, SEAL_FUTURE_WRITE];

fn every_set() -> impl Iterator<Item = u32> {
    (0..16u32).map(|set| FOUR.iter().enumerate().map(|(bit, seal)| (set >> bit & 1) * seal).sum())
}

/// Forbids what its seals forbid and nothing else; the sealing of seals forbids nothing of this.
pub fn every_set_of_seals_forbids_exactly_its_changes(_: &Context) -> CaseResult {
    let bytes = pattern(SIZE as usize);
    for seals in every_set().flat_map(|set| [set, set | SEAL_SEAL]) {
        for change in CHANGES {
            let fd = holding(&bytes)?;
            seal(&fd, seals)?;
            let what = format!("{} under seals {seals:#x}", change.what);
            let attempted = (change.attempt)(&fd);
            if change.forbidden_by & seals == 0 {
                succeeds(&what, attempted)?;
            } else {
                fails_with(&what, attempted, libc::EPERM)?;
                still_holds(&fd, &bytes, &format!("after {what}"))?;
            }
            has_seals(&fd, seals, &format!("after {what}"))?;
        }
    }
    Ok(())
}

/// F_SEAL_EXEC (6.3) on a file that is not executable: in either order with every set of the others it keeps the execute
/// bits away and forbids nothing else.
pub fn exec_seal_combines_with_every_set(_: &Context) -> CaseResult {
    let bytes = pattern(SIZE as usize);
    for set in every_set() {
        for order in [[SEAL_EXEC, set], [set, SEAL_EXEC]] {
            for change in CHANGES {
                let fd = holding(&bytes)?;
                setup("fchmod", file::change_mode(&fd, 0o644))?;
                order.into_iter().try_for_each(|seals| seal(&fd, seals))?;
                has_seals(&fd, set | SEAL_EXEC, &format!("after adding {order:?}"))?;
                let what = format!("{} under seals {:#x}", change.what, set | SEAL_EXEC);
                let attempted = (change.attempt)(&fd);
                match change.forbidden_by & set {
                    0 => succeeds(&what, attempted)?,
                    _ => fails_with(&what, attempted, libc::EPERM)?,
                }
                let executable = file::change_mode(&fd, 0o755);
                fails_with(&format!("fchmod to 0755 after {what}"), executable, libc::EPERM)?;
            }
        }
    }
    let fd = holding(&bytes)?;
    seal(&fd, SEAL_SEAL)?;
    fails_with("F_ADD_SEALS F_SEAL_EXEC after F_SEAL_SEAL", add(&fd, SEAL_EXEC), libc::EPERM)
}

/// The 24 orders of four.
fn orders() -> Vec<[u32; 4]> {
    let mut orders = vec![];
    for a in 0..4 {
        for b in (0..4).filter(|b| *b != a) {
            for c in (0..4).filter(|c| ![a, b].contains(c)) {
                orders.push([FOUR[a], FOUR[b], FOUR[c], FOUR[6 - a - b - c]]);
            }
        }
    }
    orders
}

/// Whatever the order, each seal is there from its own addition on and forbids its changes at once.
pub fn order_of_sealing_does_not_matter(_: &Context) -> CaseResult {
    let bytes = pattern(SIZE as usize);
    for order in orders() {
        let fd = holding(&bytes)?;
        let mut seals = 0;
        for next in order {
            seal(&fd, next)?;
            seals |= next;
            has_seals(&fd, seals, &format!("adding in the order {order:?}"))?;
            for change in CHANGES.iter().filter(|change| change.forbidden_by & seals != 0) {
                let what = format!("{} under seals {seals:#x}, added in the order {order:?}", change.what);
                fails_with(&what, (change.attempt)(&fd), libc::EPERM)?;
            }
        }
        still_holds(&fd, &bytes, &format!("sealed in the order {order:?}"))?;
    }
    Ok(())
}

/// Adding what is there changes nothing, until sealing itself is sealed: then not even that is allowed.
pub fn adding_a_seal_again_changes_nothing(_: &Context) -> CaseResult {
    let bytes = pattern(SIZE as usize);
    for seals in every_set() {
        let fd = holding(&bytes)?;
        seal(&fd, seals)?;
        for again in [0, seals, seals] {
            seal(&fd, again)?;
            has_seals(&fd, seals, &format!("after adding {again:#x} once more"))?;
        }
        seal(&fd, seals | SEAL_SEAL)?;
        for again in [0, seals, SEAL_SEAL, seals | SEAL_SEAL] {
            let what = format!("F_ADD_SEALS {again:#x} after {:#x}", seals | SEAL_SEAL);
            fails_with(&what, add(&fd, again), libc::EPERM)?;
        }
        has_seals(&fd, seals | SEAL_SEAL, "after refused additions")?;
        still_holds(&fd, &bytes, "after additions")?;
    }
    Ok(())
}

/// Who can only read, or writes to a copy, is in nobody's way.
pub fn mappings_that_cannot_write_do_not_hinder_sealing(_: &Context) -> CaseResult {
    let bytes = pattern(PAGE);
    let fd = holding(&bytes)?;
    let reader = setup("open for reading", file::reopen(&fd, libc::O_RDONLY))?;
    let shared = setup("mmap", Mapping::of(&reader, PAGE, libc::PROT_READ, libc::MAP_SHARED))?;
    let mut private = setup("mmap", Mapping::of(&fd, PAGE, READ_WRITE, libc::MAP_PRIVATE))?;
    private.poke(0, 0xee);
    seal(&fd, SEAL_WRITE)?;
    has_seals(&fd, SEAL_WRITE, "with a shared read-only and a private writable mapping")?;
    private.poke(1, 0xdd);
    check_eq!((shared.peek(0), shared.peek(1)), (bytes[0], bytes[1]), "bytes the shared mapping shows");
    still_holds(&fd, &bytes, "after writes to the private mapping")
}

/// open(2) O_PATH: only operations on the path itself are allowed.
pub fn path_descriptor_knows_no_seals(_: &Context) -> CaseResult {
    let fd = holding(b"x")?;
    let path = setup("open with O_PATH", file::reopen(&fd, libc::O_PATH))?;
    fails_with("F_GET_SEALS of an O_PATH descriptor", get(&path), libc::EBADF)?;
    fails_with("F_ADD_SEALS to an O_PATH descriptor", add(&path, SEAL_WRITE), libc::EBADF)?;
    has_seals(&fd, 0, "after a refused addition")
}
