//! Thin, named forms of the socket calls several suites use. They judge nothing: the caller does.

use crate::sys::{Errno, owned};
use crate::syscall;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

/// socket(2), close-on-exec.
pub fn new(domain: i32, kind: i32, protocol: i32) -> Result<OwnedFd, Errno> {
    // SAFETY: takes no pointers.
    unsafe { syscall!(libc::SYS_socket, domain, kind | libc::SOCK_CLOEXEC, protocol) }.map(owned)
}

/// socketpair(2), close-on-exec.
pub fn pair(domain: i32, kind: i32) -> Result<[OwnedFd; 2], Errno> {
    let mut ends = [0i32; 2];
    // SAFETY: the array is as long as the call expects.
    unsafe { syscall!(libc::SYS_socketpair, domain, kind | libc::SOCK_CLOEXEC, 0, ends.as_mut_ptr()) }?;
    Ok(ends.map(|fd| owned(fd.into())))
}

/// An address as the kernel takes it: any structure without padding of its own.
pub fn bind<A>(fd: &impl AsRawFd, address: &A, length: usize) -> Result<i64, Errno> {
    assert!(length <= size_of::<A>(), "inside the address");
    // SAFETY: the address is borrowed and at least this long.
    unsafe { syscall!(libc::SYS_bind, fd.as_raw_fd(), std::ptr::from_ref(address), length) }
}

pub fn connect<A>(fd: &impl AsRawFd, address: &A, length: usize) -> Result<i64, Errno> {
    assert!(length <= size_of::<A>(), "inside the address");
    // SAFETY: as in `bind`.
    unsafe { syscall!(libc::SYS_connect, fd.as_raw_fd(), std::ptr::from_ref(address), length) }
}

pub fn listen(fd: &impl AsRawFd, backlog: i32) -> Result<i64, Errno> {
    // SAFETY: takes no pointers.
    unsafe { syscall!(libc::SYS_listen, fd.as_raw_fd(), backlog) }
}

/// accept4(2), with these flags.
pub fn accept(fd: &impl AsRawFd, flags: i32) -> Result<OwnedFd, Errno> {
    // SAFETY: the address is not asked for.
    unsafe { syscall!(libc::SYS_accept4, fd.as_raw_fd(), 0, 0, flags) }.map(owned)
}

pub fn shutdown(fd: &impl AsRawFd, how: i32) -> Result<i64, Errno> {
    // SAFETY: takes no pointers.
    unsafe { syscall!(libc::SYS_shutdown, fd.as_raw_fd(), how) }
}

/// send(2).
pub fn send(fd: &impl AsRawFd, bytes: &[u8], flags: i32) -> Result<i64, Errno> {
    // SAFETY: the buffer is ours and as long as said.
    unsafe { syscall!(libc::SYS_sendto, fd.as_raw_fd(), bytes.as_ptr(), bytes.len(), flags, 0, 0) }
}

/// recv(2) of at most so many bytes.
pub fn receive(fd: &impl AsRawFd, length: usize, flags: i32) -> Result<Vec<u8>, Errno> {
    let mut bytes = vec![0; length];
    // SAFETY: the buffer is ours and as long as said.
    let n = unsafe { syscall!(libc::SYS_recvfrom, fd.as_raw_fd(), bytes.as_mut_ptr(), length, flags, 0, 0) }?;
    // Under MSG_TRUNC the kernel tells more than it gave.
    bytes.truncate(n as usize);
    Ok(bytes)
}

/// setsockopt(2).
pub fn set<T>(fd: &impl AsRawFd, level: i32, option: i32, value: &T) -> Result<i64, Errno> {
    let (address, length) = (std::ptr::from_ref(value), size_of::<T>());
    // SAFETY: the value is borrowed and as long as said.
    unsafe { syscall!(libc::SYS_setsockopt, fd.as_raw_fd(), level, option, address, length) }
}

/// getsockopt(2) of a value in which every bit pattern is valid.
pub fn get<T: Copy>(fd: &impl AsRawFd, level: i32, option: i32, mut value: T) -> Result<T, Errno> {
    let mut length = size_of::<T>() as u32;
    let (address, length) = (&raw mut value, &raw mut length);
    // SAFETY: both are ours; the kernel writes at most as much as said.
    unsafe { syscall!(libc::SYS_getsockopt, fd.as_raw_fd(), level, option, address, length) }?;
    Ok(value)
}

/// Length of an IPv4 address.
pub const INET: usize = size_of::<libc::sockaddr_in>();

/// 127.0.0.1 with this port; 0 lets the kernel choose.
pub fn loopback(port: u16) -> libc::sockaddr_in {
    address([127, 0, 0, 1], port)
}

pub fn address(ip: [u8; 4], port: u16) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as u16,
        sin_port: port.to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(ip) },
        sin_zero: [0; 8],
    }
}

/// The address of a socket's own end.
pub fn name<A: Copy>(fd: &impl AsRawFd, mut address: A) -> Result<A, Errno> {
    let mut length = size_of::<A>() as u32;
    // SAFETY: both are ours; the kernel writes at most as much as said.
    unsafe { syscall!(libc::SYS_getsockname, fd.as_raw_fd(), &raw mut address, &raw mut length) }?;
    Ok(address)
}

/// The address of the other end.
pub fn peer<A: Copy>(fd: &impl AsRawFd, mut address: A) -> Result<A, Errno> {
    let mut length = size_of::<A>() as u32;
    // SAFETY: both are ours; the kernel writes at most as much as said.
    unsafe { syscall!(libc::SYS_getpeername, fd.as_raw_fd(), &raw mut address, &raw mut length) }?;
    Ok(address)
}

/// One control message: level, type, payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Control {
    pub level: i32,
    pub kind: i32,
    pub payload: Vec<u8>,
}

/// A received message.
#[derive(Debug, Default)]
pub struct Received {
    pub bytes: Vec<u8>,
    /// What came as SCM_RIGHTS.
    pub files: Vec<OwnedFd>,
    /// Every other control message.
    pub control: Vec<Control>,
    /// `msg_flags`.
    pub flags: i32,
}

/// Space of a header, and the step in which control messages follow each other (cmsg(3)).
const HEADER: usize = size_of::<libc::cmsghdr>();
const STEP: usize = size_of::<usize>();

/// Control messages as the kernel reads them.
pub fn encode(messages: &[Control]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for message in messages {
        bytes.extend((HEADER + message.payload.len()).to_ne_bytes());
        bytes.extend(message.level.to_ne_bytes());
        bytes.extend(message.kind.to_ne_bytes());
        bytes.extend(&message.payload);
        bytes.resize(bytes.len().next_multiple_of(STEP), 0);
    }
    bytes
}

/// sendmsg(2) with control messages as bytes.
pub fn send_message(fd: &impl AsRawFd, bytes: &[u8], control: &[u8], flags: i32) -> Result<i64, Errno> {
    let mut vector = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // SAFETY: an all-zero header is valid; everything it points to lives through the call and is only read.
    unsafe {
        let mut header: libc::msghdr = std::mem::zeroed();
        header.msg_iov = &mut vector;
        header.msg_iovlen = 1;
        header.msg_control = control.as_ptr().cast_mut().cast();
        header.msg_controllen = control.len();
        syscall!(libc::SYS_sendmsg, fd.as_raw_fd(), &raw const header, flags)
    }
}

/// SCM_RIGHTS with these descriptors.
pub fn rights(files: &[RawFd]) -> Control {
    let payload = files.iter().flat_map(|fd| fd.to_ne_bytes()).collect();
    Control { level: libc::SOL_SOCKET, kind: libc::SCM_RIGHTS, payload }
}

/// Sends bytes and descriptors.
pub fn send_files(fd: &impl AsRawFd, bytes: &[u8], files: &[RawFd]) -> Result<i64, Errno> {
    send_message(fd, bytes, &encode(&[rights(files)]), 0)
}

/// recvmsg(2) with this much room for bytes and for control messages.
pub fn receive_message(fd: &impl AsRawFd, room: [usize; 2], flags: i32) -> Result<Received, Errno> {
    let [mut bytes, mut control] = room.map(|length| vec![0u8; length]);
    let mut vector = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    // SAFETY: an all-zero header is valid; everything it points to is ours and as long as said.
    let (n, length, flags) = unsafe {
        let mut header: libc::msghdr = std::mem::zeroed();
        header.msg_iov = &mut vector;
        header.msg_iovlen = 1;
        header.msg_control = control.as_mut_ptr().cast();
        header.msg_controllen = control.len();
        let n = syscall!(libc::SYS_recvmsg, fd.as_raw_fd(), &raw mut header, flags)?;
        (n, header.msg_controllen, header.msg_flags)
    };
    bytes.truncate(n as usize);
    let mut received = Received { bytes, flags, ..Received::default() };
    for message in decode(&control[..length.min(control.len())]) {
        match (message.level, message.kind) {
            (libc::SOL_SOCKET, libc::SCM_RIGHTS) => {
                let fds = message.payload.chunks_exact(4);
                let fds = fds.map(|fd| i32::from_ne_bytes(fd.try_into().expect("four bytes")));
                received.files.extend(fds.map(|fd| owned(fd.into())));
            }
            _ => received.control.push(message),
        }
    }
    Ok(received)
}

/// Control messages as the kernel writes them; a torn one ends the list.
fn decode(mut bytes: &[u8]) -> Vec<Control> {
    let mut messages = Vec::new();
    while bytes.len() >= HEADER {
        let number = |at: usize| i32::from_ne_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        let length = usize::from_ne_bytes(bytes[..STEP].try_into().expect("eight bytes"));
        if length < HEADER || length > bytes.len() {
            break;
        }
        let payload = bytes[HEADER..length].to_vec();
        messages.push(Control { level: number(STEP), kind: number(STEP + 4), payload });
        bytes = &bytes[length.next_multiple_of(STEP).min(bytes.len())..];
    }
    messages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_messages_survive_the_round_trip() {
        let messages: Vec<Control> =
            (0..9).map(|n| Control { level: n, kind: 40 - n, payload: vec![n as u8; n as usize] }).collect();
        assert_eq!(decode(&encode(&messages)), messages);
        assert_eq!(decode(&encode(&messages)[..20]).len(), 1, "a torn one ends the list");
        assert!(decode(&[0; 64]).is_empty(), "a length of zero ends the list");
    }

    #[test]
    fn a_descriptor_travels() {
        let [here, there] = pair(libc::AF_UNIX, libc::SOCK_STREAM).unwrap();
        send_files(&here, b"x", &[here.as_raw_fd()]).unwrap();
        let received = receive_message(&there, [4, 64], 0).unwrap();
        assert_eq!((received.bytes.as_slice(), received.files.len()), (&b"x"[..], 1));
        send(&there, b"y", 0).unwrap();
        assert_eq!(receive(&received.files[0], 4, 0), Ok(b"y".to_vec()));
    }
}
