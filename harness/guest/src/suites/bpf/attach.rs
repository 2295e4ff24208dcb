//! How programs share a cgroup (bpf.h, BPF_PROG_ATTACH), and links (BPF_LINK_CREATE). What is attached shows in
//! whether members may make an Internet socket.

use super::cgroup::{INGRESS, SOCKET_CREATE, attach, open, program, socket};
use super::objects::mount_bpffs;
use super::support::{as_member, in_group, returning};
use crate::bpf::{
    Attributes, Command, ProgramKind, id_list, information, object_by_id, object_get, object_pin,
};
use crate::case::{fails_with, setup, succeeds};
use crate::sys::Errno;
use crate::{CaseResult, Context, Stop, check, check_eq};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

const ALLOW_OVERRIDE: u32 = 1;
const ALLOW_MULTIPLE: u32 = 2;
/// BPF_F_REPLACE of BPF_PROG_ATTACH and of BPF_LINK_UPDATE.
pub const REPLACE: u32 = 4;

fn verdict(value: i32) -> Result<OwnedFd, Stop> {
    program(ProgramKind::CgroupSocket, SOCKET_CREATE, &returning(value))
}

/// A member of the cgroup may make a socket.
fn may(what: &str, group: &Path, expected: bool) -> CaseResult {
    as_member(group, || {
        let made = socket(libc::AF_INET, libc::SOCK_DGRAM).map(drop);
        let wanted = if expected { Ok(()) } else { Err(Errno(libc::EPERM)) };
        check_eq!(made, wanted, "socket of a member {what}");
        Ok(())
    })
}

fn detach(group: &OwnedFd, program: &impl AsRawFd) -> Result<i64, Errno> {
    Attributes::default().fd(0, group).fd(4, program).u32(8, SOCKET_CREATE).call(Command::ProgramDetach)
}

pub fn identifier(object: &impl AsRawFd) -> Result<u32, Stop> {
    let mut bytes = [0u8; 64];
    succeeds("BPF_OBJ_GET_INFO_BY_FD", information(object, &mut bytes))?;
    Ok(u32::from_le_bytes(bytes[4..8].try_into().expect("four bytes")))
}

/// BPF_PROG_QUERY of what the first word names: the identifiers of the programs attached, with room for so many, and
/// how many there are.
pub fn attached_to(target: Attributes, kind: u32, room: usize) -> (Result<i64, Errno>, Vec<u32>, u32) {
    let mut ids = vec![0u32; room];
    let mut query = target.u32(4, kind).output(16, &mut ids).u32(24, room as u32);
    let result = query.call(Command::ProgramQuery);
    (result, ids, query.get_u32(24))
}

/// The same, where all is well and four are enough.
pub fn attached_in_order(target: Attributes, kind: u32) -> Result<Vec<u32>, Stop> {
    let (result, mut ids, count) = attached_to(target, kind, 4);
    succeeds("BPF_PROG_QUERY", result)?;
    ids.truncate(count as usize);
    Ok(ids)
}

fn attached(group: &OwnedFd, room: usize) -> (Result<i64, Errno>, Vec<u32>, u32) {
    attached_to(Attributes::default().fd(0, group), SOCKET_CREATE, room)
}

/// Runs the body with a cgroup, one inside it, and both open.
fn nested(context: &Context, body: impl FnOnce([&Path; 2], [&OwnedFd; 2]) -> CaseResult) -> CaseResult {
    in_group(context, |outer| {
        let inner = outer.join("inner");
        let made = std::fs::create_dir(&inner);
        made.map_err(|error| Stop::Broken(format!("{}: {error}", inner.display())))?;
        let fds = [open(outer)?, open(&inner)?];
        let result = body([outer, &inner], [&fds[0], &fds[1]]);
        let _ = std::fs::remove_dir(&inner);
        result
    })
}

/// Without flags a program is the only one, and final for everything below.
pub fn exclusive_program_is_alone(context: &Context) -> CaseResult {
    let (yes, no) = (verdict(1)?, verdict(0)?);
    nested(context, |[path, below], [group, inner]| {
        for flags in [1 << 30, 1 << 31, ALLOW_OVERRIDE | ALLOW_MULTIPLE] {
            let refused = attach(group, &no, SOCKET_CREATE, flags);
            fails_with(&format!("BPF_PROG_ATTACH with flags {flags:#x}"), refused, libc::EINVAL)?;
        }
        let wrong = attach(group, &no, INGRESS, 0);
        fails_with("BPF_PROG_ATTACH of a program for another attach type", wrong, libc::EINVAL)?;
        let nowhere = attach(&yes, &no, SOCKET_CREATE, 0);
        fails_with("BPF_PROG_ATTACH to a program", nowhere, libc::EBADF)?;
        fails_with("BPF_PROG_DETACH from an empty cgroup", detach(group, &no), libc::ENOENT)?;
        may("of a cgroup without programs", path, true)?;
        succeeds("BPF_PROG_ATTACH", attach(group, &no, SOCKET_CREATE, 0))?;
        may("of a cgroup with a program that refuses", path, false)?;
        may("of a cgroup below that", below, false)?;
        for flags in [0, ALLOW_OVERRIDE, ALLOW_MULTIPLE] {
            let refused = attach(inner, &yes, SOCKET_CREATE, flags);
            fails_with(&format!("BPF_PROG_ATTACH below it, flags {flags}"), refused, libc::EPERM)?;
        }
        succeeds("BPF_PROG_ATTACH in its place", attach(group, &yes, SOCKET_CREATE, 0))?;
        may("of a cgroup whose program was replaced by one that allows", path, true)?;
        check_eq!(attached(group, 4).2, 1, "programs attached");
        succeeds("BPF_PROG_DETACH", detach(group, &yes)).map(drop)
    })
}

/// With BPF_F_ALLOW_OVERRIDE the program nearest to the member is the one that counts.
pub fn overriding_program_counts_alone(context: &Context) -> CaseResult {
    let (yes, no) = (verdict(1)?, verdict(0)?);
    nested(context, |[path, below], [group, inner]| {
        succeeds("BPF_PROG_ATTACH", attach(group, &no, SOCKET_CREATE, ALLOW_OVERRIDE))?;
        may("of the cgroup below a program that refuses", below, false)?;
        succeeds("BPF_PROG_ATTACH below it", attach(inner, &yes, SOCKET_CREATE, ALLOW_OVERRIDE))?;
        may("of the cgroup whose own program allows", below, true)?;
        may("of the cgroup above it", path, false)?;
        succeeds("BPF_PROG_DETACH below", detach(inner, &yes))?;
        may("of the cgroup below, its own program gone", below, false)?;
        succeeds("BPF_PROG_DETACH", detach(group, &no))?;
        may("of the cgroup below, all programs gone", below, true)
    })
}

/// With BPF_F_ALLOW_MULTI all of them run, and one that refuses is enough.
pub fn all_of_multiple_programs_count(context: &Context) -> CaseResult {
    let (first, second, no) = (verdict(1)?, verdict(1)?, verdict(0)?);
    nested(context, |[path, below], [group, inner]| {
        let add = |group: &OwnedFd, program: &OwnedFd| attach(group, program, SOCKET_CREATE, ALLOW_MULTIPLE);
        for program in [&first, &second] {
            succeeds("BPF_PROG_ATTACH with BPF_F_ALLOW_MULTI", add(group, program))?;
        }
        fails_with("the same program a second time", add(group, &first), libc::EINVAL)?;
        fails_with("a program that wants to be alone", attach(group, &no, SOCKET_CREATE, 0), libc::EPERM)?;
        may("of a cgroup with two programs that allow", path, true)?;
        let ids = [identifier(&first)?, identifier(&second)?];
        check_eq!(attached(group, 2), (Ok(0), ids.to_vec(), 2), "BPF_PROG_QUERY: result, programs, number");
        let (short, some, number) = attached(group, 1);
        check_eq!((short, number), (Err(Errno(libc::ENOSPC)), 2), "BPF_PROG_QUERY with room for 1 of 2");
        check_eq!(some, [ids[0]], "the program for which there was room");
        succeeds("BPF_PROG_ATTACH below", add(inner, &no))?;
        may("of the cgroup below, where a third one refuses", below, false)?;
        may("of the cgroup above", path, true)?;
        // One of several can be replaced in its place.
        let mut replace = Attributes::default()
            .fd(0, group)
            .fd(4, &no)
            .u32(8, SOCKET_CREATE)
            .u32(12, ALLOW_MULTIPLE | REPLACE)
            .fd(16, &first);
        succeeds("BPF_F_REPLACE", replace.clone().call(Command::ProgramAttach))?;
        may("of a cgroup where one of two refuses", path, false)?;
        let expected = vec![identifier(&no)?, ids[1]];
        check_eq!(attached(group, 2).1, expected, "programs after the first was replaced");
        fails_with("BPF_F_REPLACE of what is gone", replace.call(Command::ProgramAttach), libc::ENOENT)
            .or_else(|_| {
                fails_with(
                    "BPF_F_REPLACE by what is there",
                    replace.call(Command::ProgramAttach),
                    libc::EINVAL,
                )
            })?;
        succeeds("BPF_PROG_DETACH", detach(group, &no))?;
        fails_with("second BPF_PROG_DETACH", detach(group, &no), libc::ENOENT)?;
        check_eq!(attached(group, 2).2, 1, "programs after one was detached");
        may("of a cgroup where the one left allows", path, true)
    })
}

/// BPF_LINK_CREATE.
pub fn link(program: &impl AsRawFd, target: &impl AsRawFd, kind: u32, flags: u32) -> Result<OwnedFd, Errno> {
    Attributes::default().fd(0, program).fd(4, target).u32(8, kind).u32(12, flags).open(Command::LinkCreate)
}

/// BPF_LINK_UPDATE, with BPF_F_REPLACE from an old program only.
pub fn link_update(link: &OwnedFd, new: &OwnedFd, flags: u32, old: Option<&OwnedFd>) -> Result<i64, Errno> {
    let mut attributes = Attributes::default().fd(0, link).fd(4, new).u32(8, flags);
    if let Some(old) = old {
        attributes = attributes.fd(12, old);
    }
    attributes.call(Command::LinkUpdate)
}

pub fn link_holds_its_program_until_closed(context: &Context) -> CaseResult {
    in_group(context, |path| {
        let group = open(path)?;
        let no = verdict(0)?;
        let program = identifier(&no)?;
        fails_with(
            "BPF_LINK_CREATE with an unknown flag",
            link(&no, &group, SOCKET_CREATE, 1 << 31),
            libc::EINVAL,
        )?;
        fails_with("BPF_LINK_CREATE for another attach type", link(&no, &group, INGRESS, 0), libc::EINVAL)?;
        fails_with("BPF_LINK_CREATE to a program", link(&no, &no, SOCKET_CREATE, 0), libc::EBADF)?;
        fails_with("BPF_LINK_CREATE of a cgroup", link(&group, &group, SOCKET_CREATE, 0), libc::EINVAL)?;
        let held = succeeds("BPF_LINK_CREATE", link(&no, &group, SOCKET_CREATE, 0))?;
        drop(no);
        may("of a cgroup with a link to a program that refuses", path, false)?;
        succeeds("BPF_PROG_GET_FD_BY_ID of a linked program", object_by_id(Command::ProgramById, program))?;
        let mut info = [0u8; 32];
        succeeds("BPF_OBJ_GET_INFO_BY_FD of a link", information(&held, &mut info))?;
        let word = |at: usize| u32::from_le_bytes(info[at..at + 4].try_into().expect("four bytes"));
        check_eq!([word(0), word(8), word(24)], [3, program, SOCKET_CREATE], "type, program and attach type");
        let ids = succeeds("BPF_LINK_GET_NEXT_ID", id_list(Command::LinkNextId))?;
        check!(ids.contains(&word(4)), "link {} is not listed: {ids:?}", word(4));
        let again = succeeds("BPF_LINK_GET_FD_BY_ID", object_by_id(Command::LinkById, word(4)))?;
        drop(held);
        may("of a cgroup whose link is held by another descriptor", path, false)?;
        drop(again);
        gone(Command::LinkById, word(4))?;
        may("of a cgroup whose link was closed", path, true)?;
        gone(Command::ProgramById, program)
    })
}

/// What is freed in the background is gone soon, not at once.
fn gone(command: Command, id: u32) -> CaseResult {
    for _ in 0..500 {
        if object_by_id(command, id).is_err() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    fails_with(&format!("{command:?} after the last close"), object_by_id(command, id), libc::ENOENT)
}

pub fn link_can_change_its_program(context: &Context) -> CaseResult {
    in_group(context, |path| {
        let group = open(path)?;
        let (yes, no, other) = (verdict(1)?, verdict(0)?, verdict(1)?);
        let packets = program(ProgramKind::CgroupPacket, INGRESS, &returning(1))?;
        let held = succeeds("BPF_LINK_CREATE", link(&no, &group, SOCKET_CREATE, 0))?;
        let update = |new: &OwnedFd, flags: u32, old| link_update(&held, new, flags, old);
        fails_with("BPF_LINK_UPDATE with an unknown flag", update(&yes, 1, None), libc::EINVAL)?;
        fails_with("BPF_LINK_UPDATE to another kind", update(&packets, 0, None), libc::EINVAL)?;
        fails_with(
            "BPF_LINK_UPDATE from what is not there",
            update(&yes, REPLACE, Some(&other)),
            libc::EPERM,
        )?;
        may("of a cgroup after refused updates of its link", path, false)?;
        succeeds("BPF_LINK_UPDATE from what is there", update(&yes, REPLACE, Some(&no)))?;
        may("of a cgroup whose link now has a program that allows", path, true)?;
        succeeds("BPF_LINK_UPDATE from anything", update(&no, 0, None))?;
        may("of a cgroup whose link has the first program again", path, false)?;
        // The plain commands do not touch what a link holds.
        fails_with("BPF_PROG_DETACH of a linked program", detach(&group, &no), libc::ENOENT)?;
        let mut away = Attributes::default().fd(0, &held);
        succeeds("BPF_LINK_DETACH", away.call(Command::LinkDetach))?;
        may("of a cgroup whose link was detached", path, true)?;
        fails_with("BPF_LINK_UPDATE of a detached link", update(&yes, 0, None), libc::ENOLINK)
    })
}

pub fn pinned_link_outlives_its_descriptors(context: &Context) -> CaseResult {
    let folder = context.scratch.join("bpffs");
    in_group(context, |path| {
        mount_bpffs(&folder)?;
        let group = open(path)?;
        let held = succeeds("BPF_LINK_CREATE", link(&verdict(0)?, &group, SOCKET_CREATE, 0))?;
        let pin = folder.join("link");
        succeeds("BPF_OBJ_PIN of a link", object_pin(&held, &pin))?;
        drop(held);
        may("of a cgroup whose link is pinned only", path, false)?;
        let again = succeeds("BPF_OBJ_GET of a link", object_get(&pin, 0))?;
        setup(
            "unlink",
            std::fs::remove_file(&pin).map_err(|error| Errno(error.raw_os_error().unwrap_or(0))),
        )?;
        may("of a cgroup whose link is open again", path, false)?;
        let id = identifier(&again)?;
        drop(again);
        gone(Command::LinkById, id)?;
        may("of a cgroup whose pinned link was removed", path, true)?;
        crate::mounts::unmount_lazily(&folder)
    })
}
