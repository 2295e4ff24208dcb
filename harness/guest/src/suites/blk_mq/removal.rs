//! Devices that come and go.

use super::device::*;
use crate::case::{fails_with, setup, succeeds};
use crate::{CaseResult, Context, Stop, check, syscall};
use std::time::Duration;

fn remove(device: &Device) -> CaseResult {
    std::fs::remove_dir(&device.folder).map_err(|error| Stop::Fail(format!("rmdir: {error}")))
}

pub fn removal_under_io_ends_every_request(_: &Context) -> CaseResult {
    let settings = [("irqmode", "2"), ("completion_nsec", "1000000"), ("memory_backed", "1"), ("size", "8")];
    let device = Device::new("busy", &settings)?;
    let worker = |number: u64| {
        let fd = device.direct()?;
        start(move || {
            let place = number * MIB;
            // Until the device is gone: then nothing succeeds any more.
            for round in 0..1_000_000 {
                if write(&fd, &pattern(round, 4096), place) != Ok(4096) {
                    return gone(&fd, place);
                }
            }
            Err(Stop::Fail("the device was never removed".into()))
        })
    };
    let workers: Vec<i32> = (0..4).map(worker).collect::<Result<_, _>>()?;
    std::thread::sleep(Duration::from_millis(100));
    succeeds("power=0 under I/O", device.configure("power", "0"))?;
    workers.into_iter().try_for_each(|pid| join(pid, "I/O to a device that is removed"))
}

/// A descriptor of a device that is gone moves no bytes.
fn gone(fd: &std::os::fd::OwnedFd, place: u64) -> CaseResult {
    let wrote = write(fd, &[1; 4096], place);
    check!(!matches!(wrote, Ok(n) if n > 0), "a write to a removed device succeeded: {wrote:?}");
    let found = read(fd, 4096, place);
    check!(!matches!(&found, Ok(bytes) if !bytes.is_empty()), "a read of a removed device succeeded");
    Ok(())
}

pub fn removed_device_is_gone_from_everywhere(_: &Context) -> CaseResult {
    let device = Device::memory()?;
    succeeds("power=0", device.configure("power", "0"))?;
    check!(!device.node.exists(), "{} is still there", device.node.display());
    check!(!device.sysfs.exists(), "{} is still there", device.sysfs.display());
    remove(&device)?;
    check!(!device.folder.exists(), "{} is still there", device.folder.display());
    Ok(())
}

pub fn descriptor_outlives_its_device(_: &Context) -> CaseResult {
    let device = Device::memory()?;
    let fd = device.direct()?;
    succeeds("write", write(&fd, &[1; 4096], 0))?;
    succeeds("power=0 with an open descriptor", device.configure("power", "0"))?;
    remove(&device)?;
    gone(&fd, 0)
}

pub fn device_comes_and_goes_twenty_times(_: &Context) -> CaseResult {
    for round in 0..20 {
        let device = Device::memory()?;
        let fd = device.direct()?;
        // Nothing of the one before is left.
        holds(&fd, &[0; 4096], 0, &format!("in a new device, round {round}"))?;
        succeeds("write", write(&fd, &pattern(round, 4096), 0))?;
        holds(&fd, &pattern(round, 4096), 0, "after a write")?;
        drop(fd);
        succeeds("power=0", device.configure("power", "0"))?;
        remove(&device)?;
    }
    Ok(())
}

pub fn switched_off_device_can_be_changed_and_switched_on(_: &Context) -> CaseResult {
    let device = Device::memory()?;
    fails_with("size of a device that is on", device.configure("size", "4"), libc::EBUSY)?;
    check!(device.number("size")? == 8 * MIB / SECTOR, "a refused size was taken");
    succeeds("power=0", device.configure("power", "0"))?;
    succeeds("size of a device that is off", device.configure("size", "4"))?;
    succeeds("power=1", device.configure("power", "1"))?;
    check!(device.number("size")? == 4 * MIB / SECTOR, "the new size is not {} MiB", 4);
    Ok(())
}

pub fn busy_module_is_not_unloaded(_: &Context) -> CaseResult {
    let device = Device::memory()?;
    let fd = device.direct()?;
    // SAFETY: the name lives through the call.
    let unload = || unsafe { syscall!(libc::SYS_delete_module, c"null_blk".as_ptr(), libc::O_NONBLOCK) };
    let refused = unload();
    // Built in, it is no module at all (delete_module(2) ENOENT).
    if refused == Err(crate::sys::Errno(libc::ENOENT)) {
        return Err(Stop::Skip("null_blk is built in".into()));
    }
    fails_with("delete_module of a module in use", refused, libc::EAGAIN)?;
    succeeds("write after it", write(&fd, &[1; 4096], 0))?;
    drop(fd);
    setup("power=0", device.configure("power", "0"))?;
    remove(&device)?;
    succeeds("delete_module of a module not in use", unload())?;
    check!(!std::path::Path::new("/dev/nullb0").exists(), "/dev/nullb0 outlives its module");
    Ok(())
}
