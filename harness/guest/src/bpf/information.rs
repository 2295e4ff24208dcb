//! Objects by identifier, by path, and what the kernel tells about them.

use super::{Attributes, Command};
use crate::sys::Errno;
use std::ffi::CString;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// BPF_OBJ_GET_INFO_BY_FD into `bytes`, telling the kernel their length; returns the length it wrote back.
pub fn information(object: &impl AsRawFd, bytes: &mut [u8]) -> Result<u32, Errno> {
    let length = u32::try_from(bytes.len()).expect("structures are small");
    let mut attributes = Attributes::default().fd(0, object).u32(4, length).output(8, bytes);
    attributes.call(Command::Information)?;
    Ok(attributes.get_u32(4))
}

/// The next identifier after `start`: BPF_MAP_GET_NEXT_ID or BPF_PROG_GET_NEXT_ID.
pub fn next_id(command: Command, start: u32) -> Result<u32, Errno> {
    let mut attributes = Attributes::default().u32(0, start);
    attributes.call(command)?;
    Ok(attributes.get_u32(4))
}

/// Every identifier of a kind, in the kernel's order.
pub fn id_list(command: Command) -> Result<Vec<u32>, Errno> {
    let mut ids = vec![];
    loop {
        match next_id(command, ids.last().copied().unwrap_or(0)) {
            Ok(id) => ids.push(id),
            Err(Errno(libc::ENOENT)) => return Ok(ids),
            Err(errno) => return Err(errno),
        }
    }
}

/// BPF_MAP_GET_FD_BY_ID or BPF_PROG_GET_FD_BY_ID.
pub fn object_by_id(command: Command, id: u32) -> Result<OwnedFd, Errno> {
    Attributes::default().u32(0, id).open(command)
}

fn path_bytes(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).expect("paths of cases hold no NUL")
}

pub fn object_pin(object: &impl AsRawFd, path: &Path) -> Result<i64, Errno> {
    let path = path_bytes(path);
    Attributes::default().input(0, path.as_bytes_with_nul()).fd(8, object).call(Command::ObjectPin)
}

/// Opens a pinned object; `flags` as BPF_F_RDONLY and BPF_F_WRONLY.
pub fn object_get(path: &Path, flags: u32) -> Result<OwnedFd, Errno> {
    let path = path_bytes(path);
    Attributes::default().input(0, path.as_bytes_with_nul()).u32(12, flags).open(Command::ObjectGet)
}
