//! null_blk devices (Documentation/block/null_blk.rst), made through configfs.

use crate::case::{CaseResult, Stop, setup};
use crate::child::{self, Ending};
use crate::mapping::PAGE;
use crate::sys::Errno;
use crate::{check, file, mounts, syscall};
use std::ffi::CString;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Bytes of a sector, the unit of the block layer whatever a device's block size.
pub const SECTOR: u64 = 512;
pub const MIB: u64 = 1 << 20;

/// Settings of a device that keeps what is written to it.
pub const MEMORY: &[(&str, &str)] = &[("memory_backed", "1"), ("size", "8")];

/// A device that is switched on.
pub struct Device {
    /// Its folder in configfs.
    pub folder: PathBuf,
    /// Its folder in sysfs.
    pub sysfs: PathBuf,
    pub node: PathBuf,
}

const CONFIGFS: &str = "/sys/kernel/config";

/// The folder in which devices are made.
pub fn devices() -> Result<PathBuf, Stop> {
    let folder = Path::new(CONFIGFS).join("nullb");
    if !folder.exists() {
        mounts::mount("configfs", Path::new(CONFIGFS), 0)?;
    }
    match folder.exists() {
        true => Ok(folder),
        false => Err(Stop::Skip("missing module: null_blk shows no devices in configfs".into())),
    }
}

impl Device {
    /// Makes a device with these settings and switches it on.
    pub fn new(name: &str, settings: &[(&str, &str)]) -> Result<Device, Stop> {
        let folder = devices()?.join(name);
        std::fs::create_dir(&folder).map_err(|error| Stop::Broken(format!("mkdir {name}: {error}")))?;
        for (attribute, value) in settings {
            match put(&folder.join(attribute), value) {
                Err(Errno(libc::ENOENT | libc::EACCES)) => {
                    return Err(Stop::Skip(format!("null_blk of this kernel has no setting {attribute}")));
                }
                other => setup(&format!("{attribute}={value}"), other)?,
            }
        }
        setup("power=1", put(&folder.join("power"), "1"))?;
        // Before 5.19 a device was called by its number whatever the name of its folder.
        let index = get(&folder.join("index"))?;
        let called = [name.to_owned(), format!("nullb{index}")];
        let called = called.iter().find(|name| Path::new("/sys/block").join(name).exists());
        let called = called.ok_or_else(|| Stop::Broken(format!("{name} is nowhere in /sys/block")))?;
        Ok(Device {
            folder,
            sysfs: Path::new("/sys/block").join(called),
            node: Path::new("/dev").join(called),
        })
    }

    /// A device that keeps what is written to it.
    pub fn memory() -> Result<Device, Stop> {
        Device::new("memory", MEMORY)
    }

    /// Opens the device; `O_CLOEXEC` is added.
    pub fn open(&self, flags: i32) -> Result<OwnedFd, Stop> {
        setup(&format!("open of {}", self.node.display()), self.try_open(flags))
    }

    pub fn try_open(&self, flags: i32) -> Result<OwnedFd, Errno> {
        open(&self.node, flags)
    }

    /// Opens the device for reading and writing past the page cache.
    pub fn direct(&self) -> Result<OwnedFd, Stop> {
        self.open(libc::O_RDWR | libc::O_DIRECT)
    }

    /// An attribute in sysfs.
    pub fn attribute(&self, name: &str) -> Result<String, Stop> {
        get(&self.sysfs.join(name))
    }

    pub fn number(&self, name: &str) -> Result<u64, Stop> {
        let text = self.attribute(name)?;
        text.parse().map_err(|_| Stop::Fail(format!("{name} is no number but {text:?}")))
    }

    /// Writes an attribute in sysfs.
    pub fn set(&self, name: &str, value: &str) -> Result<(), Errno> {
        put(&self.sysfs.join(name), value)
    }

    /// Writes a setting in configfs.
    pub fn configure(&self, name: &str, value: &str) -> Result<(), Errno> {
        put(&self.folder.join(name), value)
    }

    /// A field of `stat` (Documentation/block/stat.rst), from 0.
    pub fn statistic(&self, field: usize) -> Result<u64, Stop> {
        let text = self.attribute("stat")?;
        let value = text.split_whitespace().nth(field).and_then(|field| field.parse().ok());
        value.ok_or_else(|| Stop::Skip(format!("stat of this kernel has no field {field}")))
    }
}

fn open(path: &Path, flags: i32) -> Result<OwnedFd, Errno> {
    use std::os::unix::ffi::OsStrExt;
    let path = CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno(libc::EINVAL))?;
    file::open_at(libc::AT_FDCWD, &path, flags | libc::O_CLOEXEC, 0)
}

/// Writes a file of sysfs or configfs in one call.
pub fn put(path: &Path, value: &str) -> Result<(), Errno> {
    file::write(&open(path, libc::O_WRONLY)?, value.as_bytes()).map(drop)
}

fn get(path: &Path) -> Result<String, Stop> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(error) => Err(Stop::Fail(format!("{}: {error}", path.display()))),
    }
}

/// Writes from page-aligned memory.
pub fn write(fd: &impl AsRawFd, bytes: &[u8], offset: u64) -> Result<i64, Errno> {
    let mut room = vec![0; bytes.len() + PAGE];
    let start = room.as_ptr().align_offset(PAGE);
    let part = &mut room[start..start + bytes.len()];
    part.copy_from_slice(bytes);
    file::write_at(fd, part, offset as i64)
}

/// Reads into page-aligned memory; gives as much as there was.
pub fn read(fd: &impl AsRawFd, length: usize, offset: u64) -> Result<Vec<u8>, Errno> {
    let mut room = vec![0u8; length + PAGE];
    let start = room.as_ptr().align_offset(PAGE);
    let part = &mut room[start..start + length];
    // SAFETY: the buffer is ours and as long as said.
    let n = unsafe { syscall!(libc::SYS_pread64, fd.as_raw_fd(), part.as_mut_ptr(), length, offset) }?;
    Ok(part[..n as usize].to_vec())
}

/// Bytes that differ from place to place and from seed to seed.
pub fn pattern(seed: u64, length: usize) -> Vec<u8> {
    let byte = |index: usize| (index as u64 ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()[0];
    (0..length).map(byte).collect()
}

/// The device must hold these bytes there.
pub fn holds(fd: &impl AsRawFd, bytes: &[u8], offset: u64, when: &str) -> CaseResult {
    let found = crate::case::succeeds(&format!("read {when}"), read(fd, bytes.len(), offset))?;
    check!(found.len() == bytes.len(), "{when}: {} of {} bytes at {offset}", found.len(), bytes.len());
    let wrong = found.iter().zip(bytes).position(|(found, written)| found != written);
    check!(
        wrong.is_none(),
        "{when}: byte {} differs from what was written",
        offset + wrong.unwrap_or(0) as u64
    );
    Ok(())
}

/// Starts a child that does the body; [`join`] waits for it.
pub fn start(body: impl FnOnce() -> CaseResult) -> Result<i32, Stop> {
    let pid = child::fork()?;
    if pid == 0 {
        let result = body();
        if let Err(stop) = &result {
            println!("a worker stopped: {stop:?}");
        }
        child::exit(i32::from(result.is_err()));
    }
    Ok(pid)
}

/// The child must have come to a good end.
pub fn join(pid: i32, what: &str) -> CaseResult {
    let ending = child::wait(pid)?;
    check!(ending == Ending::Exited(0), "{what}: a worker ended with {ending:?}; its output says why");
    Ok(())
}
