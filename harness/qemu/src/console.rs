//! A machine's console: an anonymous file that QEMU appends to and we read as it grows.
//!
//! A file, not a pipe: writing to it never blocks QEMU, so reading late cannot change what the guest does.
//! What has been read is punched out, so even an endless flood takes bounded memory.

use crate::descriptor::anonymous_file;
use crate::error::{Error, Result};
use rustix::fs::{FallocateFlags, fallocate};
use std::fs::File;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::FileExt;

/// Bytes read from the file at a time.
const CHUNK: usize = 64 << 10;

#[derive(Debug)]
pub struct Console {
    file: File,
    position: u64,
    punched: u64,
}

impl Console {
    pub fn new() -> Result<Console> {
        Ok(Console { file: anonymous_file("gauntlet-console", 0)?, position: 0, punched: 0 })
    }

    /// The descriptor QEMU opens, too.
    pub fn descriptor(&self) -> RawFd {
        self.file.as_raw_fd()
    }

    /// Bytes read so far, which is also how much the guest has printed at least.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Appends what is new to `into` and says how much that was; at most `limit` bytes.
    pub fn read_new(&mut self, into: &mut Vec<u8>, limit: usize) -> Result<usize> {
        let mut taken = 0;
        let mut chunk = vec![0u8; CHUNK.min(limit)];
        while taken < limit {
            let want = chunk.len().min(limit - taken);
            let n = self
                .file
                .read_at(&mut chunk[..want], self.position)
                .map_err(Error::io("cannot read the console"))?;
            if n == 0 {
                break;
            }
            into.extend_from_slice(&chunk[..n]);
            self.position += n as u64;
            taken += n;
        }
        self.punch();
        Ok(taken)
    }

    /// Gives the memory of whole read megabytes back.
    fn punch(&mut self) {
        const STEP: u64 = 1 << 20;
        let upto = self.position / STEP * STEP;
        if upto > self.punched {
            let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            // Failing here costs memory, not correctness.
            let _ = fallocate(&self.file, flags, self.punched, upto - self.punched);
            self.punched = upto;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_flood_is_read_in_pieces_and_takes_no_memory() {
        let mut console = Console::new().unwrap();
        let mut writer = console.file.try_clone().unwrap();
        let block = vec![b'x'; 1 << 20];
        for _ in 0..8 {
            writer.write_all(&block).unwrap();
        }
        let mut total = 0;
        loop {
            let mut piece = Vec::new();
            let n = console.read_new(&mut piece, 3 << 20).unwrap();
            if n == 0 {
                break;
            }
            assert!(piece.iter().all(|byte| *byte == b'x'));
            total += n;
        }
        assert_eq!(total, 8 << 20);
        assert_eq!(std::os::unix::fs::MetadataExt::blocks(&console.file.metadata().unwrap()), 0);
    }
}
