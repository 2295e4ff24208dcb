//! Delegation to somebody without privilege, and cgroup namespaces.

use super::group::*;
use super::tree::place_of;
use crate::case::{fails_with, setup, succeeds};
use crate::child::{self, NOBODY};
use crate::{CaseResult, Context, Stop, check, check_eq, syscall};
use std::os::unix::ffi::OsStrExt;

pub fn nobody_touches_groups_of_others(context: &Context) -> CaseResult {
    let group = Group::with(context, &["pids"])?;
    let member = Member::idle(&group)?;
    child::unprivileged(|| {
        fails_with("mkdir in somebody else's group", make(&group.path.join("mine")), libc::EACCES)?;
        for file in
            ["cgroup.procs", "cgroup.freeze", "pids.max", "cgroup.subtree_control", "cgroup.max.depth"]
        {
            fails_with(
                &format!("write to {file} of somebody else's group"),
                group.write(file, "1"),
                libc::EACCES,
            )?;
        }
        check_eq!(group.processes()?, [member.pid], "processes of somebody else's group, read");
        Ok(())
    })
}

/// The delegatee arranges what is inside and changes no limit that was set for him.
pub fn delegatee_rules_inside_and_not_outside(context: &Context) -> CaseResult {
    let root = Group::root(context)?;
    let group = Group::with(context, &["pids"])?;
    let (outside, inner) = (root.child("outside")?, group.child("inner")?);
    group.delegate(NOBODY)?;
    inner.delegate(NOBODY)?;
    let member = Member::idle(&group)?;
    child::isolated(|| {
        setup("move of oneself", inner.join(0))?;
        child::drop_privileges()?;
        let own = group.path.join("own");
        succeeds("mkdir in a delegated group", make(&own))?;
        succeeds("move of oneself inside", write(&own.join("cgroup.procs"), "0"))?;
        check_eq!(place_of(std::process::id() as i32)?, "/case/own", "where one is after the move");
        let pid = member.pid.to_string();
        succeeds("move of another process inside", write(&inner.path.join("cgroup.procs"), &pid))?;
        fails_with("a limit of the delegated group", group.write("pids.max", "10"), libc::EACCES)?;
        fails_with("cgroup.freeze of the delegated group", group.write("cgroup.freeze", "1"), libc::EACCES)?;
        succeeds("+pids for one's own groups", group.write("cgroup.subtree_control", "+pids"))?;
        succeeds("a limit of one's own group", write(&own.join("pids.max"), "10"))?;
        succeeds("-pids", group.write("cgroup.subtree_control", "-pids"))?;
        fails_with("move of oneself outside", outside.join(0), libc::EACCES)?;
        // The way out needs the common ancestor, even to a group that is one's own.
        succeeds("move back of oneself inside", inner.join(0))?;
        succeeds("rmdir of one's own group", remove(&own))
    })?;
    outside.delegate(NOBODY)?;
    child::isolated(|| {
        setup("move of oneself", inner.join(0))?;
        child::drop_privileges()?;
        fails_with("move to another group of one's own, across the root", outside.join(0), libc::EACCES)
    })
}

/// Who opened cgroup.procs is judged, not who was talked into writing to it: CVE-2021-4197.
pub fn opener_of_a_file_is_judged_not_its_writer(context: &Context) -> CaseResult {
    let root = Group::root(context)?;
    let (group, outside) = (root.child("case")?, root.child("outside")?);
    outside.delegate(NOBODY)?;
    let member = Member::idle(&group)?;
    let path = outside.path.join("cgroup.procs");
    child::isolated(|| {
        let become_user = |user: u32| {
            // SAFETY: takes no pointers; the saved user stays root.
            setup("setresuid", unsafe { syscall!(libc::SYS_setresuid, u32::MAX, user, u32::MAX) })
        };
        become_user(NOBODY)?;
        let opened = std::fs::File::options().write(true).open(&path);
        become_user(0)?;
        let file =
            opened.map_err(|error| Stop::Broken(format!("open of one's own cgroup.procs: {error}")))?;
        let written = crate::file::write(&file, member.pid.to_string().as_bytes());
        fails_with("write by root to what nobody opened, across the root", written, libc::EACCES)
    })?;
    check_eq!(group.processes()?, [member.pid], "processes of the group after a refused move");
    Ok(())
}

pub fn namespace_shows_paths_from_its_root(context: &Context) -> CaseResult {
    let root = Group::root(context)?;
    let group = root.child("case")?;
    let (inner, beside) = (group.child("inner")?, root.child("beside")?);
    let (member, stranger) = (Member::idle(&inner)?, Member::idle(&beside)?);
    child::isolated(|| {
        setup("move of oneself", group.join(0))?;
        let own = std::process::id() as i32;
        check_eq!(place_of(own)?, "/case", "one's group before unshare");
        // SAFETY: takes no pointers.
        succeeds("unshare(CLONE_NEWCGROUP)", unsafe { syscall!(libc::SYS_unshare, libc::CLONE_NEWCGROUP) })?;
        check_eq!(place_of(own)?, "/", "one's group in the namespace");
        check_eq!(place_of(member.pid)?, "/inner", "a group inside, in the namespace");
        check_eq!(place_of(stranger.pid)?, "/../beside", "a group outside, in the namespace");
        let at = context.scratch.join("inside");
        setup("mkdir", make(&at))?;
        crate::mounts::mount("cgroup2", &at, 0)?;
        check!(
            at.join("inner").exists() && !at.join("case").exists(),
            "a mount is not of the namespace's root"
        );
        Ok(())
    })?;
    check_eq!(place_of(member.pid)?, "/case/inner", "a group inside, seen from outside");
    Ok(())
}

/// Sets an option of the one hierarchy: a mount that states it.
fn set_option(context: &Context, option: &std::ffi::CStr) -> CaseResult {
    let at = std::ffi::CString::new(context.scratch.join("cgroup").as_os_str().as_bytes()).expect("no NUL");
    // SAFETY: the strings live through the call.
    let mounted = unsafe { syscall!(libc::SYS_mount, 0, at.as_ptr(), 0, libc::MS_REMOUNT, option.as_ptr()) };
    succeeds("remount of cgroup2 with options", mounted).map(drop)
}

pub fn nsdelegate_makes_the_namespace_a_border(context: &Context) -> CaseResult {
    let root = Group::root(context)?;
    let group = Group::with(context, &["pids"])?;
    let (inner, outside) = (group.child("inner")?, root.child("outside")?);
    let trial = |delegated: bool| {
        child::isolated(|| {
            setup("move of oneself", group.join(0))?;
            // SAFETY: takes no pointers.
            setup("unshare", unsafe { syscall!(libc::SYS_unshare, libc::CLONE_NEWCGROUP) })?;
            let (limit, out) = (group.write("pids.max", "100"), outside.join(0));
            if !delegated {
                succeeds("a limit of the namespace's root without nsdelegate", limit)?;
                return succeeds("move out of the namespace without nsdelegate", out);
            }
            fails_with("a limit of the namespace's root under nsdelegate", limit, libc::EPERM)?;
            fails_with("move out of the namespace under nsdelegate", out, libc::ENOENT)?;
            succeeds("move inside the namespace under nsdelegate", inner.join(0))
        })
    };
    trial(false)?;
    set_option(context, c"nsdelegate")?;
    let result = trial(true);
    set_option(context, c"")?;
    result
}

pub fn unknown_mount_option_is_refused(context: &Context) -> CaseResult {
    let root = Group::root(context)?;
    let at = std::ffi::CString::new(root.path.as_os_str().as_bytes()).expect("paths of cases hold no NUL");
    // SAFETY: the strings live through the call.
    let mounted = unsafe {
        syscall!(libc::SYS_mount, c"none".as_ptr(), at.as_ptr(), c"cgroup2".as_ptr(), 0, c"nonsense".as_ptr())
    };
    fails_with("mount of cgroup2 with an unknown option", mounted, libc::EINVAL)
}
