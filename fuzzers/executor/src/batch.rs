//! The loop over a batch, in the process that runs programs.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use gauntlet_protocol::program::{MAX_CALLS, Operations, Programs, Ran, RecordWriter, Tier, flag};

use crate::arena::Arena;
use crate::isolate::{self, Stack};
use crate::kcov::Kcov;
use crate::shared::{Page, Words};
use crate::{Flight, Options};

/// Guest time after which a call that blocks in our own task is interrupted.
const PATIENCE: libc::timeval = libc::timeval { tv_sec: 0, tv_usec: 50_000 };
/// Descriptors looked at to find the last one that is ours.
const DESCRIPTORS: libc::c_int = 64;

/// Everything programs run with.
pub(crate) struct Executor<'a> {
    pub(crate) arena: Arena,
    pub(crate) stack: Stack,
    pub(crate) kcov: Option<Kcov>,
    pub(crate) page: Page,
    pub(crate) options: Options,
    pub(crate) flight: &'a dyn Flight,
}

impl<'a> Executor<'a> {
    pub(crate) fn new(options: Options, flight: &'a dyn Flight) -> Option<Executor<'a>> {
        let kcov = if options.kcov { Kcov::open() } else { None };
        Some(Executor {
            arena: Arena::map()?,
            stack: Stack::map()?,
            kcov,
            page: Page::map()?,
            options,
            flight,
        })
    }

    pub(crate) fn page(&self) -> &Words {
        self.page.words()
    }

    /// Runs the programs from the page's next one on, and writes their records behind those already there.
    pub(crate) fn run(&self, programs: Programs<'_>, results: &mut [u8]) {
        interrupt_blocked_calls();
        let first_free = first_free();
        let first = self.page().next.load(Relaxed);
        let cookie = programs.cookie();
        for (index, program) in (0u32..).zip(programs).skip(first as usize) {
            let Ok((tier, program)) = program else { return };
            self.flight.program(index);
            let started = Instant::now();
            let flags = self.run_one(tier, &program, first_free);
            let ran = Ran { program: index, flags, micros: micros(started.elapsed()), ..Ran::default() };
            if !self.record(results, cookie, ran) {
                return;
            }
        }
    }

    fn run_one(&self, tier: Tier, program: &Operations<'_>, first_free: libc::c_uint) -> u32 {
        self.page().start_program();
        let mut flags = isolate::run(self, tier, program);
        if tier == Tier::InProcess {
            // SAFETY: closes what the program left open, nothing of ours.
            unsafe { libc::syscall(libc::SYS_close_range, first_free, u32::MAX, 0) };
        }
        // A forked process maps over its own window.
        if self.page().window.load(Relaxed) != 0 && tier != Tier::Process {
            self.arena.reset_window();
        }
        if self.page().malformed.load(Relaxed) != 0 {
            flags |= flag::MALFORMED;
        }
        flags
    }

    /// Completes the record with what the page and KCOV say, and writes it.
    fn record(&self, results: &mut [u8], cookie: u64, mut ran: Ran<'_>) -> bool {
        let (coverage, cut) = self.kcov.as_ref().map_or((&[][..], false), Kcov::collected);
        if cut {
            ran.flags |= flag::COVERAGE_CUT;
        }
        let mut errors = [0; MAX_CALLS];
        let calls = (self.page().calls.load(Relaxed) as usize).min(MAX_CALLS);
        for (error, word) in errors.iter_mut().zip(&self.page().errors) {
            *error = word.load(Relaxed);
        }
        append(self.page(), results, cookie, |writer| {
            writer.push(&Ran { results: &errors[..calls], coverage, ..ran })
        })
    }
}

fn micros(time: Duration) -> u32 {
    u32::try_from(time.as_micros()).unwrap_or(u32::MAX)
}

/// Writes one record behind the last one and moves on to the next program. `false` when there is no room.
pub(crate) fn append(
    page: &Words,
    results: &mut [u8],
    cookie: u64,
    push: impl FnOnce(&mut RecordWriter<'_>) -> bool,
) -> bool {
    let length = page.length.load(Relaxed).min(results.len());
    let mut writer = RecordWriter::new(&mut results[length..], cookie);
    if !push(&mut writer) {
        return false;
    }
    page.length.store(length + writer.length(), Relaxed);
    page.next.fetch_add(1, Relaxed);
    true
}

/// One past the highest open descriptor.
fn first_free() -> libc::c_uint {
    // SAFETY: asks about descriptors, changes none.
    let open = |descriptor: &libc::c_int| unsafe { libc::fcntl(*descriptor, libc::F_GETFD) } >= 0;
    let last = (0..DESCRIPTORS).rev().find(open);
    last.map_or(0, |last| last.cast_unsigned() + 1)
}

/// A periodic signal whose handler does nothing: whoever blocks gets EINTR.
fn interrupt_blocked_calls() {
    extern "C" fn nothing(_: libc::c_int) {}
    let timer = libc::itimerval { it_interval: PATIENCE, it_value: PATIENCE };
    // SAFETY: a zeroed sigaction is valid; without SA_RESTART calls are interrupted, not restarted.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = nothing as *const () as usize;
        libc::sigaction(libc::SIGALRM, &raw const action, std::ptr::null_mut());
        libc::setitimer(libc::ITIMER_REAL, &raw const timer, std::ptr::null_mut());
    }
}
