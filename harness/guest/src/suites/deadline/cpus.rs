//! Deadline tasks and CPUs: sets of them, and one that leaves.

use super::support::{Attributes, MILLISECOND, Sleeper};
use crate::case::{CaseResult, Stop, exists, fails_with, setup, succeeds};
use crate::{Context, check, check_eq, skip};
use std::fs;
use std::path::Path;

const ROOT: &str = "/sys/fs/cgroup";

/// So many hundredths of a CPU.
const fn share(hundredths: u64) -> Attributes {
    Attributes::deadline(hundredths * MILLISECOND, 100 * MILLISECOND, 100 * MILLISECOND)
}

fn write(path: &Path, text: &str) -> CaseResult {
    match fs::write(path, text) {
        Ok(()) => Ok(()),
        Err(error) => skip!("write of {text} to {}: {error}", path.display()),
    }
}

/// A set of CPUs that is not a root domain of its own is an affinity; one that is makes room for deadline tasks.
pub fn cpuset_partition_takes_deadline_tasks(_: &Context) -> CaseResult {
    let root = Path::new(ROOT);
    let group = root.join("deadline");
    write(&root.join("cgroup.subtree_control"), "+cpuset")?;
    fs::create_dir(&group).map_err(|error| Stop::Broken(format!("{}: {error}", group.display())))?;
    write(&group.join("cpuset.cpus"), "1")?;
    let sleeper = Sleeper::new()?;
    write(&group.join("cgroup.procs"), &sleeper.process.to_string())?;
    let set = exists("sched_setattr", share(10).set(sleeper.process))?;
    fails_with("SCHED_DEADLINE in a cpuset with some of the CPUs", set, libc::EPERM)?;

    let kind = group.join("cpuset.cpus.partition");
    write(&kind, "root")?;
    let told = fs::read_to_string(&kind).unwrap_or_default();
    if told.trim() != "root" {
        skip!("the cpuset cannot be a partition here: {}", told.trim());
    }
    succeeds("SCHED_DEADLINE in a cpuset that is a partition", share(10).set(sleeper.process))?;
    // The limit is that of its one CPU, whatever is admitted elsewhere.
    let outside = Sleeper::new()?;
    succeeds("60 % of a CPU outside the partition", share(60).set(outside.process))?;
    succeeds("60 % of a CPU inside", share(60).set(sleeper.process))?;
    let second = Sleeper::new()?;
    write(&group.join("cgroup.procs"), &second.process.to_string())?;
    fails_with("60 % more inside", share(60).set(second.process), libc::EBUSY)?;
    succeeds("20 % more inside", share(20).set(second.process))?;
    // A deadline task cannot come in where its bandwidth does not fit.
    let moved = fs::write(group.join("cgroup.procs"), outside.process.to_string());
    check!(moved.is_err(), "a deadline task of 60 % was moved to a CPU with 80 % admitted");
    Ok(())
}

/// A CPU whose bandwidth is needed does not leave.
pub fn needed_cpu_cannot_go_offline(_: &Context) -> CaseResult {
    let knob = Path::new("/sys/devices/system/cpu/cpu1/online");
    if !knob.exists() {
        skip!("no {}", knob.display());
    }
    let first = Sleeper::new()?;
    let second = Sleeper::new()?;
    for sleeper in [&first, &second] {
        succeeds("80 % of a CPU", exists("sched_setattr", share(80).set(sleeper.process))?)?;
    }
    let written = fs::write(knob, "0").map_err(|error| error.raw_os_error());
    check_eq!(written, Err(Some(libc::EBUSY)), "taking a CPU offline whose bandwidth is admitted");
    let state = fs::read_to_string(knob).unwrap_or_default();
    check_eq!(state.trim(), "1", "the CPU after the refusal");
    setup("giving back", second.give_back())?;
    let written = fs::write(knob, "0").map_err(|error| error.raw_os_error());
    check_eq!(written, Ok(()), "taking it offline when one CPU is enough");
    let more = share(80).set(second.process);
    fails_with("80 % more with one CPU left", more, libc::EBUSY)?;
    fs::write(knob, "1").map_err(|error| Stop::Fail(format!("{}: {error}", knob.display())))?;
    succeeds("80 % more with the CPU back", share(80).set(second.process)).map(drop)
}
