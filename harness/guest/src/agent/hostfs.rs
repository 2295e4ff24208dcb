//! The host's files as a read-only directory: FUSE messages relayed through the region (see the protocol's `hostfs`).

use super::region::Region;
use gauntlet_guest::sys::Errno;
use gauntlet_protocol::hostfs::{
    MAX_READ, REPLY, REPLY_CAPACITY, REPLY_LENGTH, REPLY_SEQUENCE, REQUEST, REQUEST_CAPACITY, REQUEST_LENGTH,
    REQUEST_SEQUENCE,
};
use std::ffi::CString;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;

/// Mounts them at `target` and starts the process that relays, which ends with everything else of the command's.
pub fn mount(target: &str, place: (u64, u64)) -> Result<(), String> {
    let device = open_device()?;
    let options = format!(
        "fd={},rootmode=40000,user_id=0,group_id=0,allow_other,max_read={MAX_READ}",
        device.as_raw_fd()
    );
    let text = |text: &str| CString::new(text).unwrap_or_default();
    let (target, options) = (text(target), text(&options));
    let flags = libc::MS_RDONLY | libc::MS_NODEV;
    // SAFETY: NUL-terminated strings that live through the call.
    let mounted = unsafe {
        libc::mount(c"host".as_ptr(), target.as_ptr(), c"fuse".as_ptr(), flags, options.as_ptr().cast())
    };
    if mounted != 0 {
        return Err(format!("mounting the host's files: {}", Errno::last()));
    }
    // SAFETY: this process has one thread, so the child may do anything.
    match unsafe { libc::fork() } {
        -1 => Err(format!("fork: {}", Errno::last())),
        0 => {
            // A mapping of its own: the agent's is not inherited.
            if let Ok(region) = Region::map(place.0, place.1) {
                relay(device, region);
            }
            // SAFETY: ends this child at once.
            unsafe { libc::_exit(0) }
        }
        _ => Ok(()),
    }
}

/// Kernels with FUSE make the device node by themselves in devtmpfs; 10:229 is its number ever since.
fn open_device() -> Result<File, String> {
    let open = || File::options().read(true).write(true).open("/dev/fuse");
    open()
        .or_else(|_| {
            // SAFETY: a NUL-terminated path; a node that is there already is no harm.
            unsafe { libc::mknod(c"/dev/fuse".as_ptr(), libc::S_IFCHR | 0o666, libc::makedev(10, 229)) };
            open()
        })
        .map_err(|error| format!("this kernel has no FUSE: {error}"))
}

fn relay(mut device: File, region: Region) {
    let mailbox = region.hostfs_offset();
    let mut sequence = 0u32;
    let mut message = vec![0; REQUEST_CAPACITY];
    // Reading fails for good once the directory is unmounted.
    while let Some(length) = receive(&mut device, &mut message) {
        sequence = sequence.wrapping_add(1).max(1);
        region.write(mailbox + REQUEST, &message[..length]);
        region.store32(mailbox + REQUEST_LENGTH, length as u32);
        region.store32(mailbox + REQUEST_SEQUENCE, sequence);
        wait_for(&region, mailbox + REPLY_SEQUENCE, sequence);
        let length = (region.load32(mailbox + REPLY_LENGTH) as usize).min(REPLY_CAPACITY);
        if let Some(reply) = region.read(mailbox + REPLY, length).filter(|reply| !reply.is_empty()) {
            // ENOENT: whoever asked is gone.
            let _ = device.write(&reply);
        }
    }
}

fn receive(device: &mut File, message: &mut [u8]) -> Option<usize> {
    loop {
        match device.read(message) {
            Ok(length) => return Some(length),
            Err(error) if matches!(error.raw_os_error(), Some(libc::EINTR | libc::EAGAIN | libc::ENOENT)) => {
            }
            Err(_) => return None,
        }
    }
}

/// First without sleeping, because most replies are there within the time a sleep takes to set up.
fn wait_for(region: &Region, word: usize, value: u32) {
    let mut looks = 0u32;
    while region.load32(word) != value {
        looks += 1;
        // SAFETY: plain calls.
        unsafe {
            if looks < 200 {
                libc::sched_yield();
            } else {
                libc::usleep(50);
            }
        }
    }
}
