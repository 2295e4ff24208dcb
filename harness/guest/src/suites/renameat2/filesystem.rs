//! The same promises on every filesystem the kernel offers.

use super::everywhere::*;
use super::tree::Tree;
use super::whiteout::{obeys_noreplace, refuses_whiteouts, replaces_the_target, takes_the_place};
use crate::case::Stop;
use crate::disk::Disk;
use crate::{CaseResult, Context, child, mounts};
use std::path::Path;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Tmpfs,
    Ramfs,
    Overlay,
    Ext4,
    Xfs,
    Btrfs,
}

/// A filesystem that can be mounted again.
enum Source {
    Memory(&'static str),
    /// Options with the names of its layers.
    Layers(String),
    Disk(Disk),
}

impl Source {
    fn new(context: &Context, kind: Kind) -> Result<Source, Stop> {
        Ok(match kind {
            Kind::Tmpfs => Source::Memory("tmpfs"),
            Kind::Ramfs => Source::Memory("ramfs"),
            Kind::Overlay => Source::Layers(super::overlay::layers(&context.scratch, "")?),
            Kind::Ext4 => Source::Disk(Disk::new(context, "ext4")?),
            Kind::Xfs => Source::Disk(Disk::new(context, "xfs")?),
            Kind::Btrfs => Source::Disk(Disk::new(context, "btrfs")?),
        })
    }

    fn mount(&self, target: &Path) -> CaseResult {
        match self {
            Source::Memory(kind) => mounts::mount(kind, target, 0),
            Source::Layers(options) => super::overlay::mount(target, options),
            Source::Disk(disk) => disk.mount(target, ""),
        }
    }
}

/// Runs the body with the filesystem mounted, in a mount namespace of its own; the body may mount it again.
fn mounted(
    context: &Context,
    kind: Kind,
    body: impl FnOnce(&Source, &dyn Fn() -> Result<Tree, Stop>) -> CaseResult,
) -> CaseResult {
    let tree = Tree::new(context)?;
    child::needs_root()?;
    tree.directory("mounted")?;
    child::isolated(|| {
        mounts::private()?;
        let source = Source::new(context, kind)?;
        let path = context.scratch.join("mounted");
        source.mount(&path)?;
        // btrfs does not count directories in the links of their parent.
        body(&source, &|| Tree::counting(path.clone(), kind != Kind::Btrfs))
    })
}

/// Judges a fresh filesystem.
fn on(context: &Context, kind: Kind, body: fn(&Tree) -> CaseResult) -> CaseResult {
    mounted(context, kind, |_, open| body(&open()?))
}

/// What was renamed before an unmount must stay so. Which unmount: nothing else has the filesystem mounted.
fn mounted_again(context: &Context, kind: Kind) -> CaseResult {
    mounted(context, kind, |source, open| {
        let made = prepare_for_remount(&open()?)?;
        let path = context.scratch.join("mounted");
        mounts::unmount(&path)?;
        source.mount(&path)?;
        judge_after_remount(&open()?, &made)
    })
}

/// RENAME_WHITEOUT where the filesystem can be an upper layer of overlayfs.
fn leaves_whiteouts(tree: &Tree) -> CaseResult {
    takes_the_place(&tree.below("moves")?)?;
    replaces_the_target(&tree.below("replaces")?)?;
    obeys_noreplace(&tree.below("refuses")?)
}

/// A case for each line: its name, and what it judges.
macro_rules! cases_on {
    ($kind:ident: $($name:ident => $body:expr;)+) => {
        $(pub fn $name(context: &Context) -> CaseResult {
            on(context, Kind::$kind, $body)
        })+
    };
}

cases_on! { Tmpfs:
    special_files_keep_their_numbers => special_files_keep_what_they_are;
    rename_changes_the_right_times => times_tell_what_changed;
    watches_are_told_of_every_rename => watches_are_told_of_renames;
}

cases_on! { Ramfs:
    ramfs_noreplace_replaces_nothing => noreplace_replaces_nothing;
    ramfs_exchange_swaps_names_and_parents => exchange_swaps_names_and_parents;
    ramfs_replacing_obeys_the_kinds => replacing_obeys_the_kinds;
    ramfs_rename_changes_the_right_times => times_tell_what_changed;
    ramfs_watches_are_told_of_every_rename => watches_are_told_of_renames;
}

cases_on! { Overlay:
    overlay_noreplace_replaces_nothing => noreplace_replaces_nothing;
    overlay_exchange_swaps_names_and_parents => exchange_swaps_names_and_parents;
    overlay_replacing_obeys_the_kinds => replacing_obeys_the_kinds;
    overlay_refuses_whiteouts => refuses_whiteouts;
    overlay_special_files_keep_their_numbers => special_files_keep_what_they_are;
    overlay_rename_changes_the_right_times => times_tell_what_changed;
    overlay_watches_are_told_of_every_rename => watches_are_told_of_renames;
}

cases_on! { Ext4:
    ext4_noreplace_replaces_nothing => noreplace_replaces_nothing;
    ext4_exchange_swaps_names_and_parents => exchange_swaps_names_and_parents;
    ext4_replacing_obeys_the_kinds => replacing_obeys_the_kinds;
    ext4_whiteout_takes_the_place_of_the_source => leaves_whiteouts;
    ext4_special_files_keep_their_numbers => special_files_keep_what_they_are;
    ext4_rename_changes_the_right_times => times_tell_what_changed;
    ext4_watches_are_told_of_every_rename => watches_are_told_of_renames;
    ext4_immutable_file_keeps_its_name => immutable_files_keep_their_names;
}

cases_on! { Xfs:
    xfs_noreplace_replaces_nothing => noreplace_replaces_nothing;
    xfs_exchange_swaps_names_and_parents => exchange_swaps_names_and_parents;
    xfs_replacing_obeys_the_kinds => replacing_obeys_the_kinds;
    xfs_whiteout_takes_the_place_of_the_source => leaves_whiteouts;
    xfs_special_files_keep_their_numbers => special_files_keep_what_they_are;
    xfs_rename_changes_the_right_times => times_tell_what_changed;
    xfs_watches_are_told_of_every_rename => watches_are_told_of_renames;
    xfs_immutable_file_keeps_its_name => immutable_files_keep_their_names;
}

cases_on! { Btrfs:
    btrfs_noreplace_replaces_nothing => noreplace_replaces_nothing;
    btrfs_exchange_swaps_names_and_parents => exchange_swaps_names_and_parents;
    btrfs_replacing_obeys_the_kinds => replacing_obeys_the_kinds;
    btrfs_whiteout_takes_the_place_of_the_source => leaves_whiteouts;
    btrfs_special_files_keep_their_numbers => special_files_keep_what_they_are;
    btrfs_rename_changes_the_right_times => times_tell_what_changed;
    btrfs_watches_are_told_of_every_rename => watches_are_told_of_renames;
    btrfs_immutable_file_keeps_its_name => immutable_files_keep_their_names;
}

pub fn overlay_shows_renames_when_mounted_again(context: &Context) -> CaseResult {
    mounted_again(context, Kind::Overlay)
}

pub fn ext4_shows_renames_when_mounted_again(context: &Context) -> CaseResult {
    mounted_again(context, Kind::Ext4)
}

pub fn xfs_shows_renames_when_mounted_again(context: &Context) -> CaseResult {
    mounted_again(context, Kind::Xfs)
}

pub fn btrfs_shows_renames_when_mounted_again(context: &Context) -> CaseResult {
    mounted_again(context, Kind::Btrfs)
}
