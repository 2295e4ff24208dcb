//! overlayfs: what a rename does to two layers (Documentation/filesystems/overlayfs.rst).

use super::tree::{EXCHANGE, NOREPLACE, Tree};
use super::whiteout::is_whiteout;
use crate::case::{Stop, setup};
use crate::sys::Errno;
use crate::{CaseResult, Context, child, mounts, skip};
use std::path::Path;

/// Makes the layers' directories; the options that name them, and these.
pub fn layers(scratch: &Path, more: &str) -> Result<String, Stop> {
    let mut options = String::new();
    for (name, option) in [("lower", "lowerdir"), ("upper", "upperdir"), ("work", "workdir")] {
        let path = scratch.join(name);
        match std::fs::create_dir(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(Stop::Broken(format!("set-up: mkdir {}: {error}", path.display())));
            }
            _ => options += &format!("{option}={},", path.display()),
        }
    }
    Ok(options + more)
}

pub fn mount(target: &Path, options: &str) -> CaseResult {
    match mounts::mount_from("overlay", target, "overlay", options.trim_end_matches(',')) {
        Err(Errno(libc::ENODEV)) => skip!("missing module or symbol: OVERLAY_FS"),
        other => setup(&format!("mount of an overlay with {options}"), other),
    }
}

/// Runs the body with the scratch directory, an overlay of it at `merged`, and a way to mount that again once nothing
/// of it is open any more.
fn overlaid(
    context: &Context,
    options: &str,
    fill: fn(&Tree) -> CaseResult,
    body: impl FnOnce(&Tree, Tree, &dyn Fn() -> Result<Tree, Stop>) -> CaseResult,
) -> CaseResult {
    let tree = Tree::new(context)?;
    child::needs_root()?;
    tree.directory("merged")?;
    child::isolated(|| {
        mounts::private()?;
        let options = layers(&context.scratch, options)?;
        fill(&tree.open_directory("lower")?)?;
        let merged = context.scratch.join("merged");
        mount(&merged, &options)?;
        let again = || {
            mounts::unmount(&merged)?;
            mount(&merged, &options)?;
            tree.open_directory("merged")
        };
        body(&tree, tree.open_directory("merged")?, &again)
    })
}

fn two_files_and_a_directory(lower: &Tree) -> CaseResult {
    lower.file("a")?;
    lower.file("b")?;
    lower.directory("d")?;
    lower.file("d/inside").map(drop)
}

/// The lower layer is never written to: the file moves to the upper one, where a whiteout hides its old name.
pub fn overlay_move_hides_the_name_in_the_lower_layer(context: &Context) -> CaseResult {
    overlaid(context, "", two_files_and_a_directory, |tree, merged, again| {
        let (lower, upper) = (tree.open_directory("lower")?, tree.open_directory("upper")?);
        merged.refuses("a", "b", NOREPLACE, libc::EEXIST)?;
        upper.shows(&[], "after a refused rename")?;
        merged.renames("a", "c", NOREPLACE)?;
        merged.shows(&["b", "c", "d"], "after the move")?;
        merged.holds("c", "a", "after the move")?;
        merged.is_gone("a", "after the move")?;
        upper.shows(&["a", "c"], "after the move")?;
        is_whiteout(&upper, "a")?;
        upper.holds("c", "a", "after the move, in the upper layer")?;
        lower.shows(&["a", "b", "d"], "after the move, in the lower layer")?;
        merged.renames("c", "b", EXCHANGE)?;
        merged.holds("b", "a", "after the exchange")?;
        merged.holds("c", "b", "after the exchange")?;
        lower.holds("b", "b", "after the exchange, in the lower layer")?;
        drop((upper, merged));
        let merged = again()?;
        merged.shows(&["b", "c", "d"], "after mounting again")?;
        merged.holds("b", "a", "after mounting again")?;
        merged.holds("c", "b", "after mounting again")
    })
}

/// The kernel could not tell below the new name what the lower layer holds below the old one.
pub fn overlay_lower_directory_is_not_moved_without_redirection(context: &Context) -> CaseResult {
    overlaid(context, "redirect_dir=off", two_files_and_a_directory, |tree, merged, _| {
        merged.directory("new")?;
        for (old, new, flags) in
            [("d", "free", 0), ("d", "free", NOREPLACE), ("d", "a", EXCHANGE), ("a", "d", EXCHANGE)]
        {
            merged.refuses(old, new, flags, libc::EXDEV)?;
        }
        merged.file("d/added")?;
        merged.refuses("d", "free", 0, libc::EXDEV)?;
        merged.renames("new", "newer", NOREPLACE)?;
        merged.renames("d/added", "newer/added", NOREPLACE)?;
        merged.shows(&["a", "b", "d", "newer"], "after all")?;
        tree.open_directory("lower")?.shows(&["a", "b", "d"], "after all")
    })
}

pub fn overlay_lower_directory_is_moved_with_redirection(context: &Context) -> CaseResult {
    overlaid(context, "redirect_dir=on", two_files_and_a_directory, |tree, merged, again| {
        let directory = merged.inode("d")?;
        merged.renames("d", "moved", NOREPLACE)?;
        merged.is("moved", directory, "after the move")?;
        merged.renames("moved", "a", EXCHANGE)?;
        merged.is("a", directory, "after the exchange")?;
        merged.file("a/added")?;
        drop(merged);
        let merged = again()?;
        merged.shows(&["a", "b", "moved"], "after mounting again")?;
        merged.open_directory("a")?.shows(&["added", "inside"], "after mounting again")?;
        merged.holds("a/inside", "d/inside", "after mounting again")?;
        merged.holds("moved", "a", "after mounting again")?;
        tree.open_directory("lower")?.shows(&["a", "b", "d"], "after all")
    })
}
