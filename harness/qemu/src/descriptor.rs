//! Descriptors that only the two ends of a pipe know about: nothing here has a name on disk.

use crate::error::{Error, Result};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

/// An anonymous file of `size` bytes.
pub fn anonymous_file(name: &str, size: u64) -> Result<File> {
    let fd = memfd_create(name, MemfdFlags::CLOEXEC).map_err(|errno| Error::Io {
        what: format!("cannot create the anonymous file {name}"),
        source: errno.into(),
    })?;
    let file = File::from(fd);
    file.set_len(size).map_err(Error::io(format!("cannot size the anonymous file {name}")))?;
    Ok(file)
}

/// An anonymous file that holds `bytes`.
pub fn anonymous_copy(name: &str, bytes: &[u8]) -> Result<File> {
    let mut file = anonymous_file(name, 0)?;
    file.write_all(bytes).map_err(Error::io(format!("cannot fill the anonymous file {name}")))?;
    Ok(file)
}

/// Our end, non-blocking, and QEMU's end of a new connection.
pub fn connection() -> Result<(UnixStream, OwnedFd)> {
    let (ours, theirs) =
        socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None).map_err(|errno| {
            Error::Io { what: "cannot create a socket pair".to_owned(), source: errno.into() }
        })?;
    let ours = UnixStream::from(ours);
    ours.set_nonblocking(true).map_err(Error::io("cannot make a socket non-blocking"))?;
    Ok((ours, theirs))
}
