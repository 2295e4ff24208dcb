//! Filesystems that live on a disk, for a case alone: an image from the host behind a loop device (loop(4)).

use crate::case::{Stop, setup};
use crate::sys::{Errno, owned};
use crate::{Context, file, mounts, skip, syscall};
use gauntlet_protocol::sparse::{self, Run};
use std::ffi::CString;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

/// Requests of loop(4).
const LOOP_SET_FD: u32 = 0x4c00;
const LOOP_SET_STATUS64: u32 = 0x4c04;
const LOOP_CTL_GET_FREE: u32 = 0x4c82;

/// A loop device with an empty filesystem. It stays as long as this or a mount of it does.
#[derive(Debug)]
pub struct Disk {
    /// As mount(2) knows it.
    filesystem: String,
    device: String,
    _open: OwnedFd,
}

impl Disk {
    /// From the image that [`crate::FileNeed::Filesystem`] of this kind asks for, which is called by its filesystem and,
    /// behind a dash, what is special of it.
    pub fn new(context: &Context, kind: &str) -> Result<Disk, Stop> {
        let path = context.file(&format!("{kind}.disk"));
        let Ok(encoded) = std::fs::read(&path) else {
            skip!("no image of an {kind} filesystem: the host supplies it to a virtual machine only");
        };
        let (size, runs) = sparse::decode(&encoded)
            .ok_or_else(|| Stop::Broken(format!("{} is not an image", path.display())))?;
        Disk::made(kind.split('-').next().unwrap_or(kind), size, &runs)
    }

    /// Of so many bytes, with nothing but holes between these runs, which are this filesystem; none when it is blank.
    pub fn made(filesystem: &str, size: u64, runs: &[Run<'_>]) -> Result<Disk, Stop> {
        // SAFETY: the name lives through the call.
        let made = unsafe { syscall!(libc::SYS_memfd_create, c"disk".as_ptr(), libc::MFD_CLOEXEC) };
        let memory = owned(setup("memfd_create for a disk", made)?);
        setup("ftruncate of a disk", file::truncate(&memory, size as i64))?;
        for (offset, bytes) in runs {
            setup("write of a disk", file::write_at(&memory, bytes, *offset as i64))?;
        }
        let (device, open) = behind_loop(&memory)?;
        Ok(Disk { filesystem: filesystem.to_owned(), device, _open: open })
    }

    /// Its node: `/dev/loop0`.
    pub fn device(&self) -> &str {
        &self.device
    }

    /// Mounts it, with options for its kind.
    pub fn mount(&self, target: &Path, options: &str) -> Result<(), Stop> {
        match mounts::mount_from(&self.device, target, &self.filesystem, options) {
            Err(Errno(libc::ENODEV)) => skip!("missing module or symbol: {}", self.filesystem),
            other => setup(&format!("mount of {} on {}", self.filesystem, target.display()), other),
        }
    }
}

fn behind_loop(memory: &OwnedFd) -> Result<(String, OwnedFd), Stop> {
    let open = |path: &str| {
        let path = CString::new(path).expect("no NUL");
        file::open_at(libc::AT_FDCWD, &path, libc::O_RDWR | libc::O_CLOEXEC, 0)
    };
    let control = match open("/dev/loop-control") {
        Err(Errno(libc::ENOENT | libc::ENXIO | libc::ENODEV)) => skip!("missing module or symbol: loop"),
        other => setup("open of /dev/loop-control", other)?,
    };
    // SAFETY: no pointers.
    let number = unsafe { syscall!(libc::SYS_ioctl, control.as_raw_fd(), LOOP_CTL_GET_FREE) };
    let device = format!("/dev/loop{}", setup("LOOP_CTL_GET_FREE", number)?);
    let opened = setup("open of a loop device", open(&device))?;
    // SAFETY: no pointers.
    let set = unsafe { syscall!(libc::SYS_ioctl, opened.as_raw_fd(), LOOP_SET_FD, memory.as_raw_fd()) };
    setup("LOOP_SET_FD", set)?;
    // struct loop_info64, 232 bytes: all but the flags may be zero. LO_FLAGS_AUTOCLEAR ends it with its last user.
    let mut status = [0u32; 58];
    status[13] = 4;
    // SAFETY: the structure is ours and as long as the kernel's.
    let set = unsafe { syscall!(libc::SYS_ioctl, opened.as_raw_fd(), LOOP_SET_STATUS64, status.as_ptr()) };
    setup("LOOP_SET_STATUS64", set)?;
    Ok((device, opened))
}
