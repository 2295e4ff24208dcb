//! SECCOMP_IOCTL_NOTIF_ADDFD in full, and the other requests a listener knows.

use super::filter::*;
use super::supervisor::*;
use crate::case::{CaseResult, Stop, fails_with, setup, succeeds};
use crate::child::{isolated, pipe};
use crate::mapping::{Mapping, PAGE};
use crate::sys::{Errno, check as result_of, owned, read_all};
use crate::{Context, check, check_eq, syscall};
use std::os::fd::{AsRawFd, OwnedFd};

const ADDFD_SEND: u32 = 2;

/// Both ways the number of ID_VALID was spelled: until 5.8 with the direction the wrong way round, which is still
/// accepted (linux/seccomp.h).
const NOTIF_ID_VALID_WRONG_DIRECTION: u64 = 0x8008_2102;

const NOTIF_SET_FLAGS: u64 = 0x4008_2104;

/// What is given where it does not matter: standard error. Not the listener, whose copies would keep it open when a
/// judgement has failed, and the caller waiting.
const SOURCE: i32 = 2;

/// Gives `source` to the caller of `id`.
fn give(listener: &OwnedFd, id: u64, source: &impl AsRawFd, flags: u32, target: u32) -> Result<i64, Errno> {
    let source = source.as_raw_fd() as u32;
    ioctl(listener, NOTIF_ADDFD, &mut Descriptor { id, flags, source, target, target_flags: 0 })
}

fn done(listener: &OwnedFd, id: u64) -> CaseResult {
    succeeds("answer", answer(listener, Answer { id, value: 3, ..Answer::default() })).map(drop)
}

/// Caller and supervisor are threads of one process here, so the number that the call returned can be used.
pub fn added_descriptor_can_be_the_result(_: &Context) -> CaseResult {
    const TARGET: u32 = 60;
    isolated(|| {
        let mut given = Vec::new();
        let called = decided(2, |listener| {
            for (flags, target) in [(ADDFD_SEND, 0), (ADDFD_SEND | ADDFD_SETFD, TARGET)] {
                let Notification { id, .. } = receive(&listener)?;
                let (reader, writer) = pipe()?;
                given.push(succeeds("ADDFD with SEND", give(&listener, id, &reader, flags, target))?);
                crate::child::write_all(&writer, &[flags as u8]);
                let again = answer(&listener, Answer { id, value: 10, ..Answer::default() });
                check!(
                    matches!(again, Err(Errno(libc::EINPROGRESS | libc::ENOENT))),
                    "an answer after ADDFD with SEND gave {again:?}, must fail with EINPROGRESS or ENOENT"
                );
            }
            Ok(())
        })?;
        check_eq!(given[1], i64::from(TARGET), "number given by ADDFD with SEND and SETFD");
        check_eq!(got(&called), [Ok(given[0]), Ok(given[1])], "results of the calls: the descriptors given");
        for (number, content) in given.into_iter().zip([ADDFD_SEND, ADDFD_SEND | ADDFD_SETFD]) {
            check_eq!(read_all(&owned(number)), Ok(vec![content as u8]), "bytes read through the descriptor");
        }
        Ok(())
    })
}

pub fn added_descriptor_replaces_the_one_in_its_place(_: &Context) -> CaseResult {
    isolated(|| {
        let (reader, writer) = pipe()?;
        let (new, new_writer) = pipe()?;
        let place = writer.as_raw_fd() as u32;
        let called = decided(1, |listener| {
            let Notification { id, .. } = receive(&listener)?;
            let placed = give(&listener, id, &new, ADDFD_SETFD, place);
            check_eq!(placed, Ok(i64::from(place)), "ADDFD with SETFD of a used number");
            done(&listener, id)
        })?;
        check_eq!(got(&called), [Ok(3)], "result after a replacement");
        // The pipe's only writer was replaced, and closed when the caller came back, so its reader is at the end.
        check_eq!(read_all(&reader), Ok(vec![]), "bytes from a pipe whose writer was replaced");
        crate::child::write_all(&new_writer, b"x");
        drop(new_writer);
        check_eq!(read_all(&writer), Ok(b"x".to_vec()), "bytes read through the number that was replaced");
        Ok(())
    })
}

pub fn added_descriptor_obeys_the_callers_limit(_: &Context) -> CaseResult {
    isolated(|| {
        let called = decided(1, |listener| {
            let Notification { id, .. } = receive(&listener)?;
            let highest = 40;
            limit_descriptors(highest + 1)?;
            let placed = give(&listener, id, &SOURCE, ADDFD_SETFD, highest as u32);
            check_eq!(placed, Ok(highest as i64), "ADDFD with SETFD of the last number below RLIMIT_NOFILE");
            let beyond = give(&listener, id, &SOURCE, ADDFD_SETFD, highest as u32 + 1);
            fails_with("ADDFD with SETFD of RLIMIT_NOFILE", beyond, libc::EBADF)?;
            let mut free = 0;
            while give(&listener, id, &SOURCE, 0, 0).is_ok() {
                free += 1;
                check!(free <= highest, "more than {highest} descriptors fit below {}", highest + 1);
            }
            check!(free > 0, "no descriptor fits below {}", highest + 1);
            fails_with("ADDFD with every number used", give(&listener, id, &SOURCE, 0, 0), libc::EMFILE)?;
            done(&listener, id)
        })?;
        check_eq!(got(&called), [Ok(3)], "result after refused descriptors");
        Ok(())
    })
}

fn limit_descriptors(limit: u64) -> CaseResult {
    let limit = libc::rlimit { rlim_cur: limit, rlim_max: limit };
    // SAFETY: the structure is ours.
    setup("setrlimit", result_of(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }.into()))
        .map(drop)
}

pub fn descriptor_for_no_call_is_refused(_: &Context) -> CaseResult {
    isolated(|| {
        let called = decided(1, |listener| {
            let Notification { id, .. } = receive(&listener)?;
            for flags in [0, ADDFD_SETFD] {
                let refused = give(&listener, id.wrapping_add(1), &SOURCE, flags, 0);
                fails_with("ADDFD for a call that was not made", refused, libc::ENOENT)?;
            }
            done(&listener, id)?;
            let late = give(&listener, id, &SOURCE, 0, 0);
            check!(
                matches!(late, Err(Errno(libc::EINPROGRESS | libc::ENOENT))),
                "ADDFD after the answer gave {late:?}, must fail with EINPROGRESS or ENOENT"
            );
            Ok(())
        })?;
        check_eq!(got(&called), [Ok(3)], "result after refused descriptors");
        Ok(())
    })
}

/// The request's number holds the structure's size, so that a longer one can be told from a wrong one.
pub fn descriptor_structure_may_grow_by_zeros(_: &Context) -> CaseResult {
    let sized = |size: u64| NOTIF_ADDFD & !(0x3fff << 16) | size << 16;
    isolated(|| {
        let called = decided(1, |listener| {
            let Notification { id, .. } = receive(&listener)?;
            let give = |size: usize, tail: u64| {
                let mut words = [0u64; 1024];
                words[0] = id;
                words[1] = u64::from(SOURCE as u32) << 32;
                if size > 24 {
                    words[size / 8 - 1] = tail;
                }
                ioctl(&listener, sized(size as u64), &mut words)
            };
            for size in [0, 8, 16] {
                fails_with(&format!("ADDFD of {size} bytes"), give(size, 0), libc::EINVAL)?;
            }
            for size in [32, 40, 4088] {
                succeeds(&format!("ADDFD of {size} bytes, zero behind the 24"), give(size, 0))?;
                let what = format!("ADDFD of {size} bytes with a byte set behind the 24");
                fails_with(&what, give(size, 1 << 56), libc::E2BIG)?;
            }
            fails_with("ADDFD of more than a page", give(4104, 0), libc::EINVAL)?;
            done(&listener, id)
        })?;
        check_eq!(got(&called), [Ok(3)], "result after refused structures");
        Ok(())
    })
}

pub fn unknown_listener_request_is_refused(_: &Context) -> CaseResult {
    isolated(|| {
        let called = decided(1, |listener| {
            let Notification { mut id, .. } = receive(&listener)?;
            let magic = |number: u64| 0x4008_2100 | number;
            for request in [0, magic(0x20), magic(0xff), NOTIF_RECV ^ 0x100, NOTIF_SEND + (8 << 16), 0x5401] {
                let refused = ioctl(&listener, request, &mut [0u64; 64]);
                fails_with(&format!("listener request {request:#x}"), refused, libc::EINVAL)?;
            }
            for request in [NOTIF_ID_VALID, NOTIF_ID_VALID_WRONG_DIRECTION] {
                check_eq!(ioctl(&listener, request, &mut id), Ok(0), "ID_VALID as request {request:#x}");
            }
            done(&listener, id)
        })?;
        check_eq!(got(&called), [Ok(3)], "result after refused requests");
        Ok(())
    })
}

/// SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP and nothing else; the flags are the argument itself.
pub fn listener_flags_are_checked(_: &Context) -> CaseResult {
    isolated(|| {
        let called = decided(2, |listener| {
            // SAFETY: the argument is a number.
            let set = |flags: u64| unsafe {
                syscall!(libc::SYS_ioctl, listener.as_raw_fd(), NOTIF_SET_FLAGS, flags)
            };
            for flags in [2, 3, 1 << 31, 1 << 63] {
                fails_with(&format!("SET_FLAGS {flags:#x}"), set(flags), libc::EINVAL)?;
            }
            for flags in [1, 0] {
                check_eq!(set(flags), Ok(0), "SET_FLAGS {flags}");
                let Notification { id, .. } = receive(&listener)?;
                done(&listener, id)?;
            }
            Ok(())
        })?;
        check_eq!(got(&called), [Ok(3), Ok(3)], "results with and without synchronous wake-up");
        Ok(())
    })
}

/// A notification that could not be handed over is not lost.
pub fn notification_survives_a_bad_address(_: &Context) -> CaseResult {
    isolated(|| {
        let called = decided(1, |listener| {
            let zeros = Mapping::anonymous(PAGE, libc::PROT_READ)?;
            // SAFETY: the kernel must refuse to write to this page.
            let received =
                unsafe { syscall!(libc::SYS_ioctl, listener.as_raw_fd(), NOTIF_RECV, zeros.address()) };
            fails_with("RECV into read-only memory", received, libc::EFAULT)?;
            let seen = receive(&listener)?;
            check_eq!(i64::from(seen.number), NOWHERE, "number in the notification received after that");
            for request in [NOTIF_SEND, NOTIF_ID_VALID, NOTIF_ADDFD] {
                // SAFETY: the kernel must refuse to read from address 1.
                let refused = unsafe { syscall!(libc::SYS_ioctl, listener.as_raw_fd(), request, 1) };
                fails_with(&format!("request {request:#x} at address 1"), refused, libc::EFAULT)?;
            }
            done(&listener, seen.id)
        })?;
        check_eq!(got(&called), [Ok(3)], "result after bad addresses");
        Ok(())
    })
}

/// Several calls wait at once; each gets the answer to its own identifier, whatever their order.
pub fn answers_reach_their_own_callers(_: &Context) -> CaseResult {
    const CALLERS: u64 = 3;
    isolated(|| {
        let listener = listener(&on_call(NOWHERE, USER_NOTIF, ALLOW))?;
        let results = std::thread::scope(|scope| {
            let callers: Vec<_> =
                (0..CALLERS).map(|n| scope.spawn(move || nowhere([n, 0, 0, 0, 0, 0]))).collect();
            let judged = answer_backwards(listener, CALLERS as usize);
            let results: Vec<_> = callers.into_iter().map(|caller| caller.join()).collect();
            judged.map(|()| results)
        })?;
        for (n, result) in (0..).zip(results) {
            let result = result.map_err(|_| Stop::Broken("a calling thread panicked".into()))?;
            check_eq!(result, Ok(100 + n), "what caller {n} got");
        }
        Ok(())
    })
}

/// Receives all before it answers any, the last one first: 100 and the first argument.
fn answer_backwards(listener: OwnedFd, count: usize) -> CaseResult {
    let seen = (0..count).map(|_| receive(&listener)).collect::<Result<Vec<_>, Stop>>()?;
    for Notification { id, arguments, .. } in seen.into_iter().rev() {
        let value = 100 + arguments[0] as i64;
        succeeds("answer", answer(&listener, Answer { id, value, ..Answer::default() }))?;
    }
    Ok(())
}
