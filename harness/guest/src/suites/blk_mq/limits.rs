//! Limits, counters and zones.

use super::device::*;
use crate::case::{fails_with, setup, succeeds};
use crate::sys::Errno;
use crate::{CaseResult, Context, Stop, check, check_eq, syscall};
use std::os::fd::{AsRawFd, OwnedFd};

/// Fields of `stat` (Documentation/block/stat.rst).
const READS: usize = 0;
const SECTORS_READ: usize = 2;
const WRITES: usize = 4;
const SECTORS_WRITTEN: usize = 6;

pub fn max_sectors_kb_never_exceeds_the_hardware(_: &Context) -> CaseResult {
    let device = Device::memory()?;
    let hardware = device.number("queue/max_hw_sectors_kb")?;
    // Refused up to 6.8; taken and cut since.
    match device.set("queue/max_sectors_kb", &(hardware * 2).to_string()) {
        Ok(()) | Err(Errno(libc::EINVAL)) => {}
        Err(errno) => return Err(Stop::Fail(format!("max_sectors_kb of twice the hardware's: {errno}"))),
    }
    let now = device.number("queue/max_sectors_kb")?;
    check!(now <= hardware, "max_sectors_kb is {now}, the hardware's limit {hardware}");
    fails_with("max_sectors_kb below a page", device.set("queue/max_sectors_kb", "2"), libc::EINVAL)?;
    check_eq!(device.number("queue/max_sectors_kb")?, now, "max_sectors_kb after a refused write");
    Ok(())
}

pub fn large_write_is_split_at_the_limit(_: &Context) -> CaseResult {
    let device = Device::memory()?;
    succeeds("max_sectors_kb=4", device.set("queue/max_sectors_kb", "4"))?;
    let fd = device.direct()?;
    let before = device.statistic(WRITES)?;
    let bytes = pattern(1, 64 << 10);
    succeeds("write of 64 KiB", write(&fd, &bytes, 0))?;
    check_eq!(device.statistic(WRITES)? - before, 16, "requests of 4 KiB for a write of 64 KiB");
    holds(&fd, &bytes, 0, "after a split write")
}

pub fn every_request_is_counted(_: &Context) -> CaseResult {
    let device = Device::memory()?;
    let fd = device.direct()?;
    let fields = [READS, SECTORS_READ, WRITES, SECTORS_WRITTEN];
    let counts = || fields.into_iter().map(|field| device.statistic(field)).collect::<Result<Vec<_>, _>>();
    let before = counts()?;
    for block in 0..5 {
        setup("write", write(&fd, &[1; 4096], block * 4096))?;
    }
    for block in 0..3 {
        setup("read", read(&fd, 512, block * 4096))?;
    }
    let grown: Vec<u64> = counts()?.iter().zip(before).map(|(after, before)| after - before).collect();
    check_eq!(grown, [3, 3, 5, 40], "reads, sectors read, writes and sectors written");
    Ok(())
}

pub fn nothing_is_counted_without_iostats(_: &Context) -> CaseResult {
    let device = Device::memory()?;
    let fd = device.direct()?;
    succeeds("iostats=0", device.set("queue/iostats", "0"))?;
    let before = device.statistic(WRITES)?;
    setup("write", write(&fd, &[1; 4096], 0))?;
    check_eq!(device.statistic(WRITES)?, before, "writes counted without iostats");
    Ok(())
}

pub fn switches_take_0_and_1_and_show_them(_: &Context) -> CaseResult {
    let device = Device::memory()?;
    for name in ["rotational", "iostats", "add_random", "nomerges"] {
        let path = format!("queue/{name}");
        for value in ["1", "0"] {
            succeeds(&format!("{name}={value}"), device.set(&path, value))?;
            check_eq!(device.attribute(&path)?, value, "{name} after {value} was written");
        }
        fails_with(&format!("{name}=word"), device.set(&path, "word"), libc::EINVAL)?;
    }
    Ok(())
}

const REPORT_ZONES: u32 = 0xc010_1282;
const RESET_ZONE: u32 = 0x4010_1283;
const ZONE_SECTORS: u64 = MIB / SECTOR;

fn zoned() -> Result<(Device, OwnedFd), Stop> {
    let settings = [("zoned", "1"), ("zone_size", "1"), ("memory_backed", "1"), ("size", "8")];
    let device = Device::new("zoned", &settings)?;
    let fd = device.direct()?;
    Ok((device, fd))
}

/// `struct blk_zone_report` with room for eight zones of eight words (include/uapi/linux/blkzoned.h).
fn report(fd: &OwnedFd) -> Result<Vec<[u64; 8]>, Stop> {
    let mut words = [0u64; 2 + 8 * 8];
    words[1] = 8;
    // SAFETY: room for the eight zones that are asked for.
    let done = unsafe { syscall!(libc::SYS_ioctl, fd.as_raw_fd(), REPORT_ZONES, words.as_mut_ptr()) };
    succeeds("BLKREPORTZONE", done)?;
    let count = (words[1] as u32 as usize).min(8);
    Ok(words[2..].chunks_exact(8).take(count).map(|zone| zone.try_into().expect("eight words")).collect())
}

pub fn zones_cover_the_device_and_start_empty(_: &Context) -> CaseResult {
    let (device, fd) = zoned()?;
    check_eq!(device.attribute("queue/zoned")?, "host-managed", "queue/zoned");
    let zones = report(&fd)?;
    check_eq!(zones.len(), 8, "zones of 1 MiB on a device of 8 MiB");
    for (index, zone) in zones.iter().enumerate() {
        let start = index as u64 * ZONE_SECTORS;
        check_eq!(zone[..3], [start, ZONE_SECTORS, start], "start, length and write pointer of zone {index}");
    }
    Ok(())
}

pub fn zone_is_written_at_its_pointer_only(_: &Context) -> CaseResult {
    let (_device, fd) = zoned()?;
    succeeds("write at the start of zone 0", write(&fd, &[1; 4096], 0))?;
    succeeds("write at its write pointer", write(&fd, &[2; 4096], 4096))?;
    check_eq!(report(&fd)?[0][2], 16, "write pointer of zone 0 after two pages");
    fails_with("write beyond the pointer of zone 1", write(&fd, &[3; 4096], MIB + 4096), libc::EIO)?;
    succeeds("write to zone 2", write(&fd, &[4; 4096], 2 * MIB))?;
    fails_with("the same once more", write(&fd, &[5; 4096], 2 * MIB), libc::EIO)?;
    holds(&fd, &[4; 4096], 2 * MIB, "after a refused write")?;
    holds(&fd, &[1; 4096], 0, "in zone 0")
}

pub fn reset_zone_is_written_from_its_start(_: &Context) -> CaseResult {
    let (_device, fd) = zoned()?;
    succeeds("write", write(&fd, &[1; 4096], 0))?;
    succeeds("write to the next zone", write(&fd, &[2; 4096], MIB))?;
    succeeds("BLKRESETZONE", super::data::on_range(&fd, RESET_ZONE, 0, ZONE_SECTORS))?;
    let zones = report(&fd)?;
    check_eq!(zones[0][2], 0, "write pointer of the zone that was reset");
    check_eq!(zones[1][2], ZONE_SECTORS + 8, "write pointer of the zone that was not");
    succeeds("write at its start", write(&fd, &[3; 4096], 0))?;
    holds(&fd, &[3; 4096], 0, "after a reset")
}
