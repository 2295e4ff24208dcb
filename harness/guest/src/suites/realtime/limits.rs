//! What keeps a real-time task from taking everything for ever.

use crate::case::{CaseResult, Stop, setup};
use crate::child::{self, Ending};
use crate::scheduling::{
    MILLISECOND, Shared, Task, clock, compute, compute_for, lead, now, set_policy, sleep, use_one_cpu,
};
use crate::sys::check as result_of;
use crate::{Context, check, check_eq, skip, syscall};
use libc::{SCHED_FIFO, SCHED_OTHER};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

/// How much of a second a normal task must get beside a real-time hog: 5 % by default, less a tick.
const LEAST_SHARE: u64 = 30 * MILLISECOND;

/// Processor time in milliseconds that a normal hog gets while this real-time one runs for so long.
fn beside_a_hog(duration: u64) -> Result<u64, Stop> {
    const END: usize = 0;
    const USED: usize = 1;
    const GATE: usize = 2;
    lead(50)?;
    let shared = Shared::new()?;
    let normal = Task::ready((SCHED_OTHER, 0), shared.word(GATE), || {
        while shared.word(END).get() == 0 {
            compute();
            shared.word(USED).set((clock(libc::CLOCK_PROCESS_CPUTIME_ID) / MILLISECOND) as u32);
        }
        Ok(())
    })?;
    let hog = Task::ready((SCHED_FIFO, 10), shared.word(GATE), || {
        crate::scheduling::compute_until(now() + duration);
        Ok(())
    })?;
    let before = shared.word(USED).get();
    shared.word(GATE).open(1);
    hog.finish()?;
    let got = shared.word(USED).get() - before;
    shared.word(END).set(1);
    normal.finish()?;
    Ok(got.into())
}

pub fn realtime_hog_leaves_a_share_to_normal_tasks(context: &Context) -> CaseResult {
    super::in_virtual_time(context)?;
    let (limit, _) = read_limits()?;
    if limit != 950_000 {
        skip!("by design: sched_rt_runtime_us is {limit}, not its default");
    }
    let got = beside_a_hog(2100 * MILLISECOND)? * MILLISECOND;
    check!(got >= 2 * LEAST_SHARE, "beside a hog of 2.1 s, a normal task got {got} ns");
    check!(
        got <= 250 * MILLISECOND,
        "beside a hog of 2.1 s, a normal task got {got} ns: more than its share"
    );
    Ok(())
}

fn read_limits() -> Result<(i64, i64), Stop> {
    let read = |name: &str| {
        let path = format!("/proc/sys/kernel/{name}");
        let text =
            std::fs::read_to_string(&path).map_err(|error| Stop::Skip(format!("no {path}: {error}")))?;
        text.trim().parse().map_err(|_| Stop::Broken(format!("{path} says {text}")))
    };
    Ok((read("sched_rt_runtime_us")?, read("sched_rt_period_us")?))
}

/// Where the kernel throttles by these limits and not by a server of its own (since 6.12), they are obeyed: half of
/// every tenth of a second.
pub fn throttling_obeys_its_limits(context: &Context) -> CaseResult {
    super::in_virtual_time(context)?;
    child::needs_root()?;
    write_limit("sched_rt_runtime_us", 50_000)?;
    write_limit("sched_rt_period_us", 100_000)?;
    let got = beside_a_hog(600 * MILLISECOND)?;
    check!((250..=350).contains(&got), "beside a hog of 600 ms limited to half, a normal task got {got} ms");
    Ok(())
}

/// The server that runs normal tasks beside real-time ones is set up through debugfs.
pub fn fair_server_obeys_its_limits(context: &Context) -> CaseResult {
    super::in_virtual_time(context)?;
    child::needs_root()?;
    let folder = Path::new("/sys/kernel/debug/sched/fair_server/cpu0");
    for (name, value) in [("runtime", 20 * MILLISECOND), ("period", 100 * MILLISECOND)] {
        if let Err(error) = std::fs::write(folder.join(name), value.to_string()) {
            skip!("no {}/{name}: {error}", folder.display());
        }
    }
    let got = beside_a_hog(600 * MILLISECOND)?;
    check!((80..=160).contains(&got), "beside a hog of 600 ms, a server of a fifth gave {got} ms");
    Ok(())
}

pub fn limit_of_minus_one_turns_throttling_off(context: &Context) -> CaseResult {
    super::in_virtual_time(context)?;
    child::needs_root()?;
    write_limit("sched_rt_runtime_us", 50_000)?;
    write_limit("sched_rt_period_us", 100_000)?;
    write_limit("sched_rt_runtime_us", -1)?;
    let got = beside_a_hog(300 * MILLISECOND)?;
    check!(got <= 2, "beside a hog of 300 ms without limits, a normal task got {got} ms");
    Ok(())
}

fn write_limit(name: &str, microseconds: i64) -> CaseResult {
    let path = format!("/proc/sys/kernel/{name}");
    setup(&path, std::fs::write(&path, microseconds.to_string()).map_err(|_| crate::sys::Errno::last()))
}

static SIGNALS: AtomicU32 = AtomicU32::new(0);

extern "C" fn count(_: libc::c_int) {
    SIGNALS.fetch_add(1, Ordering::Relaxed);
}

fn limit_cpu_time(soft: u64, hard: u64) -> CaseResult {
    let limit = libc::rlimit64 { rlim_cur: soft, rlim_max: hard };
    // SAFETY: the structure is ours; the old limit is not asked for; the handler touches an atomic only.
    unsafe {
        let set = syscall!(libc::SYS_prlimit64, 0, libc::RLIMIT_RTTIME, &raw const limit, 0);
        setup("prlimit(RLIMIT_RTTIME)", set)?;
        let handler: extern "C" fn(libc::c_int) = count;
        let old = libc::signal(libc::SIGXCPU, handler as libc::sighandler_t);
        setup("signal", result_of(if old == libc::SIG_ERR { -1 } else { 0 })).map(drop)
    }
}

/// Processor time that a real-time task uses without sleeping, in microseconds: at the soft limit it is told every
/// second, at the hard limit it is killed.
pub fn cpu_time_limit_is_enforced(_: &Context) -> CaseResult {
    child::needs_root()?;
    use_one_cpu()?;
    let shared = Shared::new()?;
    let ending = child::run(|| {
        limit_cpu_time(100_000, 300_000)?;
        setup("sched_setscheduler", set_policy(0, SCHED_FIFO, 5))?;
        let start = clock(libc::CLOCK_PROCESS_CPUTIME_ID);
        loop {
            compute();
            let used = (clock(libc::CLOCK_PROCESS_CPUTIME_ID) - start) / MILLISECOND;
            let word = shared.word(if SIGNALS.load(Ordering::Relaxed) == 0 { 0 } else { 1 });
            word.set(used as u32);
            if used > 20_000 {
                child::exit(9);
            }
        }
    })?;
    check_eq!(ending, Ending::Killed(libc::SIGKILL), "end of a real-time task that does not sleep");
    let (told, killed) = (shared.word(0).get(), shared.word(1).get());
    check!(killed > 0, "no SIGXCPU came before the end, at {told} ms");
    // Looked at in ticks, of which one is 10 ms at worst.
    check!(told >= 80, "SIGXCPU came after {told} ms, the soft limit is 100 ms");
    check!(killed >= 270, "SIGKILL came after {killed} ms, the hard limit is 300 ms");
    Ok(())
}

pub fn sleeping_resets_the_cpu_time_limit(context: &Context) -> CaseResult {
    super::in_virtual_time(context)?;
    child::needs_root()?;
    child::isolated(|| {
        limit_cpu_time(100_000, 300_000)?;
        setup("sched_setscheduler", set_policy(0, SCHED_FIFO, 5))?;
        for _ in 0..10 {
            compute_for(50 * MILLISECOND);
            sleep(MILLISECOND);
        }
        check_eq!(SIGNALS.load(Ordering::Relaxed), 0, "SIGXCPU within the limit between two sleeps");
        Ok(())
    })
}
