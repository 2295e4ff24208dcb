//! Taking memory back: what is protected, and what is asked for. It is what was read of a disk, as the machine need not
//! have a place to swap to.

use super::group::*;
use crate::scheduling::Shared;
use crate::{CaseResult, Context, Stop, check, file};

const MIB: usize = 1 << 20;
/// What every reader reads.
const PART: usize = 8 * MIB;

/// A member that has read its part of the null block device through the page cache, and stays.
fn reader(group: &Group, part: usize) -> Result<Member, Stop> {
    let shared = Shared::new()?;
    let member = Member::doing(group, || {
        let flags = libc::O_RDONLY | libc::O_CLOEXEC;
        // It stays open: what is cached of a device goes with its last user.
        let disk = file::open_at(libc::AT_FDCWD, c"/dev/nullb0", flags, 0);
        let whole = disk.as_ref().is_ok_and(|disk| {
            let read = |piece: usize| file::read_at(disk, MIB, (part * PART + piece * MIB) as i64);
            (0..PART / MIB).all(|piece| read(piece).is_ok_and(|bytes| bytes.len() == MIB))
        });
        shared.word(0).open(if whole { 1 } else { 2 });
        crate::child::pause()
    })?;
    shared.word(0).wait_while(0);
    match shared.word(0).get() {
        1 => Ok(member),
        _ => Err(Stop::Broken("the null block device cannot be read".into())),
    }
}

/// Of two groups that hold the same, one is protected; then their parent has to get by with five eighths.
fn protected_by(context: &Context, protection: &str) -> CaseResult {
    let group = Group::with(context, &["memory"])?;
    let (spared, other) = (group.child("spared")?, group.child("other")?);
    group.set("cgroup.subtree_control", "+memory")?;
    let _members = (reader(&spared, 0)?, reader(&other, 1)?);
    let limit = (group.number("memory.current")? as usize / 8 * 5).to_string();
    for above in [&group, &spared] {
        above.set(protection, "64M")?;
    }
    let before = spared.number("memory.current")?;
    group.set("memory.high", &limit)?;
    let (left, taken) = (spared.number("memory.current")?, other.number("memory.current")?);
    // What was charged ahead and is not used is no memory to be protected.
    check!(left + MIB as u64 > before, "of {before} bytes below {protection}, {left} are left");
    check!(taken < PART as u64 / 4 * 3, "beside a group with {protection}, {taken} bytes of 8 MiB are left");
    Ok(())
}

pub fn memory_below_min_is_not_taken(context: &Context) -> CaseResult {
    protected_by(context, "memory.min")
}

pub fn memory_below_low_is_taken_last(context: &Context) -> CaseResult {
    protected_by(context, "memory.low")
}

pub fn reclaim_on_request_gives_back_what_was_read(context: &Context) -> CaseResult {
    let group = Group::with(context, &["memory"])?;
    let _member = reader(&group, 0)?;
    let before = group.number("memory.current")?;
    check!(before >= PART as u64, "memory.current is {before} after 8 MiB were read");
    group.set("memory.reclaim", "4M")?;
    let after = group.number("memory.current")?;
    check!(
        after + 3 * MIB as u64 <= before,
        "memory.current is {after} after 4 MiB of {before} bytes were reclaimed"
    );
    Ok(())
}
