//! Hardware queues and their depth.

use super::device::*;
use crate::case::{fails_with, setup};
use crate::{CaseResult, Context, Stop, check, check_eq};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The CPUs each hardware queue serves.
fn cpus_of_queues(device: &Device) -> Result<BTreeMap<String, Vec<u32>>, Stop> {
    let folder = device.sysfs.join("mq");
    let entries =
        std::fs::read_dir(&folder).map_err(|error| Stop::Fail(format!("{}: {error}", folder.display())))?;
    let mut queues = BTreeMap::new();
    for name in entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()) {
        let list = device.attribute(&format!("mq/{name}/cpu_list"))?;
        queues.insert(name, list.split(',').filter_map(|cpu| cpu.trim().parse().ok()).collect());
    }
    Ok(queues)
}

fn possible_cpus() -> Result<Vec<u32>, Stop> {
    let text = std::fs::read_to_string("/sys/devices/system/cpu/possible")
        .map_err(|error| Stop::Broken(format!("possible CPUs: {error}")))?;
    let number = |text: &str| text.trim().parse::<u32>().unwrap_or(0);
    let range = |text: &str| match text.split_once('-') {
        Some((first, last)) => number(first)..=number(last),
        None => number(text)..=number(text),
    };
    Ok(text.split(',').flat_map(range).collect())
}

pub fn every_cpu_has_exactly_one_queue(_: &Context) -> CaseResult {
    let queues = cpus_of_queues(&Device::memory()?)?;
    // Beside the one that submits there may be one that polls, which serves the same CPUs.
    let mut served = queues.get("0").cloned().unwrap_or_default();
    served.sort_unstable();
    check_eq!(served, possible_cpus()?, "the CPUs that the only submission queue serves");
    Ok(())
}

pub fn two_submission_queues_share_the_cpus(_: &Context) -> CaseResult {
    let settings = [("submit_queues", "2"), ("memory_backed", "1"), ("size", "8")];
    let device = Device::new("two", &settings)?;
    let queues = cpus_of_queues(&device)?;
    let [Some(first), Some(second)] = [queues.get("0"), queues.get("1")] else {
        return Err(Stop::Fail(format!("a device made with two queues has these: {queues:?}")));
    };
    check!(!first.is_empty() && !second.is_empty(), "a queue serves no CPU: {queues:?}");
    let mut served = [first.clone(), second.clone()].concat();
    served.sort_unstable();
    check_eq!(served, possible_cpus()?, "the CPUs that the two queues serve");
    let worker = |number: u64| {
        let fd = device.direct()?;
        start(move || fill(&fd, number))
    };
    let workers: Vec<i32> = (0..4).map(worker).collect::<Result<_, _>>()?;
    workers.into_iter().try_for_each(|pid| join(pid, "writes through two queues"))
}

/// Writes a part of the device that is the worker's own, and reads it back.
fn fill(fd: &std::os::fd::OwnedFd, worker: u64) -> CaseResult {
    let place = |block: u64| worker * MIB + block * 4096;
    for block in 0..64 {
        setup("write", write(fd, &pattern(place(block), 4096), place(block)))?;
    }
    (0..64).try_for_each(|block| holds(fd, &pattern(place(block), 4096), place(block), "after all writes"))
}

pub fn hardware_queue_has_the_depth_it_was_given(_: &Context) -> CaseResult {
    for depth in ["1", "16", "64", "1000"] {
        let device = Device::new(&format!("deep{depth}"), &[("hw_queue_depth", depth), ("size", "8")])?;
        check_eq!(device.attribute("mq/0/nr_tags")?, depth, "tags of a queue of depth {depth}");
    }
    Ok(())
}

pub fn no_more_is_in_flight_than_the_depth_allows(_: &Context) -> CaseResult {
    let settings = [
        ("hw_queue_depth", "2"),
        ("irqmode", "2"),
        ("completion_nsec", "50000000"),
        ("memory_backed", "1"),
        ("size", "8"),
    ];
    let device = Device::new("slow", &settings)?;
    setup("scheduler none", device.set("queue/scheduler", "none"))?;
    let started = Instant::now();
    let worker = |number: u64| {
        let fd = device.direct()?;
        start(move || setup("write", write(&fd, &pattern(number, 4096), number * 4096)).map(drop))
    };
    let workers: Vec<i32> = (0..6).map(worker).collect::<Result<_, _>>()?;
    workers.into_iter().try_for_each(|pid| join(pid, "writes to a device of depth 2"))?;
    let took = started.elapsed();
    check!(
        took >= Duration::from_millis(150),
        "six writes of 50 ms each, two at a time, took {took:?}: more than two were in flight"
    );
    Ok(())
}

pub fn completion_takes_the_time_it_was_given(_: &Context) -> CaseResult {
    let settings = [("irqmode", "2"), ("completion_nsec", "10000000"), ("memory_backed", "1"), ("size", "8")];
    let device = Device::new("slow", &settings)?;
    let fd = device.direct()?;
    let started = Instant::now();
    for block in 0..10 {
        setup("write", write(&fd, &pattern(block, 4096), block * 4096))?;
    }
    let took = started.elapsed();
    check!(took >= Duration::from_millis(100), "ten writes of 10 ms each took {took:?}");
    Ok(())
}

pub fn nr_requests_has_a_floor(_: &Context) -> CaseResult {
    let device = Device::memory()?;
    let before = device.number("queue/nr_requests")?;
    fails_with("nr_requests=none", device.set("queue/nr_requests", "none"), libc::EINVAL)?;
    check_eq!(device.number("queue/nr_requests")?, before, "nr_requests after a refused write");
    setup("scheduler none", device.set("queue/scheduler", "none"))?;
    setup("nr_requests=1", device.set("queue/nr_requests", "1"))?;
    check_eq!(device.number("queue/nr_requests")?, 4, "nr_requests after 1 was written");
    Ok(())
}

pub fn nr_requests_never_exceeds_the_tags(_: &Context) -> CaseResult {
    let device = Device::new("shallow", &[("hw_queue_depth", "16"), ("size", "8")])?;
    setup("scheduler none", device.set("queue/scheduler", "none"))?;
    let refused = device.set("queue/nr_requests", "17");
    fails_with("nr_requests=17 of a queue with 16 tags", refused, libc::EINVAL)?;
    check_eq!(device.number("queue/nr_requests")?, 16, "nr_requests after a refused write");
    Ok(())
}
