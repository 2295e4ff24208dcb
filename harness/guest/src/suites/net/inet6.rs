//! TCP and UDP over the loopback of IPv6.

use super::address::*;
use crate::case::{fails_with, setup, succeeds};
use crate::sys::Errno;
use crate::{CaseResult, Context, Stop, check_eq, skip, socket};
use std::net::Ipv6Addr;
use std::os::fd::OwnedFd;

const INET6: usize = size_of::<libc::sockaddr_in6>();

fn address6(ip: Ipv6Addr, port: u16) -> libc::sockaddr_in6 {
    libc::sockaddr_in6 {
        sin6_family: libc::AF_INET6 as u16,
        sin6_port: port.to_be(),
        sin6_flowinfo: 0,
        sin6_addr: libc::in6_addr { s6_addr: ip.octets() },
        sin6_scope_id: 0,
    }
}

fn new6(kind: i32) -> Result<OwnedFd, Stop> {
    match socket::new(libc::AF_INET6, kind, 0) {
        Err(Errno(libc::EAFNOSUPPORT)) => skip!("missing module: ipv6, or ipv6.disable=1"),
        other => setup("socket", other),
    }
}

/// A bound socket of this kind and its port; a dual one takes what comes by IPv4, too.
fn bound6(kind: i32, ip: Ipv6Addr, is_dual: bool) -> Result<(OwnedFd, u16), Stop> {
    let fd = new6(kind)?;
    let alone = i32::from(!is_dual);
    setup("IPV6_V6ONLY", socket::set(&fd, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, &alone))?;
    succeeds(&format!("bind to {ip}"), socket::bind(&fd, &address6(ip, 0), INET6))?;
    let name = setup("getsockname", socket::name(&fd, address6(ip, 0)))?;
    check_eq!(Ipv6Addr::from(name.sin6_addr.s6_addr), ip, "address that a socket was bound to");
    Ok((fd, u16::from_be(name.sin6_port)))
}

/// Who is at the other end.
fn peer(fd: &OwnedFd) -> Result<Ipv6Addr, Stop> {
    let address = setup("getpeername", socket::peer(fd, address6(Ipv6Addr::UNSPECIFIED, 0)))?;
    Ok(Ipv6Addr::from(address.sin6_addr.s6_addr))
}

pub fn ipv6_stream_goes_both_ways(_: &Context) -> CaseResult {
    in_namespace(|| {
        let (listener, port) = bound6(libc::SOCK_STREAM, Ipv6Addr::LOCALHOST, false)?;
        let client = new6(libc::SOCK_STREAM)?;
        let place = address6(Ipv6Addr::LOCALHOST, port);
        let early = socket::connect(&client, &place, INET6);
        fails_with("connect to a port that does not listen", early, libc::ECONNREFUSED)?;
        setup("listen", socket::listen(&listener, 1))?;
        let client = new6(libc::SOCK_STREAM)?;
        succeeds("connect to ::1", socket::connect(&client, &place, INET6))?;
        let server = succeeds("accept", socket::accept(&listener, libc::SOCK_CLOEXEC))?;
        for end in [&client, &server] {
            check_eq!(peer(end)?, Ipv6Addr::LOCALHOST, "address of the other end");
        }
        for (from, to, bytes) in [(&client, &server, b"there".to_vec()), (&server, &client, vec![7; 100_000])]
        {
            let sent = std::thread::scope(|scope| {
                let sender = scope.spawn(|| send_all(from, &bytes));
                let received = receive_exactly(to, bytes.len())?;
                check_eq!(received == bytes, true, "bytes over IPv6 arrive as they were sent");
                sender.join().map_err(|_| Stop::Broken("a thread panicked".into()))
            })?;
            succeeds("send over IPv6", sent)?;
        }
        drop(client);
        check_eq!(socket::receive(&server, 1, 0), Ok(vec![]), "recv after the other end was closed");
        Ok(())
    })
}

fn send_all(fd: &OwnedFd, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        bytes = &bytes[socket::send(fd, bytes, libc::MSG_NOSIGNAL)? as usize..];
    }
    Ok(())
}

pub fn ipv6_datagrams_keep_their_bounds(_: &Context) -> CaseResult {
    in_namespace(|| {
        let (receiver, port) = bound6(libc::SOCK_DGRAM, Ipv6Addr::LOCALHOST, false)?;
        let sender = new6(libc::SOCK_DGRAM)?;
        setup("connect", socket::connect(&sender, &address6(Ipv6Addr::LOCALHOST, port), INET6))?;
        let large = vec![9u8; 65_000];
        for bytes in [&b"first"[..], b"", &large] {
            let sent = socket::send(&sender, bytes, 0);
            check_eq!(sent, Ok(bytes.len() as i64), "a datagram over IPv6");
        }
        for expected in [&b"first"[..], b"", &large] {
            check_eq!(events(&receiver, libc::POLLIN, PATIENCE)?, libc::POLLIN, "a datagram that arrives");
            let received = setup("recv", socket::receive(&receiver, 70_000, 0))?;
            check_eq!(received.len(), expected.len(), "length of a datagram");
            check_eq!(received == expected, true, "bytes of a datagram arrive as they were sent");
        }
        drop(receiver);
        setup("send", socket::send(&sender, b"nobody", 0))?;
        check_eq!(
            events(&sender, libc::POLLERR, PATIENCE)? & libc::POLLERR,
            libc::POLLERR,
            "POLLERR after a datagram to nobody"
        );
        fails_with("recv after a datagram to nobody", socket::receive(&sender, 1, 0), libc::ECONNREFUSED)
    })
}

pub fn ipv6_socket_takes_ipv4_unless_told_not_to(_: &Context) -> CaseResult {
    in_namespace(|| {
        for is_dual in [true, false] {
            let (listener, port) = bound6(libc::SOCK_STREAM, Ipv6Addr::UNSPECIFIED, is_dual)?;
            setup("listen", socket::listen(&listener, 2))?;
            let client = setup("socket", socket::new(libc::AF_INET, libc::SOCK_STREAM, 0))?;
            let connected = socket::connect(&client, &loopback(port), INET);
            if !is_dual {
                fails_with("connect by IPv4 to a socket with IPV6_V6ONLY", connected, libc::ECONNREFUSED)?;
                let beside = setup("socket", socket::new(libc::AF_INET, libc::SOCK_STREAM, 0))?;
                let bound = socket::bind(&beside, &loopback(port), INET);
                succeeds("bind of IPv4 to the port of a socket with IPV6_V6ONLY", bound)?;
                continue;
            }
            succeeds("connect by IPv4 to a socket without IPV6_V6ONLY", connected)?;
            let server = succeeds("accept", socket::accept(&listener, libc::SOCK_CLOEXEC))?;
            let mapped = std::net::Ipv4Addr::LOCALHOST.to_ipv6_mapped();
            check_eq!(peer(&server)?, mapped, "address of who connected by IPv4");
            let beside = setup("socket", socket::new(libc::AF_INET, libc::SOCK_STREAM, 0))?;
            let bound = socket::bind(&beside, &loopback(port), INET);
            fails_with("bind of IPv4 to the port of a socket without IPV6_V6ONLY", bound, libc::EADDRINUSE)?;
        }
        Ok(())
    })
}

pub fn ipv6_address_without_route_is_refused(_: &Context) -> CaseResult {
    in_namespace(|| {
        let documentation = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
        let client = new6(libc::SOCK_STREAM)?;
        let far = socket::connect(&client, &address6(documentation, 80), INET6);
        fails_with("connect to where no route goes", far, libc::ENETUNREACH)?;
        let bound = socket::bind(&client, &address6(documentation, 0), INET6);
        fails_with("bind to an address that is not ours", bound, libc::EADDRNOTAVAIL)?;
        // Addresses that are good on one link only do not say on which.
        let link = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
        let bound = socket::bind(&client, &address6(link, 0), INET6);
        fails_with("bind to a link-local address without an interface", bound, libc::EINVAL)?;
        let short = socket::bind(&client, &address6(Ipv6Addr::LOCALHOST, 0), 16);
        fails_with("bind with a short address", short, libc::EINVAL)
    })
}
