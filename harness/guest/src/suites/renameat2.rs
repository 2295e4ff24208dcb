//! renameat2(2), on tmpfs: the one filesystem that every kernel has and that supports all three flags.

use crate::{Case, Need, Suite, cases};

mod arguments;
mod exchange;
mod noreplace;
mod permission;
mod tree;
mod whiteout;

use {arguments::*, exchange::*, noreplace::*, permission::*, whiteout::*};

pub const SUITE: Suite = Suite {
    name: "renameat2",
    about: "renameat2(2): no replacing, exchange and whiteouts",
    needs: &[Need::Config("TMPFS")],
    cases: CASES,
};

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
    filesystem_without_whiteouts_refuses_them: "rename(2) ERRORS: EINVAL, the filesystem does not support one of the flags";

    unknown_flag_is_refused: "rename(2) ERRORS: EINVAL, an invalid flag was specified in flags";
    contradicting_flags_are_refused: "rename(2) ERRORS: EINVAL, both NOREPLACE and EXCHANGE, or WHITEOUT and EXCHANGE";
    names_are_relative_to_their_directories: "rename(2) renameat(): relative to the directory the descriptor refers to";
    bad_directory_is_refused: "rename(2) ERRORS: EBADF, ENOTDIR, ENOENT";
    names_outside_memory_are_refused: "rename(2) ERRORS: EFAULT, outside the accessible address space";
    dot_and_dot_dot_are_refused: "rename(2) ERRORS: EBUSY, a directory that is in use";
    trailing_slash_asks_for_a_directory: "path_resolution(7): a trailing slash forces resolution to a directory";

    both_directories_must_be_writable: "rename(2) ERRORS: EACCES, write permission is denied for either directory";
    exchange_respects_the_sticky_bit_on_both_sides: "rename(2) ERRORS: EPERM, the sticky bit is set";
    rename_across_mounts_is_refused: "rename(2) ERRORS: EXDEV, not on the same mounted filesystem";
    read_only_mount_is_refused: "rename(2) ERRORS: EROFS, the file is on a read-only filesystem";
    mount_point_is_busy: "rename(2) ERRORS: EBUSY, a directory in use by the system, as mount point";
};
