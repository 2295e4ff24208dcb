//! Signals and deaths while a call waits for its supervisor.

use super::filter::*;
use super::supervisor::*;
use crate::case::{CaseResult, fails_with, succeeds};
use crate::child::{Ending, isolated};
use crate::sys::Errno;
use crate::{Context, check, check_eq};

/// Long enough for a woken process to run; only a kernel that wakes it wrongly makes a difference.
const A_MOMENT: i32 = 50;

fn is_gone(caller: &Caller, mut id: u64) -> CaseResult {
    fails_with("ID_VALID", ioctl(&caller.listener, NOTIF_ID_VALID, &mut id), libc::ENOENT)?;
    fails_with("SEND", answer(&caller.listener, Answer { id, value: 1, ..Answer::default() }), libc::ENOENT)
}

pub fn signal_interrupts_a_waiting_call(_: &Context) -> CaseResult {
    isolated(|| {
        let caller = Caller::start(0, 0)?;
        let Notification { id, .. } = receive(&caller.listener)?;
        caller.signal(libc::SIGUSR1)?;
        check!(caller.is_done(10_000)?, "a received call is still waiting 10 seconds after a signal");
        is_gone(&caller, id)?;
        let (result, signals, _) = caller.end()?;
        check_eq!((result, signals), (Some(Err(Errno(libc::EINTR))), 1), "result, and signals handled");
        Ok(())
    })
}

pub fn restarted_call_is_notified_again(_: &Context) -> CaseResult {
    isolated(|| {
        let caller = Caller::start(0, libc::SA_RESTART)?;
        let first = receive(&caller.listener)?;
        caller.signal(libc::SIGUSR1)?;
        let second = receive(&caller.listener)?;
        check!(first.id != second.id, "the restarted call has the identifier of the interrupted one");
        check_eq!(second.number, first.number, "number of the restarted call");
        check_eq!(second.arguments, first.arguments, "arguments of the restarted call");
        is_gone(&caller, first.id)?;
        let reply = Answer { id: second.id, value: 8, ..Answer::default() };
        succeeds("answer to the restarted call", answer(&caller.listener, reply))?;
        let (result, signals, _) = caller.end()?;
        check_eq!((result, signals), (Some(Ok(8)), 1), "result, and signals handled");
        Ok(())
    })
}

pub fn answer_to_a_killed_caller_is_refused(_: &Context) -> CaseResult {
    isolated(|| {
        let caller = Caller::start(0, 0)?;
        let Notification { id, .. } = receive(&caller.listener)?;
        caller.signal(libc::SIGKILL)?;
        check!(caller.is_done(10_000)?, "a caller is still there 10 seconds after SIGKILL");
        is_gone(&caller, id)?;
        check_eq!(caller.end()?, (None, 0, Ending::Killed(libc::SIGKILL)), "result, signals, and end");
        Ok(())
    })
}

/// After reception only a fatal signal gets through; the handler runs when the answer has come.
pub fn received_call_waits_killable(_: &Context) -> CaseResult {
    isolated(|| {
        let caller = Caller::start(WAIT_KILLABLE_RECV, 0)?;
        let Notification { mut id, .. } = receive(&caller.listener)?;
        caller.signal(libc::SIGUSR1)?;
        check!(!caller.is_done(A_MOMENT)?, "a received call was interrupted by a signal that is not fatal");
        check_eq!(ioctl(&caller.listener, NOTIF_ID_VALID, &mut id), Ok(0), "ID_VALID after the signal");
        let reply = Answer { id, value: 8, ..Answer::default() };
        succeeds("answer after the signal", answer(&caller.listener, reply))?;
        check!(caller.is_done(10_000)?, "the answered caller is still waiting after 10 seconds");
        check_eq!(caller.end()?, (Some(Ok(8)), 1, Ending::Exited(0)), "result, signals handled, and end");
        Ok(())
    })?;
    isolated(|| {
        let caller = Caller::start(WAIT_KILLABLE_RECV, 0)?;
        receive(&caller.listener)?;
        caller.signal(libc::SIGKILL)?;
        check!(caller.is_done(10_000)?, "a received call survives SIGKILL");
        check_eq!(caller.end()?.2, Ending::Killed(libc::SIGKILL), "end of a caller killed after reception");
        Ok(())
    })
}

pub fn unreceived_call_is_interrupted_even_if_killable(_: &Context) -> CaseResult {
    isolated(|| {
        let caller = Caller::start(WAIT_KILLABLE_RECV, 0)?;
        caller.wait_for_the_call()?;
        caller.signal(libc::SIGUSR1)?;
        check!(caller.is_done(10_000)?, "a call that nobody has received is not interrupted by a signal");
        let (result, signals, _) = caller.end()?;
        check_eq!((result, signals), (Some(Err(Errno(libc::EINTR))), 1), "result, and signals handled");
        Ok(())
    })
}

pub fn wait_killable_needs_a_listener(_: &Context) -> CaseResult {
    isolated(|| {
        for flags in [WAIT_KILLABLE_RECV, WAIT_KILLABLE_RECV | TSYNC, WAIT_KILLABLE_RECV | LOG_FLAG] {
            let refused = install(&[ret(ALLOW)], flags);
            fails_with(&format!("filter with flags {flags:#x}"), refused, libc::EINVAL)?;
        }
        succeeds("filter with a killable listener", install(&[ret(ALLOW)], WAIT_KILLABLE_RECV | NEW_LISTENER))
            .map(crate::sys::owned)
            .map(drop)
    })
}
