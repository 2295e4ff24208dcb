//! Whose names may be changed, and across which mounts.

use super::tree::{EXCHANGE, NOREPLACE, Tree, WHITEOUT, renameat2};
use crate::case::{fails_with, setup, succeeds};
use crate::child;
use crate::{CaseResult, Context, file, mounts, syscall};
use std::os::fd::AsRawFd;

/// A directory with these permissions, and to whom it belongs.
fn directory(tree: &Tree, name: &str, mode: u32, owner: u32) -> Result<Tree, crate::Stop> {
    tree.directory(name)?;
    let made = tree.open_directory(name)?;
    // SAFETY: no pointers.
    setup("fchown", unsafe { syscall!(libc::SYS_fchown, made.fd.as_raw_fd(), owner, owner) })?;
    setup("fchmod", file::change_mode(&made.fd, mode))?;
    Ok(made)
}

pub fn both_directories_must_be_writable(context: &Context) -> CaseResult {
    let tree = Tree::new(context)?;
    child::needs_root()?;
    let own = directory(&tree, "own", 0o755, child::NOBODY)?;
    let foreign = directory(&tree, "foreign", 0o755, 0)?;
    let (mine, theirs) = (own.file("a")?, foreign.file("b")?);
    child::unprivileged(|| {
        for flags in [0, NOREPLACE, EXCHANGE, WHITEOUT] {
            let target = if flags == EXCHANGE { (c"b", c"a") } else { (c"free", c"free") };
            let out = renameat2(&own.fd, c"a", &foreign.fd, target.0, flags);
            fails_with(
                &format!("unprivileged renameat2 {flags:#x} into a foreign directory"),
                out,
                libc::EACCES,
            )?;
            let out = renameat2(&foreign.fd, c"b", &own.fd, target.1, flags);
            fails_with(
                &format!("unprivileged renameat2 {flags:#x} out of a foreign directory"),
                out,
                libc::EACCES,
            )?;
        }
        Ok(())
    })?;
    own.is("a", mine, "after refused renames")?;
    foreign.is("b", theirs, "after refused renames")?;
    own.shows(&["a"], "after refused renames")?;
    foreign.shows(&["b"], "after refused renames")?;
    // A directory that moves must be writable itself: its entry .. changes.
    let other = directory(&tree, "other", 0o755, child::NOBODY)?;
    directory(&own, "unwritable", 0o755, 0)?;
    child::unprivileged(|| {
        let moved = renameat2(&own.fd, c"unwritable", &other.fd, c"free", 0);
        fails_with("unprivileged move of a foreign directory", moved, libc::EACCES)?;
        succeeds("renaming it in its directory", renameat2(&own.fd, c"unwritable", &own.fd, c"renamed", 0))
            .map(drop)
    })
}

/// An exchange takes a name out of *both* directories, so the sticky bit of either counts.
pub fn exchange_respects_the_sticky_bit_on_both_sides(context: &Context) -> CaseResult {
    let tree = Tree::new(context)?;
    child::needs_root()?;
    let own = directory(&tree, "own", 0o755, child::NOBODY)?;
    let sticky = directory(&tree, "sticky", 0o1777, 0)?;
    let open = directory(&tree, "open", 0o777, 0)?;
    let roots = sticky.file("roots")?;
    open.file("roots")?;
    child::unprivileged(|| {
        let mine = own.file("mine")?;
        let what = "unprivileged exchange with root's file in a sticky directory";
        fails_with(what, renameat2(&own.fd, c"mine", &sticky.fd, c"roots", EXCHANGE), libc::EPERM)?;
        fails_with(what, renameat2(&sticky.fd, c"roots", &own.fd, c"mine", EXCHANGE), libc::EPERM)?;
        let replaced = renameat2(&own.fd, c"mine", &sticky.fd, c"roots", 0);
        fails_with("unprivileged replacement of root's file in a sticky directory", replaced, libc::EPERM)?;
        let taken = renameat2(&sticky.fd, c"roots", &own.fd, c"free", NOREPLACE);
        fails_with("unprivileged move of root's file out of a sticky directory", taken, libc::EPERM)?;
        own.is("mine", mine, "after refused renames")?;
        let what = "unprivileged exchange with root's file in a directory that everybody may write to";
        succeeds(what, renameat2(&own.fd, c"mine", &open.fd, c"roots", EXCHANGE))?;
        open.is("roots", mine, "after an allowed exchange")
    })?;
    sticky.is("roots", roots, "after refused renames")?;
    sticky.shows(&["roots"], "after refused renames")
}

/// Also when both mounts show one filesystem (rename(2) ERRORS, EXDEV).
pub fn rename_across_mounts_is_refused(context: &Context) -> CaseResult {
    let tree = Tree::new(context)?;
    child::needs_root()?;
    for name in ["home", "twin", "other"] {
        tree.directory(name)?;
    }
    child::isolated(|| {
        mounts::private()?;
        mounts::bind(&tree.path.join("home"), &tree.path.join("twin"), 0)?;
        mounts::mount("tmpfs", &tree.path.join("other"), 0)?;
        let (home, twin, other) =
            (tree.open_directory("home")?, tree.open_directory("twin")?, tree.open_directory("other")?);
        let (a, b) = (home.file("a")?, other.file("b")?);
        for flags in [0, NOREPLACE, WHITEOUT] {
            let what = format!("renameat2 {flags:#x} across mounts");
            fails_with(&what, renameat2(&home.fd, c"a", &twin.fd, c"free", flags), libc::EXDEV)?;
            fails_with(&what, renameat2(&home.fd, c"a", &other.fd, c"free", flags), libc::EXDEV)?;
        }
        fails_with(
            "exchange across filesystems",
            renameat2(&home.fd, c"a", &other.fd, c"b", EXCHANGE),
            libc::EXDEV,
        )?;
        fails_with(
            "exchange across mounts",
            renameat2(&home.fd, c"a", &twin.fd, c"a", EXCHANGE),
            libc::EXDEV,
        )?;
        home.is("a", a, "after refused renames")?;
        other.is("b", b, "after refused renames")?;
        home.shows(&["a"], "after refused renames")?;
        other.shows(&["b"], "after refused renames")
    })
}

pub fn read_only_mount_is_refused(context: &Context) -> CaseResult {
    let tree = Tree::new(context)?;
    child::needs_root()?;
    tree.directory("home")?;
    tree.directory("frozen")?;
    tree.file("home/a")?;
    tree.file("home/b")?;
    child::isolated(|| {
        mounts::private()?;
        mounts::bind(&tree.path.join("home"), &tree.path.join("frozen"), libc::MS_RDONLY)?;
        let frozen = tree.open_directory("frozen")?;
        for (new, flags) in [("free", 0), ("b", 0), ("free", NOREPLACE), ("b", EXCHANGE), ("free", WHITEOUT)]
        {
            frozen.refuses("a", new, flags, libc::EROFS)?;
        }
        tree.open_directory("home")?.renames("a", "b", EXCHANGE)
    })
}

pub fn mount_point_is_busy(context: &Context) -> CaseResult {
    let tree = Tree::new(context)?;
    child::needs_root()?;
    tree.directory("point")?;
    tree.directory("d")?;
    child::isolated(|| {
        mounts::private()?;
        mounts::mount("tmpfs", &tree.path.join("point"), 0)?;
        tree.file("point/inside")?;
        tree.refuses("point", "free", 0, libc::EBUSY)?;
        tree.refuses("point", "free", NOREPLACE, libc::EBUSY)?;
        tree.refuses("point", "d", EXCHANGE, libc::EBUSY)?;
        tree.refuses("d", "point", EXCHANGE, libc::EBUSY)?;
        tree.refuses("d", "point", 0, libc::EBUSY)?;
        tree.holds("point/inside", "point/inside", "after refused renames")
    })
}
