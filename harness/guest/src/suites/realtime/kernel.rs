//! What a kernel built as a real-time kernel (CONFIG_PREEMPT_RT) is and does.

use crate::case::{CaseResult, Stop};
use crate::scheduling::{policy, priority};
use crate::{Context, check, check_eq};
use libc::SCHED_FIFO;

fn version() -> Result<String, Stop> {
    let path = "/proc/sys/kernel/version";
    std::fs::read_to_string(path).map_err(|error| Stop::Broken(format!("{path}: {error}")))
}

/// Of /sys/kernel/realtime, which other kernels do not have.
fn told() -> Option<String> {
    std::fs::read_to_string("/sys/kernel/realtime").ok().map(|text| text.trim().to_owned())
}

pub fn realtime_kernel_says_so(_: &Context) -> CaseResult {
    check!(version()?.contains("PREEMPT_RT"), "the version does not name PREEMPT_RT: {}", version()?);
    // Not every release with PREEMPT_RT has the file, but where it is it must be right.
    if let Some(told) = told() {
        check_eq!(told, "1", "/sys/kernel/realtime");
    }
    Ok(())
}

pub fn other_kernel_does_not_claim_to_be_realtime(_: &Context) -> CaseResult {
    if version()?.contains("PREEMPT_RT") {
        return Err(Stop::Skip("by design: this is a real-time kernel".into()));
    }
    check!(told().is_none_or(|told| told == "0"), "/sys/kernel/realtime is {:?}", told());
    Ok(())
}

/// Kernel threads by their numbers and names.
fn kernel_threads() -> Result<Vec<(i32, String)>, Stop> {
    let entries = std::fs::read_dir("/proc").map_err(|error| Stop::Broken(format!("/proc: {error}")))?;
    let numbers = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let named = |number: i32| {
        let folder = format!("/proc/{number}");
        // Programs have a command line, kernel threads have none.
        let arguments = std::fs::read(format!("{folder}/cmdline")).ok()?;
        let name = std::fs::read_to_string(format!("{folder}/comm")).ok()?;
        arguments.is_empty().then(|| (number, name.trim().to_owned()))
    };
    Ok(numbers.filter_map(named).collect())
}

/// Every kernel thread whose name begins so must have this priority of SCHED_FIFO, and there must be one.
fn threads_have(prefix: &str, expected: i32) -> CaseResult {
    let threads = kernel_threads()?;
    let mut found = 0;
    for (number, name) in threads.iter().filter(|(_, name)| name.starts_with(prefix)) {
        check_eq!(policy(*number), Ok(SCHED_FIFO.into()), "policy of {name}");
        check_eq!(priority(*number), Ok(expected), "priority of {name}");
        found += 1;
    }
    check!(found > 0, "no kernel thread is called {prefix}…: {threads:?}");
    Ok(())
}

pub fn interrupts_run_in_threads(_: &Context) -> CaseResult {
    threads_have("irq/", 50)
}

pub fn timers_run_in_threads(_: &Context) -> CaseResult {
    threads_have("ktimers/", 1)
}
