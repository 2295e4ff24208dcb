//! System calls as they are: raw numbers in, `Result` out. Cases call the kernel through here and never
//! through a C library that might emulate, retry or hide.

use std::fmt;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// An error number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Errno(pub i32);

impl Errno {
    /// The calling thread's `errno`.
    pub fn last() -> Errno {
        Errno(std::io::Error::last_os_error().raw_os_error().unwrap_or(0))
    }

    /// `EINVAL` and its like; `None` for numbers outside the table.
    pub fn name(self) -> Option<&'static str> {
        NAMES.iter().find(|(number, _)| *number == self.0).map(|(_, name)| *name)
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => formatter.pad(name),
            None => write!(formatter, "errno {}", self.0),
        }
    }
}

macro_rules! errno_names {
    ($($name:ident)*) => { &[$((libc::$name, stringify!($name))),*] };
}

const NAMES: &[(i32, &str)] = errno_names! {
    EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG ENOEXEC EBADF ECHILD EAGAIN ENOMEM EACCES EFAULT ENOTBLK EBUSY
    EEXIST EXDEV ENODEV ENOTDIR EISDIR EINVAL ENFILE EMFILE ENOTTY ETXTBSY EFBIG ENOSPC ESPIPE EROFS EMLINK
    EPIPE EDOM ERANGE EDEADLK ENAMETOOLONG ENOLCK ENOSYS ENOTEMPTY ELOOP ENOMSG EOVERFLOW EBADFD EILSEQ
    EUSERS ENOTSOCK EDESTADDRREQ EMSGSIZE EPROTOTYPE EPROTONOSUPPORT EOPNOTSUPP EAFNOSUPPORT EADDRINUSE EADDRNOTAVAIL ENETDOWN ENETUNREACH ECONNRESET EHOSTUNREACH
    ENOBUFS EISCONN ENOTCONN ETIMEDOUT ECONNREFUSED EALREADY EINPROGRESS ESTALE EDQUOT ECANCELED ENOKEY
    EKEYEXPIRED EKEYREVOKED EKEYREJECTED EBADMSG ENODATA ENOPKG ELIBBAD
};

/// A raw system call with up to six arguments.
///
/// # Safety
/// The caller answers for every pointer among the arguments, as with `syscall(2)`.
pub unsafe fn raw(number: i64, arguments: [u64; 6]) -> Result<i64, Errno> {
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: forwarded to the caller.
    let value = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    if value == -1 { Err(Errno::last()) } else { Ok(value) }
}

/// `syscall!(NR, a, b, …)`: a raw system call; missing arguments are zero. Unsafe like [`raw`].
#[macro_export]
macro_rules! syscall {
    ($number:expr $(, $argument:expr)* $(,)?) => {{
        let given: &[u64] = &[$($argument as u64),*];
        let mut arguments = [0u64; 6];
        arguments[..given.len()].copy_from_slice(given);
        $crate::sys::raw($number, arguments)
    }};
}

/// Major and minor of the running kernel, for promises that came with a release and cannot be asked for.
pub fn release() -> (u32, u32) {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|text| text.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// Turns a C-style result into a `Result`.
pub fn check(value: i64) -> Result<i64, Errno> {
    if value == -1 { Err(Errno::last()) } else { Ok(value) }
}

/// Takes ownership of a descriptor a call has just returned.
pub fn owned(fd: i64) -> OwnedFd {
    let fd = RawFd::try_from(fd).expect("descriptors are small");
    // SAFETY: the kernel has just handed this descriptor to us and nobody else holds it.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// Bytes of a descriptor from its current position to the end.
pub fn read_all(fd: &impl AsRawFd) -> Result<Vec<u8>, Errno> {
    let mut bytes = Vec::new();
    let mut chunk = [0u8; 4096];
    loop {
        // SAFETY: the buffer is ours and as long as said.
        let n = check(unsafe { libc::read(fd.as_raw_fd(), chunk.as_mut_ptr().cast(), chunk.len()) } as i64)?;
        match usize::try_from(n) {
            Ok(0) | Err(_) => return Ok(bytes),
            Ok(n) => bytes.extend_from_slice(&chunk[..n]),
        }
    }
}
