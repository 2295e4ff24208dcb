//! Local sockets.

use super::{Operation, Workload};
use crate::Problem;
use crate::problem::needs;
use crate::sys::{owned, syscall};
use std::os::fd::{AsRawFd, OwnedFd};

pub static UNIX_MESSAGE: Workload = Workload {
    name: "unix_message",
    about: "send 64 bytes over a local datagram socket and receive them",
    cites: "unix(7)",
    operations: 500,
    setup: || {
        let [left, right] = pair()?;
        let mut buffer = [0u8; 64];
        Ok(Box::new(move || {
            let (pointer, length) = (buffer.as_mut_ptr(), buffer.len());
            // SAFETY: the buffer is as long as said.
            let sent = unsafe { syscall!(libc::SYS_sendto, left.as_raw_fd(), pointer, length, 0, 0, 0) };
            // SAFETY: as above.
            let received =
                unsafe { syscall!(libc::SYS_recvfrom, right.as_raw_fd(), pointer, length, 0, 0, 0) };
            sent.min(received)
        }))
    },
};

pub static PASS_DESCRIPTOR: Workload = Workload {
    name: "unix_pass_descriptor",
    about: "pass a descriptor over a local datagram socket, receive it and close it",
    cites: "unix(7), SCM_RIGHTS",
    operations: 500,
    setup: || Ok(Box::new(PassDescriptor { ends: pair()?, control: Control::default() })),
};

fn pair() -> Result<[OwnedFd; 2], Problem> {
    let mut ends = [0i32; 2];
    let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC;
    // SAFETY: room for two descriptors.
    let made = unsafe { syscall!(libc::SYS_socketpair, libc::AF_UNIX, kind, 0, ends.as_mut_ptr()) };
    needs("socketpair(AF_UNIX)", made)?;
    Ok([owned("socketpair", ends[0].into())?, owned("socketpair", ends[1].into())?])
}

/// A control message with one descriptor, as cmsg(3) lays it out.
#[repr(C)]
#[derive(Default)]
struct Control {
    length: usize,
    level: i32,
    kind: i32,
    descriptor: i32,
    _padding: i32,
}

struct PassDescriptor {
    ends: [OwnedFd; 2],
    control: Control,
}

impl Operation for PassDescriptor {
    fn run(&mut self) -> i64 {
        let mut byte = 0u8;
        let mut part = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
        // SAFETY: all zero is an empty message header.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        message.msg_control = (&raw mut self.control).cast();
        message.msg_controllen = size_of::<Control>();
        let own = self.ends[0].as_raw_fd();
        // 20: the header of 16 bytes and one descriptor, without the padding.
        let (level, kind) = (libc::SOL_SOCKET, libc::SCM_RIGHTS);
        self.control = Control { length: 20, level, kind, descriptor: own, _padding: 0 };
        // SAFETY: the header and all it points to live through the call.
        let sent = unsafe { syscall!(libc::SYS_sendmsg, own, &raw const message, 0) };
        // SAFETY: as above.
        let received = unsafe { syscall!(libc::SYS_recvmsg, self.ends[1].as_raw_fd(), &raw mut message, 0) };
        if sent.min(received) < 0 {
            return sent.min(received);
        }
        // SAFETY: the kernel has just handed this descriptor to us.
        unsafe { syscall!(libc::SYS_close, self.control.descriptor) }
    }
}
