//! UNIX domain sockets.

use super::address::*;
use crate::case::{fails_with, setup, succeeds};
use crate::child::{self, needs_root};
use crate::{CaseResult, Context, Stop, check, check_eq, socket, syscall};
use std::os::fd::{AsRawFd, OwnedFd};

const DONTWAIT: i32 = libc::MSG_DONTWAIT;
const TYPES: [(i32, &str); 3] =
    [(libc::SOCK_STREAM, "stream"), (libc::SOCK_DGRAM, "datagram"), (libc::SOCK_SEQPACKET, "seqpacket")];

pub fn new(kind: i32) -> Result<OwnedFd, Stop> {
    setup("socket", socket::new(libc::AF_UNIX, kind, 0))
}

pub fn unix_pair(kind: i32) -> Result<[OwnedFd; 2], Stop> {
    setup("socketpair", socket::pair(libc::AF_UNIX, kind))
}

pub fn each_type_keeps_its_bounds(_: &Context) -> CaseResult {
    for (kind, name) in TYPES {
        let [here, there] = unix_pair(kind)?;
        for bytes in [&b"first"[..], b"second"] {
            check_eq!(socket::send(&here, bytes, 0), Ok(bytes.len() as i64), "send to a {name} socket");
        }
        let whole = socket::receive(&there, 100, 0);
        if kind == libc::SOCK_STREAM {
            check_eq!(whole, Ok(b"firstsecond".to_vec()), "recv from a stream");
            continue;
        }
        check_eq!(whole, Ok(b"first".to_vec()), "recv from a {name} socket");
        let cut = setup("recvmsg", socket::receive_message(&there, [3, 0], 0))?;
        check_eq!(cut.bytes, b"sec", "a {name} message that is cut");
        check!(cut.flags & libc::MSG_TRUNC != 0, "MSG_TRUNC is not set on a {name} message that is cut");
        fails_with("the rest of a message that was cut", socket::receive(&there, 9, DONTWAIT), libc::EAGAIN)?;
    }
    Ok(())
}

pub fn connections_end_and_datagrams_do_not(_: &Context) -> CaseResult {
    for (kind, name) in TYPES {
        let [here, there] = unix_pair(kind)?;
        setup("send", socket::send(&here, b"last", 0))?;
        drop(here);
        check_eq!(socket::receive(&there, 9, 0), Ok(b"last".to_vec()), "bytes sent before close, {name}");
        let (read, write) =
            (socket::receive(&there, 9, DONTWAIT), socket::send(&there, b"x", libc::MSG_NOSIGNAL));
        if kind == libc::SOCK_DGRAM {
            fails_with("recv from a datagram socket whose peer is closed", read, libc::EAGAIN)?;
            fails_with("send to a datagram socket that is closed", write, libc::ECONNREFUSED)?;
        } else {
            check_eq!(read, Ok(vec![]), "recv from a {name} socket whose peer is closed");
            fails_with(&format!("send to a {name} socket that is closed"), write, libc::EPIPE)?;
        }
    }
    Ok(())
}

pub fn abstract_name_is_found_while_its_socket_lives(_: &Context) -> CaseResult {
    let (address, length) = abstract_name(b"gauntlet\0with\0nul");
    let (longer, longer_length) = abstract_name(b"gauntlet\0with\0nul2");
    let listener = new(libc::SOCK_STREAM)?;
    succeeds("bind to an abstract name", socket::bind(&listener, &address, length))?;
    setup("listen", socket::listen(&listener, 1))?;
    let second = new(libc::SOCK_STREAM)?;
    fails_with("a second bind to the name", socket::bind(&second, &address, length), libc::EADDRINUSE)?;
    // All bytes of the name count, NULs too, and the length.
    let other = socket::connect(&second, &longer, longer_length);
    fails_with("connect to a name that is one byte longer", other, libc::ECONNREFUSED)?;
    fails_with(
        "connect to a name that is one byte shorter",
        socket::connect(&second, &address, length - 1),
        libc::ECONNREFUSED,
    )?;
    succeeds("connect to the name", socket::connect(&second, &address, length))?;
    // Abstract names of another type are other names.
    let another = socket::connect(&new(libc::SOCK_SEQPACKET)?, &address, length);
    fails_with("connect of another type", another, libc::ECONNREFUSED)?;
    drop(listener);
    let third = new(libc::SOCK_STREAM)?;
    let gone = socket::connect(&third, &address, length);
    fails_with("connect to the name of a closed socket", gone, libc::ECONNREFUSED)?;
    succeeds("bind to the name of a closed socket", socket::bind(&third, &address, length)).map(drop)
}

pub fn path_is_a_file_with_permissions(context: &Context) -> CaseResult {
    use std::os::unix::fs::{FileTypeExt, PermissionsExt};
    let path = context.scratch.join("socket");
    let broken = |error: std::io::Error| Stop::Broken(format!("{}: {error}", path.display()));
    let (address, length) = path_name(&path.to_string_lossy());
    let listener = new(libc::SOCK_STREAM)?;
    fails_with("connect to a path without file", socket::connect(&listener, &address, length), libc::ENOENT)?;
    succeeds("bind to a path", socket::bind(&listener, &address, length))?;
    check!(std::fs::metadata(&path).map_err(broken)?.file_type().is_socket(), "the path is no socket");
    let early = socket::connect(&new(libc::SOCK_STREAM)?, &address, length);
    fails_with("connect before listen", early, libc::ECONNREFUSED)?;
    setup("listen", socket::listen(&listener, 5))?;
    succeeds("connect to the path", socket::connect(&new(libc::SOCK_STREAM)?, &address, length))?;
    let another = socket::connect(&new(libc::SOCK_SEQPACKET)?, &address, length);
    fails_with("connect of another type", another, libc::EPROTOTYPE)?;
    let again = socket::bind(&new(libc::SOCK_STREAM)?, &address, length);
    fails_with("bind to a path that is there", again, libc::EADDRINUSE)?;
    if needs_root().is_ok() {
        for (mode, allowed) in [(0o755, false), (0o722, true)] {
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).map_err(broken)?;
            child::unprivileged(|| {
                let result = socket::connect(&new(libc::SOCK_STREAM)?, &address, length);
                match allowed {
                    true => succeeds("connect with write permission on the file", result).map(drop),
                    false => fails_with("connect without write permission on the file", result, libc::EACCES),
                }
            })?;
        }
    }
    drop(listener);
    let gone = socket::connect(&new(libc::SOCK_STREAM)?, &address, length);
    fails_with("connect to the path of a closed socket", gone, libc::ECONNREFUSED)?;
    check!(path.exists(), "the file went with its socket");
    Ok(())
}

/// The queue holds backlog + 1 connections.
pub fn full_backlog_is_eagain(_: &Context) -> CaseResult {
    let (address, length) = abstract_name(b"gauntlet backlog");
    let listener = new(libc::SOCK_STREAM)?;
    setup("bind", socket::bind(&listener, &address, length))?;
    setup("listen", socket::listen(&listener, 2))?;
    let mut waiting = Vec::new();
    for index in 0..3 {
        let client = new(libc::SOCK_STREAM | libc::SOCK_NONBLOCK)?;
        let connected = socket::connect(&client, &address, length);
        succeeds(&format!("connection {index} to a listener with backlog 2"), connected)?;
        waiting.push(client);
    }
    let client = new(libc::SOCK_STREAM | libc::SOCK_NONBLOCK)?;
    let fourth = socket::connect(&client, &address, length);
    fails_with("connection 3 to a listener with backlog 2", fourth, libc::EAGAIN)?;
    setup("accept", socket::accept(&listener, 0))?;
    succeeds("the connection after one was accepted", socket::connect(&client, &address, length)).map(drop)
}

pub fn shutdown_of_a_pair_closes_one_direction(_: &Context) -> CaseResult {
    let [here, there] = unix_pair(libc::SOCK_STREAM)?;
    setup("shutdown", socket::shutdown(&here, libc::SHUT_WR))?;
    check_eq!(socket::receive(&there, 1, 0), Ok(vec![]), "recv after the peer's shutdown(SHUT_WR)");
    fails_with("send after shutdown(SHUT_WR)", socket::send(&here, b"x", libc::MSG_NOSIGNAL), libc::EPIPE)?;
    succeeds("send of the other direction", socket::send(&there, b"x", libc::MSG_NOSIGNAL))?;
    check_eq!(socket::receive(&here, 1, 0), Ok(b"x".to_vec()), "recv of the other direction");
    setup("shutdown", socket::shutdown(&there, libc::SHUT_RDWR))?;
    check!(
        events(&here, libc::POLLHUP, PATIENCE)? & libc::POLLHUP != 0,
        "POLLHUP when both directions are closed"
    );
    Ok(())
}

pub fn send_buffer_fills_and_drains(_: &Context) -> CaseResult {
    let [here, there] = unix_pair(libc::SOCK_STREAM | libc::SOCK_NONBLOCK)?;
    let mut sent = Vec::new();
    let deadline = 100_000;
    let full = loop {
        let piece = [(sent.len() / 1000) as u8; 1000];
        match socket::send(&here, &piece, libc::MSG_NOSIGNAL) {
            Ok(n) => sent.extend_from_slice(&piece[..n as usize]),
            Err(errno) => break errno,
        }
        check!(sent.len() < deadline * 1000, "a socket that nobody reads takes 100 MB");
    };
    check_eq!(full.0, libc::EAGAIN, "send to a full socket");
    check_eq!(events(&here, libc::POLLOUT, GLANCE)? & libc::POLLOUT, 0, "POLLOUT of a full socket");
    let received = receive_exactly(&there, sent.len())?;
    check!(received == sent, "bytes of a full socket arrive changed");
    check_eq!(
        events(&here, libc::POLLOUT, PATIENCE)? & libc::POLLOUT,
        libc::POLLOUT,
        "POLLOUT of a drained socket"
    );
    Ok(())
}

/// Who is at the other end: asked of the kernel, which asked when the connection was made.
pub fn peer_credentials_are_those_at_connect(_: &Context) -> CaseResult {
    needs_root()?;
    let (address, length) = abstract_name(b"gauntlet peer");
    let listener = new(libc::SOCK_STREAM)?;
    setup("bind", socket::bind(&listener, &address, length))?;
    setup("listen", socket::listen(&listener, 1))?;
    let (reader, writer) = child::pipe()?;
    let pid = child::fork()?;
    if pid == 0 {
        drop(writer);
        let judged = child::drop_privileges().and_then(|()| {
            setup("connect", socket::connect(&new(libc::SOCK_STREAM)?, &address, length))?;
            let _ = socket::receive(&reader, 1, 0);
            Ok(())
        });
        let mut byte = [0u8];
        // SAFETY: waits for the parent's end of the pipe; the byte is ours.
        unsafe { libc::read(reader.as_raw_fd(), byte.as_mut_ptr().cast(), 1) };
        child::exit(i32::from(judged.is_err()));
    }
    drop(reader);
    let server = setup("accept", socket::accept(&listener, 0))?;
    let peer = socket::get(&server, libc::SOL_SOCKET, libc::SO_PEERCRED, [0i32; 3]);
    drop(writer);
    check_eq!(child::wait(pid)?, child::Ending::Exited(0), "end of the child");
    let nobody = child::NOBODY as i32;
    check_eq!(peer, Ok([pid, nobody, nobody]), "pid, uid and gid of SO_PEERCRED");
    let [own, _] = unix_pair(libc::SOCK_STREAM)?;
    // SAFETY: take no pointers.
    let expected = unsafe { [libc::getpid(), libc::geteuid() as i32, libc::getegid() as i32] };
    let peer = socket::get(&own, libc::SOL_SOCKET, libc::SO_PEERCRED, [0i32; 3]);
    check_eq!(peer, Ok(expected), "SO_PEERCRED of a socket pair");
    Ok(())
}

pub fn autobind_gives_five_hexadecimal_digits(_: &Context) -> CaseResult {
    let fd = new(libc::SOCK_DGRAM)?;
    let family = libc::AF_UNIX as u16;
    succeeds("bind with the family alone", socket::bind(&fd, &family, 2))?;
    let (mut name, mut length) = ([0u8; 110], 110u32);
    // SAFETY: both are ours; the kernel writes at most as much as said.
    setup("getsockname", unsafe {
        syscall!(libc::SYS_getsockname, fd.as_raw_fd(), name.as_mut_ptr(), &raw mut length)
    })?;
    check_eq!((length, name[2]), (8, 0), "length of the name, and its first byte");
    let digits = &name[3..8];
    check!(
        digits.iter().all(|byte| b"0123456789abcdef".contains(byte)),
        "the name: {}",
        digits.escape_ascii()
    );
    Ok(())
}
