//! Addresses, namespaces and ready-made sockets for the suite.

use crate::case::{CaseResult, Stop, setup};
use crate::child::{isolated, needs_root};
use crate::sys::Errno;
use crate::{file, interface, socket, syscall};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

/// How long what must happen may take.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// How long what must not happen is waited for.
pub const GLANCE: Duration = Duration::from_millis(50);

pub use socket::{INET, address, loopback};

/// The port of a bound socket.
pub fn port(fd: &OwnedFd) -> Result<u16, Stop> {
    setup("getsockname", socket::name(fd, loopback(0))).map(|name| u16::from_be(name.sin_port))
}

/// An abstract UNIX address (unix(7)) and its length.
pub fn abstract_name(name: &[u8]) -> (libc::sockaddr_un, usize) {
    let mut path = [0 as libc::c_char; 108];
    for (to, from) in path[1..].iter_mut().zip(name) {
        *to = *from as libc::c_char;
    }
    (libc::sockaddr_un { sun_family: libc::AF_UNIX as u16, sun_path: path }, 2 + 1 + name.len())
}

/// A UNIX address in the file system and its length, with the final NUL.
pub fn path_name(path: &str) -> (libc::sockaddr_un, usize) {
    let mut bytes = [0 as libc::c_char; 108];
    for (to, from) in bytes.iter_mut().zip(path.as_bytes()) {
        *to = *from as libc::c_char;
    }
    (libc::sockaddr_un { sun_family: libc::AF_UNIX as u16, sun_path: bytes }, 2 + path.len() + 1)
}

/// Runs in a child with a network namespace of its own, whose loopback is up.
pub fn in_namespace(judge: impl FnOnce() -> CaseResult) -> CaseResult {
    needs_root()?;
    isolated(|| {
        enter_namespace()?;
        setup("SIOCSIFFLAGS of lo", interface::raise("lo"))?;
        judge()
    })
}

/// Leaves for a new network namespace. For children only.
pub fn enter_namespace() -> CaseResult {
    // SAFETY: takes no pointers.
    match unsafe { syscall!(libc::SYS_unshare, libc::CLONE_NEWNET) } {
        Err(Errno(libc::EINVAL)) => Err(Stop::Skip("missing config symbol: CONFIG_NET_NS".into())),
        other => setup("unshare(CLONE_NEWNET)", other).map(drop),
    }
}

/// A bound socket of this kind on the loopback, and its port.
pub fn bound(kind: i32) -> Result<(OwnedFd, u16), Stop> {
    let fd = setup("socket", socket::new(libc::AF_INET, kind, 0))?;
    setup("bind", socket::bind(&fd, &loopback(0), INET))?;
    let port = port(&fd)?;
    Ok((fd, port))
}

/// Two ends of a TCP connection on the loopback: who connected, and who accepted.
pub fn connected() -> Result<(OwnedFd, OwnedFd), Stop> {
    let (listener, port) = bound(libc::SOCK_STREAM)?;
    setup("listen", socket::listen(&listener, 1))?;
    let client = setup("socket", socket::new(libc::AF_INET, libc::SOCK_STREAM, 0))?;
    setup("connect", socket::connect(&client, &loopback(port), INET))?;
    let server = setup("accept", socket::accept(&listener, libc::SOCK_CLOEXEC))?;
    Ok((client, server))
}

/// poll(2): which of these events come within a time.
pub fn events(fd: &impl AsRawFd, events: i16, time: Duration) -> Result<i16, Stop> {
    setup("poll", file::poll(fd, events, time))
}

/// Reads until so many bytes are there.
pub fn receive_exactly(fd: &impl AsRawFd, length: usize) -> Result<Vec<u8>, Stop> {
    let mut bytes = Vec::new();
    while bytes.len() < length {
        if events(fd, libc::POLLIN, PATIENCE)? == 0 {
            return Err(Stop::Fail(format!("{} of {length} bytes arrive", bytes.len())));
        }
        let more = setup("recv", socket::receive(fd, length - bytes.len(), 0))?;
        if more.is_empty() {
            return Err(Stop::Fail(format!("the stream ends after {} of {length} bytes", bytes.len())));
        }
        bytes.extend(more);
    }
    Ok(bytes)
}
