//! RENAME_WHITEOUT: the source becomes a character device 0:0, which overlayfs reads as "deleted".

use super::tree::{NOREPLACE, Tree, WHITEOUT};
use crate::case::setup;
use crate::child;
use crate::{CaseResult, Context, check_eq, mounts, syscall};
use std::os::fd::AsRawFd;

fn is_whiteout(tree: &Tree, path: &str) -> CaseResult {
    let status = setup(&format!("stat of {path}"), tree.status(path))?;
    check_eq!(status.st_mode & libc::S_IFMT, libc::S_IFCHR, "type of the whiteout {path}");
    check_eq!(status.st_rdev, 0, "device number of the whiteout {path}");
    check_eq!(status.st_nlink, 1, "links of the whiteout {path}");
    Ok(())
}

pub fn whiteout_takes_the_place_of_the_source(context: &Context) -> CaseResult {
    let tree = Tree::new(context)?;
    let file = tree.file("a")?;
    let directory = tree.directory("d")?;
    tree.renames("a", "b", WHITEOUT)?;
    tree.renames("d", "e", WHITEOUT)?;
    tree.is("b", file, "after the move")?;
    tree.is("e", directory, "after the move")?;
    tree.holds("b", "a", "after the move")?;
    is_whiteout(&tree, "a")?;
    is_whiteout(&tree, "d")?;
    check_eq!(tree.links("e")?, 2, "links of the moved directory");
    tree.shows(&["a", "b", "d", "e"], "after two moves")
}

pub fn whiteout_replaces_the_target(context: &Context) -> CaseResult {
    let tree = Tree::new(context)?;
    let source = tree.file("source")?;
    tree.file("target")?;
    tree.hard_link("other", "target")?;
    tree.renames("source", "target", WHITEOUT)?;
    tree.is("target", source, "after replacing")?;
    is_whiteout(&tree, "source")?;
    check_eq!(tree.links("other")?, 1, "links of the replaced file, which has another name");
    tree.holds("other", "target", "after replacing")?;
    tree.shows(&["other", "source", "target"], "after replacing")
}

pub fn whiteout_obeys_noreplace(context: &Context) -> CaseResult {
    let tree = Tree::new(context)?;
    let file = tree.file("a")?;
    tree.file("b")?;
    tree.refuses("a", "b", WHITEOUT | NOREPLACE, libc::EEXIST)?;
    tree.renames("a", "c", WHITEOUT | NOREPLACE)?;
    tree.is("c", file, "after the move")?;
    is_whiteout(&tree, "a")?;
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
        let other = tree.open_directory("ramfs")?;
        let file = other.file("a")?;
        other.refuses("a", "b", WHITEOUT, libc::EINVAL)?;
        other.refuses("a", "b", WHITEOUT | NOREPLACE, libc::EINVAL)?;
        other.renames("a", "b", NOREPLACE)?;
        other.is("b", file, "after a move that the filesystem supports")
    })
}
