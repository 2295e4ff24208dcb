//! Network interfaces by their names (netdevice(7)). It judges nothing: the caller does.

use crate::socket;
use crate::sys::Errno;
use crate::syscall;
use std::os::fd::AsRawFd;

/// A request about the interface of this name.
pub fn request(name: &str) -> libc::ifreq {
    // SAFETY: all-zero is a valid request.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(name.as_bytes()) {
        *to = *from as libc::c_char;
    }
    request
}

/// An ioctl with such a request, on a socket of its own.
pub fn ask(number: libc::c_ulong, request: &mut libc::ifreq) -> Result<i64, Errno> {
    let fd = socket::new(libc::AF_INET, libc::SOCK_DGRAM, 0)?;
    // SAFETY: the request is ours and of the size that these ioctls take.
    unsafe { syscall!(libc::SYS_ioctl, fd.as_raw_fd(), number, std::ptr::from_mut(request)) }
}

/// Sets an interface up. The kernel gives the loopback interface 127.0.0.1 then.
pub fn raise(name: &str) -> Result<(), Errno> {
    let mut request = request(name);
    ask(libc::SIOCGIFFLAGS, &mut request)?;
    // SAFETY: the kernel has just filled in the flags.
    unsafe { request.ifr_ifru.ifru_flags |= libc::IFF_UP as i16 };
    ask(libc::SIOCSIFFLAGS, &mut request).map(drop)
}
