//! Admission control: the sum of all bandwidths (runtime / period) stays below a limit.
//!
//! The limit itself is not spelled out here: it is kernel.sched_rt_runtime_us / sched_rt_period_us of every CPU, less
//! what the kernel's own servers took (the fair server since 6.12, later one for sched_ext). It is measured, and
//! then the sums must add up.

use super::support::{Attributes, MICROSECOND, MILLISECOND, Sleeper};
use crate::case::{exists, fails_with, setup, succeeds};
use crate::sys::Errno;
use crate::{CaseResult, Context, Stop, check, check_eq, skip};
use std::time::Duration;

const PERIOD: u64 = 100 * MILLISECOND;
const RT_RUNTIME: &str = "/proc/sys/kernel/sched_rt_runtime_us";

/// Attributes that take so many thousandths of one CPU.
fn thousandths(count: u64) -> Attributes {
    Attributes::deadline(count * PERIOD / 1000, PERIOD, PERIOD)
}

/// `None` where it says -1: no limit.
fn rt_runtime() -> Result<Option<u64>, Stop> {
    let text = std::fs::read_to_string(RT_RUNTIME)
        .map_err(|error| Stop::Skip(format!("no {RT_RUNTIME}: {error}")))?;
    Ok(text.trim().parse().ok())
}

/// Takes whole CPUs but one out of the game: a task's share ends at one CPU, so the last one shows the limit.
fn fill_other_cpus() -> Result<Vec<Sleeper>, Stop> {
    let mut sleepers = vec![];
    loop {
        match Sleeper::with(&thousandths(500))? {
            Ok(sleeper) => sleepers.push(sleeper),
            Err(Errno(libc::EBUSY)) => {
                // The last one shrinks: at least half a CPU is left to experiment with.
                sleepers.last().map(Sleeper::give_back);
                return Ok(sleepers);
            }
            Err(errno) => {
                return Err(Stop::Fail(format!("SCHED_DEADLINE with half a CPU: failed with {errno}")));
            }
        }
        // SAFETY: takes no pointers.
        let cpus = unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) } as usize;
        check!(sleepers.len() <= 2 * cpus, "{} halves of a CPU were admitted on {cpus}", sleepers.len());
    }
}

/// The largest share, in thousandths of a CPU, that this process can be given now; leaves it with that.
fn largest(sleeper: &Sleeper) -> Result<u64, Stop> {
    let (mut fits, mut too_much) = (0, 1001);
    while too_much - fits > 1 {
        let middle = u64::midpoint(fits, too_much);
        match exists("sched_setattr", thousandths(middle).set(sleeper.process))? {
            Ok(_) => fits = middle,
            Err(Errno(libc::EBUSY)) => too_much = middle,
            Err(errno) => {
                return Err(Stop::Fail(format!("{middle}/1000 of a CPU: failed with {errno}, not EBUSY")));
            }
        }
    }
    Ok(fits)
}

pub fn adds_up(_: &Context) -> CaseResult {
    if rt_runtime()?.is_none() {
        skip!("{RT_RUNTIME} is -1: admission control is off");
    }
    let others = fill_other_cpus()?;
    let first = Sleeper::new()?;
    let limit = largest(&first)?;
    check!((100..=999).contains(&limit), "{limit}/1000 of the last CPU are the limit");
    fails_with("one thousandth more", thousandths(limit + 1).set(first.process), libc::EBUSY)?;
    let kept = setup("sched_getattr", Attributes::get(first.process))?;
    check_eq!(kept, thousandths(limit), "attributes after the refusal");
    succeeds("the same share again", thousandths(limit).set(first.process))?;

    let second = Sleeper::new()?;
    // Bandwidths are kept as multiples of 2^-20, so a thousandth may be lost to rounding, and no more.
    check!(largest(&second)? <= 1, "more than the limit of {limit}/1000 was admitted to a second task");
    for share in [limit / 2, limit / 3, 1] {
        succeeds("a smaller share", thousandths(share).set(first.process))?;
        let rest = largest(&second)?;
        check!(
            (limit - share).abs_diff(rest) <= 1,
            "beside {share}/1000, {rest}/1000 are admitted where {limit}/1000 are the limit"
        );
        setup("giving back", second.give_back())?;
    }
    drop(others);
    Ok(())
}

/// Tries for ten seconds: bandwidth comes back when the period of the task that left is over.
fn admitted_in_time(process: i32, share: u64) -> Result<(), Errno> {
    let mut refused = Ok(());
    for _ in 0..1000 {
        match thousandths(share).set(process) {
            Ok(_) => return Ok(()),
            Err(errno) => refused = Err(errno),
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    refused
}

pub fn bandwidth_returns(_: &Context) -> CaseResult {
    if rt_runtime()?.is_none() {
        skip!("{RT_RUNTIME} is -1: admission control is off");
    }
    let _others = fill_other_cpus()?;
    let waiting = Sleeper::new()?;
    for round in 0..3 {
        let holder = Sleeper::new()?;
        let all = largest(&holder)?;
        fails_with("a share while another has all", thousandths(all / 2).set(waiting.process), libc::EBUSY)?;
        holder.end_as_it_is();
        succeeds(
            &format!("half after the holder ended, round {round}"),
            admitted_in_time(waiting.process, all / 2),
        )?;
        setup("giving back", waiting.give_back())?;
        // The leaver is this process: a task that sleeps while others change its policy keeps its bandwidth longer.
        succeeds("nine tenths of the rest", admitted_in_time(0, (all - all / 10).min(900)))?;
        let normal = Attributes { size: 48, ..Attributes::default() };
        succeeds("return to SCHED_OTHER", normal.set(0))?;
        succeeds("half after the holder left the policy", admitted_in_time(waiting.process, all / 2))?;
        setup("giving back", waiting.give_back())?;
    }
    Ok(())
}

pub fn limit_below_admitted(_: &Context) -> CaseResult {
    let Some(before) = rt_runtime()? else { skip!("{RT_RUNTIME} is -1: admission control is off") };
    let sleeper = Sleeper::new()?;
    succeeds("four tenths of a CPU", exists("sched_setattr", thousandths(400).set(sleeper.process))?)?;
    // One CPU or many: 1 in 10,000 of each is below 400 in 1000 of one up to 4,000 CPUs.
    let written = std::fs::write(RT_RUNTIME, "100").map_err(|error| error.raw_os_error());
    check_eq!(written, Err(Some(libc::EBUSY)), "write of 100 to {RT_RUNTIME}");
    check_eq!(rt_runtime()?, Some(before), "{RT_RUNTIME} after the refusal");
    let largest_still = setup("sched_getattr", Attributes::get(sleeper.process))?;
    check_eq!(largest_still, thousandths(400), "the admitted task");
    Ok(())
}

pub fn unlimited(_: &Context) -> CaseResult {
    let Some(before) = rt_runtime()? else { skip!("{RT_RUNTIME} is -1 already") };
    if std::fs::write(RT_RUNTIME, "-1").is_err() {
        skip!("{RT_RUNTIME} cannot be set to -1 in this kernel");
    }
    let others = fill_beyond();
    let restored = std::fs::write(RT_RUNTIME, before.to_string());
    let sleepers = others?;
    // The sum is above the limit now, so the limit cannot come back.
    let restored = restored.map_err(|error| error.raw_os_error());
    check_eq!(
        restored,
        Err(Some(libc::EBUSY)),
        "write of {before} to {RT_RUNTIME} above which tasks are admitted"
    );
    sleepers.into_iter().for_each(Sleeper::end_as_it_is);
    for _ in 0..1000 {
        if std::fs::write(RT_RUNTIME, before.to_string()).is_ok() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_micros(10_000));
    }
    Err(Stop::Fail(format!("{RT_RUNTIME} stays refused after all tasks ended")))
}

/// Twice as much as all CPUs have.
fn fill_beyond() -> Result<Vec<Sleeper>, Stop> {
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    (0..2 * cpus)
        .map(|_| succeeds("a whole CPU with admission control off", Sleeper::with(&thousandths(1000))?))
        .collect()
}

/// The constants of this file fit together.
const _: () = assert!(PERIOD / 1000 >= 100 * MICROSECOND);
