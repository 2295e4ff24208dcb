//! The io controller, on a null block device.

use super::group::*;
use crate::case::{setup, succeeds};
use crate::mapping::{Mapping, PAGE};
use crate::sys::Errno;
use crate::{CaseResult, Context, Stop, check, check_eq, file, syscall};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

const BLOCK: usize = 64 << 10;

/// The numbers of the device, as the io files name it.
fn device() -> Result<String, Stop> {
    let numbers = std::fs::read_to_string("/sys/block/nullb0/dev");
    Ok(numbers.map_err(|error| Stop::Broken(format!("the null block device: {error}")))?.trim().to_owned())
}

/// The value of a key in the device's line of io.stat; nothing there is zero.
fn counted(group: &Group, key: &str) -> Result<u64, Stop> {
    let (device, text) = (device()?, group.read("io.stat")?);
    let line = text.lines().find_map(|line| line.strip_prefix(&device)).unwrap_or_default();
    let value = |word: &str| word.split_once('=').filter(|(name, _)| *name == key)?.1.parse().ok();
    Ok(line.split_whitespace().find_map(value).unwrap_or(0))
}

/// A member that reads or writes so many pieces past every cache; how long it took.
fn transfer(group: &Group, write: bool, piece: usize, count: usize) -> Result<Duration, Stop> {
    let access = if write { libc::O_WRONLY } else { libc::O_RDONLY } | libc::O_DIRECT | libc::O_CLOEXEC;
    let buffer = Mapping::anonymous(BLOCK, libc::PROT_READ | libc::PROT_WRITE)?;
    let start = Instant::now();
    let member = Member::doing(group, || {
        let Ok(disk) = file::open_at(libc::AT_FDCWD, c"/dev/nullb0", access, 0) else {
            crate::child::exit(1)
        };
        let number = if write { libc::SYS_pwrite64 } else { libc::SYS_pread64 };
        for index in 0..count {
            // SAFETY: the buffer is ours and at least as long as a piece.
            let done = unsafe { syscall!(number, disk.as_raw_fd(), buffer.address(), piece, index * piece) };
            if done != Ok(piece as i64) {
                crate::child::exit(2);
            }
        }
    })?;
    check_eq!(member.ending()?, crate::child::Ending::Exited(0), "end of a writer");
    Ok(start.elapsed())
}

pub fn transfers_are_counted_for_who_made_them(context: &Context) -> CaseResult {
    let group = Group::with(context, &["io"])?;
    let (first, second) = (group.child("first")?, group.child("second")?);
    group.set("cgroup.subtree_control", "+io")?;
    transfer(&first, true, BLOCK, 3)?;
    transfer(&first, false, PAGE, 5)?;
    let counts = |group: &Group| -> Result<_, Stop> {
        Ok([
            counted(group, "wbytes")?,
            counted(group, "wios")?,
            counted(group, "rbytes")?,
            counted(group, "rios")?,
        ])
    };
    // Above 64 KiB a transfer could be split; these are not.
    check_eq!(counts(&first)?, [3 * BLOCK as u64, 3, 5 * PAGE as u64, 5], "wbytes, wios, rbytes, rios");
    check_eq!(counts(&second)?, [0; 4], "wbytes, wios, rbytes, rios of a group that did nothing");
    check_eq!(counts(&group)?, counts(&first)?, "the counts of the parent");
    Ok(())
}

/// Twice what a second allows takes more than a second; without limit it takes a moment.
pub fn bytes_per_second_are_limited(context: &Context) -> CaseResult {
    let group = Group::with(context, &["io"])?;
    group.set("io.max", &format!("{} wbps=1048576", device()?))?;
    let took = transfer(&group, true, BLOCK, 32)?;
    check!(took > Duration::from_millis(900), "2 MiB at wbps=1048576 took {took:?}");
    let took = transfer(&group, false, BLOCK, 32)?;
    check!(took < Duration::from_millis(900) || !context.exact, "2 MiB read under wbps took {took:?}");
    group.set("io.max", &format!("{} rbps=1048576 wbps=max", device()?))?;
    let took = transfer(&group, false, BLOCK, 32)?;
    check!(took > Duration::from_millis(900), "2 MiB at rbps=1048576 took {took:?}");
    Ok(())
}

pub fn operations_per_second_are_limited(context: &Context) -> CaseResult {
    let group = Group::with(context, &["io"])?;
    let inner = group.child("inner")?;
    group.set("cgroup.subtree_control", "+io")?;
    for (key, write) in [("riops", false), ("wiops", true)] {
        // The parent's limit holds for its child.
        group.set("io.max", &format!("{} riops=max wiops=max {key}=20", device()?))?;
        let took = transfer(&inner, write, PAGE, 40)?;
        check!(took > Duration::from_millis(900), "40 operations at {key}=20 took {took:?}");
        let took = transfer(&inner, !write, PAGE, 40)?;
        check!(
            took < Duration::from_millis(900) || !context.exact,
            "40 operations of the other kind took {took:?} at {key}=20"
        );
    }
    Ok(())
}

/// The weight is each group's own: a child has the default whatever its parent has.
pub fn io_weight_is_kept_within_its_range(context: &Context) -> CaseResult {
    let group = Group::with(context, &["io"])?;
    let default = |group: &Group, weight: &str, when: &str| -> CaseResult {
        let text = group.read("io.weight")?;
        check_eq!(text.lines().next(), Some(&*format!("default {weight}")), "first line of io.weight {when}");
        Ok(())
    };
    default(&group, "100", "of a new group")?;
    for value in ["0", "10001", "default 0", "default 10001", "heavy"] {
        check!(group.write("io.weight", value).is_err(), "{value} in io.weight was accepted");
        default(&group, "100", "after a refused write")?;
    }
    for (value, shown) in [("1", "1"), ("10000", "10000"), ("default 250", "250")] {
        group.set("io.weight", value)?;
        default(&group, shown, &format!("after {value} was written"))?;
    }
    group.set("cgroup.subtree_control", "+io")?;
    default(&group.child("inner")?, "100", "of a new child of a group with 250")
}

pub fn bad_io_limit_is_refused(context: &Context) -> CaseResult {
    let (group, device) = (Group::with(context, &["io"])?, device()?);
    for (value, errno) in [
        ("wbps=1000".to_owned(), libc::EINVAL),
        ("511:1048575 wbps=1000".to_owned(), libc::ENODEV),
        (format!("{device} wbps=0"), libc::ERANGE),
        (format!("{device} speed=1000"), libc::EINVAL),
        (format!("{device} wbps=fast"), libc::EINVAL),
    ] {
        check_eq!(group.write("io.max", &value), Err(Errno(errno)), "{value} in io.max");
        group.holds("io.max", "", "after a refused write")?;
    }
    group.set("io.max", &format!("{device} rbps=2097152 wiops=120"))?;
    let line = format!("{device} rbps=2097152 wbps=max riops=max wiops=120");
    group.holds("io.max", &line, "after two of four limits were written")?;
    succeeds("all limits lifted", group.write("io.max", &format!("{device} rbps=max wiops=max")))?;
    group.holds("io.max", "", "after the limits were lifted")?;
    setup("rmdir", remove(&group.path))
}
