//! What the suites about scheduling share: policies, tasks to use them on, memory and futexes between these.
//!
//! Tasks are processes, on one CPU where their order matters ([`use_one_cpu`]). The case itself then leads: with a
//! priority above theirs it decides who is ready, and sleeps to let them run.

use crate::case::{CaseResult, Stop, setup};
use crate::sys::{Errno, check as result_of};
use crate::{check, child, syscall};
use std::sync::atomic::{AtomicU32, Ordering};

pub const MICROSECOND: u64 = 1_000;
pub const MILLISECOND: u64 = 1_000_000;

pub fn clock(clock: libc::clockid_t) -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the structure is ours.
    unsafe { libc::clock_gettime(clock, &raw mut now) };
    now.tv_sec.cast_unsigned() * 1_000_000_000 + now.tv_nsec.cast_unsigned()
}

/// CLOCK_MONOTONIC in nanoseconds.
pub fn now() -> u64 {
    clock(libc::CLOCK_MONOTONIC)
}

/// Processor time of this thread in nanoseconds.
pub fn used() -> u64 {
    clock(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// Some microseconds of work. No `pause` instruction: an emulator takes it for a reason to look around, which is slow.
pub fn compute() {
    for step in 0..1000 {
        std::hint::black_box(step);
    }
}

/// Computes until so much processor time is used.
pub fn compute_for(nanoseconds: u64) {
    let start = used();
    while used() - start < nanoseconds {
        compute();
    }
}

/// Computes until this moment of CLOCK_MONOTONIC.
pub fn compute_until(end: u64) {
    while now() < end {
        compute();
    }
}

pub fn sleep(nanoseconds: u64) {
    std::thread::sleep(std::time::Duration::from_nanos(nanoseconds));
}

/// sched_setscheduler(2); process 0 is the caller.
pub fn set_policy(process: i32, policy: i32, priority: i32) -> Result<i64, Errno> {
    let parameter = libc::sched_param { sched_priority: priority };
    // SAFETY: the structure is ours.
    unsafe { syscall!(libc::SYS_sched_setscheduler, process, policy, &raw const parameter) }
}

/// sched_setparam(2).
pub fn set_priority(process: i32, priority: i32) -> Result<i64, Errno> {
    let parameter = libc::sched_param { sched_priority: priority };
    // SAFETY: the structure is ours.
    unsafe { syscall!(libc::SYS_sched_setparam, process, &raw const parameter) }
}

/// sched_getscheduler(2).
pub fn policy(process: i32) -> Result<i64, Errno> {
    // SAFETY: no pointers.
    unsafe { syscall!(libc::SYS_sched_getscheduler, process) }
}

/// sched_getparam(2).
pub fn priority(process: i32) -> Result<i32, Errno> {
    let mut parameter = libc::sched_param { sched_priority: -1 };
    // SAFETY: the structure is ours.
    unsafe { syscall!(libc::SYS_sched_getparam, process, &raw mut parameter) }?;
    Ok(parameter.sched_priority)
}

/// Binds a process (0: this one), and children that it makes from now on, to the CPUs of a mask.
pub fn set_affinity(process: i32, mask: &[u64]) -> Result<i64, Errno> {
    // SAFETY: the mask is as long as said.
    unsafe { syscall!(libc::SYS_sched_setaffinity, process, size_of_val(mask), mask.as_ptr()) }
}

/// Binds this process, and children made from now on, to one of its CPUs.
pub fn use_one_cpu() -> CaseResult {
    let mut mask = [0u64; 16];
    // SAFETY: the mask is ours and as long as said.
    unsafe {
        let (length, address) = (size_of_val(&mask), mask.as_mut_ptr());
        setup("sched_getaffinity", syscall!(libc::SYS_sched_getaffinity, 0, length, address))?;
        let mut free = true;
        for word in &mut mask {
            let first = *word & word.wrapping_neg();
            *word = if free { first } else { 0 };
            free &= first == 0;
        }
    }
    setup("sched_setaffinity", set_affinity(0, &mask)).map(drop)
}

/// One CPU, and this priority on it: above the tasks that this process is to lead.
pub fn lead(priority: i32) -> CaseResult {
    child::needs_root()?;
    use_one_cpu()?;
    setup("sched_setscheduler(SCHED_FIFO)", set_policy(0, libc::SCHED_FIFO, priority)).map(drop)
}

/// A field of /proc/PID/stat by its number in proc_pid_stat(5), from 3 on.
fn stat_field(process: i32, number: usize) -> Result<String, Stop> {
    let path = format!("/proc/{process}/stat");
    let text = std::fs::read_to_string(&path).map_err(|error| Stop::Broken(format!("{path}: {error}")))?;
    // The name of the program, the second field, may hold anything but ends with the last parenthesis.
    let fields = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let field = fields.split_ascii_whitespace().nth(number - 3);
    field.map(str::to_owned).ok_or_else(|| Stop::Broken(format!("{path} has no field {number}")))
}

/// The priority that the kernel schedules by, inherited or own, as proc_pid_stat(5) tells it: 0 to 39 for nice values,
/// -2 to -100 for real-time priorities 1 to 99, below that for deadlines.
pub fn effective_priority(process: i32) -> Result<i32, Stop> {
    let field = stat_field(process, 18)?;
    field.parse().map_err(|_| Stop::Broken(format!("/proc/{process}/stat: priority {field}")))
}

/// The effective priority of a task with this real-time priority.
pub const fn realtime(priority: i32) -> i32 {
    -1 - priority
}

/// A child process that does something and is ended with its handle.
#[derive(Debug)]
pub struct Task {
    pub process: i32,
}

impl Task {
    /// Starts a child; it exits with 0 if its body says so, else with 1 and the reason on standard error.
    pub fn start(body: impl FnOnce() -> CaseResult) -> Result<Task, Stop> {
        let process = child::fork()?;
        if process == 0 {
            let result = body();
            if let Err(stop) = &result {
                eprintln!("in a task: {stop:?}");
            }
            child::exit(i32::from(result.is_err()));
        }
        Ok(Task { process })
    }

    /// Starts a child with this policy that begins when it is opened at the gate. It is asleep there on return.
    pub fn ready(
        (policy, priority): (i32, i32),
        gate: Word<'_>,
        body: impl FnOnce() -> CaseResult,
    ) -> Result<Task, Stop> {
        let task = Task::start(|| {
            gate.wait_while(0);
            body()
        })?;
        setup("sched_setscheduler", set_policy(task.process, policy, priority))?;
        task.until_asleep()?;
        Ok(task)
    }

    /// Returns when the task sleeps, which gives it the time to come there.
    pub fn until_asleep(&self) -> CaseResult {
        for _ in 0..20_000 {
            if stat_field(self.process, 3)? == "S" {
                return Ok(());
            }
            sleep(500 * MICROSECOND);
        }
        Err(Stop::Fail(format!("process {} does not come to its sleep", self.process)))
    }

    /// Waits for the end, which must be a good one.
    pub fn finish(self) -> CaseResult {
        let ending = child::wait(self.process)?;
        std::mem::forget(self);
        check!(ending == child::Ending::Exited(0), "a task of the case: {ending:?}");
        Ok(())
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        // SAFETY: a child of ours that nobody has waited for yet.
        unsafe {
            libc::kill(self.process, libc::SIGKILL);
            libc::waitpid(self.process, std::ptr::null_mut(), 0);
        }
    }
}

/// A page shared with the children made after it: words to tell each other something, and a log.
#[derive(Debug)]
pub struct Shared {
    words: *mut AtomicU32,
}

impl Shared {
    const WORDS: usize = 512;
    /// Words before the log.
    const LOG: usize = 64;

    pub fn new() -> Result<Shared, Stop> {
        let (protection, flags) =
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
        // SAFETY: the kernel chooses an address where nothing of ours is. Never unmapped: children have it, too.
        let mapped = unsafe { syscall!(libc::SYS_mmap, 0, Shared::WORDS * 4, protection, flags, -1i32, 0) };
        Ok(Shared { words: setup("mmap", mapped)? as *mut AtomicU32 })
    }

    /// One word, zero at first.
    pub fn word(&self, index: usize) -> Word<'_> {
        assert!(index < Shared::LOG, "below the log");
        self.any(index)
    }

    fn any(&self, index: usize) -> Word<'_> {
        assert!(index < Shared::WORDS, "inside the page");
        // SAFETY: inside the mapping, which lives as long as the process; atomics may be shared.
        Word(unsafe { &*self.words.add(index) })
    }

    /// Appends to the log.
    pub fn log(&self, entry: u32) {
        let at = self.any(Shared::LOG).0.fetch_add(1, Ordering::SeqCst) as usize;
        if Shared::LOG + 1 + at < Shared::WORDS {
            self.any(Shared::LOG + 1 + at).set(entry);
        }
    }

    /// The log so far.
    pub fn logged(&self) -> Vec<u32> {
        let count = (self.any(Shared::LOG).get() as usize).min(Shared::WORDS - Shared::LOG - 1);
        (0..count).map(|at| self.any(Shared::LOG + 1 + at).get()).collect()
    }

    pub fn clear_log(&self) {
        self.any(Shared::LOG).set(0);
    }
}

/// A word that processes share; futex(2) operations on it are not private.
#[derive(Debug, Clone, Copy)]
pub struct Word<'a>(pub &'a AtomicU32);

/// futex(2) operations that are not in libc.
pub mod operation {
    pub const LOCK_PI: i32 = 6;
    pub const UNLOCK_PI: i32 = 7;
    pub const TRYLOCK_PI: i32 = 8;
    pub const WAIT_REQUEUE_PI: i32 = 11;
    pub const CMP_REQUEUE_PI: i32 = 12;
    pub const LOCK_PI2: i32 = 13;
    pub const CLOCK_REALTIME: i32 = 256;
}

impl Word<'_> {
    pub fn get(self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }

    pub fn set(self, value: u32) {
        self.0.store(value, Ordering::SeqCst);
    }

    pub fn address(self) -> u64 {
        std::ptr::from_ref(self.0) as u64
    }

    /// futex(2) with an operation that takes a value and a timeout; `None` waits for ever.
    pub fn futex(self, operation: i32, value: u32, timeout: Option<[i64; 2]>) -> Result<i64, Errno> {
        let timeout = timeout.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        // SAFETY: the word is shared memory, the timeout lives through the call.
        unsafe { syscall!(libc::SYS_futex, self.address(), operation, value, timeout, 0, 0) }
    }

    /// Sleeps as long as the word has this value.
    pub fn wait_while(self, value: u32) {
        while self.get() == value {
            let _ = self.futex(libc::FUTEX_WAIT, value, None);
        }
    }

    /// Sets the word and wakes whoever waits for a change of it.
    pub fn open(self, value: u32) {
        self.set(value);
        let _ = self.futex(libc::FUTEX_WAKE, i32::MAX.cast_unsigned(), None);
    }

    /// Locks with priority inheritance, straight through the kernel.
    pub fn lock(self) -> Result<i64, Errno> {
        self.futex(operation::LOCK_PI, 0, None)
    }

    pub fn unlock(self) -> Result<i64, Errno> {
        self.futex(operation::UNLOCK_PI, 0, None)
    }
}

/// The thread's number, as a lock with priority inheritance holds it.
pub fn thread() -> u32 {
    // SAFETY: no pointers.
    result_of(unsafe { libc::syscall(libc::SYS_gettid) }).map_or(0, |id| id as u32)
}
