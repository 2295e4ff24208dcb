//! RENAME_NOREPLACE, and renaming without flags.

use super::tree::{NOREPLACE, Tree};
use crate::case::setup;
use crate::{CaseResult, Context, check_eq, file};
use std::os::fd::AsRawFd;

pub fn noreplace_spares_every_kind_of_target(context: &Context) -> CaseResult {
    spares_every_kind_of_target(&Tree::new(context)?)
}

pub fn spares_every_kind_of_target(tree: &Tree) -> CaseResult {
    for source in ["file", "directory"] {
        match source {
            "file" => tree.file(source)?,
            _ => tree.directory(source)?,
        };
        for target in ["t-file", "t-directory", "t-link", "t-dangling"] {
            if tree.status(target).is_err() {
                match target {
                    "t-file" => tree.file(target)?,
                    "t-directory" => tree.directory(target)?,
                    "t-link" => tree.symlink(target, "t-file")?,
                    _ => tree.symlink(target, "nowhere")?,
                };
            }
            tree.refuses(source, target, NOREPLACE, libc::EEXIST)?;
        }
    }
    tree.holds("file", "file", "after refused renames")?;
    tree.holds("t-file", "t-file", "after refused renames")
}

pub fn noreplace_moves_to_a_free_name(context: &Context) -> CaseResult {
    let tree = Tree::new(context)?;
    moves_to_a_free_name(&tree)?;
    for name in ["from", "to", "from/inner"] {
        tree.directory(name)?;
    }
    tree.renames("from/inner", "to/inner", NOREPLACE)?;
    tree.counts_directories("from", 0, "after a directory left it")?;
    tree.counts_directories("to", 1, "after a directory came")
}

pub fn moves_to_a_free_name(tree: &Tree) -> CaseResult {
    let (file, link) = (tree.file("a")?, tree.symlink("l", "nowhere")?);
    tree.directory("d")?;
    tree.directory("d/sub")?;
    let (inside, directory) = (tree.file("d/sub/inside")?, tree.inode("d")?);
    tree.renames("a", "b", NOREPLACE)?;
    tree.renames("l", "m", NOREPLACE)?;
    tree.renames("d", "e", NOREPLACE)?;
    tree.is("b", file, "after the move")?;
    tree.is("m", link, "after the move: the link itself, not what it names")?;
    tree.is("e", directory, "after the move")?;
    tree.is("e/sub/inside", inside, "after its directory moved")?;
    tree.holds("b", "a", "after the move")?;
    check_eq!(tree.links("b")?, 1, "links of the moved file");
    for gone in ["a", "l", "d", "d/sub/inside"] {
        tree.is_gone(gone, "after the move")?;
    }
    tree.shows(&["b", "e", "m"], "after three moves")
}

/// Without flags, two names of one file are left alone (rename(2)); here the target exists, so it is an error.
pub fn noreplace_refuses_a_second_name_of_the_same_file(context: &Context) -> CaseResult {
    refuses_a_second_name(&Tree::new(context)?)
}

pub fn refuses_a_second_name(tree: &Tree) -> CaseResult {
    let file = tree.file("a")?;
    tree.hard_link("b", "a")?;
    tree.refuses("a", "b", NOREPLACE, libc::EEXIST)?;
    tree.refuses("a", "a", NOREPLACE, libc::EEXIST)?;
    tree.renames("a", "b", 0)?;
    tree.is("a", file, "after a rename to its other name")?;
    tree.is("b", file, "after a rename to its other name")?;
    check_eq!(tree.links("a")?, 2, "links after a rename to the other name");
    Ok(())
}

pub fn replaced_file_lives_on_while_open(context: &Context) -> CaseResult {
    let tree = Tree::new(context)?;
    replaced_file_lives(&tree)?;
    for name in ["new", "old"] {
        tree.directory(name)?;
    }
    let open = tree.open_directory("old")?;
    tree.renames("new", "old", 0)?;
    check_eq!(setup("fstat", file::status(&open.fd))?.st_nlink, 0, "links of the replaced directory");
    Ok(())
}

pub fn replaced_file_lives(tree: &Tree) -> CaseResult {
    let (source, _target) = (tree.file("source")?, tree.file("target")?);
    let flags = libc::O_RDONLY | libc::O_CLOEXEC;
    let open = setup("open", file::open_at(tree.fd.as_raw_fd(), c"target", flags, 0))?;
    tree.renames("source", "target", 0)?;
    tree.is("target", source, "after replacing")?;
    tree.holds("target", "source", "after replacing")?;
    tree.shows(&["target"], "after replacing")?;
    check_eq!(file::contents(&open), Ok(b"target".to_vec()), "content of the replaced file, still open");
    check_eq!(setup("fstat", file::status(&open))?.st_nlink, 0, "links of the replaced file");
    Ok(())
}

pub fn replacing_respects_the_kinds(context: &Context) -> CaseResult {
    replacing_respects_kinds(&Tree::new(context)?)
}

pub fn replacing_respects_kinds(tree: &Tree) -> CaseResult {
    tree.file("file")?;
    tree.directory("directory")?;
    tree.directory("full")?;
    tree.file("full/inside")?;
    tree.refuses("file", "directory", 0, libc::EISDIR)?;
    tree.refuses("directory", "file", 0, libc::ENOTDIR)?;
    // "ENOTEMPTY or EEXIST": xfs says the one, the others the other.
    let said = tree.rename("directory", "full", 0).err().filter(|errno| errno.0 == libc::EEXIST);
    tree.refuses("directory", "full", 0, said.map_or(libc::ENOTEMPTY, |errno| errno.0))?;
    tree.refuses("full", "full/below", 0, libc::EINVAL)?;
    tree.refuses("full", "full/below", NOREPLACE, libc::EINVAL)?;
    tree.refuses("file", "full/inside/below", 0, libc::ENOTDIR)?;
    let full = tree.inode("full")?;
    tree.renames("full", "directory", 0)?;
    tree.is("directory", full, "after replacing an empty directory")?;
    tree.shows(&["directory", "file"], "after replacing an empty directory")
}

pub fn name_of_256_bytes_is_refused(context: &Context) -> CaseResult {
    longest_name(&Tree::new(context)?)
}

pub fn longest_name(tree: &Tree) -> CaseResult {
    let longest = "n".repeat(255);
    let file = tree.file("a")?;
    for flags in [0, NOREPLACE] {
        tree.refuses("a", &"n".repeat(256), flags, libc::ENAMETOOLONG)?;
        tree.refuses(&"n".repeat(256), "b", flags, libc::ENAMETOOLONG)?;
        tree.renames("a", &longest, flags)?;
        tree.is(&longest, file, "after a move to 255 bytes")?;
        tree.renames(&longest, "a", flags)?;
        tree.is("a", file, "after the way back")?;
    }
    tree.shows(&["a"], "after moves to the longest name and back")
}
