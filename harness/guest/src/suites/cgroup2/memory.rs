//! The memory controller.

use super::group::*;
use crate::case::{fails_with, setup, succeeds};
use crate::child::{self, Ending};
use crate::mapping::{Mapping, PAGE};
use crate::sys::Errno;
use crate::{CaseResult, Context, check, check_eq, scheduling};

const MIB: usize = 1 << 20;
const KILLED: Ending = Ending::Killed(libc::SIGKILL);

/// A member that fills so much memory and then waits.
fn hoarder(group: &Group, bytes: usize) -> Result<Member, crate::Stop> {
    Member::doing(group, || {
        fill_memory(bytes);
        child::pause()
    })
}

fn limited(context: &Context, limit: usize) -> Result<Group, crate::Stop> {
    let group = Group::with(context, &["memory"])?;
    group.set("memory.max", &limit.to_string())?;
    if group.path.join("memory.swap.max").exists() {
        group.set("memory.swap.max", "0")?;
    }
    Ok(group)
}

pub fn used_memory_is_counted_and_given_back(context: &Context) -> CaseResult {
    let group = Group::with(context, &["memory"])?;
    group.holds("memory.max", "max", "of a new group")?;
    let member = hoarder(&group, 8 * MIB)?;
    let deadline = std::time::Instant::now() + PATIENCE;
    // Counters of the CPUs are added up now and then: a little may be missing.
    while group.key("memory.stat", "anon")? < 15 * MIB as u64 / 2 && std::time::Instant::now() < deadline {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let (anon, current) = (group.key("memory.stat", "anon")?, group.number("memory.current")?);
    check!(
        (15 * MIB as u64 / 2..10 * MIB as u64).contains(&anon),
        "anon of memory.stat with 8 MiB used: {anon}"
    );
    check!(
        (15 * MIB as u64 / 2..12 * MIB as u64).contains(&current),
        "memory.current with 8 MiB used: {current}"
    );
    drop(member);
    while group.number("memory.current")? >= MIB as u64 && std::time::Instant::now() < deadline {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let left = group.number("memory.current")?;
    check!(left < MIB as u64, "memory.current after the only process ended: {left}");
    Ok(())
}

/// Below the limit nothing happens; above it the group's own process is killed, and nobody else.
pub fn hard_limit_kills_inside_the_group_only(context: &Context) -> CaseResult {
    let group = limited(context, 16 * MIB)?;
    let bystander = Member::idle(&Group::root(context)?)?;
    let below = Member::doing(&group, || fill_memory(12 * MIB))?;
    check_eq!(below.ending()?, Ending::Exited(0), "end of a process that uses less than memory.max");
    check_eq!(group.key("memory.events", "oom_kill")?, 0, "oom_kill of memory.events below the limit");
    let above = Member::doing(&group, || fill_memory(20 * MIB))?;
    check_eq!(above.ending()?, KILLED, "end of a process that uses more than memory.max");
    check_eq!(group.key("memory.events", "oom_kill")?, 1, "oom_kill of memory.events above the limit");
    check!(group.key("memory.events", "oom")? >= 1, "oom of memory.events above the limit");
    check!(group.key("memory.events", "max")? >= 1, "max of memory.events above the limit");
    check!(bystander.lives(), "a process outside the group was killed");
    Ok(())
}

/// Whether a member lives to set a word to a value.
fn comes_to(member: &Member, word: scheduling::Word<'_>, value: u32) -> bool {
    while word.get() != value && member.lives() {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    word.get() == value
}

/// From what is charged already, a process goes to the limit and then over it. Page tables are there before it is set.
/// Certain are the limit less what the kernel may need for itself meanwhile, and the limit and what it charges ahead.
pub fn limit_is_reached_and_not_passed(context: &Context) -> CaseResult {
    const ROOM: usize = 8 * MIB;
    const BELOW: usize = ROOM - (64 << 10);
    // SAFETY: takes no pointers.
    let cpus = unsafe { libc::sysconf(libc::_SC_NPROCESSORS_CONF) } as usize;
    let above = ROOM + (cpus + 1) * MIB;
    let (shared, group) = (scheduling::Shared::new()?, limited(context, 64 * MIB)?);
    let (said, told) = (shared.word(0), shared.word(1));
    let mut memory = Mapping::anonymous(above, libc::PROT_READ | libc::PROT_WRITE)?;
    memory.without_huge_pages()?;
    let member = Member::doing(&group, || {
        let mut step = |from: usize, to: usize, by: usize, number: u32| {
            (from..to).step_by(by).for_each(|place| memory.poke(place, 1));
            said.set(number);
            told.wait_while(number - 1);
        };
        step(0, above, MIB, 1);
        step(0, BELOW, PAGE, 2);
        step(BELOW, above, PAGE, 3);
    })?;
    check!(comes_to(&member, said, 1), "a process does not live to touch a little memory");
    let limit = group.number("memory.current")? as usize + ROOM;
    group.set("memory.max", &limit.to_string())?;
    told.open(1);
    check!(comes_to(&member, said, 2), "a process does not live to come within 64 KiB of memory.max");
    check!(member.lives(), "a process within memory.max was killed");
    check_eq!(group.key("memory.events", "oom_kill")?, 0, "oom_kill just below memory.max");
    told.open(2);
    check_eq!(member.ending()?, KILLED, "end of a process that goes {} MiB over memory.max", cpus + 1);
    check_eq!(group.key("memory.events", "oom_kill")?, 1, "oom_kill just above memory.max");
    Ok(())
}

pub fn limit_is_rounded_down_to_pages_and_shown(context: &Context) -> CaseResult {
    let group = Group::with(context, &["memory"])?;
    for (written, shown) in
        [("8192", "8192"), ("8193", "8192"), ("12287", "8192"), ("16M", "16777216"), ("max", "max")]
    {
        group.set("memory.max", written)?;
        group.holds("memory.max", shown, &format!("after {written} was written"))?;
        group.set("memory.high", written)?;
        group.holds("memory.high", shown, &format!("after {written} was written"))?;
    }
    for file in ["memory.max", "memory.high", "memory.low", "memory.min"] {
        for value in ["-1", "much", "1X"] {
            check_eq!(group.write(file, value), Err(Errno(libc::EINVAL)), "{value} in {file}");
        }
    }
    Ok(())
}

/// The whole group is one workload: it lives or dies together.
pub fn oom_group_kills_them_all(context: &Context) -> CaseResult {
    let group = limited(context, 16 * MIB)?;
    for value in ["2", "-1", "yes"] {
        check_eq!(
            group.write("memory.oom.group", value),
            Err(Errno(libc::EINVAL)),
            "{value} in memory.oom.group"
        );
    }
    drop(group);
    for (together, name) in [("0", "without"), ("1", "with")] {
        let group = limited(context, 16 * MIB)?;
        group.set("memory.oom.group", together)?;
        let idle = Member::idle(&group)?;
        let greedy = Member::doing(&group, || fill_memory(20 * MIB))?;
        check_eq!(greedy.ending()?, KILLED, "end of the greedy process {name} memory.oom.group");
        if together == "1" {
            check_eq!(idle.ending()?, KILLED, "end of the idle process with memory.oom.group");
            // The one that was chosen is counted once more than it dies.
            let kills = group.key("memory.events", "oom_kill")?;
            check!((2..=3).contains(&kills), "oom_kill with memory.oom.group: {kills}");
        } else {
            check!(idle.lives(), "the idle process was killed without memory.oom.group");
            check_eq!(group.key("memory.events", "oom_kill")?, 1, "oom_kill without memory.oom.group");
        }
    }
    Ok(())
}

/// Who is above memory.high is slowed down and counted, never killed.
pub fn high_limit_never_kills(context: &Context) -> CaseResult {
    let group = Group::with(context, &["memory"])?;
    group.set("memory.high", &(8 * MIB).to_string())?;
    let member = hoarder(&group, 9 * MIB)?;
    let deadline = std::time::Instant::now() + PATIENCE;
    while group.key("memory.events", "high")? == 0 && std::time::Instant::now() < deadline {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    check!(group.key("memory.events", "high")? >= 1, "high of memory.events above memory.high");
    check_eq!(group.key("memory.events", "oom_kill")?, 0, "oom_kill above memory.high");
    check!(member.lives(), "a process above memory.high was killed");
    Ok(())
}

pub fn limit_of_an_ancestor_kills_below_it(context: &Context) -> CaseResult {
    let group = limited(context, 16 * MIB)?;
    let inner = group.child("inner")?;
    group.set("cgroup.subtree_control", "+memory")?;
    let greedy = Member::doing(&inner, || fill_memory(20 * MIB))?;
    check_eq!(greedy.ending()?, KILLED, "end of a process above the limit of its group's parent");
    check_eq!(inner.key("memory.events", "oom_kill")?, 1, "oom_kill of the group with the process");
    check_eq!(group.key("memory.events", "oom_kill")?, 1, "oom_kill of its parent");
    check_eq!(inner.key("memory.events.local", "oom")?, 0, "oom of memory.events.local of the group itself");
    check!(group.key("memory.events.local", "oom")? >= 1, "oom of memory.events.local of its parent");
    Ok(())
}

/// Files in memory are memory: who first touches their pages pays.
pub fn files_in_memory_count(context: &Context) -> CaseResult {
    let group = limited(context, 16 * MIB)?;
    let write = |bytes: usize| {
        Member::doing(&group, move || {
            let Ok(file) = crate::file::in_memory(0) else { child::exit(1) };
            let block = vec![1u8; MIB];
            for index in 0..bytes / MIB {
                if crate::file::write_at(&file, &block, (index * MIB) as i64) != Ok(MIB as i64) {
                    child::exit(2);
                }
            }
        })
    };
    check_eq!(
        write(8 * MIB)?.ending()?,
        Ending::Exited(0),
        "end of a writer of 8 MiB under memory.max 16 MiB"
    );
    check_eq!(write(24 * MIB)?.ending()?, KILLED, "end of a writer of 24 MiB under memory.max 16 MiB");
    Ok(())
}

pub fn lowered_limit_reclaims_or_kills(context: &Context) -> CaseResult {
    let group = limited(context, 32 * MIB)?;
    let member = hoarder(&group, 16 * MIB)?;
    let deadline = std::time::Instant::now() + PATIENCE;
    while group.key("memory.stat", "anon")? < 15 * MIB as u64 && std::time::Instant::now() < deadline {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    setup("memory.max", group.write("memory.max", &(4 * MIB).to_string()))?;
    check_eq!(member.ending()?, KILLED, "end of a process that no longer fits");
    check!(group.number("memory.current")? <= 4 * MIB as u64, "memory.current is above the lowered limit");
    Ok(())
}

pub fn largest_use_is_remembered(context: &Context) -> CaseResult {
    let group = Group::with(context, &["memory"])?;
    let member = Member::doing(&group, || fill_memory(8 * MIB))?;
    member.ending()?;
    let peak = group.number("memory.peak")?;
    check!((8 * MIB as u64..12 * MIB as u64).contains(&peak), "memory.peak after 8 MiB were used: {peak}");
    Ok(())
}

pub fn reclaim_on_request_frees_files(context: &Context) -> CaseResult {
    let group = Group::with(context, &["memory"])?;
    fails_with("a word in memory.reclaim", group.write("memory.reclaim", "some"), libc::EINVAL)?;
    // Nothing to reclaim: all that was asked for cannot be had.
    let _member = Member::idle(&group)?;
    fails_with("64 MiB of an idle process", group.write("memory.reclaim", "64M"), libc::EAGAIN)?;
    succeeds("memory.reclaim of nothing", group.write("memory.reclaim", "0"))
}
