//! Signals that come during the call.

use super::calls::{at, draw, getrandom};
use crate::case::{exists, fails_with, setup};
use crate::mapping::PAGE;
use crate::suites::userfaultfd::calls::{
    Call, FAULT_WRITE, MISSING, Pages, Uffd, filled, serving, untouched,
};
use crate::sys::{Errno, check as result_of};
use crate::{CaseResult, Context, Stop, check, check_eq, skip, syscall};
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

static SIGNALS: AtomicU32 = AtomicU32::new(0);

extern "C" fn count_signal(_: i32) {
    SIGNALS.fetch_add(1, Ordering::Relaxed);
}

/// However signals fall, no short request may be cut or fail; more of them only make the case sharper.
pub fn short_request_is_never_interrupted(_: &Context) -> CaseResult {
    const CALLS: u32 = 100_000;
    draw::<1>(0)?;
    handle_alarms()?;
    // 50 µs: some twenty calls on any machine.
    set_timer(50)?;
    let mut result = Ok(());
    for _ in 0..CALLS {
        result = draw::<256>(0).map(drop);
        if result.is_err() || SIGNALS.load(Ordering::Relaxed) >= 100 {
            break;
        }
    }
    set_timer(0)?;
    result?;
    if SIGNALS.load(Ordering::Relaxed) == 0 {
        skip!("missing hardware: a timer that signals within {CALLS} calls");
    }
    Ok(())
}

/// A long request may end early, but never with fewer than 256 bytes, and what it reports is what it wrote. EINTR says
/// that nothing was written.
pub fn interrupted_request_reports_what_it_wrote(_: &Context) -> CaseResult {
    const LENGTH: usize = 1 << 18;
    draw::<1>(0)?;
    handle_alarms()?;
    set_timer(200)?;
    let mut buffer = vec![0; LENGTH];
    let (mut result, mut interrupted) = (Ok(()), 0);
    for _ in 0..400 {
        buffer.fill(0);
        let drawn = exists("getrandom", getrandom(&mut buffer, 0))?;
        interrupted += u32::from(drawn != Ok(LENGTH));
        result = judge_interrupted(drawn, &buffer);
        if result.is_err() || interrupted >= 20 {
            break;
        }
    }
    set_timer(0)?;
    result?;
    let signals = SIGNALS.load(Ordering::Relaxed);
    if interrupted == 0 {
        skip!("by design: no request of 256 KiB was interrupted by {signals} signals");
    }
    Ok(())
}

/// Draws into memory of which a part is withheld (userfaultfd(2)) until a signal is pending: that makes it come in the
/// middle of the call, however fast the machine.
fn draw_around(withheld: Pages, start: u64, length: u64) -> Result<Result<usize, Errno>, Stop> {
    let uffd = Uffd::watching(withheld, MISSING, 0)?;
    let before = SIGNALS.load(Ordering::SeqCst);
    let thread = AtomicI64::new(0);
    let call = || {
        // SAFETY: takes no pointers.
        thread.store(unsafe { libc::gettid() }.into(), Ordering::SeqCst);
        // SAFETY: the caller's own memory, which nothing borrows.
        let drawn = unsafe { at(start, length, 0) };
        (drawn, SIGNALS.load(Ordering::SeqCst) - before)
    };
    let (_, (drawn, signals)) = serving(uffd, call, |uffd| {
        uffd.expect_fault(FAULT_WRITE, withheld.start)?;
        let thread = thread.load(Ordering::SeqCst);
        // SAFETY: takes no pointers; the thread is ours and waits.
        setup("tgkill", unsafe { syscall!(libc::SYS_tgkill, libc::getpid(), thread, libc::SIGALRM) })?;
        filled("UFFDIO_ZEROPAGE", uffd.fill(Call::ZeroPage, withheld, 0), withheld.length)
    })?;
    check_eq!(signals, 1, "signals handled when getrandom returned");
    Ok(drawn)
}

/// Wherever the signal finds it: before its first byte, behind it, in the middle, before its last.
pub fn short_request_is_completed_with_a_signal_pending(_: &Context) -> CaseResult {
    draw::<1>(0)?;
    handle_alarms()?;
    for (length, before) in [(1, 0), (32, 0), (33, 1), (64, 32), (256, 0), (256, 1), (256, 128), (256, 255)] {
        let (mut mapping, pages) = untouched(2)?;
        let drawn = draw_around(pages.page(1), pages.page(1).start - before as u64, length as u64)?;
        check_eq!(drawn, Ok(length), "getrandom of {length} bytes with a signal behind {before} of them");
        let bytes = &mapping.bytes()[PAGE - before..][..length];
        // 16 zero bytes at one place have probability 2^-128.
        let empty = bytes.chunks_exact(16).position(|chunk| chunk == [0; 16]);
        check_eq!(empty, None, "number of the first 16 of {length} bytes that were left zero");
    }
    Ok(())
}

/// The page says that a long request may be interrupted, not that it must; what it reports is what it wrote.
pub fn long_request_with_a_signal_pending_reports_what_it_wrote(_: &Context) -> CaseResult {
    const PAGES: usize = 64;
    draw::<1>(0)?;
    handle_alarms()?;
    let mut whole = 0;
    for index in [0, 1, PAGES / 2] {
        let (mut mapping, pages) = untouched(PAGES)?;
        let drawn = draw_around(pages.page(index), pages.start, pages.length)?;
        judge_interrupted(drawn, mapping.bytes())?;
        whole += u32::from(drawn == Ok(PAGES * PAGE));
    }
    if whole == 3 {
        skip!("by design: a request of 256 KiB is completed with a signal pending");
    }
    Ok(())
}

fn judge_interrupted(drawn: Result<usize, crate::sys::Errno>, buffer: &[u8]) -> CaseResult {
    let Ok(n) = drawn else {
        fails_with("getrandom among signals", drawn, libc::EINTR)?;
        check!(buffer.iter().all(|&byte| byte == 0), "getrandom failed with EINTR after writing bytes");
        return Ok(());
    };
    check!(n >= 256, "getrandom of {} bytes among signals returned {n}", buffer.len());
    // 16 zero bytes at one place have probability 2^-128.
    let empty = buffer[..n].chunks_exact(16).position(|chunk| chunk == [0; 16]);
    check_eq!(empty.map(|at| 16 * at), None, "offset of 16 bytes that were left zero, of {n} reported");
    let last = buffer[..n].iter().rev().take(16).any(|&byte| byte != 0);
    check!(last, "the last 16 of {n} reported bytes were left zero");
    let over = buffer[n..].iter().position(|&byte| byte != 0);
    check_eq!(over, None, "offset, behind {n} reported bytes, of one that was written nevertheless");
    Ok(())
}

fn handle_alarms() -> CaseResult {
    // SAFETY: the handler only counts; the structures are ours. Without SA_RESTART, an interruption would show.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = count_signal as extern "C" fn(i32) as usize;
        let set = libc::sigaction(libc::SIGALRM, &action, std::ptr::null_mut());
        setup("sigaction", result_of(set.into())).map(drop)
    }
}

fn set_timer(microseconds: libc::suseconds_t) -> CaseResult {
    let interval = libc::timeval { tv_sec: 0, tv_usec: microseconds };
    let timer = libc::itimerval { it_interval: interval, it_value: interval };
    // SAFETY: the structure is ours; the old value is not asked for.
    let set = unsafe { syscall!(libc::SYS_setitimer, libc::ITIMER_REAL, &raw const timer, 0) };
    setup("setitimer", set).map(drop)
}
