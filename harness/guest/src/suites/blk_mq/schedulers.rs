//! I/O schedulers.

use super::device::*;
use crate::case::{fails_with, setup, succeeds};
use crate::scheduling::set_affinity;
use crate::{CaseResult, Context, Stop, check, check_eq};
use std::os::fd::OwnedFd;

/// The schedulers that are offered, and the one in brackets.
fn schedulers(device: &Device) -> Result<(Vec<String>, String), Stop> {
    let text = device.attribute("queue/scheduler")?;
    let chosen: Vec<&str> =
        text.split(' ').filter_map(|word| word.strip_prefix('[')?.strip_suffix(']')).collect();
    let [chosen] = chosen[..] else {
        return Err(Stop::Fail(format!("not exactly one scheduler is in brackets: {text}")));
    };
    let all = text.split(' ').map(|word| word.trim_matches(['[', ']']).to_owned()).collect();
    Ok((all, chosen.to_owned()))
}

fn choose(device: &Device, name: &str) -> CaseResult {
    succeeds(&format!("scheduler {name}"), device.set("queue/scheduler", name))?;
    check_eq!(schedulers(device)?.1, name, "the scheduler after {name} was written");
    Ok(())
}

pub fn none_is_always_offered(_: &Context) -> CaseResult {
    let device = Device::memory()?;
    let (all, _) = schedulers(&device)?;
    check!(all.iter().any(|name| name == "none"), "none is not among {all:?}");
    choose(&device, "none")
}

pub fn unknown_scheduler_is_refused_and_changes_nothing(_: &Context) -> CaseResult {
    let device = Device::memory()?;
    let (_, before) = schedulers(&device)?;
    for name in ["no-such-scheduler", "x", "deadline-mq"] {
        fails_with(&format!("scheduler {name}"), device.set("queue/scheduler", name), libc::EINVAL)?;
    }
    check_eq!(schedulers(&device)?.1, before, "the scheduler after refused ones");
    Ok(())
}

/// Two workers write blocks in turn under one scheduler; all must be there.
fn moves_every_byte(name: &str) -> CaseResult {
    let device = Device::memory()?;
    choose(&device, name)?;
    let worker = |number: u64| {
        let fd = device.direct()?;
        start(move || blocks(number).try_for_each(|block| put_block(&fd, block)))
    };
    let workers = [worker(0)?, worker(1)?];
    workers.into_iter().try_for_each(|pid| join(pid, name))?;
    let fd = device.direct()?;
    (0..128).try_for_each(|block| holds(&fd, &pattern(block, 4096), block * 4096, &format!("under {name}")))
}

fn blocks(worker: u64) -> impl Iterator<Item = u64> {
    (0..64).map(move |step| step * 2 + worker)
}

fn put_block(fd: &OwnedFd, block: u64) -> CaseResult {
    let written = succeeds("write", write(fd, &pattern(block, 4096), block * 4096))?;
    check_eq!(written, 4096, "bytes written");
    Ok(())
}

/// The CPUs that a hardware queue serves, as a mask.
fn cpus_of(device: &Device, queue: u32) -> Result<u64, Stop> {
    let list = device.attribute(&format!("mq/{queue}/cpu_list"))?;
    let cpus = list.split(',').filter_map(|cpu| cpu.trim().parse::<u32>().ok());
    Ok(cpus.fold(0, |mask, cpu| mask | 1u64.checked_shl(cpu).unwrap_or(0)))
}

/// Two workers for each of two shallow hardware queues, on its CPUs, write blocks in turn under one scheduler.
fn moves_every_byte_of_two_queues(name: &str) -> CaseResult {
    let settings = [("submit_queues", "2"), ("hw_queue_depth", "4"), ("memory_backed", "1"), ("size", "8")];
    let device = Device::new("two", &settings)?;
    choose(&device, name)?;
    let worker = |number: u64| {
        let (fd, cpus) = (device.direct()?, cpus_of(&device, (number % 2) as u32)?);
        start(move || {
            setup("sched_setaffinity to the CPUs of a queue", set_affinity(0, &[cpus]))?;
            (0..64).try_for_each(|step| put_block(&fd, step * 4 + number))
        })
    };
    let workers: Vec<i32> = (0..4).map(worker).collect::<Result<_, _>>()?;
    workers.into_iter().try_for_each(|pid| join(pid, name))?;
    check_eq!(schedulers(&device)?.1, name, "the scheduler after all writes");
    let fd = device.direct()?;
    let when = format!("of two queues under {name}");
    (0..256).try_for_each(|block| holds(&fd, &pattern(block, 4096), block * 4096, &when))
}

pub fn none_moves_every_byte_of_two_queues(_: &Context) -> CaseResult {
    moves_every_byte_of_two_queues("none")
}

pub fn mq_deadline_moves_every_byte_of_two_queues(_: &Context) -> CaseResult {
    moves_every_byte_of_two_queues("mq-deadline")
}

pub fn kyber_moves_every_byte_of_two_queues(_: &Context) -> CaseResult {
    moves_every_byte_of_two_queues("kyber")
}

pub fn bfq_moves_every_byte_of_two_queues(_: &Context) -> CaseResult {
    moves_every_byte_of_two_queues("bfq")
}

pub fn none_moves_every_byte(_: &Context) -> CaseResult {
    moves_every_byte("none")
}

pub fn mq_deadline_moves_every_byte(_: &Context) -> CaseResult {
    moves_every_byte("mq-deadline")
}

pub fn kyber_moves_every_byte(_: &Context) -> CaseResult {
    moves_every_byte("kyber")
}

pub fn bfq_moves_every_byte(_: &Context) -> CaseResult {
    moves_every_byte("bfq")
}

/// Schedulers come and go while a worker writes and reads.
fn switching_loses_nothing(device: &Device) -> CaseResult {
    let (all, _) = schedulers(device)?;
    let fd = device.direct()?;
    let worker = start(move || {
        for round in 0..6 {
            for block in 0..64 {
                succeeds("write", write(&fd, &pattern(block + round, 4096), block * 4096))?;
            }
            for block in 0..64 {
                holds(&fd, &pattern(block + round, 4096), block * 4096, "while schedulers change")?;
            }
        }
        Ok(())
    })?;
    for turn in 0..12 {
        choose(device, &all[turn % all.len()])?;
    }
    join(worker, "I/O while schedulers change")
}

pub fn switching_under_load_loses_no_request(_: &Context) -> CaseResult {
    switching_loses_nothing(&Device::memory()?)
}

pub fn switching_under_load_loses_no_request_of_two_queues(_: &Context) -> CaseResult {
    let settings = [("submit_queues", "2"), ("memory_backed", "1"), ("size", "8")];
    switching_loses_nothing(&Device::new("two", &settings)?)
}

pub fn tunables_come_and_go_with_their_scheduler(_: &Context) -> CaseResult {
    let device = Device::memory()?;
    let folder = device.sysfs.join("queue/iosched");
    choose(&device, "mq-deadline")?;
    check!(folder.join("read_expire").exists(), "mq-deadline shows no read_expire");
    choose(&device, "none")?;
    check!(!folder.exists(), "none has tunables");
    Ok(())
}

/// Tunables with their defaults; another value must be taken and no word.
fn tunables_hold(scheduler: &str, tunables: &[(&str, &str, &str)]) -> CaseResult {
    let device = Device::memory()?;
    choose(&device, scheduler)?;
    for (name, default, other) in tunables {
        let path = format!("queue/iosched/{name}");
        check_eq!(device.attribute(&path)?, *default, "{scheduler}: default of {name}");
        succeeds(&format!("{name}={other}"), device.set(&path, other))?;
        check_eq!(device.attribute(&path)?, *other, "{scheduler}: {name} after {other} was written");
        fails_with(&format!("{name}=word"), device.set(&path, "word"), libc::EINVAL)?;
        check_eq!(device.attribute(&path)?, *other, "{scheduler}: {name} after a refused write");
    }
    Ok(())
}

pub fn mq_deadline_keeps_its_tunables(_: &Context) -> CaseResult {
    let tunables = [
        ("read_expire", "500", "100"),
        ("write_expire", "5000", "900"),
        ("writes_starved", "2", "3"),
        ("fifo_batch", "16", "1"),
        ("front_merges", "1", "0"),
    ];
    tunables_hold("mq-deadline", &tunables)
}

pub fn kyber_keeps_its_tunables(_: &Context) -> CaseResult {
    tunables_hold(
        "kyber",
        &[("read_lat_nsec", "2000000", "1000000"), ("write_lat_nsec", "10000000", "5000000")],
    )
}

pub fn bfq_keeps_its_tunables(_: &Context) -> CaseResult {
    tunables_hold("bfq", &[("low_latency", "1", "0"), ("strict_guarantees", "0", "1")])
}
