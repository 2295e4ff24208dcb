//! kdbus, which is not there.
//!
//! A message bus in the kernel was posted for review from 2014 to 2015 and withdrawn; it never was in a release. What
//! people wanted of it is what other interfaces do, and there it is tested: messages with bounds, descriptors,
//! sealed memory and credentials over UNIX sockets are the cases of `net` (`sealed_memory_is_handed_over` and its
//! neighbours), sealing itself is `memfd`.

use crate::{Case, CaseResult, Context, Stop, Suite, cases, check};
use std::path::Path;

pub const SUITE: Suite = Suite {
    name: "kdbus",
    about: "kdbus was never merged: says so; net and memfd hold the cases of what took its place",
    needs: &[],
    cases: CASES,
};

const CASES: &[Case] = cases! {
    kdbus_was_never_merged: "linux-kernel, 2015-11: kdbus withdrawn; no release has ipc/kdbus; memfd_create(2), unix(7)";
};

/// A kernel that has it carries an interface that no release promises and no page describes.
fn kdbus_was_never_merged(_: &Context) -> CaseResult {
    let filesystems = std::fs::read_to_string("/proc/filesystems")
        .map_err(|error| Stop::Broken(format!("/proc/filesystems: {error}")))?;
    let known = filesystems.lines().any(|line| line.split_whitespace().any(|word| word == "kdbusfs"));
    check!(!known, "this kernel has kdbusfs, which was never merged: no page says how it must behave");
    for path in ["/dev/kdbus", "/sys/fs/kdbus"] {
        check!(
            !Path::new(path).exists(),
            "{path} exists: kdbus was never merged, no page says how it must behave"
        );
    }
    Ok(())
}
