//! Partitions of CPUs: cpuset.cpus.partition.

use super::cpu::affinity;
use super::group::*;
use super::notice::Listener;
use crate::case::setup;
use crate::child;
use crate::{CaseResult, Context, check, check_eq};

/// A partition takes its CPUs away from everybody else.
pub fn partition_has_its_cpus_for_itself(context: &Context) -> CaseResult {
    let root = Group::root(context)?;
    let group = Group::with(context, &["cpuset"])?;
    group.holds("cpuset.cpus.partition", "member", "of a new group")?;
    group.set("cpuset.cpus", "1")?;
    group.set("cpuset.cpus.partition", "root")?;
    group.holds("cpuset.cpus.partition", "root", "after it was written")?;
    root.holds("cpuset.cpus.effective", "0", "of the root beside a partition of CPU 1")?;
    let beside = root.child("beside")?;
    beside.holds("cpuset.cpus.effective", "0", "of a group beside the partition")?;
    child::isolated(|| {
        setup("move of oneself", beside.join(0))?;
        check_eq!(affinity(0)?, 0b01, "affinity beside the partition");
        Ok(())
    })?;
    group.set("cpuset.cpus.partition", "member")?;
    root.holds("cpuset.cpus.effective", "0-1", "of the root after the partition was dissolved")?;
    check!(group.write("cpuset.cpus.partition", "leaf").is_err(), "an unknown partition type was accepted");
    Ok(())
}

/// An isolated partition is one all the same; every kind can become every other.
pub fn isolated_partition_has_its_cpus_for_itself(context: &Context) -> CaseResult {
    let root = Group::root(context)?;
    let group = Group::with(context, &["cpuset"])?;
    group.set("cpuset.cpus", "1")?;
    for (kind, left) in
        [("isolated", "0"), ("root", "0"), ("isolated", "0"), ("member", "0-1"), ("isolated", "0")]
    {
        group.set("cpuset.cpus.partition", kind)?;
        group.holds("cpuset.cpus.partition", kind, "after it was written")?;
        group.holds("cpuset.cpus.effective", "1", &format!("of a group of kind {kind}"))?;
        root.holds("cpuset.cpus.effective", left, &format!("of the root beside a group of kind {kind}"))?;
        // Since 6.8 the root tells what is isolated.
        if root.path.join("cpuset.cpus.isolated").exists() {
            let isolated = if kind == "isolated" { "1" } else { "" };
            root.holds("cpuset.cpus.isolated", isolated, &format!("beside a group of kind {kind}"))?;
        }
    }
    child::isolated(|| {
        setup("move of oneself", group.join(0))?;
        check_eq!(affinity(0)?, 0b10, "affinity in an isolated partition of CPU 1");
        Ok(())
    })
}

/// The partition must be invalid and say why.
fn is_invalid(group: &Group, kind: &str, when: &str) -> CaseResult {
    let state = group.read("cpuset.cpus.partition")?;
    let reason = state.strip_prefix(kind).and_then(|rest| rest.strip_prefix(" invalid (")?.strip_suffix(')'));
    check!(reason.is_some_and(|reason| !reason.is_empty()), "cpuset.cpus.partition {when}: {state}");
    Ok(())
}

pub fn invalid_partition_says_why(context: &Context) -> CaseResult {
    let root = Group::root(context)?;
    let group = Group::with(context, &["cpuset"])?;
    let inner = group.child("inner")?;
    group.set("cgroup.subtree_control", "+cpuset")?;
    inner.set("cpuset.cpus", "1")?;
    for kind in ["root", "isolated"] {
        inner.set("cpuset.cpus.partition", kind)?;
        is_invalid(&inner, kind, "of a group whose parent is no partition")?;
        root.holds("cpuset.cpus.effective", "0-1", "of the root beside an invalid partition")?;
        inner.set("cpuset.cpus.partition", "member")?;
        inner.holds("cpuset.cpus.partition", "member", "after it was written")?;
    }
    Ok(())
}

/// What becomes of partitions below one that is dissolved, and who is told.
pub fn partition_without_its_parent_is_invalid(context: &Context) -> CaseResult {
    let group = Group::with(context, &["cpuset"])?;
    let inner = group.child("inner")?;
    group.set("cgroup.subtree_control", "+cpuset")?;
    for one in [&group, &inner] {
        one.set("cpuset.cpus", "1")?;
        one.set("cpuset.cpus.partition", "root")?;
        one.holds("cpuset.cpus.partition", "root", "after it was written")?;
    }
    let listener = Listener::on(&inner, "cpuset.cpus.partition")?;
    group.set("cpuset.cpus.partition", "member")?;
    is_invalid(&inner, "root", "of a group whose parent is no partition any more")?;
    listener.hears("the end of a partition")
}
