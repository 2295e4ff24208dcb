//! Buffers that travel between files and processes (PRIME).

use super::device::*;
use super::nodes::open_to_all;
use crate::case::{fails_with, setup, succeeds};
use crate::mapping::Mapping;
use crate::{CaseResult, Context, check, check_eq, child, file, syscall};
use std::os::fd::AsRawFd;

pub fn exported_buffer_is_the_same_memory(_: &Context) -> CaseResult {
    let fd = primary()?;
    let buffer = small(&fd)?;
    let mut mapping = map(&fd, &buffer)?;
    mark(&mut mapping, buffer.size, 3);
    let shared = succeeds("DRM_IOCTL_PRIME_HANDLE_TO_FD", export(&fd, buffer.handle, CLOEXEC | READ_WRITE))?;
    // SAFETY: no pointers.
    let end = unsafe { syscall!(libc::SYS_lseek, shared.as_raw_fd(), 0, libc::SEEK_END) };
    check_eq!(succeeds("lseek of a dma-buf", end)? as u64, buffer.size, "size of the dma-buf");
    let mut other = succeeds("mmap of a dma-buf", Mapping::shared_at(&shared, 0, buffer.size as usize))?;
    holds(&other, buffer.size, 3, "through the dma-buf")?;
    mark(&mut other, buffer.size, 4);
    holds(&mapping, buffer.size, 4, "written through the dma-buf")
}

pub fn imported_buffer_is_the_same_memory(_: &Context) -> CaseResult {
    let (first, second) = (primary()?, primary()?);
    let buffer = small(&first)?;
    mark(&mut map(&first, &buffer)?, buffer.size, 6);
    let shared = succeeds("DRM_IOCTL_PRIME_HANDLE_TO_FD", export(&first, buffer.handle, CLOEXEC))?;
    let handle = succeeds("DRM_IOCTL_PRIME_FD_TO_HANDLE", import(&second, &shared))?;
    let same = Buffer { handle, ..buffer };
    holds(&map(&second, &same)?, same.size, 6, "through the imported handle")?;
    mark(&mut map(&second, &same)?, same.size, 7);
    holds(&map(&first, &buffer)?, buffer.size, 7, "written through the imported handle")
}

pub fn second_import_gives_the_same_handle(_: &Context) -> CaseResult {
    let (first, second) = (primary()?, primary()?);
    let buffer = small(&first)?;
    let shared = succeeds("DRM_IOCTL_PRIME_HANDLE_TO_FD", export(&first, buffer.handle, CLOEXEC))?;
    let own = succeeds("import into the exporting file", import(&first, &shared))?;
    check_eq!(own, buffer.handle, "the handle in the exporting file");
    let once = succeeds("import", import(&second, &shared))?;
    let twice = succeeds("import again", import(&second, &shared))?;
    check_eq!(twice, once, "the handle of a buffer imported twice");
    Ok(())
}

pub fn exported_buffer_outlives_its_file(_: &Context) -> CaseResult {
    let fd = primary()?;
    let buffer = small(&fd)?;
    mark(&mut map(&fd, &buffer)?, buffer.size, 8);
    let shared = succeeds("DRM_IOCTL_PRIME_HANDLE_TO_FD", export(&fd, buffer.handle, CLOEXEC | READ_WRITE))?;
    succeeds("DRM_IOCTL_GEM_CLOSE", close(&fd, buffer.handle))?;
    drop(fd);
    let next = primary()?;
    let handle = succeeds("import after the exporter closed", import(&next, &shared))?;
    let same = Buffer { handle, ..buffer };
    holds(&map(&next, &same)?, same.size, 8, "after the exporter closed")
}

pub fn export_honours_its_flags_and_no_others(_: &Context) -> CaseResult {
    let fd = primary()?;
    let handle = small(&fd)?.handle;
    let is_closed_by_exec = |flags| -> Result<bool, crate::Stop> {
        let shared = succeeds("export", export(&fd, handle, flags))?;
        Ok(setup("fcntl", file::control(&shared, libc::F_GETFD, 0))? & i64::from(libc::FD_CLOEXEC) != 0)
    };
    check!(is_closed_by_exec(CLOEXEC)?, "DRM_CLOEXEC sets no close-on-exec");
    check!(!is_closed_by_exec(0)?, "close-on-exec is set without DRM_CLOEXEC");
    let mode = |flags| -> Result<i64, crate::Stop> {
        // A buffer of its own: one that is exported keeps its dma-buf, and so its mode.
        let shared = succeeds("export", export(&fd, small(&fd)?.handle, flags))?;
        Ok(setup("fcntl", file::control(&shared, libc::F_GETFL, 0))? & i64::from(libc::O_ACCMODE))
    };
    check_eq!(mode(READ_WRITE)?, i64::from(libc::O_RDWR), "access mode with DRM_RDWR");
    check_eq!(mode(0)?, i64::from(libc::O_RDONLY), "access mode without DRM_RDWR");
    for flags in [1, 4, 1 << 31] {
        fails_with(&format!("export with flags {flags:#x}"), export(&fd, handle, flags), libc::EINVAL)?;
    }
    Ok(())
}

pub fn import_takes_dma_bufs_only(_: &Context) -> CaseResult {
    let fd = render()?;
    let (reader, _writer) = child::pipe()?;
    fails_with("import of a pipe", import(&fd, &reader), libc::EINVAL)?;
    fails_with("import of a DRM file", import(&fd, &fd), libc::EINVAL)?;
    let mut closed = [0, 0, 1000];
    fails_with("import of a descriptor that is not open", call(&fd, IMPORT, &mut closed), libc::EBADF)
}

pub fn process_without_privilege_shares_buffers(_: &Context) -> CaseResult {
    open_to_all()?;
    let source = primary()?;
    let buffer = small(&source)?;
    let shared = succeeds("export", export(&source, buffer.handle, CLOEXEC | READ_WRITE))?;
    let path = render_path()?;
    child::unprivileged(|| {
        let fd = succeeds("open by nobody", try_open(&path))?;
        let handle = succeeds("import by nobody", import(&fd, &shared))?;
        let again = succeeds("export by nobody", export(&fd, handle, CLOEXEC | READ_WRITE))?;
        let mut mapping = succeeds("mmap by nobody", Mapping::shared_at(&again, 0, buffer.size as usize))?;
        mark(&mut mapping, buffer.size, 11);
        Ok(())
    })?;
    holds(&map(&source, &buffer)?, buffer.size, 11, "written by another process")
}
