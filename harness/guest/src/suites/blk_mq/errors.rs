//! I/O errors of a device with bad sectors.

use super::device::*;
use crate::case::{fails_with, setup, succeeds};
use crate::{CaseResult, Context, Stop, check_eq, file, syscall};
use std::os::fd::{AsRawFd, OwnedFd};

/// Sectors 16 to 23, one page, are bad.
const BAD: &str = "+16-23";
const GOOD_AGAIN: &str = "-16-23";
const BAD_AT: u64 = 16 * SECTOR;

fn with_bad_sectors() -> Result<Device, Stop> {
    let device = Device::memory()?;
    setup("badblocks", device.configure("badblocks", BAD))?;
    Ok(device)
}

pub fn bad_sector_is_eio_and_its_neighbours_are_not(_: &Context) -> CaseResult {
    let device = with_bad_sectors()?;
    let fd = device.direct()?;
    for sector in [16, 19, 23] {
        let offset = sector * SECTOR;
        fails_with(&format!("read of bad sector {sector}"), read(&fd, 512, offset), libc::EIO)?;
        fails_with(&format!("write of bad sector {sector}"), write(&fd, &[7; 512], offset), libc::EIO)?;
    }
    for sector in [15, 24] {
        succeeds(&format!("write of good sector {sector}"), write(&fd, &[7; 512], sector * SECTOR))?;
        holds(&fd, &[7; 512], sector * SECTOR, "beside bad sectors")?;
    }
    Ok(())
}

pub fn mended_sector_works_again(_: &Context) -> CaseResult {
    let device = with_bad_sectors()?;
    let fd = device.direct()?;
    fails_with("read of a bad sector", read(&fd, 512, BAD_AT), libc::EIO)?;
    setup("badblocks", device.configure("badblocks", GOOD_AGAIN))?;
    succeeds("write of a mended sector", write(&fd, &[9; 512], BAD_AT))?;
    holds(&fd, &[9; 512], BAD_AT, "after the sector was mended")
}

pub fn failed_write_changes_nothing(_: &Context) -> CaseResult {
    let device = Device::memory()?;
    let fd = device.direct()?;
    succeeds("write", write(&fd, &[1; 4096], BAD_AT))?;
    setup("badblocks", device.configure("badblocks", BAD))?;
    fails_with("write of bad sectors", write(&fd, &[2; 4096], BAD_AT), libc::EIO)?;
    setup("badblocks", device.configure("badblocks", GOOD_AGAIN))?;
    holds(&fd, &[1; 4096], BAD_AT, "after a write failed")
}

pub fn buffered_read_of_a_bad_sector_is_eio(_: &Context) -> CaseResult {
    let device = with_bad_sectors()?;
    let fd = device.open(libc::O_RDONLY)?;
    setup("posix_fadvise", without_read_ahead(&fd))?;
    fails_with("read of a bad page", read(&fd, 4096, BAD_AT), libc::EIO)?;
    succeeds("read of the page before", read(&fd, 4096, BAD_AT - 4096))?;
    succeeds("read of the page behind", read(&fd, 4096, BAD_AT + 4096)).map(drop)
}

fn without_read_ahead(fd: &OwnedFd) -> Result<i64, crate::sys::Errno> {
    // SAFETY: no pointers.
    unsafe { syscall!(libc::SYS_fadvise64, fd.as_raw_fd(), 0, 0, libc::POSIX_FADV_RANDOM) }
}

fn sync(fd: &OwnedFd) -> Result<i64, crate::sys::Errno> {
    // SAFETY: no pointers.
    unsafe { syscall!(libc::SYS_fsync, fd.as_raw_fd()) }
}

pub fn lost_write_is_told_by_fsync_once(_: &Context) -> CaseResult {
    let device = with_bad_sectors()?;
    let fd = device.open(libc::O_RDWR)?;
    succeeds("buffered write", file::write_at(&fd, &[3; 4096], BAD_AT as i64))?;
    fails_with("fsync after a write was lost", sync(&fd), libc::EIO)?;
    succeeds("the second fsync", sync(&fd)).map(drop)
}

pub fn lost_write_is_told_to_every_descriptor(_: &Context) -> CaseResult {
    let device = with_bad_sectors()?;
    let (writer, other) = (device.open(libc::O_RDWR)?, device.open(libc::O_RDWR)?);
    succeeds("buffered write", file::write_at(&writer, &[3; 4096], BAD_AT as i64))?;
    fails_with("fsync of the writer", sync(&writer), libc::EIO)?;
    fails_with("fsync of another descriptor open then", sync(&other), libc::EIO)
}

pub fn direct_io_beside_bad_sectors_goes_on(_: &Context) -> CaseResult {
    let device = with_bad_sectors()?;
    let fd = device.direct()?;
    for round in 0..50u64 {
        fails_with("read of a bad sector", read(&fd, 512, BAD_AT), libc::EIO)?;
        let bytes = pattern(round, 4096);
        check_eq!(succeeds("write", write(&fd, &bytes, MIB))?, 4096, "bytes written");
        holds(&fd, &bytes, MIB, "between errors")?;
    }
    check_eq!(
        device.attribute("inflight")?.split_whitespace().collect::<String>(),
        "00",
        "requests in flight"
    );
    Ok(())
}
