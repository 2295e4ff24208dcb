//! Who is at the other end of a UNIX socket, beside its user and group: further groups, and the process as a descriptor.

use super::address::*;
use super::unix::{new, unix_pair};
use crate::case::{fails_with, setup, succeeds};
use crate::child::needs_root;
use crate::scheduling::Task;
use crate::sys::{Errno, owned};
use crate::{CaseResult, Context, Stop, check, check_eq, file, socket, syscall};
use std::os::fd::{AsRawFd, OwnedFd};

const SO_PEERGROUPS: i32 = 59;
const SO_PASSPIDFD: i32 = 76;
const SO_PEERPIDFD: i32 = 77;
const SCM_PIDFD: i32 = 4;

/// A child that connects as what it has become by the first step, does the second, and stays; and our end.
fn peer(
    name: &[u8],
    before: impl FnOnce() -> CaseResult,
    after: impl FnOnce(&OwnedFd) -> CaseResult,
) -> Result<(Task, OwnedFd), Stop> {
    let (address, length) = abstract_name(name);
    let listener = new(libc::SOCK_STREAM)?;
    setup("bind", socket::bind(&listener, &address, length))?;
    setup("listen", socket::listen(&listener, 1))?;
    let task = Task::start(|| {
        before()?;
        let client = new(libc::SOCK_STREAM)?;
        setup("connect", socket::connect(&client, &address, length))?;
        after(&client)?;
        setup("send", socket::send(&client, b"x", 0))?;
        crate::child::pause()
    })?;
    let server = setup("accept", socket::accept(&listener, libc::SOCK_CLOEXEC))?;
    receive_exactly(&server, 1)?;
    Ok((task, server))
}

fn set_groups(groups: &[u32]) -> CaseResult {
    // SAFETY: the list lives through the call.
    setup("setgroups", unsafe { syscall!(libc::SYS_setgroups, groups.len(), groups.as_ptr()) }).map(drop)
}

/// The groups of the peer, with room for so many; how many bytes there are, even if there is no room for them.
fn groups(fd: &OwnedFd, room: usize) -> (Result<Vec<u32>, Errno>, usize) {
    let (mut list, mut length) = ([0u32; 64], (room * 4) as u32);
    let (address, place) = (list.as_mut_ptr(), &raw mut length);
    // SAFETY: both are ours; the list has room for more than is said.
    let asked = unsafe {
        syscall!(libc::SYS_getsockopt, fd.as_raw_fd(), libc::SOL_SOCKET, SO_PEERGROUPS, address, place)
    };
    let length = length as usize;
    (asked.map(|_| list[..(length / 4).min(64)].to_vec()), length)
}

pub fn peer_groups_are_those_at_connect(_: &Context) -> CaseResult {
    needs_root()?;
    let own = [7, 1234, 5678, 65534];
    let (_task, server) =
        peer(b"gauntlet groups", || set_groups(&own), |_| set_groups(&[1]).and_then(|()| set_groups(&[])))?;
    for room in [4, 64] {
        check_eq!(groups(&server, room).0, Ok(own.to_vec()), "groups of a peer, with room for {room}");
    }
    for room in [0, 3] {
        let expected = (Err(Errno(libc::ERANGE)), own.len() * 4);
        check_eq!(groups(&server, room), expected, "groups of a peer with room for {room}, and their length");
    }
    let (_task, without) = peer(b"gauntlet no groups", || set_groups(&[]), |_| Ok(()))?;
    check_eq!(groups(&without, 4), (Ok(vec![]), 0), "groups of a peer without any");
    Ok(())
}

/// The process that a descriptor stands for, as /proc tells it (pidfd_open(2)).
fn process(pidfd: &OwnedFd) -> Result<i32, Stop> {
    let path = format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd());
    let text = std::fs::read_to_string(&path).map_err(|error| Stop::Broken(format!("{path}: {error}")))?;
    let pid = text.lines().find_map(|line| line.strip_prefix("Pid:")?.trim().parse().ok());
    pid.ok_or_else(|| Stop::Fail(format!("a descriptor that is no process:\n{text}")))
}

fn peer_process(fd: &OwnedFd) -> Result<OwnedFd, Errno> {
    socket::get(fd, libc::SOL_SOCKET, SO_PEERPIDFD, -1i32).map(|fd| owned(fd.into()))
}

pub fn peer_process_is_told_as_a_descriptor(_: &Context) -> CaseResult {
    let (task, server) = peer(b"gauntlet peer process", || Ok(()), |_| Ok(()))?;
    let pidfd = succeeds("SO_PEERPIDFD", peer_process(&server))?;
    check_eq!(process(&pidfd)?, task.process, "process that SO_PEERPIDFD stands for");
    check_eq!(file::control(&pidfd, libc::F_GETFD, 0), Ok(1), "FD_CLOEXEC of the descriptor");
    check_eq!(events(&pidfd, libc::POLLIN, std::time::Duration::ZERO)?, 0, "events of a process that lives");
    // SAFETY: no pointers but a null one, which is allowed.
    let killed = unsafe { syscall!(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), libc::SIGKILL, 0, 0) };
    succeeds("pidfd_send_signal through it", killed)?;
    check_eq!(events(&pidfd, libc::POLLIN, PATIENCE)?, libc::POLLIN, "events of a process that was killed");
    let [own, _other] = unix_pair(libc::SOCK_STREAM)?;
    let pidfd = succeeds("SO_PEERPIDFD of a socket pair", peer_process(&own))?;
    check_eq!(process(&pidfd)?, std::process::id() as i32, "process that SO_PEERPIDFD of a pair stands for");
    check!(peer_process(&new(libc::SOCK_STREAM)?).is_err(), "a socket without a peer tells its process");
    Ok(())
}

pub fn sender_is_told_as_a_descriptor_to_whom_asked(_: &Context) -> CaseResult {
    let [here, there] = unix_pair(libc::SOCK_SEQPACKET)?;
    let receive = || setup("recvmsg", socket::receive_message(&there, [8, 64], 0));
    setup("send", socket::send(&here, b"m", 0))?;
    check_eq!(receive()?.control, vec![], "control messages without SO_PASSPIDFD");
    succeeds("SO_PASSPIDFD", socket::set(&there, libc::SOL_SOCKET, SO_PASSPIDFD, &1))?;
    check_eq!(socket::get(&there, libc::SOL_SOCKET, SO_PASSPIDFD, 0i32), Ok(1), "SO_PASSPIDFD read back");
    let task = Task::start(|| {
        setup("send", socket::send(&here, b"m", 0))?;
        crate::child::pause()
    })?;
    let control = receive()?.control;
    let [message] = &control[..] else {
        return Err(Stop::Fail(format!("control messages with SO_PASSPIDFD: {control:?}")));
    };
    check_eq!((message.level, message.kind), (libc::SOL_SOCKET, SCM_PIDFD), "level and type");
    let number = message.payload[..].try_into().map_or(-1, i32::from_ne_bytes);
    check!(number >= 0, "payload of SCM_PIDFD: {:?}", message.payload);
    check_eq!(process(&owned(number.into()))?, task.process, "process that SCM_PIDFD stands for");
    let forged = socket::Control { level: libc::SOL_SOCKET, kind: SCM_PIDFD, payload: vec![0; 4] };
    let sent = socket::send_message(&here, b"m", &socket::encode(&[forged]), 0);
    fails_with("a message that states SCM_PIDFD", sent, libc::EINVAL)
}
