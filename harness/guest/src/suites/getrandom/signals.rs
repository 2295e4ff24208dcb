//! Signals that come during the call.

use super::calls::{draw, getrandom};
use crate::case::{exists, fails_with, setup};
use crate::sys::check as result_of;
use crate::{CaseResult, Context, check, check_eq, syscall};
use std::sync::atomic::{AtomicU32, Ordering};

static SIGNALS: AtomicU32 = AtomicU32::new(0);

extern "C" fn count_signal(_: i32) {
    SIGNALS.fetch_add(1, Ordering::Relaxed);
}

/// However signals fall, no short request may be cut or fail; more of them only make the case sharper.
pub fn short_request_is_never_interrupted(_: &Context) -> CaseResult {
    draw::<1>(0)?;
    handle_alarms()?;
    // 50 µs: some twenty calls on any machine.
    set_timer(50)?;
    let mut result = Ok(());
    for _ in 0..5_000 {
        result = draw::<256>(0).map(drop);
        if result.is_err() || SIGNALS.load(Ordering::Relaxed) >= 100 {
            break;
        }
    }
    set_timer(0)?;
    result
}

/// A long request may end early, but never with fewer than 256 bytes, and what it reports is what it wrote. EINTR says
/// that nothing was written.
pub fn interrupted_request_reports_what_it_wrote(_: &Context) -> CaseResult {
    const LENGTH: usize = 1 << 18;
    draw::<1>(0)?;
    handle_alarms()?;
    set_timer(200)?;
    let mut buffer = vec![0; LENGTH];
    let mut result = Ok(());
    for _ in 0..200 {
        buffer.fill(0);
        let drawn = exists("getrandom", getrandom(&mut buffer, 0))?;
        result = judge_interrupted(drawn, &buffer);
        if result.is_err() || SIGNALS.load(Ordering::Relaxed) >= 20 {
            break;
        }
    }
    set_timer(0)?;
    result
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
