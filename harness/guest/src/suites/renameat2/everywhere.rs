//! What every filesystem owes: rename(2) says nothing of filesystems but for whiteouts.

use super::tree::{EXCHANGE, Inode, NOREPLACE, Tree, renameat2};
use super::watch::{Watches, modify};
use crate::case::{Stop, setup, succeeds};
use crate::sys::check as result_of;
use crate::{CaseResult, check, check_eq, syscall};
use std::ffi::{CStr, CString};
use std::os::fd::AsRawFd;

/// NOREPLACE: what is there stays, whatever it is; what is free is taken.
pub fn noreplace_replaces_nothing(tree: &Tree) -> CaseResult {
    super::noreplace::spares_every_kind_of_target(tree)?;
    let below = tree.below("moves")?;
    super::noreplace::moves_to_a_free_name(&below)?;
    super::noreplace::refuses_a_second_name(&tree.below("links")?)
}

/// EXCHANGE: inodes, kinds, link counts and the parents of directories.
pub fn exchange_swaps_names_and_parents(tree: &Tree) -> CaseResult {
    super::exchange::swaps_inodes(&tree.below("inodes")?)?;
    super::exchange::swaps_different_kinds(&tree.below("kinds")?)?;
    super::exchange::moves_the_parents(&tree.below("parents")?)?;
    super::exchange::refuses_an_ancestor(&tree.below("ancestors")?)
}

/// Without flags: which kind may replace which, and what becomes of what was replaced.
pub fn replacing_obeys_the_kinds(tree: &Tree) -> CaseResult {
    super::noreplace::replacing_respects_kinds(&tree.below("kinds")?)?;
    super::noreplace::replaced_file_lives(&tree.below("open")?)?;
    super::noreplace::longest_name(&tree.below("names")?)?;
    replaced_link_counts(&tree.below("links")?)
}

/// A replaced file loses one name, a replaced directory its parent's link.
fn replaced_link_counts(tree: &Tree) -> CaseResult {
    let source = tree.file("source")?;
    tree.file("target")?;
    tree.hard_link("other", "target")?;
    tree.renames("source", "target", 0)?;
    tree.is("target", source, "after replacing")?;
    check_eq!(
        (tree.links("target")?, tree.links("other")?),
        (1, 1),
        "links of the new and the replaced file"
    );
    for name in ["left", "right", "left/moved", "right/replaced"] {
        tree.directory(name)?;
    }
    tree.renames("left/moved", "right/replaced", 0)?;
    tree.counts_directories("left", 0, "after its directory was moved away")?;
    tree.counts_directories("right", 1, "after one directory replaced another in it")
}

/// Names of devices, pipes and sockets move like those of files, and what they stand for stays.
pub fn special_files_keep_what_they_are(tree: &Tree) -> CaseResult {
    // Types, modes and numbers of mknod(2).
    let kinds = [
        (c"character", libc::S_IFCHR | 0o640, libc::makedev(1, 3)),
        (c"block", libc::S_IFBLK | 0o600, libc::makedev(7, 200)),
        (c"pipe", libc::S_IFIFO | 0o644, 0),
        (c"socket", libc::S_IFSOCK | 0o755, 0),
    ];
    for (name, mode, device) in kinds {
        // SAFETY: the name lives through the call.
        let made = unsafe { libc::mknodat(tree.fd.as_raw_fd(), name.as_ptr(), mode, device) };
        setup("mknod", result_of(made.into()))?;
    }
    tree.file("file")?;
    let look = |name: &CStr| -> Result<(Inode, u32, u64), Stop> {
        let name = name.to_str().expect("text");
        let status = setup("stat", tree.status(name))?;
        Ok((tree.inode(name)?, status.st_mode, status.st_rdev))
    };
    for (name, ..) in kinds {
        let (before, file) = (look(name)?, look(c"file")?);
        let text = name.to_str().expect("text");
        tree.refuses(text, "file", NOREPLACE, libc::EEXIST)?;
        tree.renames(text, "file", EXCHANGE)?;
        check_eq!((look(c"file")?, look(name)?), (before, file), "{text} and a file after their exchange");
        tree.renames(text, "file", EXCHANGE)?;
        tree.renames(text, "moved", NOREPLACE)?;
        check_eq!(look(c"moved")?, before, "{text} after a move");
        tree.renames("moved", text, 0)?;
        check_eq!(look(name)?, before, "{text} after the way back");
    }
    Ok(())
}

/// The directories change, the files in them do not; who lost a name has changed as an inode (inode(7)).
pub fn times_tell_what_changed(tree: &Tree) -> CaseResult {
    for name in ["left", "right"] {
        tree.directory(name)?;
    }
    for (flags, what) in [(0, "a move"), (EXCHANGE, "an exchange")] {
        let (old, new) = (format!("left/{flags}"), format!("right/{flags}"));
        tree.file(&old)?;
        tree.file(&new)?;
        tree.hard_link(&format!("other{flags}"), &new)?;
        for path in ["left", "right", &old, &new] {
            age(tree, path)?;
        }
        let before = setup("stat", tree.status(&format!("other{flags}")))?;
        wait_for_the_clock();
        tree.renames(&old, &new, flags)?;
        let moved = setup("stat", tree.status(&new))?;
        check_eq!((moved.st_mtime, moved.st_atime), (1, 1), "times of the file's content after {what}");
        for directory in ["left", "right"] {
            let now = setup("stat", tree.status(directory))?;
            check!(now.st_mtime > 1, "modification time of {directory} is as it was before {what}");
            check!(
                (now.st_ctime, now.st_ctime_nsec) > (before.st_ctime, before.st_ctime_nsec),
                "change time of {directory} is as it was before {what}"
            );
        }
        if flags == 0 {
            let after = setup("stat", tree.status(&format!("other{flags}")))?;
            check_eq!(after.st_nlink, 1, "links of the replaced file");
            check!(
                (after.st_ctime, after.st_ctime_nsec) > (before.st_ctime, before.st_ctime_nsec),
                "change time of a file that lost a name is as it was"
            );
        }
    }
    Ok(())
}

/// Sets access and modification time to the epoch's first second.
fn age(tree: &Tree, path: &str) -> CaseResult {
    let (path, old) = (CString::new(path).expect("no NUL"), [libc::timespec { tv_sec: 1, tv_nsec: 0 }; 2]);
    let fd = tree.fd.as_raw_fd();
    // SAFETY: the path and both times live through the call.
    setup("utimensat", unsafe { syscall!(libc::SYS_utimensat, fd, path.as_ptr(), old.as_ptr(), 0) }).map(drop)
}

/// File times go by the clock's tick, which is 10 ms at most.
fn wait_for_the_clock() {
    std::thread::sleep(std::time::Duration::from_millis(25));
}

/// Both halves of a move are told with one cookie, nothing else is; and a watch of a file follows the file.
pub fn watches_are_told_of_renames(tree: &Tree) -> CaseResult {
    for name in ["left", "right"] {
        tree.directory(name)?;
    }
    for name in ["left/a", "right/b", "left/c"] {
        tree.file(name)?;
    }
    let mut watches = Watches::new()?;
    for name in ["left", "right", "left/a", "right/b", "left/c"] {
        watches.add(tree, name)?;
    }
    let told = |when: &str, expected: &[&str]| -> CaseResult {
        let events = watches.told()?;
        let texts: Vec<String> = events.iter().map(super::watch::Told::text).collect();
        check_eq!(texts, expected, "events after {when}");
        let halves: Vec<&super::watch::Told> =
            events.iter().filter(|event| event.what.starts_with("moved-")).collect();
        for pair in halves.chunks(2) {
            check!(pair[0].cookie == pair[1].cookie, "the halves of {when} have different cookies: {pair:?}");
            check!(pair[0].cookie != 0, "the halves of {when} have no cookie: {pair:?}");
        }
        let first = halves.first().map(|half| half.cookie);
        check!(
            halves.len() < 4 || halves.get(2).map(|half| half.cookie) != first,
            "both moves of {when} have one cookie"
        );
        Ok(())
    };
    tree.refuses("left/a", "right/b", NOREPLACE, libc::EEXIST)?;
    tree.refuses("left/a", "right/none", EXCHANGE, libc::ENOENT)?;
    told("refused renames", &[])?;
    tree.renames("left/a", "right/b", EXCHANGE)?;
    let swapped = [
        "left moved-from a",
        "right moved-to b",
        "left/a moved",
        "right moved-from b",
        "left moved-to a",
        "right/b moved",
    ];
    told("an exchange", &swapped)?;
    modify(tree, "right/b")?;
    told("a write to the file that was left/a", &["right modified b", "left/a modified"])?;
    tree.renames("left/c", "right/free", NOREPLACE)?;
    told("a move", &["left moved-from c", "right moved-to free", "left/c moved"])?;
    // The file first watched as right/b stands as left/a now, and is replaced.
    tree.renames("right/free", "left/a", 0)?;
    let replaced = ["right moved-from free", "left moved-to a", "left/c moved", "right/b deleted"];
    told("a move that replaced a file", &replaced)
}

/// ioctl_iflags(2): no link to an immutable file, and none taken away; an append-only directory loses no name.
pub fn immutable_files_keep_their_names(tree: &Tree) -> CaseResult {
    tree.file("immutable")?;
    tree.file("other")?;
    tree.directory("growing")?;
    tree.file("growing/a")?;
    with_flag(tree, "immutable", FS_IMMUTABLE, || {
        for flags in [0, NOREPLACE] {
            tree.refuses("immutable", "free", flags, libc::EPERM)?;
        }
        tree.refuses("other", "immutable", 0, libc::EPERM)?;
        tree.refuses("immutable", "other", EXCHANGE, libc::EPERM)?;
        tree.refuses("other", "immutable", EXCHANGE, libc::EPERM)
    })?;
    with_flag(tree, "growing", FS_APPEND, || {
        tree.refuses("growing/a", "free", 0, libc::EPERM)?;
        tree.refuses("growing/a", "growing/b", 0, libc::EPERM)?;
        tree.refuses("growing/a", "other", EXCHANGE, libc::EPERM)?;
        tree.renames("other", "growing/other", NOREPLACE)
    })?;
    tree.renames("immutable", "growing/a", EXCHANGE)
}

const FS_IMMUTABLE: u32 = 0x10;
const FS_APPEND: u32 = 0x20;
const FS_IOC_GETFLAGS: u32 = 0x8008_6601;
const FS_IOC_SETFLAGS: u32 = 0x4008_6602;

fn with_flag(tree: &Tree, path: &str, flag: u32, body: impl FnOnce() -> CaseResult) -> CaseResult {
    let name = CString::new(path).expect("no NUL");
    let fd = crate::file::open_at(tree.fd.as_raw_fd(), &name, libc::O_RDONLY | libc::O_CLOEXEC, 0);
    let fd = setup("open", fd)?;
    let mut flags = 0u64;
    let change = |request: u32, flags: &mut u64| {
        // SAFETY: the flags are ours and longer than the kernel's.
        unsafe { syscall!(libc::SYS_ioctl, fd.as_raw_fd(), request, &raw mut *flags) }
    };
    setup("FS_IOC_GETFLAGS", change(FS_IOC_GETFLAGS, &mut flags))?;
    let mut with = flags | u64::from(flag);
    succeeds("FS_IOC_SETFLAGS", change(FS_IOC_SETFLAGS, &mut with))?;
    let result = body();
    setup("FS_IOC_SETFLAGS", change(FS_IOC_SETFLAGS, &mut flags))?;
    result
}

/// Two trees whose names a rename can cross: what the next mount of the filesystem must show.
pub fn prepare_for_remount(tree: &Tree) -> Result<Vec<(&'static str, Inode)>, Stop> {
    for name in ["left", "right", "left/deep", "left/deep/er"] {
        tree.directory(name)?;
    }
    let made = [
        ("moved", tree.file("left/a")?),
        ("left/x", tree.file("right/y")?),
        ("right/y", tree.directory("left/x")?),
        ("target", tree.file("source")?),
    ];
    tree.file("target")?;
    tree.file("right/y-inside")?;
    tree.renames("left/a", "moved", NOREPLACE)?;
    tree.renames("left/x", "right/y", EXCHANGE)?;
    tree.renames("source", "target", 0)?;
    let (left, right) = (tree.open_directory("left")?, tree.open_directory("right")?);
    succeeds("move of a directory", renameat2(&left.fd, c"deep", &right.fd, c"deeper", NOREPLACE))?;
    Ok(made.to_vec())
}

pub fn judge_after_remount(tree: &Tree, made: &[(&'static str, Inode)]) -> CaseResult {
    let when = "after the filesystem was mounted again";
    for (name, inode) in made {
        tree.is(name, *inode, when)?;
    }
    tree.holds("moved", "left/a", when)?;
    tree.holds("left/x", "right/y", when)?;
    tree.holds("target", "source", when)?;
    let (left, right) = (tree.open_directory("left")?, tree.open_directory("right")?);
    left.shows(&["x"], when)?;
    right.shows(&["deeper", "y", "y-inside"], when)?;
    tree.is("right/deeper/er/../..", tree.inode("right")?, when)?;
    tree.counts_directories("left", 0, when)?;
    tree.counts_directories("right", 2, when)
}
