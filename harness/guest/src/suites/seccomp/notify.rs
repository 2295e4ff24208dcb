//! SECCOMP_RET_USER_NOTIF (seccomp_unotify(2)): one thread calls, the other decides.

use super::data::ARCH;
use super::filter::*;
use super::supervisor::*;
use super::threads::become_helper;
use crate::case::{CaseResult, Stop, exists, fails_with, setup, succeeds};
use crate::child::{Ending, isolated, pipe, run, write_all};
use crate::helper::Report;
use crate::sys::{Errno, owned, read_all};
use crate::{Context, check, check_eq, file};
use std::os::fd::{AsRawFd, OwnedFd};

pub fn notification_carries_the_call(_: &Context) -> CaseResult {
    isolated(|| {
        let mut pids = Vec::new();
        let called = decided(1, |listener| {
            let seen = receive(&listener)?;
            check_eq!(i64::from(seen.number), NOWHERE, "number in the notification");
            check_eq!(seen.arch, ARCH, "architecture in the notification");
            check_eq!(seen.arguments, ARGUMENTS, "arguments in the notification");
            check_eq!(seen.flags, 0, "flags in the notification");
            check!(seen.address != 0, "no instruction pointer in the notification");
            pids.push(i64::from(seen.pid));
            let result = answer(&listener, Answer { id: seen.id, value: 77, ..Answer::default() });
            succeeds("SECCOMP_IOCTL_NOTIF_SEND", result).map(drop)
        })?;
        check_eq!(got(&called), [Ok(77)], "value the supervisor gave");
        check_eq!(
            called.iter().map(|(_, thread)| *thread).collect::<Vec<_>>(),
            [Ok(pids[0])],
            "calling thread"
        );
        Ok(())
    })
}

pub fn supervisor_decides_the_result(_: &Context) -> CaseResult {
    let answers = [(0, 0), (i64::from(i32::MAX) + 1, 0), (0, -libc::EPERM), (5, -libc::ENOENT), (0, -4095)];
    isolated(|| {
        let called = decided(answers.len(), |listener| {
            let mut ids = Vec::new();
            for (value, error) in answers {
                let Notification { id, .. } = receive(&listener)?;
                check!(!ids.contains(&id), "notification {id:#x} comes a second time");
                ids.push(id);
                let result = answer(&listener, Answer { id, value, error, flags: 0 });
                succeeds(&format!("answer with value {value} and error {error}"), result)?;
            }
            Ok(())
        })?;
        let expected = [
            Ok(0),
            Ok(i64::from(i32::MAX) + 1),
            Err(Errno(libc::EPERM)),
            Err(Errno(libc::ENOENT)),
            Err(Errno(4095)),
        ];
        check_eq!(got(&called), expected, "results the supervisor gave");
        Ok(())
    })
}

pub fn continue_makes_the_call_and_takes_no_result(_: &Context) -> CaseResult {
    isolated(|| {
        let called = decided(1, |listener| {
            let Notification { id, .. } = receive(&listener)?;
            let refused = [
                ("continue with a value", Answer { id, value: 1, error: 0, flags: FLAG_CONTINUE }),
                ("continue with an error", Answer { id, value: 0, error: -1, flags: FLAG_CONTINUE }),
                ("unknown flag 2", Answer { id, value: 0, error: 0, flags: 2 }),
                ("unknown flag 0x80000000", Answer { id, value: 0, error: 0, flags: 1 << 31 }),
            ];
            for (what, wrong) in refused {
                fails_with(&format!("answer with {what}"), answer(&listener, wrong), libc::EINVAL)?;
            }
            let result = answer(&listener, Answer { id, flags: FLAG_CONTINUE, ..Answer::default() });
            succeeds("answer to continue", result).map(drop)
        })?;
        check_eq!(
            got(&called),
            [Err(Errno(libc::ENOSYS))],
            "result of the call itself, which no kernel implements"
        );
        Ok(())
    })
}

pub fn answer_to_another_call_is_refused(_: &Context) -> CaseResult {
    isolated(|| {
        let called = decided(1, |listener| {
            let Notification { mut id, .. } = receive(&listener)?;
            for mut wrong in [id + 1, id.wrapping_sub(1), 0, u64::MAX] {
                if wrong == id {
                    continue;
                }
                let refused = answer(&listener, Answer { id: wrong, value: 1, ..Answer::default() });
                fails_with("answer to a call that was not made", refused, libc::ENOENT)?;
                let valid = ioctl(&listener, NOTIF_ID_VALID, &mut wrong);
                fails_with("SECCOMP_IOCTL_NOTIF_ID_VALID of such a call", valid, libc::ENOENT)?;
            }
            check_eq!(ioctl(&listener, NOTIF_ID_VALID, &mut id), Ok(0), "ID_VALID of the call that was made");
            let result = answer(&listener, Answer { id, value: 9, ..Answer::default() });
            succeeds("answer to the call that was made", result)?;
            let again = answer(&listener, Answer { id, value: 10, ..Answer::default() });
            // In progress until the caller has run, gone afterwards.
            check!(
                matches!(again, Err(Errno(libc::EINPROGRESS | libc::ENOENT))),
                "a second answer gave {again:?}, must fail with EINPROGRESS or ENOENT"
            );
            Ok(())
        })?;
        check_eq!(got(&called), [Ok(9)], "result after one right answer among wrong ones");
        Ok(())
    })
}

pub fn closed_listener_means_enosys(_: &Context) -> CaseResult {
    isolated(|| {
        let called = decided(2, |listener| receive(&listener).map(drop))?;
        let expected = Err(Errno(libc::ENOSYS));
        check_eq!(
            got(&called),
            [expected, expected],
            "a call pending when the listener closed, and one after"
        );
        Ok(())
    })
}

pub fn second_listener_is_refused(_: &Context) -> CaseResult {
    isolated(|| {
        let first = listener(&on_call(NOWHERE, USER_NOTIF, ALLOW))?;
        let second = install(&on_call(libc::SYS_getppid, ERRNO | 42, ALLOW), NEW_LISTENER);
        fails_with("second listener", second, libc::EBUSY)?;
        succeeds("getppid after a refused filter with a listener", parent())?;
        // Without a listener, further filters are welcome.
        filtered(&on_call(libc::SYS_getppid, ERRNO | 42, ALLOW))?;
        check_eq!(file::control(&first, libc::F_GETFD, 0), Ok(1), "FD_CLOEXEC of a listener");
        check_eq!(parent(), Err(Errno(42)), "getppid under a filter after the listener's");
        Ok(())
    })
}

pub fn receiver_must_hand_in_zeros(_: &Context) -> CaseResult {
    isolated(|| {
        let called = decided(1, |listener| {
            for at in [0, 7, 8, 79] {
                let mut bytes = [0u8; size_of::<Notification>()];
                bytes[at] = 1;
                let received = ioctl(&listener, NOTIF_RECV, &mut bytes);
                fails_with(&format!("RECV into a buffer with byte {at} set"), received, libc::EINVAL)?;
            }
            let Notification { id, .. } = receive(&listener)?;
            succeeds("answer", answer(&listener, Answer { id, value: 3, ..Answer::default() })).map(drop)
        })?;
        check_eq!(got(&called), [Ok(3)], "result after refused receptions");
        Ok(())
    })
}

/// Both threads share one table, so the number the supervisor is told can be looked at here.
pub fn supervisor_can_add_a_descriptor(_: &Context) -> CaseResult {
    const TARGET: u32 = 50;
    isolated(|| {
        let called = decided(1, |listener| {
            let Notification { id, .. } = receive(&listener)?;
            let source = listener.as_raw_fd() as u32;
            let give = |flags, target, target_flags, source| {
                ioctl(&listener, NOTIF_ADDFD, &mut Descriptor { id, flags, source, target, target_flags })
            };
            fails_with("ADDFD with unknown flag 0x80000000", give(1 << 31, 0, 0, source), libc::EINVAL)?;
            fails_with("ADDFD of a number without SETFD", give(0, TARGET, 0, source), libc::EINVAL)?;
            fails_with(
                "ADDFD with flags beyond O_CLOEXEC",
                give(0, 0, libc::O_APPEND as u32, source),
                libc::EINVAL,
            )?;
            fails_with("ADDFD of a bad descriptor", give(0, 0, 0, 1000), libc::EBADF)?;
            let placed = give(ADDFD_SETFD, TARGET, libc::O_CLOEXEC as u32, source);
            check_eq!(placed, Ok(i64::from(TARGET)), "ADDFD with SETFD");
            let free = succeeds("ADDFD", give(0, 0, 0, source))?;
            check!(
                free != i64::from(TARGET) && free != i64::from(source),
                "ADDFD gave a used number, {free}"
            );
            for (fd, cloexec) in [(i64::from(TARGET), 1), (free, 0)] {
                let fd = owned(fd);
                check_eq!(
                    file::control(&fd, libc::F_GETFD, 0),
                    Ok(cloexec),
                    "FD_CLOEXEC of an added descriptor"
                );
                let mut id = id;
                check_eq!(ioctl(&fd, NOTIF_ID_VALID, &mut id), Ok(0), "ID_VALID through an added listener");
            }
            succeeds("answer", answer(&listener, Answer { id, value: 3, ..Answer::default() })).map(drop)
        })?;
        check_eq!(got(&called), [Ok(3)], "result after added descriptors");
        Ok(())
    })
}

pub fn listener_can_be_polled(_: &Context) -> CaseResult {
    let events_of = |listener: &OwnedFd| {
        let mut poll =
            libc::pollfd { fd: listener.as_raw_fd(), events: libc::POLLIN | libc::POLLOUT, revents: 0 };
        // SAFETY: one structure, ours. Waits until there is something to say.
        let n = unsafe { libc::poll(&mut poll, 1, -1) };
        setup("poll", crate::sys::check(n.into())).map(|_| poll.revents)
    };
    isolated(|| {
        let mut kept = None;
        decided(1, |listener| {
            check_eq!(events_of(&listener)?, libc::POLLIN, "events with a call to receive");
            let Notification { id, .. } = receive(&listener)?;
            check_eq!(events_of(&listener)?, libc::POLLOUT, "events with a call to answer");
            succeeds("answer", answer(&listener, Answer { id, value: 3, ..Answer::default() }))?;
            kept = Some(listener);
            Ok(())
        })?;
        // Since 5.9: the last thread under the filter is gone.
        let events = kept.as_ref().map(events_of).transpose()?.unwrap_or_default();
        check_eq!(
            events & libc::POLLHUP,
            libc::POLLHUP,
            "hang-up among the events after the last caller's end"
        );
        Ok(())
    })
}

pub fn sizes_are_told(_: &Context) -> CaseResult {
    let mut sizes = [0u16; 3];
    let told = exists("seccomp", seccomp(GET_NOTIF_SIZES, 0, &raw mut sizes as u64))?;
    check_eq!(told, Ok(0), "seccomp(SECCOMP_GET_NOTIF_SIZES)");
    let known = [size_of::<Notification>(), size_of::<Answer>(), DATA_SIZE as usize];
    for (size, known) in sizes.into_iter().zip(known) {
        check!(usize::from(size) >= known, "sizes {sizes:?} are smaller than the first ones, {known}");
    }
    fails_with(
        "GET_NOTIF_SIZES with flags",
        seccomp(GET_NOTIF_SIZES, 1, &raw mut sizes as u64),
        libc::EINVAL,
    )?;
    fails_with("GET_NOTIF_SIZES without a place", seccomp(GET_NOTIF_SIZES, 0, 0), libc::EFAULT)
}

/// The executed program has no listener, unless its flag was taken away.
pub fn listener_is_closed_by_execve(_: &Context) -> CaseResult {
    for (flag, open) in [(libc::FD_CLOEXEC, false), (0, true)] {
        let (reader, writer) = pipe()?;
        let ending = run(|| {
            let listener = listener(&on_call(NOWHERE, USER_NOTIF, ALLOW))?;
            let flags = file::control(&listener, libc::F_GETFD, 0);
            check_eq!(flags, Ok(libc::FD_CLOEXEC.into()), "flags of a new listener");
            if flag == 0 {
                setup("F_SETFD", file::control(&listener, libc::F_SETFD, 0))?;
            }
            // The number may be another file's in the new program; what it stands for is the listener's alone.
            let name = std::fs::read_link(format!("/proc/self/fd/{}", listener.as_raw_fd()))
                .map_err(|error| Stop::Broken(format!("link of a descriptor: {error}")))?;
            write_all(&writer, format!("listener={}\0", name.display()).as_bytes());
            // SAFETY: two descriptors of ours.
            setup("dup2", crate::sys::check(unsafe { libc::dup2(writer.as_raw_fd(), 1) }.into()))?;
            become_helper("report")
        })?;
        drop(writer);
        match ending {
            Ending::Returned(result) => return result,
            other => check_eq!(other, Ending::Exited(0), "end of the executed program"),
        }
        let report = Report(setup("read of a report", read_all(&reader))?);
        let name = format!(" {}", report.one("listener").unwrap_or_default());
        let found = report.all("fd").iter().any(|fd| fd.ends_with(name.as_bytes()));
        check_eq!(found, open, "the program executed has the listener, whose flags were {flag}");
    }
    Ok(())
}
