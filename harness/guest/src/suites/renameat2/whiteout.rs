//! RENAME_WHITEOUT: the source becomes a character device 0:0, which overlayfs reads as "deleted".

use super::tree::{EXCHANGE, NOREPLACE, Tree, WHITEOUT};
use crate::case::{setup, succeeds};
use crate::child;
use crate::{CaseResult, Context, check_eq, mounts, syscall};
use std::os::fd::AsRawFd;

pub fn is_whiteout(tree: &Tree, path: &str) -> CaseResult {
    let status = succeeds(&format!("stat of the whiteout {path}"), tree.status(path))?;
    check_eq!(status.st_mode & libc::S_IFMT, libc::S_IFCHR, "type of the whiteout {path}");
    check_eq!(status.st_rdev, 0, "device number of the whiteout {path}");
    check_eq!(status.st_nlink, 1, "links of the whiteout {path}");
    Ok(())
}

pub fn whiteout_takes_the_place_of_the_source(context: &Context) -> CaseResult {
    takes_the_place(&Tree::new(context)?)
}

pub fn takes_the_place(tree: &Tree) -> CaseResult {
    let file = tree.file("a")?;
    let directory = tree.directory("d")?;
    tree.renames("a", "b", WHITEOUT)?;
    tree.renames("d", "e", WHITEOUT)?;
    tree.is("b", file, "after the move")?;
    tree.is("e", directory, "after the move")?;
    tree.holds("b", "a", "after the move")?;
    is_whiteout(tree, "a")?;
    is_whiteout(tree, "d")?;
    tree.counts_directories("e", 0, "after its move")?;
    tree.shows(&["a", "b", "d", "e"], "after two moves")
}

pub fn whiteout_replaces_the_target(context: &Context) -> CaseResult {
    replaces_the_target(&Tree::new(context)?)
}

pub fn replaces_the_target(tree: &Tree) -> CaseResult {
    let source = tree.file("source")?;
    tree.file("target")?;
    tree.hard_link("other", "target")?;
    tree.renames("source", "target", WHITEOUT)?;
    tree.is("target", source, "after replacing")?;
    is_whiteout(tree, "source")?;
    check_eq!(tree.links("other")?, 1, "links of the replaced file, which has another name");
    tree.holds("other", "target", "after replacing")?;
    tree.shows(&["other", "source", "target"], "after replacing")
}

pub fn whiteout_obeys_noreplace(context: &Context) -> CaseResult {
    obeys_noreplace(&Tree::new(context)?)
}

pub fn obeys_noreplace(tree: &Tree) -> CaseResult {
    let file = tree.file("a")?;
    tree.file("b")?;
    tree.refuses("a", "b", WHITEOUT | NOREPLACE, libc::EEXIST)?;
    tree.renames("a", "c", WHITEOUT | NOREPLACE)?;
    tree.is("c", file, "after the move")?;
    is_whiteout(tree, "a")?;
    tree.holds("b", "b", "which was in nobody's way")
}

/// The page asks for CAP_MKNOD. Since 5.8 (commit a3c751a50fe6) a whiteout is harmless enough for everybody.
pub fn whiteout_needs_no_capability(context: &Context) -> CaseResult {
    let tree = Tree::new(context)?;
    child::needs_root()?;
    tree.directory("own")?;
    let own = tree.open_directory("own")?;
    // SAFETY: no pointers.
    let given = unsafe { syscall!(libc::SYS_fchown, own.fd.as_raw_fd(), child::NOBODY, child::NOBODY) };
    setup("fchown", given)?;
    child::unprivileged(|| {
        let file = own.file("a")?;
        own.renames("a", "b", WHITEOUT)?;
        own.is("b", file, "after an unprivileged move")?;
        is_whiteout(&own, "a")
    })
}

/// ramfs, which is in every kernel, knows no whiteouts.
pub fn filesystem_without_whiteouts_refuses_them(context: &Context) -> CaseResult {
    let tree = Tree::new(context)?;
    child::needs_root()?;
    tree.directory("ramfs")?;
    child::isolated(|| {
        mounts::private()?;
        mounts::mount("ramfs", &tree.path.join("ramfs"), 0)?;
        refuses_whiteouts(&tree.open_directory("ramfs")?)
    })
}

pub fn refuses_whiteouts(tree: &Tree) -> CaseResult {
    let file = tree.file("a")?;
    tree.refuses("a", "b", WHITEOUT, libc::EINVAL)?;
    tree.refuses("a", "b", WHITEOUT | NOREPLACE, libc::EINVAL)?;
    tree.renames("a", "b", NOREPLACE)?;
    tree.is("b", file, "after a move that the filesystem supports")
}

/// A whiteout is a file more; a move is not, and neither is an exchange.
pub fn whiteout_needs_room_for_a_file(context: &Context) -> CaseResult {
    let tree = Tree::new(context)?;
    child::needs_root()?;
    tree.directory("small")?;
    child::isolated(|| {
        mounts::private()?;
        let small = tree.path.join("small");
        // The root and three files.
        setup("mount of a small tmpfs", mounts::mount_from("none", &small, "tmpfs", "nr_inodes=4"))?;
        let small = tree.open_directory("small")?;
        let a = small.file("a")?;
        small.file("b")?;
        small.file("c")?;
        small.refuses("a", "free", WHITEOUT, libc::ENOSPC)?;
        small.refuses("a", "b", WHITEOUT, libc::ENOSPC)?;
        small.refuses("a", "free", WHITEOUT | NOREPLACE, libc::ENOSPC)?;
        small.renames("a", "free", NOREPLACE)?;
        small.renames("free", "b", EXCHANGE)?;
        small.is("b", a, "after the exchange on a full filesystem")?;
        // The replaced file makes room.
        small.renames("b", "c", 0)?;
        small.renames("c", "d", WHITEOUT)?;
        small.is("d", a, "after a move with room for one file")?;
        is_whiteout(&small, "c")
    })
}
