//! Times of files, on every filesystem that needs no device.

use super::support::*;
use crate::case::{CaseResult, Stop, setup, succeeds};
use crate::child::isolated;
use crate::sys::Errno;
use crate::{Context, check_eq, mounts, skip, syscall};
use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Access, change of content, change of status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    pub accessed: Time,
    pub modified: Time,
    pub changed: Time,
    /// Where the filesystem keeps it.
    pub born: Option<Time>,
}

fn c_path(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).expect("the paths here hold no NUL")
}

/// What stat(2) and statx(2) tell of a path, which must be the same.
pub fn times(path: &Path) -> Result<Times, Stop> {
    let name = c_path(path);
    // SAFETY: plain structures, for which zero is valid.
    let (mut stat, mut statx): (libc::stat, libc::statx) = unsafe { std::mem::zeroed() };
    let (here, flags) = (libc::AT_FDCWD, libc::AT_SYMLINK_NOFOLLOW);
    let mask = libc::STATX_BASIC_STATS | libc::STATX_BTIME;
    // SAFETY: the path lives through the calls, the structures are ours.
    unsafe {
        setup("stat", syscall!(libc::SYS_newfstatat, here, name.as_ptr(), &raw mut stat, flags))?;
        setup("statx", syscall!(libc::SYS_statx, here, name.as_ptr(), flags, mask, &raw mut statx))?;
    }
    let of = |time: libc::statx_timestamp| Time::new(time.tv_sec, time.tv_nsec.into());
    let told = Times {
        accessed: of(statx.stx_atime),
        modified: of(statx.stx_mtime),
        changed: of(statx.stx_ctime),
        born: (statx.stx_mask & libc::STATX_BTIME != 0).then(|| of(statx.stx_btime)),
    };
    let by_stat = Times {
        accessed: Time::new(stat.st_atime, stat.st_atime_nsec),
        modified: Time::new(stat.st_mtime, stat.st_mtime_nsec),
        changed: Time::new(stat.st_ctime, stat.st_ctime_nsec),
        born: told.born,
    };
    check_eq!(told, by_stat, "what statx tells of {}, against stat", path.display());
    Ok(told)
}

/// utimensat(2) with access and modification time, not following links.
pub fn set_times(path: &Path, times: [Time; 2]) -> Result<i64, Errno> {
    let (name, flags) = (c_path(path), libc::AT_SYMLINK_NOFOLLOW);
    // SAFETY: path and times live through the call.
    unsafe { syscall!(libc::SYS_utimensat, libc::AT_FDCWD, name.as_ptr(), times.as_ptr(), flags) }
}

/// Times within what every filesystem with 64-bit times keeps, and both sides of every edge of 32 bits.
const SECONDS: [i64; 9] = [
    0,
    -1,
    -LAST - 1,
    LAST,
    LAST + 1,
    LAST_UNSIGNED,
    LAST_UNSIGNED + 1,
    FAR,
    // 2446-05-10T22:38:55Z, the last second of ext4 with large inodes.
    15_032_385_535,
];

/// Whatever time utimensat(2) sets must be told.
pub fn keeps_every_time(path: &Path) -> CaseResult {
    keeps_with(path, [123_456_789, 999_999_999])
}

/// With these nanoseconds, for filesystems that keep none.
fn keeps_with(path: &Path, nanoseconds: [i64; 2]) -> CaseResult {
    for seconds in SECONDS {
        let asked = [Time::new(seconds, nanoseconds[0]), Time::new(seconds - 1, nanoseconds[1])];
        succeeds(&format!("utimensat of {} to {seconds}", path.display()), set_times(path, asked))?;
        let told = times(path)?;
        check_eq!([told.accessed, told.modified], asked, "times of {}", path.display());
    }
    let omitted = [Time::new(0, libc::UTIME_OMIT), Time::new(LAST + 2, 0)];
    let before = times(path)?;
    succeeds("utimensat with UTIME_OMIT", set_times(path, omitted))?;
    let after = times(path)?;
    check_eq!((after.accessed, after.modified), (before.accessed, omitted[1]), "times after UTIME_OMIT");
    Ok(())
}

/// All times that are noted now must be of now.
fn is_of_today(what: &str, times: &Times) -> CaseResult {
    for (name, time) in [
        ("access", Some(times.accessed)),
        ("modification", Some(times.modified)),
        ("status change", Some(times.changed)),
        ("birth", times.born),
    ] {
        if let Some(time) = time {
            is_of_now(&format!("time of {name} of {what}"), time.seconds)?;
        }
    }
    Ok(())
}

/// What the kernel notes by itself when files are made and used beyond the end of 32 bits.
pub fn notes_the_time(folder: &Path) -> CaseResult {
    let path = folder.join("noted");
    let made = |result: std::io::Result<()>, what: &str| {
        result.map_err(|error| Stop::Broken(format!("{what} in {}: {error}", folder.display())))
    };
    for seconds in [LAST + 100, FAR] {
        set(Time::new(LAST - 100_000, 0))?;
        made(fs::write(&path, b"old"), "create")?;
        set(Time::new(seconds, 0))?;
        made(fs::write(&path, b"new content"), "write")?;
        let written = times(&path)?;
        is_of_now("modification time after a write", written.modified.seconds)?;
        is_of_now("status change time after a write", written.changed.seconds)?;
        succeeds("utimensat to 0", set_times(&path, [Time::default(); 2]))?;
        let now = [Time::new(0, libc::UTIME_NOW); 2];
        succeeds("utimensat with UTIME_NOW", set_times(&path, now))?;
        let touched = times(&path)?;
        is_of_now("access time after UTIME_NOW", touched.accessed.seconds)?;
        is_of_now("modification time after UTIME_NOW", touched.modified.seconds)?;
        made(fs::remove_file(&path), "unlink")?;
        made(fs::write(&path, b"another"), "create")?;
        is_of_today("a new file", &times(&path)?)?;
        is_of_now("modification time of the directory", times(folder)?.modified.seconds)?;
        made(fs::remove_file(&path), "unlink")?;
    }
    Ok(())
}

/// Mounts the filesystem where only this child sees it, and judges a file there.
fn on_mounted(context: &Context, kind: &str, judge: fn(&Path) -> CaseResult) -> CaseResult {
    let target = context.scratch.join("mounted");
    fs::create_dir(&target).map_err(|error| Stop::Broken(format!("{}: {error}", target.display())))?;
    isolated(|| {
        mounts::private()?;
        match mounts::mount(kind, &target, 0) {
            Err(Stop::Broken(why)) => skip!("missing filesystem: {kind} ({why})"),
            other => other?,
        }
        judge(&target)
    })
}

/// A new, empty file.
pub fn file_in(folder: &Path) -> Result<PathBuf, Stop> {
    let path = folder.join("file");
    fs::write(&path, b"").map_err(|error| Stop::Broken(format!("{}: {error}", path.display())))?;
    Ok(path)
}

pub fn tmpfs_keeps_times_beyond_32_bits(context: &Context) -> CaseResult {
    on_mounted(context, "tmpfs", |folder| {
        keeps_every_time(&file_in(folder)?)?;
        keeps_every_time(folder)?;
        notes_the_time(folder)
    })
}

pub fn ramfs_keeps_times_beyond_32_bits(context: &Context) -> CaseResult {
    on_mounted(context, "ramfs", |folder| {
        keeps_every_time(&file_in(folder)?)?;
        keeps_every_time(folder)?;
        notes_the_time(folder)
    })
}

pub fn hugetlbfs_keeps_times_beyond_32_bits(context: &Context) -> CaseResult {
    on_mounted(context, "hugetlbfs", |folder| keeps_every_time(&file_in(folder)?))
}

pub fn mqueue_keeps_times_beyond_32_bits(context: &Context) -> CaseResult {
    // Times there are whole seconds.
    on_mounted(context, "mqueue", |folder| keeps_with(&file_in(folder)?, [0, 0]))
}

pub fn cgroup2_keeps_times_beyond_32_bits(context: &Context) -> CaseResult {
    on_mounted(context, "cgroup2", |folder| {
        let group = folder.join("y2038");
        fs::create_dir(&group).map_err(|error| Stop::Broken(format!("{}: {error}", group.display())))?;
        keeps_every_time(&group)
    })
}

/// Every kind of file has an inode of its own sort.
pub fn every_kind_of_file_keeps_times_beyond_32_bits(context: &Context) -> CaseResult {
    let path = |name: &str| context.scratch.join(name);
    let broken = |what: &str, error: std::io::Error| Stop::Broken(format!("{what}: {error}"));
    set(Time::new(FAR, 0))?;
    fs::create_dir(path("directory")).map_err(|error| broken("mkdir", error))?;
    std::os::unix::fs::symlink("nowhere", path("link")).map_err(|error| broken("symlink", error))?;
    std::os::unix::net::UnixListener::bind(path("socket")).map_err(|error| broken("bind", error))?;
    for (name, kind, device) in [("fifo", libc::S_IFIFO, 0), ("device", libc::S_IFCHR, 0x103)] {
        let node = c_path(&path(name));
        // SAFETY: the path lives through the call.
        let made = unsafe { syscall!(libc::SYS_mknod, node.as_ptr(), kind | 0o600, device) };
        setup("mknod", made)?;
    }
    for name in ["directory", "link", "socket", "fifo", "device"] {
        is_of_today(&format!("a new {name}"), &times(&path(name))?)?;
        keeps_every_time(&path(name))?;
    }
    Ok(())
}

/// Inodes without a file: made when the clock is past the end, so that is what fstat(2) must tell.
pub fn nameless_inodes_are_of_today(_: &Context) -> CaseResult {
    for seconds in [LAST + 1, FAR] {
        set(Time::new(seconds, 0))?;
        let (reader, _writer) = crate::child::pipe()?;
        // SAFETY: the name lives through the call.
        let memory = unsafe { syscall!(libc::SYS_memfd_create, c"y2038".as_ptr(), libc::MFD_CLOEXEC) };
        let memory = crate::sys::owned(setup("memfd_create", memory)?);
        let status = |what: &str, told: Result<libc::stat, Errno>| {
            let told = setup(what, told)?;
            is_of_now(&format!("modification time of {what}"), told.st_mtime)?;
            is_of_now(&format!("status change time of {what}"), told.st_ctime)
        };
        status("a pipe", crate::file::status(&reader))?;
        status("a memfd", crate::file::status(&memory))?;
    }
    Ok(())
}
