//! Flags, names and directories.

use super::tree::{EXCHANGE, NOREPLACE, Tree, WHITEOUT, renameat2};
use crate::case::{fails_with, succeeds};
use crate::child;
use crate::mapping::{Mapping, PAGE};
use crate::sys::Errno;
use crate::{CaseResult, Context, check_eq, syscall};
use std::ffi::CString;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;

pub fn unknown_flag_is_refused(context: &Context) -> CaseResult {
    let tree = Tree::new(context)?;
    tree.file("a")?;
    tree.file("b")?;
    // Bit 3 is left to the next flag.
    for bit in 4..32 {
        for flags in [1 << bit, 1 << bit | NOREPLACE, 1 << bit | EXCHANGE] {
            tree.refuses("a", "c", flags, libc::EINVAL)?;
            tree.refuses("a", "b", flags, libc::EINVAL)?;
        }
    }
    tree.shows(&["a", "b"], "after refused renames")
}

pub fn contradicting_flags_are_refused(context: &Context) -> CaseResult {
    let tree = Tree::new(context)?;
    tree.file("a")?;
    tree.file("b")?;
    for flags in [EXCHANGE | NOREPLACE, EXCHANGE | WHITEOUT, EXCHANGE | NOREPLACE | WHITEOUT] {
        tree.refuses("a", "b", flags, libc::EINVAL)?;
        tree.refuses("a", "free", flags, libc::EINVAL)?;
    }
    Ok(())
}

pub fn names_are_relative_to_their_directories(context: &Context) -> CaseResult {
    let tree = Tree::new(context)?;
    tree.directory("left")?;
    tree.directory("right")?;
    let (left, right) = (tree.open_directory("left")?, tree.open_directory("right")?);
    let file = left.file("a")?;
    succeeds("rename between directories", renameat2(&left.fd, c"a", &right.fd, c"b", NOREPLACE))?;
    right.is("b", file, "after the move to the right")?;
    left.shows(&[], "after the move to the right")?;
    // The scratch directory is the working directory; absolute names need no directory at all.
    let here = libc::AT_FDCWD;
    succeeds("rename in the working directory", renameat2(&here, c"right/b", &here, c"c", NOREPLACE))?;
    tree.is("c", file, "after the move to the working directory")?;
    let absolute = |name| CString::new(tree.path.join(name).as_os_str().as_bytes()).expect("no NUL");
    let moved = renameat2(&-1, &absolute("c"), &tree.fd, &absolute("left/d"), NOREPLACE);
    succeeds("rename of absolute names with a bad descriptor", moved)?;
    left.is("d", file, "after the move by absolute names")
}

pub fn bad_directory_is_refused(context: &Context) -> CaseResult {
    let tree = Tree::new(context)?;
    tree.file("a")?;
    tree.file("b")?;
    let (reader, _writer) = child::pipe()?;
    for flags in [0, NOREPLACE, EXCHANGE] {
        let what = format!("renameat2 with flags {flags:#x}");
        for (bad, errno) in [(-1, libc::EBADF), (i32::MAX, libc::EBADF), (reader.as_raw_fd(), libc::ENOTDIR)]
        {
            let (from, to) =
                (renameat2(&bad, c"a", &tree.fd, c"b", flags), renameat2(&tree.fd, c"a", &bad, c"b", flags));
            fails_with(&format!("{what} from a bad directory"), from, errno)?;
            fails_with(&format!("{what} to a bad directory"), to, errno)?;
        }
        tree.refuses("", "b", flags, libc::ENOENT)?;
        tree.refuses("a", "", flags, libc::ENOENT)?;
        tree.refuses("b/", "a", flags & EXCHANGE, libc::ENOTDIR)?;
    }
    tree.holds("a", "a", "after refused renames")?;
    tree.holds("b", "b", "after refused renames")
}

pub fn names_outside_memory_are_refused(context: &Context) -> CaseResult {
    let tree = Tree::new(context)?;
    tree.file("a")?;
    let mapping = Mapping::anonymous(PAGE, libc::PROT_NONE)?;
    let (directory, good) = (tree.fd.as_raw_fd(), c"a".as_ptr() as u64);
    for bad in [0, mapping.address(), 1 << 63] {
        for (old, new) in [(good, bad), (bad, good)] {
            // SAFETY: the kernel only reads the names, and only what may be read.
            let result = unsafe { syscall!(libc::SYS_renameat2, directory, old, directory, new, NOREPLACE) };
            fails_with(&format!("renameat2 with a name at {bad:#x}"), result, libc::EFAULT)?;
        }
    }
    tree.shows(&["a"], "after refused renames")
}

/// "." and ".." name a directory that is in use; with NOREPLACE they also exist.
pub fn dot_and_dot_dot_are_refused(context: &Context) -> CaseResult {
    let tree = Tree::new(context)?;
    tree.directory("d")?;
    tree.directory("e")?;
    for dots in [".", "..", "d/.", "d/.."] {
        for flags in [0, EXCHANGE] {
            tree.refuses(dots, "e", flags, libc::EBUSY)?;
            tree.refuses("e", dots, flags, libc::EBUSY)?;
        }
        tree.refuses("e", dots, NOREPLACE, libc::EEXIST)?;
    }
    Ok(())
}

pub fn trailing_slash_asks_for_a_directory(context: &Context) -> CaseResult {
    let tree = Tree::new(context)?;
    let file = tree.file("file")?;
    let directory = tree.directory("directory")?;
    for flags in [0, NOREPLACE] {
        tree.refuses("file/", "new", flags, libc::ENOTDIR)?;
        tree.refuses("file", "new/", flags, libc::ENOTDIR)?;
    }
    tree.refuses("file/", "directory", EXCHANGE, libc::ENOTDIR)?;
    tree.refuses("directory", "file/", EXCHANGE, libc::ENOTDIR)?;
    tree.renames("directory/", "new/", NOREPLACE)?;
    tree.is("new", directory, "after a move with slashes")?;
    tree.renames("new/", "file", EXCHANGE)?;
    tree.is("file", directory, "after an exchange with a slash behind the directory")?;
    tree.is("new", file, "after an exchange with a slash behind the directory")?;
    check_eq!(tree.rename("file/", "new", EXCHANGE), Ok::<(), Errno>(()), "exchange back with a slash");
    Ok(())
}

/// On the way to either name; the name itself may be a link to nowhere, which is renamed as it is.
pub fn unresolvable_paths_are_refused(context: &Context) -> CaseResult {
    let tree = Tree::new(context)?;
    tree.file("a")?;
    tree.symlink("loop", "loop")?;
    let dangling = tree.symlink("dangling", "nowhere")?;
    let long = |length: usize| format!("{}a", "./".repeat((length - 1) / 2) + &"/"[..(length - 1) % 2]);
    for flags in [0, NOREPLACE, EXCHANGE] {
        for (path, errno) in [("loop/x", libc::ELOOP), ("dangling/x", libc::ENOENT), ("a/x", libc::ENOTDIR)] {
            tree.refuses(path, "a", flags, errno)?;
            tree.refuses("a", path, flags, errno)?;
        }
        tree.refuses(&long(4096), "dangling", flags, libc::ENAMETOOLONG)?;
        tree.refuses("dangling", &long(4096), flags, libc::ENAMETOOLONG)?;
    }
    tree.renames(&long(4095), "b", NOREPLACE)?;
    tree.renames("dangling", "b", EXCHANGE)?;
    tree.is("b", dangling, "after an exchange of a file and a link to nowhere")?;
    tree.renames("loop", "moved", NOREPLACE)?;
    tree.renames("b", "moved", 0)?;
    tree.is("moved", dangling, "after a link to nowhere replaced a link to itself")?;
    tree.shows(&["dangling", "moved"], "after all")
}
