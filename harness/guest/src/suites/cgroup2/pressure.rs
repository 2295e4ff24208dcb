//! Pressure stall information of groups (Documentation/accounting/psi.rst).

use super::group::*;
use crate::case::{fails_with, setup, succeeds};
use crate::sys::Errno;
use crate::{CaseResult, Context, Stop, check, check_eq, file, scheduling, skip};
use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant};

const FILES: [&str; 3] = ["cpu.pressure", "memory.pressure", "io.pressure"];

/// A new group, unless the kernel was told not to keep account.
fn group(context: &Context) -> Result<Group, Stop> {
    let group = Group::root(context)?.child("case")?;
    match group.try_read("cpu.pressure") {
        Err(Errno(libc::ENOENT | libc::EOPNOTSUPP)) => {
            skip!("pressure is not accounted for: PSI_DEFAULT_DISABLED or psi=0")
        }
        _ => Ok(group),
    }
}

/// The total in microseconds of one line of a file.
fn total(group: &Group, name: &str, line: &str) -> Result<Option<u64>, Stop> {
    let text = group.read(name)?;
    let Some(found) = text.lines().find(|one| one.starts_with(line)) else { return Ok(None) };
    let words: Vec<&str> = found.split(' ').collect();
    let [_, averages @ .., total] = &words[..] else {
        return Err(Stop::Fail(format!("a line of {name}: {found}")));
    };
    for (word, key) in averages.iter().zip(["avg10=", "avg60=", "avg300="]) {
        let share = word.strip_prefix(key).and_then(|share| share.parse::<f64>().ok());
        check!(share.is_some_and(|share| (0.0..=100.0).contains(&share)), "{key} of {name}: {found}");
    }
    let total = total.strip_prefix("total=").and_then(|total| total.parse().ok());
    check!(averages.len() == 3 && total.is_some(), "a line of {name}: {found}");
    Ok(total)
}

pub fn pressure_is_told_of_each_resource(context: &Context) -> CaseResult {
    let group = group(context)?;
    for name in FILES {
        check_eq!(total(&group, name, "some ")?, Some(0), "some of {name} of a new group");
        // Of the CPU since 5.13 only.
        let full = total(&group, name, "full ")?;
        check!(full == Some(0) || name == "cpu.pressure", "full of {name} of a new group: {full:?}");
    }
    Ok(())
}

/// Two members that want the same CPU.
fn contention(group: &Group) -> Result<[Member; 2], Stop> {
    scheduling::use_one_cpu()?;
    Ok([Member::busy(group)?, Member::busy(group)?])
}

fn grows(group: &Group, from: u64, when: &str) -> CaseResult {
    let deadline = Instant::now() + PATIENCE;
    while total(group, "cpu.pressure", "some ")?.unwrap_or(0) <= from {
        check!(Instant::now() < deadline, "two processes want one CPU, and cpu.pressure shows none {when}");
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

pub fn contended_cpu_is_pressure_where_it_is(context: &Context) -> CaseResult {
    let group = group(context)?;
    let (inner, beside) = (group.child("inner")?, group.child("beside")?);
    let _members = contention(&inner)?;
    grows(&inner, 0, "in their group")?;
    grows(&group, 0, "in its parent")?;
    check_eq!(total(&beside, "cpu.pressure", "some ")?, Some(0), "pressure in a group beside them");
    Ok(())
}

fn open(group: &Group, name: &str) -> Result<OwnedFd, Stop> {
    let path =
        CString::new(group.path.join(name).as_os_str().as_bytes()).expect("paths of cases hold no NUL");
    let flags = libc::O_RDWR | libc::O_NONBLOCK | libc::O_CLOEXEC;
    succeeds(&format!("open of {name} for writing"), file::open_at(libc::AT_FDCWD, &path, flags, 0))
}

pub fn trigger_wakes_whoever_waits_for_pressure(context: &Context) -> CaseResult {
    let group = group(context)?;
    let trigger = open(&group, "cpu.pressure")?;
    let wakes = |time: Duration| setup("poll", file::poll(&trigger, libc::POLLPRI, time));
    succeeds("a trigger", file::write(&trigger, b"some 1000 500000\0"))?;
    let second = file::write(&trigger, b"some 2000 500000\0");
    fails_with("a second trigger on one descriptor", second, libc::EBUSY)?;
    check_eq!(wakes(Duration::ZERO)?, 0, "events of a trigger in a group without processes");
    let _members = contention(&group)?;
    check_eq!(wakes(PATIENCE)?, libc::POLLPRI, "events of a trigger while two processes want one CPU");
    Ok(())
}

pub fn bad_trigger_is_refused(context: &Context) -> CaseResult {
    let group = group(context)?;
    for name in FILES {
        let file = open(&group, name)?;
        for value in [
            "most 1000 1000000",
            "some 1000",
            "some 1 0",
            "some 1000 10000001",
            "some 0 1000000",
            "some 1000001 1000000",
        ] {
            let written = file::write(&file, format!("{value}\0").as_bytes());
            fails_with(&format!("{value} in {name}"), written, libc::EINVAL)?;
        }
        // Shorter windows are taken since 6.6.
        for value in ["some 500000 500000", "some 1 10000000"] {
            let written = file::write(&open(&group, name)?, format!("{value}\0").as_bytes());
            succeeds(&format!("{value} in {name}"), written)?;
        }
    }
    Ok(())
}

/// While it is off there are no files, or nothing moves in them.
pub fn pressure_is_not_accounted_for_when_switched_off(context: &Context) -> CaseResult {
    let group = group(context)?;
    let inner = group.child("inner")?;
    group.holds("cgroup.pressure", "1", "of a new group")?;
    for value in ["2", "-1", "off"] {
        check!(group.write("cgroup.pressure", value).is_err(), "{value} in cgroup.pressure was accepted");
    }
    let shown = || match group.try_read("cpu.pressure") {
        Ok(_) => total(&group, "cpu.pressure", "some "),
        Err(_) => Ok(None),
    };
    group.set("cgroup.pressure", "0")?;
    group.holds("cgroup.pressure", "0", "after it was written")?;
    let before = shown()?;
    let _members = contention(&inner)?;
    // The switch is the group's own, not that of those below.
    grows(&inner, 0, "below a group that does not account for it")?;
    check_eq!(shown()?, before, "pressure of a group that does not account for it");
    group.set("cgroup.pressure", "1")?;
    grows(&group, before.unwrap_or(0), "after accounting was switched on again")
}
