//! How soon a real-time task runs, in virtual time: instructions of the kernel's between cause and effect. The
//! bounds are an order of magnitude above what kernels need, and far below a tick (1 to 10 ms), which is what a
//! kernel that forgets to reschedule needs.

use crate::case::{CaseResult, Stop, setup};
use crate::child;
use crate::scheduling::{
    MICROSECOND, MILLISECOND, Shared, Task, compute, compute_until, lead, now, set_policy, sleep, use_one_cpu,
};
use crate::{Context, check, skip, syscall};
use libc::{SCHED_FIFO, SCHED_OTHER};
use std::os::fd::AsRawFd;

const BOUND: u64 = 200 * MICROSECOND;

const GATE: usize = 0;
const END: usize = 4;

/// A task of normal policy that takes all that it can get, in a loop that enters the kernel.
fn hog(shared: &Shared) -> Result<Task, Stop> {
    let task = Task::ready((SCHED_OTHER, 0), shared.word(GATE), || {
        while shared.word(END).get() == 0 {
            compute();
            // SAFETY: no pointers.
            let _ = unsafe { syscall!(libc::SYS_getppid) };
        }
        Ok(())
    })?;
    shared.word(GATE).open(1);
    Ok(task)
}

fn is_bounded(what: &str, latencies: &[u64]) -> CaseResult {
    let worst = latencies.iter().max().copied().unwrap_or(u64::MAX);
    check!(worst <= BOUND, "{what} took up to {worst} ns, the bound is {BOUND} ns: {latencies:?}");
    Ok(())
}

/// Sleeps until given moments beside a normal hog.
pub fn timer_wakes_a_realtime_task_in_time(context: &Context) -> CaseResult {
    super::in_virtual_time(context)?;
    lead(90)?;
    let shared = Shared::new()?;
    let rival = hog(&shared)?;
    let mut latencies = vec![];
    for step in 0..30 {
        // Moments that are not those of the tick.
        let end = now() + 1_234_567 + step * 33_333;
        let moment = [(end / 1_000_000_000).cast_signed(), (end % 1_000_000_000).cast_signed()];
        let (clock, absolute) = (libc::CLOCK_MONOTONIC, libc::TIMER_ABSTIME);
        // SAFETY: two words are a timespec.
        let slept = unsafe { syscall!(libc::SYS_clock_nanosleep, clock, absolute, moment.as_ptr(), 0) };
        setup("clock_nanosleep", slept)?;
        let woken = now();
        check!(woken >= end, "a sleep ended {} ns early", end - woken.min(end));
        latencies.push(woken - end);
    }
    shared.word(END).set(1);
    rival.finish()?;
    is_bounded("waking by a timer", &latencies)
}

/// A normal task wakes a real-time one, by three means, and looks at the clock before.
pub fn normal_task_wakes_a_realtime_one_in_time(context: &Context) -> CaseResult {
    super::in_virtual_time(context)?;
    child::needs_root()?;
    use_one_cpu()?;
    for means in ["futex", "pipe", "signal"] {
        let shared = Shared::new()?;
        let (reader, writer) = child::pipe()?;
        let blocked: u64 = 1 << (libc::SIGUSR1 - 1);
        // SAFETY: the mask is ours and as long as said.
        setup("sigprocmask", unsafe {
            syscall!(libc::SYS_rt_sigprocmask, libc::SIG_BLOCK, &raw const blocked, 0, 8)
        })?;
        // The moments, in two words each: woken at, running at.
        let moment = |number: usize| (shared.word(10 + 2 * number), shared.word(11 + 2 * number));
        let task = Task::start(|| {
            setup("sched_setscheduler", set_policy(0, SCHED_FIFO, 80))?;
            for number in 0..10 {
                match means {
                    "futex" => shared.word(GATE).wait_while(number),
                    "pipe" => {
                        let mut byte = 0u8;
                        // SAFETY: the byte is ours.
                        setup("read", unsafe {
                            syscall!(libc::SYS_read, reader.as_raw_fd(), &raw mut byte, 1)
                        })?;
                    }
                    _ => {
                        // SAFETY: the mask is ours and as long as said; nothing else is asked for.
                        setup("rt_sigtimedwait", unsafe {
                            syscall!(libc::SYS_rt_sigtimedwait, &raw const blocked, 0, 0, 8)
                        })?;
                    }
                }
                moment(number as usize).1.set(now() as u32);
            }
            Ok(())
        })?;
        for number in 0..10 {
            task.until_asleep()?;
            moment(number).0.set(now() as u32);
            match means {
                "futex" => shared.word(GATE).open(number as u32 + 1),
                "pipe" => child::write_all(&writer, b"x"),
                _ => {
                    // SAFETY: no pointers.
                    let sent = unsafe { syscall!(libc::SYS_kill, task.process, libc::SIGUSR1) };
                    setup("kill", sent)?;
                }
            }
        }
        task.finish()?;
        let latencies: Vec<u64> = (0..10)
            .map(|number| {
                let (woken, running) = moment(number);
                running.get().wrapping_sub(woken.get()).into()
            })
            .collect();
        is_bounded(&format!("waking by a {means}"), &latencies)?;
    }
    Ok(())
}

/// prctl(2) PR_SET_TIMERSLACK lets timers come later, but not those of real-time tasks.
pub fn timer_slack_is_for_normal_tasks_only(context: &Context) -> CaseResult {
    const SLACK: u64 = 50 * MILLISECOND;
    super::in_virtual_time(context)?;
    child::needs_root()?;
    // SAFETY: no pointers.
    setup("prctl(PR_SET_TIMERSLACK)", unsafe { syscall!(libc::SYS_prctl, libc::PR_SET_TIMERSLACK, SLACK) })?;
    setup("sched_setscheduler", set_policy(0, SCHED_FIFO, 80))?;
    for _ in 0..10 {
        let start = now();
        let time = [0, 3_210_987i64];
        // SAFETY: two words are a timespec.
        let slept = unsafe { syscall!(libc::SYS_nanosleep, time.as_ptr(), 0) };
        setup("nanosleep", slept)?;
        let late = (now() - start).saturating_sub(3_210_987);
        check!(late <= BOUND, "a real-time task woke {late} ns late, with a timer slack of {SLACK} ns");
        let start = now();
        // SAFETY: no descriptors are given; two words are a timespec.
        let polled = unsafe { syscall!(libc::SYS_ppoll, 0, 0, time.as_ptr(), 0, 0) };
        setup("ppoll", polled)?;
        let late = (now() - start).saturating_sub(3_210_987);
        check!(late <= BOUND, "ppoll of a real-time task ended {late} ns late, slack {SLACK} ns");
    }
    Ok(())
}

/// A lock is handed over to a waiter of higher priority at once.
pub fn unlock_hands_over_in_time(context: &Context) -> CaseResult {
    super::in_virtual_time(context)?;
    lead(90)?;
    let shared = Shared::new()?;
    let lock = 8;
    let mut latencies = vec![];
    for _ in 0..5 {
        shared.word(GATE).set(0);
        shared.word(END).set(0);
        let owner = Task::ready((SCHED_OTHER, 0), shared.word(GATE), || {
            setup("FUTEX_LOCK_PI", shared.word(lock).lock())?;
            shared.word(END).wait_while(0);
            shared.word(10).set(now() as u32);
            setup("FUTEX_UNLOCK_PI", shared.word(lock).unlock())?;
            compute_until(now() + 30 * MILLISECOND);
            Ok(())
        })?;
        shared.word(GATE).open(1);
        owner.until_asleep()?;
        let waiter = Task::start(|| {
            setup("FUTEX_LOCK_PI", shared.word(lock).lock())?;
            shared.word(11).set(now() as u32);
            setup("FUTEX_UNLOCK_PI", shared.word(lock).unlock()).map(drop)
        })?;
        waiter.until_asleep()?;
        shared.word(END).open(1);
        waiter.finish()?;
        owner.finish()?;
        latencies.push(shared.word(11).get().wrapping_sub(shared.word(10).get()).into());
    }
    is_bounded("handing over a lock", &latencies)
}

/// A long call of a normal task into the kernel must not hold a real-time one up, on kernels that promise so.
pub fn realtime_kernel_preempts_itself(context: &Context) -> CaseResult {
    super::in_virtual_time(context)?;
    lead(90)?;
    let shared = Shared::new()?;
    // Zeroing and freeing 4 MiB in one call each: several hundred microseconds in the kernel.
    let rival = Task::ready((SCHED_OTHER, 0), shared.word(GATE), || {
        while shared.word(END).get() == 0 {
            let memory = crate::mapping::Mapping::anonymous(4 << 20, libc::PROT_READ | libc::PROT_WRITE)?;
            // SAFETY: our own mapping.
            let populated =
                unsafe { syscall!(libc::SYS_madvise, memory.address(), 4 << 20, libc::MADV_POPULATE_WRITE) };
            if populated.is_err() {
                skip!("missing advice: MADV_POPULATE_WRITE");
            }
        }
        Ok(())
    })?;
    shared.word(GATE).open(1);
    let mut latencies = vec![];
    for step in 0..50 {
        let end = now() + 1_234_567 + step * 33_333;
        sleep(end - now());
        latencies.push(now() - end);
    }
    shared.word(END).set(1);
    rival.finish()?;
    is_bounded("waking by a timer beside long calls", &latencies)
}
