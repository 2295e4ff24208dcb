//! Files that tell of their changes: inotify(7) and poll(2).

use super::group::*;
use super::tree::Watch;
use crate::case::{fails_with, setup};
use crate::child::{self, Ending};
use crate::sys::Errno;
use crate::{CaseResult, Context, Stop, check, check_eq, file};
use std::fs::File;
use std::time::Duration;

/// Waits for changes of a file in both ways.
pub struct Listener {
    name: String,
    watch: Watch,
    file: File,
}

impl Listener {
    pub fn on(group: &Group, name: &str) -> Result<Listener, Stop> {
        let path = group.path.join(name);
        let opened = File::open(&path).map_err(|error| Errno(error.raw_os_error().unwrap_or(0)));
        let file = setup(&format!("open of {name}"), opened)?;
        let listener = Listener { name: name.to_owned(), watch: Watch::on(&path)?, file };
        listener.catch_up()?;
        check!(!listener.polls(Duration::ZERO)?, "poll tells of a change of {name} before there is one");
        Ok(listener)
    }

    /// poll(2) tells of what changed since the last read.
    fn catch_up(&self) -> CaseResult {
        setup("read", file::read_at(&self.file, 4096, 0)).map(drop)
    }

    pub fn polls(&self, time: Duration) -> Result<bool, Stop> {
        Ok(setup("poll", file::poll(&self.file, libc::POLLPRI, time))? & libc::POLLPRI != 0)
    }

    /// A change must come, or have come, and be told either way.
    pub fn hears(&self, of: &str) -> CaseResult {
        check!(self.watch.fires()?, "inotify does not tell of {of} in {}", self.name);
        check!(self.polls(PATIENCE)?, "poll does not tell of {of} in {}", self.name);
        self.catch_up()
    }
}

/// An event below is one of the parent, too, but none of its own.
pub fn memory_events_are_told(context: &Context) -> CaseResult {
    let group = Group::with(context, &["memory"])?;
    let inner = group.child("inner")?;
    group.set("cgroup.subtree_control", "+memory")?;
    inner.set("memory.max", "8M")?;
    let heard = [
        Listener::on(&inner, "memory.events")?,
        Listener::on(&inner, "memory.events.local")?,
        Listener::on(&group, "memory.events")?,
    ];
    let own = Listener::on(&group, "memory.events.local")?;
    let greedy = Member::doing(&inner, || fill_memory(16 << 20))?;
    check_eq!(greedy.ending()?, Ending::Killed(libc::SIGKILL), "end of a process above memory.max");
    heard.iter().try_for_each(|listener| listener.hears("a kill below memory.max"))?;
    check!(!own.polls(Duration::ZERO)?, "memory.events.local of the parent tells of an event of its child");
    Ok(())
}

pub fn pids_events_are_told(context: &Context) -> CaseResult {
    let group = Group::with(context, &["pids"])?;
    group.set("pids.max", "1")?;
    let listener = Listener::on(&group, "pids.events")?;
    for round in 0..2 {
        child::isolated(|| {
            setup("move of oneself", group.join(0))?;
            fails_with("fork at pids.max 1", fork_once(), libc::EAGAIN)
        })?;
        listener.hears(&format!("refused fork {round}"))?;
    }
    Ok(())
}
