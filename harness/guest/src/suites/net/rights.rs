//! Descriptors and credentials that travel over UNIX sockets.

use super::address::*;
use super::unix::{new, unix_pair};
use crate::case::{fails_with, setup, succeeds};
use crate::child::{self, NOBODY, needs_root};
use crate::socket::{Control, Received};
use crate::sys::{Errno, check as result_of, owned};
use crate::{CaseResult, Context, Stop, check, check_eq, file, socket, syscall};
use std::os::fd::{AsRawFd, OwnedFd};

const SEALS: u64 = (libc::F_SEAL_WRITE | libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_SEAL) as u64;

/// A message with room for plenty.
fn take(fd: &OwnedFd, flags: i32) -> Result<Received, Stop> {
    setup("recvmsg", socket::receive_message(fd, [64, 2048], flags))
}

fn one(received: Received) -> Result<OwnedFd, Stop> {
    check_eq!(received.files.len(), 1, "descriptors that came");
    check_eq!(received.flags & libc::MSG_CTRUNC, 0, "MSG_CTRUNC of a message with room enough");
    received.files.into_iter().next().ok_or_else(|| Stop::Broken("no descriptor".into()))
}

/// What kdbus would have done: memory handed over that nobody can change any more, without copying it.
pub fn sealed_memory_is_handed_over(_: &Context) -> CaseResult {
    let memory = setup("memfd_create", file::in_memory(libc::MFD_ALLOW_SEALING))?;
    setup("write", file::write_at(&memory, b"the message", 0))?;
    setup("F_ADD_SEALS", file::control(&memory, libc::F_ADD_SEALS, SEALS))?;
    let [here, there] = unix_pair(libc::SOCK_SEQPACKET)?;
    child::isolated(|| {
        succeeds("send of a sealed memfd", socket::send_files(&here, b"m", &[memory.as_raw_fd()])).map(drop)
    })?;
    let theirs = one(take(&there, 0)?)?;
    check_eq!(file::contents(&theirs), Ok(b"the message".to_vec()), "bytes of a received memfd");
    let seals = file::control(&theirs, libc::F_GET_SEALS, 0);
    check_eq!(seals, Ok(SEALS as i64), "seals of a received memfd");
    fails_with("write to a received sealed memfd", file::write_at(&theirs, b"X", 0), libc::EPERM)?;
    fails_with("ftruncate of a received sealed memfd", file::truncate(&theirs, 0), libc::EPERM)?;
    let id = |fd: &OwnedFd| file::status(fd).map(|status| (status.st_dev, status.st_ino));
    check_eq!(id(&theirs), id(&memory), "inode of a received memfd");
    Ok(())
}

pub fn received_descriptor_is_the_same_open_file(_: &Context) -> CaseResult {
    let memory = setup("memfd_create", file::in_memory(0))?;
    setup("write", file::write(&memory, b"0123456789"))?;
    let [here, there] = unix_pair(libc::SOCK_STREAM)?;
    setup("send", socket::send_files(&here, b"f", &[memory.as_raw_fd()]))?;
    let theirs = one(take(&there, 0)?)?;
    check!(
        theirs.as_raw_fd() != memory.as_raw_fd(),
        "the received descriptor has the number of the sent one"
    );
    // SAFETY: takes no pointers.
    let seek =
        |fd: &OwnedFd, to: i64, from: i32| unsafe { syscall!(libc::SYS_lseek, fd.as_raw_fd(), to, from) };
    setup("lseek", seek(&memory, 3, libc::SEEK_SET))?;
    check_eq!(seek(&theirs, 0, libc::SEEK_CUR), Ok(3), "position of the received descriptor");
    setup("F_SETFL", file::control(&theirs, libc::F_SETFL, libc::O_APPEND as u64))?;
    let flags = setup("F_GETFL", file::control(&memory, libc::F_GETFL, 0))?;
    check!(flags & i64::from(libc::O_APPEND) != 0, "status flags are not shared");
    drop(memory);
    check_eq!(file::size(&theirs), Ok(10), "size after the sent descriptor was closed");
    Ok(())
}

pub fn cloexec_of_received_descriptors_is_as_asked(_: &Context) -> CaseResult {
    let [here, there] = unix_pair(libc::SOCK_STREAM)?;
    for (flags, expected) in [(0, 0), (libc::MSG_CMSG_CLOEXEC, 1)] {
        setup("send", socket::send_files(&here, b"f", &[here.as_raw_fd(), there.as_raw_fd()]))?;
        let received = take(&there, flags)?;
        check_eq!(received.files.len(), 2, "descriptors that came");
        for fd in &received.files {
            let got = file::control(fd, libc::F_GETFD, 0);
            check_eq!(got, Ok(expected), "FD_CLOEXEC of a descriptor received with flags {flags:#x}");
        }
    }
    Ok(())
}

pub fn descriptors_in_flight_outlive_their_sender(_: &Context) -> CaseResult {
    let [here, there] = unix_pair(libc::SOCK_DGRAM)?;
    let (reader, writer) = child::pipe()?;
    child::isolated(|| setup("send", socket::send_files(&here, b"f", &[reader.as_raw_fd()])).map(drop))?;
    drop(reader);
    // With the descriptor in flight the pipe still has a reader.
    succeeds("write to a pipe whose reader is in flight", file::write(&writer, b"flight"))?;
    let theirs = one(take(&there, 0)?)?;
    check_eq!(socket_read(&theirs, 6)?, b"flight", "bytes of the pipe");
    // What nobody receives is closed with the socket.
    setup("send", socket::send_files(&here, b"f", &[theirs.as_raw_fd()]))?;
    drop((theirs, there));
    // SAFETY: only a disposition, and of this case's process.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
    let deadline = std::time::Instant::now() + PATIENCE;
    // Freed by the collector's worker, if not at once.
    while file::write(&writer, b"x").is_ok() && std::time::Instant::now() < deadline {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    fails_with("write to a pipe whose reader was lost in flight", file::write(&writer, b"x"), libc::EPIPE)
}

fn socket_read(fd: &OwnedFd, length: usize) -> Result<Vec<u8>, Stop> {
    let mut bytes = vec![0; length];
    // SAFETY: the buffer is ours and as long as said.
    let n = unsafe { syscall!(libc::SYS_read, fd.as_raw_fd(), bytes.as_mut_ptr(), length) };
    bytes.truncate(setup("read", n)? as usize);
    Ok(bytes)
}

/// SCM_MAX_FD is 253: so many at once, and not one more.
pub fn one_message_carries_253_descriptors(_: &Context) -> CaseResult {
    let [here, there] = unix_pair(libc::SOCK_SEQPACKET)?;
    let many = vec![here.as_raw_fd(); 254];
    fails_with("send of 254 descriptors", socket::send_files(&here, b"f", &many), libc::EINVAL)?;
    succeeds("send of 253 descriptors", socket::send_files(&here, b"f", &many[..253]))?;
    let received = setup("recvmsg", socket::receive_message(&there, [4, 2048], 0))?;
    check_eq!(received.files.len(), 253, "descriptors that came");
    Ok(())
}

/// Descriptors for which there is no room are closed, and that is said.
pub fn descriptors_without_room_are_dropped_and_told(_: &Context) -> CaseResult {
    let [here, there] = unix_pair(libc::SOCK_STREAM)?;
    let (reader, writer) = child::pipe()?;
    let files = [here.as_raw_fd(), here.as_raw_fd(), writer.as_raw_fd()];
    setup("send", socket::send_files(&here, b"abc", &files))?;
    drop(writer);
    // A header and two descriptors.
    let received = setup("recvmsg", socket::receive_message(&there, [8, 16 + 8], 0))?;
    check_eq!((received.bytes.as_slice(), received.files.len()), (&b"abc"[..], 2), "bytes, and descriptors");
    check!(received.flags & libc::MSG_CTRUNC != 0, "MSG_CTRUNC is not set");
    check_eq!(socket_read(&reader, 1)?, b"", "read from a pipe whose writer was dropped");
    setup("send", socket::send_files(&here, b"abc", &files[..1]))?;
    let none = setup("recvmsg", socket::receive_message(&there, [8, 0], 0))?;
    check!(none.flags & libc::MSG_CTRUNC != 0, "MSG_CTRUNC is not set without any room");
    Ok(())
}

pub fn bad_descriptors_and_headers_are_refused(_: &Context) -> CaseResult {
    let [here, there] = unix_pair(libc::SOCK_STREAM)?;
    fails_with("send of descriptor 9999", socket::send_files(&here, b"f", &[9999]), libc::EBADF)?;
    fails_with(
        "send of a good and a bad descriptor",
        socket::send_files(&here, b"f", &[here.as_raw_fd(), 9999]),
        libc::EBADF,
    )?;
    let level = |kind: i32| Control { kind, ..socket::rights(&[here.as_raw_fd()]) };
    let send = |control: &[u8]| socket::send_message(&here, b"f", control, 0);
    fails_with("an unknown control message", send(&socket::encode(&[level(99)])), libc::EINVAL)?;
    let mut short = socket::encode(&[socket::rights(&[here.as_raw_fd()])]);
    short[0] = 15;
    fails_with("a header that is longer than its length", send(&short), libc::EINVAL)?;
    short[0] = 64;
    fails_with("a length beyond the buffer", send(&short), libc::EINVAL)?;
    let nothing = socket::receive(&there, 8, libc::MSG_DONTWAIT);
    fails_with("recv after refused messages", nothing, libc::EAGAIN)
}

/// The stream does not run on past bytes that carry descriptors.
pub fn descriptors_stay_with_their_bytes(_: &Context) -> CaseResult {
    let [here, there] = unix_pair(libc::SOCK_STREAM)?;
    setup("send", socket::send(&here, b"before", 0))?;
    setup("send", socket::send_files(&here, b"with", &[here.as_raw_fd()]))?;
    setup("send", socket::send(&here, b"after", 0))?;
    let first = take(&there, 0)?;
    check!(first.files.is_empty() == (first.bytes == b"before"), "first message: {first:?}");
    check!(!first.bytes.ends_with(b"after"), "a read goes on past descriptors: {first:?}");
    let second = if first.files.is_empty() { take(&there, 0)? } else { first };
    check_eq!(second.files.len(), 1, "descriptors of the bytes that carry one");
    check!(second.bytes.ends_with(b"with"), "bytes that carry a descriptor: {second:?}");
    check_eq!(socket::receive(&there, 64, 0), Ok(b"after".to_vec()), "bytes behind them");
    Ok(())
}

/// A peeked message shows copies of its descriptors and keeps them.
pub fn peek_shows_descriptors_and_keeps_them(_: &Context) -> CaseResult {
    let [here, there] = unix_pair(libc::SOCK_SEQPACKET)?;
    setup("send", socket::send_files(&here, b"f", &[here.as_raw_fd()]))?;
    for flags in [libc::MSG_PEEK, 0] {
        one(take(&there, flags)?)?;
    }
    fails_with("a third read", socket::receive(&there, 1, libc::MSG_DONTWAIT), libc::EAGAIN)
}

/// Sockets that hold each other in their queues are found and freed (unix_gc).
pub fn cycle_of_sockets_in_flight_is_collected(_: &Context) -> CaseResult {
    let [one, two] = unix_pair(libc::SOCK_DGRAM)?;
    let (reader, writer) = child::pipe()?;
    // The pipe's write end waits in a queue that only descriptors in that same queue keep alive.
    setup("send", socket::send_files(&one, b"w", &[writer.as_raw_fd(), one.as_raw_fd(), two.as_raw_fd()]))?;
    setup("send", socket::send_files(&two, b"x", &[one.as_raw_fd(), two.as_raw_fd()]))?;
    drop((one, two, writer));
    // The collector runs when sockets are closed; these give it occasion.
    let deadline = std::time::Instant::now() + PATIENCE;
    while events(&reader, libc::POLLIN, std::time::Duration::from_millis(20))? & libc::POLLHUP == 0 {
        check!(std::time::Instant::now() < deadline, "a cycle of sockets in flight is never freed");
        let [here, _there] = unix_pair(libc::SOCK_DGRAM)?;
        setup("send", socket::send_files(&here, b"y", &[here.as_raw_fd()]))?;
    }
    Ok(())
}

fn credentials(values: [u32; 3]) -> Control {
    let payload = values.iter().flat_map(|value| value.to_ne_bytes()).collect();
    Control { level: libc::SOL_SOCKET, kind: libc::SCM_CREDENTIALS, payload }
}

fn own() -> [u32; 3] {
    // SAFETY: take no pointers.
    unsafe { [libc::getpid() as u32, libc::geteuid(), libc::getegid()] }
}

pub fn credentials_are_told_to_whom_asked(_: &Context) -> CaseResult {
    let [here, there] = unix_pair(libc::SOCK_SEQPACKET)?;
    setup("send", socket::send(&here, b"m", 0))?;
    check_eq!(take(&there, 0)?.control, vec![], "control messages without SO_PASSCRED");
    setup("SO_PASSCRED", socket::set(&there, libc::SOL_SOCKET, libc::SO_PASSCRED, &1))?;
    setup("send", socket::send(&here, b"m", 0))?;
    check_eq!(take(&there, 0)?.control, vec![credentials(own())], "control messages with SO_PASSCRED");
    let stated = socket::send_message(&here, b"m", &socket::encode(&[credentials(own())]), 0);
    succeeds("send of one's own credentials", stated)?;
    check_eq!(take(&there, 0)?.control, vec![credentials(own())], "credentials that were stated");
    Ok(())
}

pub fn credentials_cannot_be_forged(_: &Context) -> CaseResult {
    needs_root()?;
    let [here, there] = unix_pair(libc::SOCK_SEQPACKET)?;
    setup("SO_PASSCRED", socket::set(&there, libc::SOL_SOCKET, libc::SO_PASSCRED, &1))?;
    let state = |values| socket::send_message(&here, b"m", &socket::encode(&[credentials(values)]), 0);
    child::unprivileged(|| {
        let [pid, user, group] = own();
        check_eq!((user, group), (NOBODY, NOBODY), "who one is");
        fails_with("another uid", state([pid, 0, group]), libc::EPERM)?;
        fails_with("another gid", state([pid, user, 0]), libc::EPERM)?;
        fails_with("another pid", state([1, user, group]), libc::EPERM)?;
        succeeds("one's own", state([pid, user, group]))?;
        check_eq!(take(&there, 0)?.control, vec![credentials(own())], "credentials that arrive");
        Ok(())
    })?;
    // Root may speak for others that exist.
    succeeds("another uid and gid, by root", state([own()[0], 1234, 5678]))?;
    check_eq!(take(&there, 0)?.control, vec![credentials([own()[0], 1234, 5678])], "credentials by root");
    fails_with("a pid that nobody has, by root", state([4_194_303, 0, 0]), libc::ESRCH)
}

/// A set-id program that writes what it is told to, to a descriptor it was given, speaks with the rights of whoever
/// opened the socket only where the protocol says so; credentials on a message are its sender's.
pub fn credentials_are_the_senders_not_the_openers(_: &Context) -> CaseResult {
    needs_root()?;
    let [here, there] = unix_pair(libc::SOCK_SEQPACKET)?;
    setup("SO_PASSCRED", socket::set(&there, libc::SOL_SOCKET, libc::SO_PASSCRED, &1))?;
    let mut sender = 0;
    let pid = child::fork()?;
    if pid == 0 {
        let sent = child::drop_privileges().and_then(|()| {
            setup("send", socket::send(&here, b"m", 0))?;
            // Stated, the same credentials go another way.
            let stated = socket::encode(&[credentials(own())]);
            setup("sendmsg", socket::send_message(&here, b"m", &stated, 0)).map(drop)
        });
        child::exit(i32::from(sent.is_err()));
    }
    sender += pid as u32;
    check_eq!(child::wait(pid)?, child::Ending::Exited(0), "end of the sender");
    for how in ["unstated", "stated"] {
        let told = take(&there, 0)?.control;
        check_eq!(told, vec![credentials([sender, NOBODY, NOBODY])], "credentials, {how}");
    }
    Ok(())
}

pub fn descriptors_do_not_pass_over_other_sockets(_: &Context) -> CaseResult {
    in_namespace(|| {
        let (client, server) = connected()?;
        let result = socket::send_files(&client, b"f", &[client.as_raw_fd()]);
        if result.is_ok() {
            let received = setup("recvmsg", socket::receive_message(&server, [8, 64], 0))?;
            check!(received.files.is_empty(), "a descriptor passed over TCP");
        }
        let netlink = setup("socket", socket::new(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE))?;
        let sent = socket::send_files(&netlink, b"f", &[client.as_raw_fd()]);
        fails_with("a descriptor over netlink", sent, libc::EINVAL)?;
        Ok(())
    })
}

/// Who may have no more descriptors gets none, and the rest is cut.
pub fn full_descriptor_table_cuts_the_message(_: &Context) -> CaseResult {
    let [here, there] = unix_pair(libc::SOCK_SEQPACKET)?;
    setup("send", socket::send_files(&here, b"f", &[here.as_raw_fd(); 3]))?;
    child::isolated(|| {
        // The second of the two lowest free numbers becomes the only one.
        let duplicate = || setup("F_DUPFD", file::control(&here, libc::F_DUPFD_CLOEXEC, 0)).map(owned);
        let (_lowest, second) = (duplicate()?, duplicate()?);
        let limit = second.as_raw_fd() as u64 + 1;
        drop(second);
        let limit = libc::rlimit { rlim_cur: limit, rlim_max: limit };
        // SAFETY: the limit is ours and only read.
        setup("setrlimit", result_of(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) }.into()))?;
        let received = take(&there, 0)?;
        check_eq!(received.files.len(), 1, "descriptors that came with room for one");
        check!(received.flags & libc::MSG_CTRUNC != 0, "MSG_CTRUNC is not set on a full table");
        Ok(())
    })
}

pub fn sockets_of_a_pair_pass_themselves(_: &Context) -> CaseResult {
    let [here, there] = unix_pair(libc::SOCK_STREAM)?;
    let (address, length) = abstract_name(b"gauntlet pass");
    let listener = new(libc::SOCK_STREAM)?;
    setup("bind", socket::bind(&listener, &address, length))?;
    setup("listen", socket::listen(&listener, 1))?;
    setup("send", socket::send_files(&here, b"l", &[listener.as_raw_fd()]))?;
    drop(listener);
    let client = new(libc::SOCK_STREAM)?;
    succeeds("connect to a listener in flight", socket::connect(&client, &address, length))?;
    let theirs = one(take(&there, 0)?)?;
    let server = succeeds("accept through a received listener", socket::accept(&theirs, 0))?;
    setup("send", socket::send(&client, b"hello", 0))?;
    check_eq!(socket::receive(&server, 9, 0), Ok(b"hello".to_vec()), "bytes of the connection");
    drop((server, theirs));
    let refused: Result<i64, Errno> = socket::connect(&new(libc::SOCK_STREAM)?, &address, length);
    fails_with("connect after the last descriptor was closed", refused, libc::ECONNREFUSED)
}
