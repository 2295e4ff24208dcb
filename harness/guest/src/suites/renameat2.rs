//! renameat2(2): on tmpfs, which every kernel has and which supports all three flags, and on every other filesystem
//! there is.

use crate::{Case, FileNeed, Need, Suite, cases};

mod arguments;
mod everywhere;
mod exchange;
mod filesystem;
mod noreplace;
mod overlay;
mod permission;
mod race;
mod tree;
mod watch;
mod whiteout;

use {
    arguments::*, exchange::*, filesystem::*, noreplace::*, overlay::*, permission::*, race::*, whiteout::*,
};

pub const SUITE: Suite = Suite {
    name: "renameat2",
    about: "renameat2(2): no replacing, exchange and whiteouts",
    needs: &[Need::Config("TMPFS")],
    cases: CASES,
};

const WATCHES: Need = Need::Config("INOTIFY_USER");
const RAMFS_EXCHANGE: Need = Need::Since { major: 5, minor: 17, what: "RENAME_EXCHANGE on ramfs" };
const OVERLAY: Need = Need::Module { symbol: "OVERLAY_FS", module: "overlay" };
const LOOP: Need = Need::Module { symbol: "BLK_DEV_LOOP", module: "loop" };
const EXT4: Need = Need::Module { symbol: "EXT4_FS", module: "ext4" };
const XFS: Need = Need::Module { symbol: "XFS_FS", module: "xfs" };
const BTRFS: Need = Need::Module { symbol: "BTRFS_FS", module: "btrfs" };
const EXT4_DISK: FileNeed = FileNeed::Filesystem("ext4");
const XFS_DISK: FileNeed = FileNeed::Filesystem("xfs");
const BTRFS_DISK: FileNeed = FileNeed::Filesystem("btrfs");

const CASES: &[Case] = cases! {
    noreplace_spares_every_kind_of_target: "rename(2) RENAME_NOREPLACE: return an error if newpath already exists; EEXIST";
    noreplace_moves_to_a_free_name: "rename(2): renames a file, moving it between directories if required";
    noreplace_refuses_a_second_name_of_the_same_file: "rename(2) RENAME_NOREPLACE; hard links to one file: rename does nothing";
    replaced_file_lives_on_while_open: "rename(2): open file descriptors for newpath are unaffected";
    replacing_respects_the_kinds: "rename(2) ERRORS: EISDIR, ENOTDIR, ENOTEMPTY, EINVAL";
    name_of_256_bytes_is_refused: "rename(2) ERRORS: ENAMETOOLONG; statfs(2): tmpfs allows 255 bytes";

    exchange_swaps_inodes: "rename(2) RENAME_EXCHANGE: atomically exchange oldpath and newpath";
    exchange_swaps_different_kinds: "rename(2) RENAME_EXCHANGE: both must exist but may be of different types";
    exchange_across_directories_moves_the_parents: "rename(2) RENAME_EXCHANGE; path_resolution(7): .. is the parent";
    exchange_needs_both_names: "rename(2) ERRORS: ENOENT, flags contains RENAME_EXCHANGE and newpath does not exist";
    exchange_with_an_ancestor_is_refused: "rename(2) ERRORS: EINVAL, a subdirectory of itself";
    exchange_of_two_names_of_one_file_changes_nothing: "rename(2): hard links referring to the same file: does nothing";
    exchange_stamps_the_directories_and_not_the_files: "inode(7): mtime of a directory is changed by entries in it";

    whiteout_takes_the_place_of_the_source: "rename(2) RENAME_WHITEOUT: a whiteout object at the source, a device {0,0}";
    whiteout_replaces_the_target: "rename(2) RENAME_WHITEOUT: at the same time as performing the rename";
    whiteout_obeys_noreplace: "rename(2) RENAME_NOREPLACE cannot be employed together with RENAME_EXCHANGE only";
    whiteout_needs_no_capability: "vfs: allow unprivileged whiteout creation, Linux 5.8";
    whiteout_needs_room_for_a_file: "rename(2) ERRORS: ENOSPC, no room for the new directory entry; tmpfs(5) nr_inodes";
    filesystem_without_whiteouts_refuses_them: "rename(2) ERRORS: EINVAL, the filesystem does not support one of the flags";

    unknown_flag_is_refused: "rename(2) ERRORS: EINVAL, an invalid flag was specified in flags";
    contradicting_flags_are_refused: "rename(2) ERRORS: EINVAL, both NOREPLACE and EXCHANGE, or WHITEOUT and EXCHANGE";
    names_are_relative_to_their_directories: "rename(2) renameat(): relative to the directory the descriptor refers to";
    bad_directory_is_refused: "rename(2) ERRORS: EBADF, ENOTDIR, ENOENT";
    names_outside_memory_are_refused: "rename(2) ERRORS: EFAULT, outside the accessible address space";
    dot_and_dot_dot_are_refused: "rename(2) ERRORS: EBUSY, a directory that is in use";
    unresolvable_paths_are_refused: "rename(2) ERRORS: ELOOP, ENOENT, ENOTDIR, ENAMETOOLONG";
    trailing_slash_asks_for_a_directory: "path_resolution(7): a trailing slash forces resolution to a directory";

    both_directories_must_be_writable: "rename(2) ERRORS: EACCES, write permission is denied for either directory";
    exchange_respects_the_sticky_bit_on_both_sides: "rename(2) ERRORS: EPERM, the sticky bit is set";
    rename_across_mounts_is_refused: "rename(2) ERRORS: EXDEV, not on the same mounted filesystem";
    read_only_mount_is_refused: "rename(2) ERRORS: EROFS, the file is on a read-only filesystem";
    mount_point_is_busy: "rename(2) ERRORS: EBUSY, a directory in use by the system, as mount point";

    exchange_is_never_seen_half_done: "rename(2) RENAME_EXCHANGE: atomically exchange oldpath and newpath";
    replaced_name_is_never_missing: "rename(2): there is no point at which newpath is found missing";
    noreplace_lets_one_of_two_have_the_name: "rename(2) RENAME_NOREPLACE: don't overwrite newpath";
    special_files_keep_their_numbers: "rename(2): oldpath can be of any type; mknod(2)";
    rename_changes_the_right_times: "inode(7): mtime of a directory, ctime of an inode whose link count changed";
    watches_are_told_of_every_rename: "inotify(7): IN_MOVED_FROM and IN_MOVED_TO with one cookie, IN_MOVE_SELF, IN_DELETE_SELF", needs [WATCHES];

    replaced_file_tells_of_its_lost_link = watch::replaced_file_tells_of_its_lost_link: "inotify(7): IN_ATTRIB, the link count changed", needs [WATCHES];

    ramfs_noreplace_replaces_nothing: "rename(2) RENAME_NOREPLACE: EEXIST; supported by ramfs since Linux 4.9";
    ramfs_exchange_swaps_names_and_parents: "rename(2) RENAME_EXCHANGE on ramfs; path_resolution(7): .. is the parent", needs [RAMFS_EXCHANGE];
    ramfs_replacing_obeys_the_kinds: "rename(2) ERRORS: EISDIR, ENOTDIR, ENOTEMPTY, EINVAL, ENAMETOOLONG, on ramfs";
    ramfs_rename_changes_the_right_times: "inode(7) on ramfs: mtime of a directory, ctime of an inode", needs [RAMFS_EXCHANGE];
    ramfs_watches_are_told_of_every_rename: "inotify(7) on ramfs: Dealing with rename() events", needs [RAMFS_EXCHANGE, WATCHES];

    overlay_noreplace_replaces_nothing: "rename(2) RENAME_NOREPLACE: EEXIST; supported by overlayfs since Linux 3.18", needs [OVERLAY];
    overlay_exchange_swaps_names_and_parents: "rename(2) RENAME_EXCHANGE on overlayfs; path_resolution(7): .. is the parent", needs [OVERLAY];
    overlay_replacing_obeys_the_kinds: "rename(2) ERRORS: EISDIR, ENOTDIR, ENOTEMPTY, EINVAL, ENAMETOOLONG, on overlayfs", needs [OVERLAY];
    overlay_special_files_keep_their_numbers: "rename(2) on overlayfs: oldpath can be of any type; mknod(2)", needs [OVERLAY];
    overlay_rename_changes_the_right_times: "inode(7) on overlayfs: mtime of a directory, ctime of an inode", needs [OVERLAY];
    overlay_watches_are_told_of_every_rename: "inotify(7) on overlayfs: Dealing with rename() events", needs [OVERLAY, WATCHES];
    overlay_shows_renames_when_mounted_again: "rename(2) on overlayfs; umount(2): what was done is on the disk", needs [OVERLAY];
    overlay_refuses_whiteouts: "rename(2) ERRORS: EINVAL, the filesystem does not support one of the flags", needs [OVERLAY];
    overlay_move_hides_the_name_in_the_lower_layer: "overlayfs.rst: whiteouts and opaque directories; copy up", needs [OVERLAY];
    overlay_lower_directory_is_not_moved_without_redirection: "overlayfs.rst Renaming directories: EXDEV", needs [OVERLAY];
    overlay_lower_directory_is_moved_with_redirection: "overlayfs.rst redirect_dir: the directory is copied up, but not its contents", needs [OVERLAY, Need::Config("TMPFS_XATTR")];

    ext4_noreplace_replaces_nothing: "rename(2) RENAME_NOREPLACE: EEXIST; supported by ext4 since Linux 3.15", needs [LOOP, EXT4], files [EXT4_DISK];
    ext4_exchange_swaps_names_and_parents: "rename(2) RENAME_EXCHANGE on ext4; path_resolution(7): .. is the parent", needs [LOOP, EXT4], files [EXT4_DISK];
    ext4_replacing_obeys_the_kinds: "rename(2) ERRORS: EISDIR, ENOTDIR, ENOTEMPTY, EINVAL, ENAMETOOLONG, on ext4", needs [LOOP, EXT4], files [EXT4_DISK];
    ext4_whiteout_takes_the_place_of_the_source: "rename(2) RENAME_WHITEOUT: supported by ext4 since Linux 3.18", needs [LOOP, EXT4], files [EXT4_DISK];
    ext4_special_files_keep_their_numbers: "rename(2) on ext4: oldpath can be of any type; mknod(2)", needs [LOOP, EXT4], files [EXT4_DISK];
    ext4_rename_changes_the_right_times: "inode(7) on ext4: mtime of a directory, ctime of an inode", needs [LOOP, EXT4], files [EXT4_DISK];
    ext4_watches_are_told_of_every_rename: "inotify(7) on ext4: Dealing with rename() events", needs [LOOP, EXT4, WATCHES], files [EXT4_DISK];
    ext4_immutable_file_keeps_its_name: "ioctl_iflags(2) on ext4: FS_IMMUTABLE_FL, FS_APPEND_FL", needs [LOOP, EXT4], files [EXT4_DISK];
    ext4_shows_renames_when_mounted_again: "rename(2) on ext4; umount(2): what was done is on the disk", needs [LOOP, EXT4], files [EXT4_DISK];

    xfs_noreplace_replaces_nothing: "rename(2) RENAME_NOREPLACE: EEXIST; supported by xfs since Linux 4.0", needs [LOOP, XFS], files [XFS_DISK];
    xfs_exchange_swaps_names_and_parents: "rename(2) RENAME_EXCHANGE on xfs; path_resolution(7): .. is the parent", needs [LOOP, XFS], files [XFS_DISK];
    xfs_replacing_obeys_the_kinds: "rename(2) ERRORS: EISDIR, ENOTDIR, ENOTEMPTY, EINVAL, ENAMETOOLONG, on xfs", needs [LOOP, XFS], files [XFS_DISK];
    xfs_whiteout_takes_the_place_of_the_source: "rename(2) RENAME_WHITEOUT: supported by xfs since Linux 4.1", needs [LOOP, XFS], files [XFS_DISK];
    xfs_special_files_keep_their_numbers: "rename(2) on xfs: oldpath can be of any type; mknod(2)", needs [LOOP, XFS], files [XFS_DISK];
    xfs_rename_changes_the_right_times: "inode(7) on xfs: mtime of a directory, ctime of an inode", needs [LOOP, XFS], files [XFS_DISK];
    xfs_watches_are_told_of_every_rename: "inotify(7) on xfs: Dealing with rename() events", needs [LOOP, XFS, WATCHES], files [XFS_DISK];
    xfs_immutable_file_keeps_its_name: "ioctl_iflags(2) on xfs: FS_IMMUTABLE_FL, FS_APPEND_FL", needs [LOOP, XFS], files [XFS_DISK];
    xfs_shows_renames_when_mounted_again: "rename(2) on xfs; umount(2): what was done is on the disk", needs [LOOP, XFS], files [XFS_DISK];

    btrfs_noreplace_replaces_nothing: "rename(2) RENAME_NOREPLACE: EEXIST; supported by btrfs since Linux 3.16", needs [LOOP, BTRFS], files [BTRFS_DISK];
    btrfs_exchange_swaps_names_and_parents: "rename(2) RENAME_EXCHANGE on btrfs; path_resolution(7): .. is the parent", needs [LOOP, BTRFS], files [BTRFS_DISK];
    btrfs_replacing_obeys_the_kinds: "rename(2) ERRORS: EISDIR, ENOTDIR, ENOTEMPTY, EINVAL, ENAMETOOLONG, on btrfs", needs [LOOP, BTRFS], files [BTRFS_DISK];
    btrfs_whiteout_takes_the_place_of_the_source: "rename(2) RENAME_WHITEOUT: supported by btrfs since Linux 4.7", needs [LOOP, BTRFS], files [BTRFS_DISK];
    btrfs_special_files_keep_their_numbers: "rename(2) on btrfs: oldpath can be of any type; mknod(2)", needs [LOOP, BTRFS], files [BTRFS_DISK];
    btrfs_rename_changes_the_right_times: "inode(7) on btrfs: mtime of a directory, ctime of an inode", needs [LOOP, BTRFS], files [BTRFS_DISK];
    btrfs_watches_are_told_of_every_rename: "inotify(7) on btrfs: Dealing with rename() events", needs [LOOP, BTRFS, WATCHES], files [BTRFS_DISK];
    btrfs_immutable_file_keeps_its_name: "ioctl_iflags(2) on btrfs: FS_IMMUTABLE_FL, FS_APPEND_FL", needs [LOOP, BTRFS], files [BTRFS_DISK];
    btrfs_shows_renames_when_mounted_again: "rename(2) on btrfs; umount(2): what was done is on the disk", needs [LOOP, BTRFS], files [BTRFS_DISK];
};
