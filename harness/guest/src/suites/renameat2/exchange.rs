//! RENAME_EXCHANGE.

use super::tree::{EXCHANGE, Tree, renameat2};
use crate::case::{setup, succeeds};
use crate::{CaseResult, Context, check, check_eq, file, syscall};
use std::os::fd::AsRawFd;

pub fn exchange_swaps_inodes(context: &Context) -> CaseResult {
    swaps_inodes(&Tree::new(context)?)
}

pub fn swaps_inodes(tree: &Tree) -> CaseResult {
    let (a, b) = (tree.file("a")?, tree.file("b")?);
    let open = file::open_at(tree.fd.as_raw_fd(), c"a", libc::O_RDONLY | libc::O_CLOEXEC, 0);
    let open = setup("open", open)?;
    tree.renames("a", "b", EXCHANGE)?;
    tree.is("a", b, "after the exchange")?;
    tree.is("b", a, "after the exchange")?;
    tree.holds("a", "b", "after the exchange")?;
    tree.holds("b", "a", "after the exchange")?;
    check_eq!(file::contents(&open), Ok(b"a".to_vec()), "content of the file opened before the exchange");
    check_eq!((tree.links("a")?, tree.links("b")?), (1, 1), "links after the exchange");
    tree.shows(&["a", "b"], "after the exchange")?;
    tree.renames("a", "b", EXCHANGE)?;
    tree.is("a", a, "after the exchange back")?;
    tree.is("b", b, "after the exchange back")
}

pub fn exchange_swaps_different_kinds(context: &Context) -> CaseResult {
    swaps_different_kinds(&Tree::new(context)?)
}

pub fn swaps_different_kinds(tree: &Tree) -> CaseResult {
    let made = [
        ("file", tree.file("file")?),
        ("link", tree.symlink("link", "file")?),
        ("dangling", tree.symlink("dangling", "nowhere")?),
        ("empty", tree.directory("empty")?),
        ("full", tree.directory("full")?),
    ];
    tree.file("full/inside")?;
    for (first, one) in made {
        for (second, other) in made.into_iter().filter(|(second, _)| *second != first) {
            tree.renames(first, second, EXCHANGE)?;
            tree.is(first, other, &format!("after exchange with {second}"))?;
            tree.is(second, one, &format!("after exchange with {first}"))?;
            tree.renames(first, second, EXCHANGE)?;
        }
    }
    for (name, inode) in made {
        tree.is(name, inode, "after all exchanges and back")?;
    }
    tree.holds("full/inside", "full/inside", "after all exchanges and back")?;
    tree.counts_directories("full", 0, "without directories")
}

/// A directory's `..` and its parents' link counts follow it; a file has neither.
pub fn exchange_across_directories_moves_the_parents(context: &Context) -> CaseResult {
    moves_the_parents(&Tree::new(context)?)
}

pub fn moves_the_parents(tree: &Tree) -> CaseResult {
    let (left, right) = (tree.directory("left")?, tree.directory("right")?);
    let (x, y) = (tree.directory("left/x")?, tree.directory("right/y")?);
    let file = tree.file("left/file")?;
    let (l, r) = (tree.open_directory("left")?, tree.open_directory("right")?);
    succeeds("exchange of directories", renameat2(&l.fd, c"x", &r.fd, c"y", EXCHANGE))?;
    tree.is("left/x", y, "after exchange across directories")?;
    tree.is("right/y", x, "after exchange across directories")?;
    tree.is("left/x/..", left, "after exchange across directories")?;
    tree.is("right/y/..", right, "after exchange across directories")?;
    let count = |left, right, when: &str| {
        tree.counts_directories("left", left, when)?;
        tree.counts_directories("right", right, when)
    };
    count(1, 1, "after directories changed places")?;
    succeeds("exchange of file and directory", renameat2(&l.fd, c"file", &r.fd, c"y", EXCHANGE))?;
    tree.is("left/file", x, "after exchange of file and directory")?;
    tree.is("right/y", file, "after exchange of file and directory")?;
    tree.is("left/file/..", left, "after exchange of file and directory")?;
    count(2, 0, "after a directory moved left")?;
    succeeds("exchange of directory and file", renameat2(&l.fd, c"file", &r.fd, c"y", EXCHANGE))?;
    count(1, 1, "after it moved back")?;
    l.shows(&["file", "x"], "in the end")?;
    r.shows(&["y"], "in the end")
}

pub fn exchange_needs_both_names(context: &Context) -> CaseResult {
    let tree = Tree::new(context)?;
    tree.file("a")?;
    tree.directory("d")?;
    tree.symlink("link", "nowhere")?;
    for name in ["a", "d", "link"] {
        tree.refuses(name, "missing", EXCHANGE, libc::ENOENT)?;
        tree.refuses("missing", name, EXCHANGE, libc::ENOENT)?;
    }
    tree.refuses("missing", "absent", EXCHANGE, libc::ENOENT)?;
    tree.refuses("a", "missing/below", EXCHANGE, libc::ENOENT)?;
    tree.shows(&["a", "d", "link"], "after refused exchanges")
}

/// Either way round, one of the two would end up inside itself.
pub fn exchange_with_an_ancestor_is_refused(context: &Context) -> CaseResult {
    refuses_an_ancestor(&Tree::new(context)?)
}

pub fn refuses_an_ancestor(tree: &Tree) -> CaseResult {
    tree.directory("d")?;
    tree.directory("d/e")?;
    tree.directory("d/e/f")?;
    tree.file("d/file")?;
    for (old, new) in
        [("d", "d/e"), ("d/e", "d"), ("d", "d/e/f"), ("d/e/f", "d"), ("d", "d/file"), ("d/file", "d")]
    {
        tree.refuses(old, new, EXCHANGE, libc::EINVAL)?;
    }
    // Without the flag an ancestor is a directory to replace, and never empty.
    for (old, new) in [("d/e", "d"), ("d/e/f", "d"), ("d/file", "d")] {
        tree.refuses(old, new, 0, libc::ENOTEMPTY)?;
    }
    tree.refuses("d", "d/e/f", 0, libc::EINVAL)?;
    let below = tree.inode("d/e/f")?;
    tree.renames("d/file", "d/e/f", EXCHANGE)?;
    tree.is("d/file", below, "after an exchange with a nephew, which is sound")
}

pub fn exchange_of_two_names_of_one_file_changes_nothing(context: &Context) -> CaseResult {
    let tree = Tree::new(context)?;
    let file = tree.file("a")?;
    tree.hard_link("b", "a")?;
    tree.renames("a", "b", EXCHANGE)?;
    tree.renames("a", "a", EXCHANGE)?;
    tree.is("a", file, "after an exchange with itself")?;
    tree.is("b", file, "after an exchange with itself")?;
    check_eq!(tree.links("a")?, 2, "links after an exchange with itself");
    tree.shows(&["a", "b"], "after an exchange with itself")
}

/// POSIX lets a rename change the times of the directories; it may not change a file's content time.
pub fn exchange_stamps_the_directories_and_not_the_files(context: &Context) -> CaseResult {
    let tree = Tree::new(context)?;
    tree.directory("left")?;
    tree.directory("right")?;
    tree.file("left/a")?;
    tree.file("right/b")?;
    for path in [c"left/a", c"right/b", c"left", c"right"] {
        let old = [libc::timespec { tv_sec: 1, tv_nsec: 0 }; 2];
        // SAFETY: the path and both times live through the call.
        let set =
            unsafe { syscall!(libc::SYS_utimensat, tree.fd.as_raw_fd(), path.as_ptr(), old.as_ptr(), 0) };
        setup("utimensat", set)?;
    }
    tree.renames("left/a", "right/b", EXCHANGE)?;
    for file in ["left/a", "right/b"] {
        check_eq!(setup("stat", tree.status(file))?.st_mtime, 1, "modification time of {file}");
    }
    for directory in ["left", "right"] {
        let time = setup("stat", tree.status(directory))?.st_mtime;
        check!(time > 1, "modification time of {directory} is still {time}");
    }
    Ok(())
}
