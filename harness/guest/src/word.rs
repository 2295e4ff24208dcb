//! Where a case's process leaves its outcome: shared memory, which closing descriptors cannot cut off.

use crate::sys::Errno;
use gauntlet_protocol::Outcome;
use gauntlet_protocol::message::{decode, encode};
use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;

const SIZE: usize = 64 << 10;
/// The descriptor under which the case's program inherits the memory.
const INHERITED: i32 = 3;

/// The shared memory.
#[derive(Debug)]
pub struct Word {
    base: *mut u8,
}

impl Word {
    /// A fresh one, and the file behind it. Not a memfd: not every kernel has one.
    pub fn create(path: &str) -> Result<(Word, File), String> {
        let file = File::options().read(true).write(true).create(true).truncate(true).open(path);
        let mut file = file.map_err(|error| format!("{path}: {error}"))?;
        // Written, not only set to its length: a page that is not there yet cannot be had once a case has filled the
        // file system, and whoever touches it then gets SIGBUS.
        file.write_all(&[0; SIZE]).map_err(|error| format!("{path}: {error}"))?;
        // Only whoever has it open may reach it.
        std::fs::remove_file(path).map_err(|error| format!("{path}: {error}"))?;
        let word = Word::map(file.as_raw_fd()).ok_or_else(|| format!("mmap of {path}: {}", Errno::last()))?;
        Ok((word, file))
    }

    /// Makes the file the one that a program executed by this process inherits. Async-signal-safe.
    pub fn hand_on(file: &File) {
        inherit(file.as_raw_fd(), INHERITED);
    }

    /// The one this program inherited; its descriptor is closed, as a case must find only its own.
    pub fn inherited() -> Option<Word> {
        let word = Word::map(INHERITED);
        // SAFETY: nobody else here knows that descriptor.
        unsafe { libc::close(INHERITED) };
        word
    }

    fn map(fd: i32) -> Option<Word> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a fresh mapping at an address the kernel chooses.
        let base = unsafe { libc::mmap(std::ptr::null_mut(), SIZE, protection, libc::MAP_SHARED, fd, 0) };
        (base != libc::MAP_FAILED).then_some(Word { base: base.cast() })
    }

    /// Leaves the outcome; `None` says that there is no such case.
    pub fn write(&self, outcome: &Option<Outcome>) {
        let bytes = encode(outcome).unwrap_or_default();
        let length = bytes.len().min(SIZE - 8);
        // SAFETY: inside the mapping; the length is written last.
        unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.base.add(8), length);
            self.base.cast::<u64>().write_volatile(length as u64);
        }
    }

    /// What was left; the outer `None` when the case said nothing, or not all of it.
    pub fn read(&self) -> Option<Option<Outcome>> {
        // SAFETY: inside the mapping; the process that writes is dead.
        let bytes = unsafe {
            let length = self.base.cast::<u64>().read_volatile() as usize;
            if length == 0 || length > SIZE - 8 {
                return None;
            }
            std::slice::from_raw_parts(self.base.add(8), length).to_vec()
        };
        decode(&bytes).ok()
    }
}

/// Gives a descriptor the number under which the next program knows it.
pub(crate) fn inherit(descriptor: i32, number: i32) {
    // SAFETY: plain descriptor calls; dup2 onto itself would keep FD_CLOEXEC, hence fcntl.
    unsafe {
        if descriptor == number {
            libc::fcntl(number, libc::F_SETFD, 0);
        } else {
            libc::dup2(descriptor, number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_read_and_silence_is_none() {
        let path = std::env::temp_dir().join(format!("gauntlet-word-{}", std::process::id()));
        let (word, file) = Word::create(path.to_str().unwrap()).unwrap();
        assert_eq!(word.read(), None);
        let outcome = Some(Outcome::Fail { message: "as asked".to_owned() });
        Word::map(file.as_raw_fd()).unwrap().write(&outcome);
        assert_eq!(word.read(), Some(outcome));
        word.write(&None);
        assert_eq!(word.read(), Some(None));
        assert!(!path.exists());
    }
}
