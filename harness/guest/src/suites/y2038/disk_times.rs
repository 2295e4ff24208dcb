//! Times of files on filesystems with a disk behind them, which must outlive a mount, and on layers of filesystems.

use super::file_times::*;
use super::support::*;
use crate::case::{CaseResult, Stop, setup, succeeds};
use crate::child::isolated;
use crate::disk::Disk;
use crate::sys::Errno;
use crate::{Context, check, check_eq, mounts, skip};
use std::fs;
use std::path::PathBuf;

/// Both times of a file must stay off the ends of what ext4 keeps, where fractions of seconds are cut off.
const SECONDS_ON_DISK: [i64; 8] =
    [0, -1, -LAST, LAST, LAST + 1, LAST_UNSIGNED, LAST_UNSIGNED + 1, 15_032_385_000];

/// Judges files on a disk, also after it was mounted anew.
fn on_disk(context: &Context, kind: &'static str) -> CaseResult {
    let target = context.scratch.join("mounted");
    fs::create_dir(&target).map_err(|error| Stop::Broken(format!("{}: {error}", target.display())))?;
    isolated(|| {
        mounts::private()?;
        let disk = Disk::new(context, kind)?;
        disk.mount(&target, "")?;
        notes_the_time(&target)?;
        let files = SECONDS_ON_DISK.map(|seconds| {
            let times = [Time::new(seconds, 123_456_789), Time::new(seconds + 1, 999_999_999)];
            (target.join(format!("at{seconds}")), times)
        });
        for (path, asked) in &files {
            fs::write(path, b"").map_err(|error| Stop::Broken(format!("{}: {error}", path.display())))?;
            succeeds(&format!("utimensat of {}", path.display()), set_times(path, *asked))?;
            let told = times(path)?;
            check_eq!([told.accessed, told.modified], *asked, "times of {}", path.display());
        }
        mounts::unmount(&target)?;
        disk.mount(&target, "")?;
        for (path, asked) in &files {
            let told = times(path)?;
            let told = [told.accessed, told.modified];
            check_eq!(told, *asked, "times of {} when {kind} was mounted anew", path.display());
        }
        Ok(())
    })
}

pub fn ext4_keeps_times_beyond_32_bits(context: &Context) -> CaseResult {
    on_disk(context, "ext4")
}

pub fn btrfs_keeps_times_beyond_32_bits(context: &Context) -> CaseResult {
    on_disk(context, "btrfs")
}

pub fn xfs_with_bigtime_keeps_times_beyond_32_bits(context: &Context) -> CaseResult {
    on_disk(context, "xfs-bigtime")
}

/// Layers of an overlay: below, above, for its own work, and where all is seen.
fn layers(context: &Context) -> Result<[PathBuf; 4], Stop> {
    let folders = ["lower", "upper", "work", "merged"].map(|name| context.scratch.join("mounted").join(name));
    for folder in &folders {
        fs::create_dir_all(folder).map_err(|error| Stop::Broken(format!("{}: {error}", folder.display())))?;
    }
    Ok(folders)
}

/// The times of files above are their own; a file from below takes its times along when it is copied up.
pub fn overlay_keeps_times_beyond_32_bits(context: &Context) -> CaseResult {
    let folders = layers(context)?;
    isolated(|| {
        mounts::private()?;
        let [lower, upper, work, merged] = &folders;
        let times_below = [Time::new(FAR, 5), Time::new(LAST + 1, 6)];
        let below = file_in(lower)?;
        setup("utimensat", set_times(&below, times_below))?;
        let options =
            format!("lowerdir={},upperdir={},workdir={}", lower.display(), upper.display(), work.display());
        match mounts::mount_from("overlay", merged, "overlay", &options) {
            Err(Errno(libc::ENODEV)) => skip!("missing module or symbol: overlay"),
            other => setup("mount of an overlay", other)?,
        }
        let seen = merged.join("file");
        let told = times(&seen)?;
        check_eq!([told.accessed, told.modified], times_below, "times of a file below");
        // A change of its permissions copies a file up.
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o640);
        fs::set_permissions(&seen, mode).map_err(|error| Stop::Broken(format!("chmod: {error}")))?;
        check!(upper.join("file").exists(), "chmod of a file below does not copy it up");
        check_eq!(times(&seen)?.modified, times_below[1], "modification time of a file that was copied up");
        keeps_every_time(&seen)?;
        keeps_every_time(merged)?;
        notes_the_time(merged)
    })
}
