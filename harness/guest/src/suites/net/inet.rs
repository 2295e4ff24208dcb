//! TCP and UDP over the loopback.

use super::address::*;
use crate::case::{fails_with, setup, succeeds};
use crate::child;
use crate::{CaseResult, Context, check, check_eq, socket, syscall};
use std::os::fd::AsRawFd;
use std::thread;

const NOSIGNAL: i32 = libc::MSG_NOSIGNAL;
const DONTWAIT: i32 = libc::MSG_DONTWAIT;

pub fn stream_delivers_every_byte_in_order(_: &Context) -> CaseResult {
    in_namespace(|| {
        let (client, server) = connected()?;
        // More than both buffers hold, in pieces that fit no segment.
        let bytes: Vec<u8> =
            (0..3_000_001u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let received = thread::scope(|scope| {
            let sent = scope.spawn(|| {
                for piece in bytes.chunks(7919) {
                    let mut rest = piece;
                    while !rest.is_empty() {
                        rest = &rest[socket::send(&client, rest, NOSIGNAL)? as usize..];
                    }
                }
                socket::shutdown(&client, libc::SHUT_WR)
            });
            let received = receive_exactly(&server, bytes.len());
            // A sender that waits for room must not outlive the reader.
            if received.is_err() {
                let _ = socket::shutdown(&server, libc::SHUT_RDWR);
            }
            let sent = sent.join().map_err(|_| crate::Stop::Broken("a thread panicked".into()))?;
            succeeds("send of 3 MB", sent)?;
            received
        })?;
        let wrong = received.iter().zip(&bytes).position(|(got, sent)| got != sent);
        check_eq!(wrong, None, "the first byte that arrived changed");
        check_eq!(socket::receive(&server, 1, 0), Ok(vec![]), "recv after the last byte");
        Ok(())
    })
}

pub fn connect_to_nobody_is_refused(_: &Context) -> CaseResult {
    in_namespace(|| {
        let (closed, port) = bound(libc::SOCK_STREAM)?;
        let client = setup("socket", socket::new(libc::AF_INET, libc::SOCK_STREAM, 0))?;
        let refused = socket::connect(&client, &loopback(port), INET);
        fails_with("connect to a port that is bound and does not listen", refused, libc::ECONNREFUSED)?;
        drop(closed);
        let client = setup("socket", socket::new(libc::AF_INET, libc::SOCK_STREAM, 0))?;
        fails_with(
            "connect to a free port",
            socket::connect(&client, &loopback(port), INET),
            libc::ECONNREFUSED,
        )?;
        let far = socket::connect(&client, &address([192, 0, 2, 1], 80), INET);
        fails_with("connect to where no route goes", far, libc::ENETUNREACH)?;
        fails_with("accept of a socket that does not listen", socket::accept(&client, 0), libc::EINVAL)
    })
}

pub fn address_in_use_and_foreign_address_are_refused(_: &Context) -> CaseResult {
    in_namespace(|| {
        let (first, port) = bound(libc::SOCK_STREAM)?;
        setup("listen", socket::listen(&first, 1))?;
        let second = setup("socket", socket::new(libc::AF_INET, libc::SOCK_STREAM, 0))?;
        fails_with("bind to a used port", socket::bind(&second, &loopback(port), INET), libc::EADDRINUSE)?;
        setup("SO_REUSEADDR", socket::set(&second, libc::SOL_SOCKET, libc::SO_REUSEADDR, &1))?;
        let used = socket::bind(&second, &loopback(port), INET);
        fails_with("bind with SO_REUSEADDR to a port that listens", used, libc::EADDRINUSE)?;
        let foreign = socket::bind(&second, &address([192, 0, 2, 1], 0), INET);
        fails_with("bind to an address that is not ours", foreign, libc::EADDRNOTAVAIL)?;
        fails_with("bind with a short address", socket::bind(&second, &loopback(0), 8), libc::EINVAL)?;
        succeeds(
            "bind to another of the loopback's addresses",
            socket::bind(&second, &address([127, 0, 0, 2], port), INET),
        )?;
        fails_with("a second bind", socket::bind(&second, &loopback(0), INET), libc::EINVAL)?;
        child::isolated(|| {
            child::drop_privileges()?;
            let third = setup("socket", socket::new(libc::AF_INET, libc::SOCK_STREAM, 0))?;
            let low = socket::bind(&third, &loopback(1023), INET);
            fails_with("bind to port 1023 without CAP_NET_BIND_SERVICE", low, libc::EACCES)?;
            succeeds("bind to port 1024", socket::bind(&third, &loopback(1024), INET)).map(drop)
        })
    })
}

pub fn reuseport_is_for_both_or_nobody(_: &Context) -> CaseResult {
    in_namespace(|| {
        let sockets = [0; 3].map(|_| socket::new(libc::AF_INET, libc::SOCK_DGRAM, 0));
        let [first, second, third] = sockets;
        let (first, second, third) =
            (setup("socket", first)?, setup("socket", second)?, setup("socket", third)?);
        for fd in [&first, &second] {
            setup("SO_REUSEPORT", socket::set(fd, libc::SOL_SOCKET, libc::SO_REUSEPORT, &1))?;
        }
        setup("bind", socket::bind(&first, &loopback(0), INET))?;
        let place = loopback(port(&first)?);
        succeeds("bind of a second socket, both with SO_REUSEPORT", socket::bind(&second, &place, INET))?;
        let alone = socket::bind(&third, &place, INET);
        fails_with("bind of a socket without SO_REUSEPORT", alone, libc::EADDRINUSE)
    })
}

/// The queue holds backlog + 1 connections; the next one waits.
pub fn backlog_bounds_the_connections_that_wait(_: &Context) -> CaseResult {
    in_namespace(|| {
        let (listener, port) = bound(libc::SOCK_STREAM)?;
        setup("listen", socket::listen(&listener, 1))?;
        let mut clients = Vec::new();
        for number in 0..3 {
            let kind = libc::SOCK_STREAM | libc::SOCK_NONBLOCK;
            let client = setup("socket", socket::new(libc::AF_INET, kind, 0))?;
            let result = socket::connect(&client, &loopback(port), INET);
            fails_with("connect of a socket that does not block", result, libc::EINPROGRESS)?;
            // The queue is full only once both wait in it: a handshake that begins before may yet be finished.
            if number < 2 {
                let event = events(&client, libc::POLLOUT, PATIENCE)?;
                check_eq!(event, libc::POLLOUT, "poll of a connection in the queue");
            }
            clients.push(client);
        }
        let third = events(&clients[2], libc::POLLOUT, GLANCE)?;
        check_eq!(third, 0, "poll of the third connection to a listener with backlog 1");
        for client in &clients[..2] {
            let server = setup("accept", socket::accept(&listener, 0))?;
            let ours = port_of_peer(&server)?;
            check_eq!(ours, port_of(client)?, "port of the connection that is accepted next");
        }
        Ok(())
    })
}

fn port_of(fd: &std::os::fd::OwnedFd) -> Result<u16, crate::Stop> {
    port(fd)
}

fn port_of_peer(fd: &std::os::fd::OwnedFd) -> Result<u16, crate::Stop> {
    Ok(u16::from_be(setup("getpeername", socket::peer(fd, loopback(0)))?.sin_port))
}

pub fn shutdown_closes_one_direction(_: &Context) -> CaseResult {
    in_namespace(|| {
        let (client, server) = connected()?;
        setup("send", socket::send(&client, b"last", 0))?;
        succeeds("shutdown(SHUT_WR)", socket::shutdown(&client, libc::SHUT_WR))?;
        check_eq!(receive_exactly(&server, 4)?, b"last", "bytes sent before shutdown");
        check_eq!(socket::receive(&server, 4, 0), Ok(vec![]), "recv at the end of the stream");
        fails_with("send after shutdown(SHUT_WR)", socket::send(&client, b"x", NOSIGNAL), libc::EPIPE)?;
        child::killed_by("send after shutdown without MSG_NOSIGNAL", libc::SIGPIPE, || {
            // SAFETY: only a disposition.
            unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
            socket::send(&client, b"x", 0).map(drop).map_err(|errno| crate::Stop::Fail(errno.to_string()))
        })?;
        setup("send", socket::send(&server, b"back", 0))?;
        check_eq!(receive_exactly(&client, 4)?, b"back", "bytes of the other direction");
        succeeds("shutdown(SHUT_RD)", socket::shutdown(&client, libc::SHUT_RD))?;
        check_eq!(socket::receive(&client, 1, 0), Ok(vec![]), "recv after shutdown(SHUT_RD)");
        fails_with("shutdown with an unknown direction", socket::shutdown(&client, 3), libc::EINVAL)?;
        let fresh = setup("socket", socket::new(libc::AF_INET, libc::SOCK_STREAM, 0))?;
        fails_with("shutdown without connection", socket::shutdown(&fresh, libc::SHUT_WR), libc::ENOTCONN)
    })
}

/// The one urgent byte goes beside the stream and marks its place in it.
pub fn urgent_byte_goes_beside_the_stream(_: &Context) -> CaseResult {
    in_namespace(|| {
        let (client, server) = connected()?;
        let none = socket::receive(&server, 1, libc::MSG_OOB | DONTWAIT);
        check!(none.is_err(), "MSG_OOB without urgent data gives {none:?}");
        setup("send", socket::send(&client, b"abc", 0))?;
        setup("send", socket::send(&client, b"U", libc::MSG_OOB))?;
        setup("send", socket::send(&client, b"def", 0))?;
        check!(events(&server, libc::POLLPRI, PATIENCE)? & libc::POLLPRI != 0, "POLLPRI does not come");
        // The mark ends a read, also of what would fit.
        check_eq!(socket::receive(&server, 10, 0), Ok(b"abc".to_vec()), "recv up to the mark");
        let mut at_mark = 0i32;
        // SAFETY: the number is ours.
        setup("SIOCATMARK", unsafe {
            syscall!(libc::SYS_ioctl, server.as_raw_fd(), 0x8905, &raw mut at_mark)
        })?;
        check_eq!(at_mark, 1, "SIOCATMARK at the mark");
        check_eq!(socket::receive(&server, 10, libc::MSG_OOB), Ok(b"U".to_vec()), "recv with MSG_OOB");
        check_eq!(receive_exactly(&server, 3)?, b"def", "bytes behind the mark");
        let again = socket::receive(&server, 1, libc::MSG_OOB | DONTWAIT);
        fails_with("MSG_OOB a second time", again, libc::EINVAL)?;
        // In line it is a byte like any other.
        setup("SO_OOBINLINE", socket::set(&server, libc::SOL_SOCKET, libc::SO_OOBINLINE, &1))?;
        setup("send", socket::send(&client, b"V", libc::MSG_OOB))?;
        check_eq!(receive_exactly(&server, 1)?, b"V", "the urgent byte under SO_OOBINLINE");
        Ok(())
    })
}

pub fn peek_leaves_and_waitall_waits(_: &Context) -> CaseResult {
    in_namespace(|| {
        let (client, server) = connected()?;
        fails_with("recv of nothing with MSG_DONTWAIT", socket::receive(&server, 1, DONTWAIT), libc::EAGAIN)?;
        setup("send", socket::send(&client, b"12345", 0))?;
        receive_peek(&server, b"12")?;
        receive_peek(&server, b"12345")?;
        let second = thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(GLANCE);
                let _ = socket::send(&client, b"67", NOSIGNAL);
            });
            socket::receive(&server, 7, libc::MSG_WAITALL)
        });
        check_eq!(second, Ok(b"1234567".to_vec()), "recv of 7 bytes with MSG_WAITALL, sent as 5 and 2");
        Ok(())
    })
}

fn receive_peek(fd: &std::os::fd::OwnedFd, expected: &[u8]) -> CaseResult {
    check!(events(fd, libc::POLLIN, PATIENCE)? != 0, "nothing arrives");
    let peeked = socket::receive(fd, expected.len(), libc::MSG_PEEK);
    check_eq!(peeked, Ok(expected.to_vec()), "recv with MSG_PEEK");
    Ok(())
}

pub fn close_with_unread_bytes_resets(_: &Context) -> CaseResult {
    in_namespace(|| {
        let (client, server) = connected()?;
        setup("send", socket::send(&client, b"unread", 0))?;
        check!(events(&server, libc::POLLIN, PATIENCE)? != 0, "nothing arrives");
        drop(server);
        let hup = events(&client, libc::POLLIN, PATIENCE)?;
        check!(hup & libc::POLLHUP != 0, "poll after the peer closed with unread bytes: {hup:#x}");
        let error = socket::receive(&client, 1, 0);
        fails_with("recv after the peer closed with unread bytes", error, libc::ECONNRESET)
    })
}

pub fn datagrams_keep_their_bounds(_: &Context) -> CaseResult {
    in_namespace(|| {
        let (server, port) = bound(libc::SOCK_DGRAM)?;
        let client = setup("socket", socket::new(libc::AF_INET, libc::SOCK_DGRAM, 0))?;
        fails_with("send without destination", socket::send(&client, b"x", 0), libc::EDESTADDRREQ)?;
        setup("connect", socket::connect(&client, &loopback(port), INET))?;
        for bytes in [&b"first"[..], b"", b"third one"] {
            check_eq!(socket::send(&client, bytes, 0), Ok(bytes.len() as i64), "send of a datagram");
        }
        check_eq!(socket::receive(&server, 100, 0), Ok(b"first".to_vec()), "the first datagram");
        check_eq!(socket::receive(&server, 100, 0), Ok(vec![]), "a datagram without bytes");
        let cut = setup("recvmsg", socket::receive_message(&server, [5, 0], 0))?;
        check_eq!(cut.bytes, b"third", "a datagram that is cut");
        check!(cut.flags & libc::MSG_TRUNC != 0, "MSG_TRUNC is not set on a datagram that is cut");
        let rest = socket::receive(&server, 100, DONTWAIT);
        fails_with("the rest of a datagram that was cut", rest, libc::EAGAIN)?;
        setup("send", socket::send(&client, b"whole", 0))?;
        let mut start = [0u8; 2];
        // SAFETY: the buffer is ours and as long as said.
        let told = unsafe {
            syscall!(libc::SYS_recvfrom, server.as_raw_fd(), start.as_mut_ptr(), 2, libc::MSG_TRUNC, 0, 0)
        };
        check_eq!(told, Ok(5), "length of a datagram that is cut, with MSG_TRUNC");
        let largest = vec![7; 65_507];
        check_eq!(socket::send(&client, &largest, 0), Ok(65_507), "send of the largest datagram");
        check_eq!(socket::receive(&server, 70_000, 0), Ok(largest), "the largest datagram");
        fails_with(
            "send of a datagram of 65508 bytes",
            socket::send(&client, &[7; 65_508], 0),
            libc::EMSGSIZE,
        )
    })
}

pub fn datagram_to_nobody_comes_back_as_an_error(_: &Context) -> CaseResult {
    in_namespace(|| {
        let (gone, port) = bound(libc::SOCK_DGRAM)?;
        drop(gone);
        let client = setup("socket", socket::new(libc::AF_INET, libc::SOCK_DGRAM, 0))?;
        setup("connect", socket::connect(&client, &loopback(port), INET))?;
        succeeds("send to a port without socket", socket::send(&client, b"x", 0))?;
        events(&client, libc::POLLIN, PATIENCE)?;
        fails_with(
            "recv after a port was unreachable",
            socket::receive(&client, 1, DONTWAIT),
            libc::ECONNREFUSED,
        )
    })
}

/// A connected datagram socket hears only whom it is connected to.
pub fn connected_datagrams_come_from_the_peer_only(_: &Context) -> CaseResult {
    in_namespace(|| {
        let ((server, server_port), (friend, friend_port)) =
            (bound(libc::SOCK_DGRAM)?, bound(libc::SOCK_DGRAM)?);
        let (stranger, _) = bound(libc::SOCK_DGRAM)?;
        setup("connect", socket::connect(&server, &loopback(friend_port), INET))?;
        for (fd, bytes) in [(&stranger, b"bad"), (&friend, b"yes")] {
            setup("connect", socket::connect(fd, &loopback(server_port), INET))?;
            let _ = socket::send(fd, bytes, 0);
        }
        check_eq!(socket::receive(&server, 10, 0), Ok(b"yes".to_vec()), "the datagram of the peer");
        fails_with("a datagram of a stranger", socket::receive(&server, 10, DONTWAIT), libc::EAGAIN)
    })
}
