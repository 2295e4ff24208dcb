//! What is written is what is read: sizes, ends, alignment, discarding, flushing.

use super::device::*;
use crate::case::{fails_with, succeeds};
use crate::mapping::PAGE;
use crate::sys::Errno;
use crate::{CaseResult, Context, Stop, check, check_eq, file, syscall};
use std::os::fd::{AsRawFd, OwnedFd};

pub const DISCARD: u32 = 0x1277;
pub const SECURE_DISCARD: u32 = 0x127d;
pub const ZERO_OUT: u32 = 0x127f;

/// An ioctl on a range of bytes (include/uapi/linux/fs.h).
pub fn on_range(fd: &OwnedFd, request: u32, start: u64, length: u64) -> Result<i64, Errno> {
    let range = [start, length];
    // SAFETY: the range is ours; the kernel only reads it.
    unsafe { syscall!(libc::SYS_ioctl, fd.as_raw_fd(), request, range.as_ptr()) }
}

fn sync(fd: &OwnedFd) -> Result<i64, Errno> {
    // SAFETY: no pointers.
    unsafe { syscall!(libc::SYS_fsync, fd.as_raw_fd()) }
}

pub fn new_device_reads_as_zeros(_: &Context) -> CaseResult {
    let fd = Device::memory()?.direct()?;
    [0, MIB, 8 * MIB - 4096]
        .into_iter()
        .try_for_each(|place| holds(&fd, &[0; 4096], place, "of a new device"))
}

pub fn written_bytes_are_read_back_at_every_size(_: &Context) -> CaseResult {
    let fd = Device::memory()?.direct()?;
    for sectors in [1, 2, 7, 8, 9, 127, 128, 255, 256, 1024] {
        let bytes = pattern(sectors, (sectors * SECTOR) as usize);
        let written = succeeds(&format!("write of {sectors} sectors"), write(&fd, &bytes, 3 * SECTOR))?;
        check_eq!(written as usize, bytes.len(), "bytes written of {sectors} sectors");
        holds(&fd, &bytes, 3 * SECTOR, &format!("after a write of {sectors} sectors"))?;
    }
    Ok(())
}

pub fn write_touches_nothing_beside_it(_: &Context) -> CaseResult {
    let fd = Device::memory()?.direct()?;
    succeeds("write", write(&fd, &[1; 3 * 4096], 0))?;
    succeeds("write of one sector", write(&fd, &[2; 512], 4096 + 512))?;
    holds(&fd, &[1; 4096 + 512], 0, "before the sector")?;
    holds(&fd, &[2; 512], 4096 + 512, "in the sector")?;
    holds(&fd, &[1; 2 * 4096 - 1024], 4096 + 1024, "behind the sector")
}

pub fn buffered_write_is_on_the_device_after_fsync(_: &Context) -> CaseResult {
    let device = Device::memory()?;
    let (buffered, direct) = (device.open(libc::O_RDWR)?, device.direct()?);
    let bytes = pattern(1, 10_000);
    succeeds("buffered write", file::write_at(&buffered, &bytes, 5000))?;
    succeeds("fsync", sync(&buffered))?;
    let found = succeeds("direct read", read(&direct, 16384, 0))?;
    check!(found.get(5000..15_000) == Some(&bytes[..]), "the bytes are not on the device after fsync");
    Ok(())
}

pub fn direct_write_is_seen_by_buffered_readers(_: &Context) -> CaseResult {
    let device = Device::memory()?;
    let (buffered, direct) = (device.open(libc::O_RDWR)?, device.direct()?);
    holds(&buffered, &[0; 4096], 0, "before")?;
    succeeds("direct write", write(&direct, &[5; 4096], 0))?;
    holds(&buffered, &[5; 4096], 0, "in the page cache after a direct write")
}

pub fn nothing_is_read_or_written_beyond_the_end(_: &Context) -> CaseResult {
    let fd = Device::memory()?.direct()?;
    let end = 8 * MIB;
    check_eq!(succeeds("read at the end", read(&fd, 4096, end))?.len(), 0, "bytes read at the end");
    fails_with("write at the end", write(&fd, &[1; 4096], end), libc::ENOSPC)?;
    check_eq!(succeeds("write across the end", write(&fd, &[1; 8192], end - 4096))?, 4096, "bytes written");
    check_eq!(succeeds("read across the end", read(&fd, 8192, end - 4096))?.len(), 4096, "bytes read");
    Ok(())
}

pub fn direct_io_keeps_to_the_block_size(_: &Context) -> CaseResult {
    for size in [512u64, 4096] {
        let name = format!("block{size}");
        let settings = [("memory_backed", "1"), ("size", "8"), ("blocksize", &*size.to_string())];
        let fd = Device::new(&name, &settings)?.direct()?;
        succeeds("write of one block", write(&fd, &vec![1; size as usize], size))?;
        let half = (size / 2) as usize;
        fails_with("write of half a block", write(&fd, &vec![1; half], 0), libc::EINVAL)?;
        fails_with("read of half a block", read(&fd, half, 0), libc::EINVAL)?;
        fails_with("write between blocks", write(&fd, &vec![1; size as usize], size / 2), libc::EINVAL)?;
        fails_with("read between blocks", read(&fd, size as usize, size / 2), libc::EINVAL)?;
        fails_with("read of a block and a byte", read(&fd, size as usize + 1, 0), libc::EINVAL)?;
    }
    Ok(())
}

pub fn direct_io_refuses_memory_at_an_odd_address(_: &Context) -> CaseResult {
    let fd = Device::memory()?.direct()?;
    let room = vec![1u8; 3 * PAGE];
    let odd = room.as_ptr().align_offset(PAGE) + 1;
    fails_with("write from an odd address", file::write_at(&fd, &room[odd..odd + PAGE], 0), libc::EINVAL)?;
    holds(&fd, &[0; PAGE], 0, "after a refused write")
}

fn with_discard() -> Result<Device, Stop> {
    Device::new("discard", &[("memory_backed", "1"), ("size", "8"), ("discard", "1")])
}

pub fn discarded_blocks_are_gone_and_others_are_not(_: &Context) -> CaseResult {
    let device = with_discard()?;
    check!(device.number("queue/discard_max_bytes")? > 0, "a device that discards says that it does not");
    let fd = device.direct()?;
    succeeds("write", write(&fd, &[1; 4 * 4096], 0))?;
    succeeds("BLKDISCARD", on_range(&fd, DISCARD, 4096, 2 * 4096))?;
    holds(&fd, &[1; 4096], 0, "before the discarded range")?;
    holds(&fd, &[0; 2 * 4096], 4096, "in the discarded range")?;
    holds(&fd, &[1; 4096], 3 * 4096, "behind the discarded range")
}

pub fn device_without_discard_refuses_it(_: &Context) -> CaseResult {
    let device = Device::memory()?;
    check_eq!(device.number("queue/discard_max_bytes")?, 0, "discard_max_bytes");
    let fd = device.direct()?;
    succeeds("write", write(&fd, &[1; 4096], 0))?;
    fails_with("BLKDISCARD", on_range(&fd, DISCARD, 0, 4096), libc::EOPNOTSUPP)?;
    fails_with("BLKSECDISCARD", on_range(&fd, SECURE_DISCARD, 0, 4096), libc::EOPNOTSUPP)?;
    holds(&fd, &[1; 4096], 0, "after refused discards")
}

pub fn discard_outside_its_rules_is_refused(_: &Context) -> CaseResult {
    let device = with_discard()?;
    let fd = device.direct()?;
    succeeds("write", write(&fd, &[1; 4096], 0))?;
    for (what, start, length) in [
        ("from within a sector", 1, 512),
        ("of half a sector", 0, 256),
        ("across the end", 8 * MIB - 512, 1024),
        ("that wraps", u64::MAX - 511, 1024),
    ] {
        fails_with(&format!("BLKDISCARD {what}"), on_range(&fd, DISCARD, start, length), libc::EINVAL)?;
    }
    let reader = device.open(libc::O_RDONLY)?;
    fails_with("BLKDISCARD of a reader", on_range(&reader, DISCARD, 0, 512), libc::EBADF)?;
    holds(&fd, &[1; 4096], 0, "after refused discards")
}

pub fn zeroed_blocks_read_as_zeros_and_others_do_not(_: &Context) -> CaseResult {
    let device = Device::memory()?;
    let fd = device.direct()?;
    succeeds("write", write(&fd, &[1; 4 * 4096], 0))?;
    succeeds("BLKZEROOUT", on_range(&fd, ZERO_OUT, 512, 4096))?;
    holds(&fd, &[1; 512], 0, "before the zeroed range")?;
    holds(&fd, &[0; 4096], 512, "in the zeroed range")?;
    holds(&fd, &[1; 3 * 4096 - 512], 4096 + 512, "behind the zeroed range")?;
    fails_with("BLKZEROOUT from within a sector", on_range(&fd, ZERO_OUT, 100, 512), libc::EINVAL)?;
    fails_with("BLKZEROOUT across the end", on_range(&fd, ZERO_OUT, 8 * MIB - 512, 1024), libc::EINVAL)
}

pub fn zeroing_throws_away_what_was_cached(_: &Context) -> CaseResult {
    let device = Device::memory()?;
    let fd = device.open(libc::O_RDWR)?;
    succeeds("buffered write", file::write_at(&fd, &[1; 8192], 0))?;
    succeeds("BLKZEROOUT", on_range(&fd, ZERO_OUT, 0, 4096))?;
    holds(&fd, &[0; 4096], 0, "in the page cache after BLKZEROOUT")?;
    holds(&fd, &[1; 4096], 4096, "in the page cache behind it")
}

pub fn fallocate_zeroes_and_never_allocates(_: &Context) -> CaseResult {
    let fd = Device::memory()?.open(libc::O_RDWR)?;
    succeeds("write", file::write_at(&fd, &[1; 12288], 0))?;
    let zero = libc::FALLOC_FL_ZERO_RANGE | libc::FALLOC_FL_KEEP_SIZE;
    succeeds("fallocate(ZERO_RANGE)", file::allocate(&fd, zero, 4096, 4096))?;
    holds(&fd, &[0; 4096], 4096, "in the range")?;
    holds(&fd, &[1; 4096], 8192, "behind the range")?;
    fails_with("fallocate(0)", file::allocate(&fd, 0, 0, 4096), libc::EOPNOTSUPP)?;
    fails_with("fallocate within a sector", file::allocate(&fd, zero, 100, 4096), libc::EINVAL)?;
    let beyond = file::allocate(&fd, zero, 8 * MIB as i64, 4096);
    fails_with("fallocate beyond the end", beyond, libc::EINVAL)
}

/// Fields of `stat`: flushes completed.
const FLUSHES: usize = 15;

pub fn fsync_flushes_a_device_with_a_cache(_: &Context) -> CaseResult {
    let device = Device::new("cached", &[("memory_backed", "1"), ("size", "8"), ("cache_size", "1")])?;
    check_eq!(device.attribute("queue/write_cache")?, "write back", "the cache of a device that has one");
    let fd = device.open(libc::O_RDWR)?;
    let before = device.statistic(FLUSHES)?;
    succeeds("write", file::write_at(&fd, &pattern(1, 8192), 0))?;
    succeeds("fsync", sync(&fd))?;
    check!(device.statistic(FLUSHES)? > before, "fsync sent no flush");
    holds(&device.direct()?, &pattern(1, 8192), 0, "after the flush")
}

pub fn fsync_flushes_no_device_without_a_cache(_: &Context) -> CaseResult {
    let device = Device::memory()?;
    check_eq!(device.attribute("queue/write_cache")?, "write through", "the cache of a device without");
    check_eq!(device.attribute("queue/fua")?, "0", "forced unit access without a cache");
    let fd = device.open(libc::O_RDWR)?;
    let before = device.statistic(FLUSHES)?;
    succeeds("write", file::write_at(&fd, &[1; 4096], 0))?;
    succeeds("fsync", sync(&fd))?;
    check_eq!(device.statistic(FLUSHES)?, before, "flushes of a device without a cache");
    Ok(())
}
