//! The call and the state that it changes.

use crate::case::setup;
use crate::sys::Errno;
use crate::{Context, Stop, syscall};
use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::Path;

pub const UNLOAD: u64 = 1;
pub const ON_CRASH: u64 = 2;
pub const NO_INITRAMFS: u64 = 4;
/// Since 6.7.
pub const DEBUG: u64 = 8;
/// Since 6.17.
pub const NO_CMA: u64 = 16;
/// Since 6.18.
pub const FORCE_DTB: u64 = 32;

/// A descriptor that is never open.
pub const NO_FILE: i32 = -1;

pub fn load(kernel: i32, initrd: i32, command_line: &[u8], flags: u64) -> Result<i64, Errno> {
    let (length, address) = (command_line.len(), command_line.as_ptr());
    // SAFETY: the command line is as long as said.
    unsafe { syscall!(libc::SYS_kexec_file_load, kernel, initrd, length, address, flags) }
}

/// Loads an image without an initrd.
pub fn load_alone(kernel: &File, command_line: &[u8]) -> Result<i64, Errno> {
    load(kernel.as_raw_fd(), NO_FILE, command_line, NO_INITRAMFS)
}

pub fn unload(flags: u64) -> Result<i64, Errno> {
    load(NO_FILE, NO_FILE, b"", UNLOAD | flags)
}

fn state(name: &str) -> Result<bool, Stop> {
    let path = format!("/sys/kernel/{name}");
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(text.trim() != "0"),
        Err(error) => Err(Stop::Skip(format!("no {path}: {error}"))),
    }
}

/// `/sys/kernel/kexec_loaded`
pub fn is_loaded() -> Result<bool, Stop> {
    state("kexec_loaded")
}

/// `/sys/kernel/kexec_crash_loaded`
pub fn is_crash_loaded() -> Result<bool, Stop> {
    state("kexec_crash_loaded")
}

/// Memory is reserved for a crash kernel.
pub fn has_crash_memory() -> Result<bool, Stop> {
    state("kexec_crash_size")
}

pub fn open(path: &Path) -> Result<File, Stop> {
    File::open(path).map_err(|error| Stop::Broken(format!("{}: {error}", path.display())))
}

/// The kernel image that the host supplied.
pub fn image(context: &Context) -> Result<Vec<u8>, Stop> {
    let path = context.file("kernel");
    std::fs::read(&path).map_err(|error| Stop::Broken(format!("{}: {error}", path.display())))
}

/// A file with these bytes, open for reading only: the kernel refuses files that somebody may still write.
pub fn file(context: &Context, name: &str, bytes: &[u8]) -> Result<File, Stop> {
    let path = context.scratch.join(name);
    let written = File::create(&path).and_then(|mut file| file.write_all(bytes));
    written.map_err(|error| Stop::Broken(format!("{}: {error}", path.display())))?;
    open(&path)
}

/// Offsets in the real-mode header of an x86 image, Documentation/arch/x86/boot.rst.
pub mod header {
    pub const SETUP_SECTORS: usize = 0x1f1;
    pub const BOOT_FLAG: usize = 0x1fe;
    pub const MAGIC: usize = 0x202;
    pub const VERSION: usize = 0x206;
    pub const LOAD_FLAGS: usize = 0x211;
    pub const EXTENDED_LOAD_FLAGS: usize = 0x236;
    pub const COMMAND_LINE_SIZE: usize = 0x238;
}

/// What the kernel says on its log while something is done.
pub fn kernel_says(doing: impl FnOnce() -> Result<(), Stop>) -> Result<String, Stop> {
    use std::io::{Read, Seek};
    use std::os::unix::fs::OpenOptionsExt;
    let broken = |error: std::io::Error| Stop::Broken(format!("/dev/kmsg: {error}"));
    let mut log =
        File::options().read(true).custom_flags(libc::O_NONBLOCK).open("/dev/kmsg").map_err(broken)?;
    log.seek(std::io::SeekFrom::End(0)).map_err(broken)?;
    doing()?;
    // One record for each read; EAGAIN at the end, EPIPE where records were overwritten.
    let (mut said, mut record) = (String::new(), [0u8; 8192]);
    loop {
        match log.read(&mut record) {
            Ok(length) if length > 0 => said.push_str(&String::from_utf8_lossy(&record[..length])),
            Err(error) if error.raw_os_error() == Some(libc::EPIPE) => {}
            _ => return Ok(said),
        }
    }
}

/// The call must be there and allowed; a kernel locked down or without it skips.
pub fn available() -> Result<(), Stop> {
    match unload(0) {
        Err(Errno(libc::ENOSYS)) => Err(Stop::Skip("missing syscall: kexec_file_load".into())),
        other => setup("kexec_file_load(KEXEC_FILE_UNLOAD)", other).map(drop),
    }
}
