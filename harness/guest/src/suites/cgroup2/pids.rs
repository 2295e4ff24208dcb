//! The pids controller.

use super::group::*;
use crate::case::{fails_with, setup, succeeds};
use crate::child;
use crate::sys::Errno;
use crate::{CaseResult, Context, check_eq};

/// Runs in a process of its own inside the group.
fn inside(group: &Group, judge: impl FnOnce() -> CaseResult) -> CaseResult {
    child::isolated(|| {
        setup("move of oneself", group.join(0))?;
        judge()
    })
}

pub fn fork_is_refused_exactly_above_the_limit(context: &Context) -> CaseResult {
    let group = Group::with(context, &["pids"])?;
    group.holds("pids.max", "max", "of a new group")?;
    group.holds("pids.current", "0", "of a new group")?;
    inside(&group, || {
        for (limit, allowed) in [(1, 0), (2, 1), (4, 3)] {
            group.set("pids.max", &limit.to_string())?;
            group.holds("pids.max", &limit.to_string(), "after it was written")?;
            let before = group.key("pids.events", "max")?;
            let mut members = Vec::new();
            for _ in 0..allowed {
                members.push(Born::waiting()?);
            }
            check_eq!(group.number("pids.current")?, limit, "pids.current at the limit");
            fails_with(&format!("fork at pids.max {limit}"), fork_once(), libc::EAGAIN)?;
            check_eq!(group.key("pids.events", "max")?, before + 1, "max of pids.events after one refusal");
            check_eq!(group.number("pids.current")?, limit, "pids.current after a refused fork");
            members.pop();
            if allowed > 0 {
                succeeds("fork one below the limit", fork_once())?;
            }
        }
        group.set("pids.max", "max")?;
        succeeds("fork without a limit", fork_once())
    })
}

/// A forked child that waits, killed and waited for when dropped.
struct Born(i32);

impl Born {
    fn waiting() -> Result<Born, crate::Stop> {
        let pid = child::fork()?;
        if pid == 0 {
            child::pause()
        }
        Ok(Born(pid))
    }
}

impl Drop for Born {
    fn drop(&mut self) {
        // SAFETY: a child of ours that is not waited for yet.
        unsafe {
            libc::kill(self.0, libc::SIGKILL);
            libc::waitpid(self.0, std::ptr::null_mut(), 0);
        }
    }
}

/// Limits hold for births, not for moves: who is there stays there.
pub fn move_may_exceed_the_limit_and_fork_may_not(context: &Context) -> CaseResult {
    let group = Group::with(context, &["pids"])?;
    group.set("pids.max", "1")?;
    let (_first, _second) = (Member::idle(&group)?, Member::idle(&group)?);
    check_eq!(group.number("pids.current")?, 2, "pids.current after two moves under pids.max 1");
    inside(&group, || fails_with("fork of three under pids.max 1", fork_once(), libc::EAGAIN))?;
    group.set("pids.max", "0")?;
    check_eq!(group.processes()?.len(), 2, "processes after pids.max 0");
    Ok(())
}

pub fn limit_of_an_ancestor_holds_for_all_below(context: &Context) -> CaseResult {
    let group = Group::with(context, &["pids"])?;
    let (first, second) = (group.child("first")?, group.child("second")?);
    group.set("cgroup.subtree_control", "+pids")?;
    group.set("pids.max", "2")?;
    let _member = Member::idle(&first)?;
    inside(&second, || {
        check_eq!(group.number("pids.current")?, 2, "pids.current of the parent of two groups");
        check_eq!(second.number("pids.current")?, 1, "pids.current of one of them");
        fails_with("fork at the parent's limit", fork_once(), libc::EAGAIN)?;
        group.set("pids.max", "3")?;
        succeeds("fork below the parent's limit", fork_once())
    })
}

pub fn bad_pids_limit_is_refused(context: &Context) -> CaseResult {
    let group = Group::with(context, &["pids"])?;
    // PID_MAX_LIMIT of a 64-bit kernel is 4194304; that many and more is no limit.
    for value in ["-1", "many", "4194305", ""] {
        if value.is_empty() {
            continue;
        }
        let result = group.write("pids.max", value);
        check_eq!(result, Err(Errno(libc::EINVAL)), "{value} in pids.max");
        group.holds("pids.max", "max", "after a refused write")?;
    }
    // With CONFIG_BASE_SMALL it is 32768.
    let is_small = group.write("pids.max", "32769") == Err(Errno(libc::EINVAL));
    let largest = if is_small { "32768" } else { "4194303" };
    group.set("pids.max", largest)?;
    group.holds("pids.max", largest, "after the largest limit was written")
}

pub fn ended_process_no_longer_counts(context: &Context) -> CaseResult {
    let group = Group::with(context, &["pids"])?;
    let member = Member::doing(&group, || {})?;
    member.ending()?;
    let deadline = std::time::Instant::now() + PATIENCE;
    while group.number("pids.current")? != 0 && std::time::Instant::now() < deadline {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    group.holds("pids.current", "0", "after the only process ended")
}
