//! Who may add which seal to what.

use super::calls::*;
use crate::case::{fails_with, setup, succeeds};
use crate::{CaseResult, Context, Stop, check_eq, child, file};
use std::os::fd::OwnedFd;

pub fn sealing_must_be_allowed_at_creation(_: &Context) -> CaseResult {
    let fd = new(CLOEXEC)?;
    has_seals(&fd, SEAL_SEAL, "of a memfd made without MFD_ALLOW_SEALING")?;
    for (seal, name) in SEALS {
        fails_with(&format!("F_ADD_SEALS {name} without MFD_ALLOW_SEALING"), add(&fd, seal), libc::EPERM)?;
    }
    has_seals(&fd, SEAL_SEAL, "after refused additions")?;
    check_eq!(file::write_at(&fd, b"x", 0), Ok(1), "write to a memfd whose sealing was refused");
    has_seals(&new(CLOEXEC | ALLOW_SEALING)?, 0, "of a memfd made with MFD_ALLOW_SEALING")
}

pub fn seals_add_up_and_stay(_: &Context) -> CaseResult {
    // Every order of two, and each alone: no seal may imply, replace or lose another.
    for (first, name) in SEALS.into_iter().skip(1) {
        for (second, other) in SEALS.into_iter().skip(1) {
            let fd = holding(b"x")?;
            seal(&fd, first)?;
            has_seals(&fd, first, &format!("after {name}"))?;
            seal(&fd, second)?;
            has_seals(&fd, first | second, &format!("after {name} and {other}"))?;
            seal(&fd, 0)?;
            has_seals(&fd, first | second, "after adding none")?;
        }
    }
    let fd = holding(b"x")?;
    seal(&fd, SEAL_SHRINK | SEAL_GROW | SEAL_WRITE | SEAL_SEAL)?;
    has_seals(&fd, SEAL_SHRINK | SEAL_GROW | SEAL_WRITE | SEAL_SEAL, "after adding four at once")
}

pub fn unknown_seal_is_refused_whole(_: &Context) -> CaseResult {
    let fd = holding(b"x")?;
    // 0x20 is F_SEAL_EXEC by 6.3; 0x40 and 0x80 are left to the next ones.
    for bit in 8..32 {
        let unknown = 1 << bit;
        for seals in [unknown, unknown | SEAL_WRITE, unknown | SEAL_SEAL] {
            fails_with(&format!("F_ADD_SEALS {seals:#x}"), add(&fd, seals), libc::EINVAL)?;
        }
    }
    has_seals(&fd, 0, "after refused additions")?;
    check_eq!(file::write_at(&fd, b"yz", 0), Ok(2), "write after refused additions");
    Ok(())
}

pub fn sealed_sealing_is_final(_: &Context) -> CaseResult {
    let fd = holding(b"x")?;
    seal(&fd, SEAL_GROW)?;
    seal(&fd, SEAL_SEAL)?;
    for (seal, name) in SEALS {
        fails_with(&format!("F_ADD_SEALS {name} after F_SEAL_SEAL"), add(&fd, seal), libc::EPERM)?;
    }
    has_seals(&fd, SEAL_SEAL | SEAL_GROW, "after refused additions")?;
    check_eq!(file::write_at(&fd, b"y", 0), Ok(1), "write inside a file sealed against sealing and growing");
    succeeds("ftruncate to 0 of a file sealed against sealing and growing", file::truncate(&fd, 0)).map(drop)
}

pub fn read_only_descriptor_cannot_seal(_: &Context) -> CaseResult {
    let fd = holding(b"x")?;
    let reader = setup("open for reading", file::reopen(&fd, libc::O_RDONLY))?;
    for (seal, name) in SEALS {
        fails_with(
            &format!("F_ADD_SEALS {name} through a read-only descriptor"),
            add(&reader, seal),
            libc::EPERM,
        )?;
    }
    has_seals(&reader, 0, "after refused additions, through the read-only descriptor")?;
    let writer = setup("open for writing", file::reopen(&fd, libc::O_WRONLY))?;
    seal(&writer, SEAL_SHRINK)?;
    has_seals(&reader, SEAL_SHRINK, "added through a write-only descriptor")
}

pub fn seals_belong_to_the_file(_: &Context) -> CaseResult {
    let fd = holding(b"x")?;
    let copy = setup("dup", fd.try_clone().map_err(|_| crate::sys::Errno::last()))?;
    let opened = setup("open", file::reopen(&fd, libc::O_RDWR))?;
    child::isolated(|| seal(&fd, SEAL_WRITE))?;
    let late = setup("open", file::reopen(&fd, libc::O_RDWR))?;
    for (who, fd) in
        [("the maker's", &fd), ("a copied", &copy), ("an opened", &opened), ("a later opened", &late)]
    {
        has_seals(fd, SEAL_WRITE, &format!("added by a child, through {who} descriptor"))?;
        fails_with(&format!("pwrite through {who} descriptor"), file::write_at(fd, b"y", 0), libc::EPERM)?;
    }
    still_holds(&fd, b"x", "after refused writes")?;
    has_seals(&holding(b"x")?, 0, "of another file")
}

pub fn files_without_seals_are_refused(_: &Context) -> CaseResult {
    drop(new(CLOEXEC)?);
    let open = |path| setup("open", file::open_at(libc::AT_FDCWD, path, libc::O_RDWR | libc::O_CLOEXEC, 0));
    let (_reader, writer) = child::pipe()?;
    let files: [(&str, OwnedFd); 2] = [("a pipe", writer), ("a device", open(c"/dev/null")?)];
    for (what, fd) in &files {
        fails_with(&format!("F_GET_SEALS of {what}"), get(fd), libc::EINVAL)?;
        fails_with(&format!("F_ADD_SEALS to {what}"), add(fd, SEAL_WRITE), libc::EINVAL)?;
        check_eq!(file::write(fd, b"x"), Ok(1), "write to {what} after refused sealing");
    }
    let directory =
        setup("open", file::open_at(libc::AT_FDCWD, c"/proc", libc::O_RDONLY | libc::O_CLOEXEC, 0))?;
    fails_with("F_GET_SEALS of a directory", get(&directory), libc::EINVAL)
}

pub fn sealing_needs_no_privilege(_: &Context) -> CaseResult {
    child::unprivileged(|| {
        let fd = holding(b"x")?;
        seal(&fd, SEAL_WRITE | SEAL_SHRINK | SEAL_GROW | SEAL_SEAL)?;
        has_seals(&fd, SEAL_WRITE | SEAL_SHRINK | SEAL_GROW | SEAL_SEAL, "added without privilege")?;
        fails_with("pwrite by an unprivileged owner", file::write_at(&fd, b"y", 0), libc::EPERM)
    })
}

/// Root is held to a seal as everybody is: it guards the receiver of a file against its sender, whoever that is.
pub fn privilege_breaks_no_seal(_: &Context) -> CaseResult {
    child::needs_root()?;
    let fd = holding(b"x")?;
    seal(&fd, SEAL_WRITE | SEAL_SHRINK | SEAL_GROW)?;
    fails_with("pwrite by root", file::write_at(&fd, b"y", 0), libc::EPERM)?;
    fails_with("ftruncate by root", file::truncate(&fd, 0), libc::EPERM)?;
    match file::reopen(&fd, libc::O_RDWR | libc::O_TRUNC) {
        Ok(_) => {
            return Err(Stop::Fail(
                "open with O_TRUNC by root succeeded on a file sealed against shrinking".into(),
            ));
        }
        refused => fails_with("open with O_TRUNC by root", refused, libc::EPERM)?,
    }
    still_holds(&fd, b"x", "after refused calls by root")
}
