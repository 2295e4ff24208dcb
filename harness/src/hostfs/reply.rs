//! FUSE replies, byte by byte. Pure. Source: Linux include/uapi/linux/fuse.h, protocol 7.31.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

/// Seconds for which the guest may believe what it was told: the host's files seldom change while a command runs.
const VALID: u64 = 30;

/// Little-endian numbers, one after another.
#[derive(Debug, Default)]
pub struct Bytes(pub Vec<u8>);

impl Bytes {
    pub fn u16(mut self, value: u16) -> Bytes {
        self.0.extend(value.to_le_bytes());
        self
    }

    pub fn u32(mut self, value: u32) -> Bytes {
        self.0.extend(value.to_le_bytes());
        self
    }

    pub fn u64(mut self, value: u64) -> Bytes {
        self.0.extend(value.to_le_bytes());
        self
    }

    pub fn zeros(mut self, count: usize) -> Bytes {
        self.0.resize(self.0.len() + count, 0);
        self
    }

    pub fn bytes(mut self, bytes: &[u8]) -> Bytes {
        self.0.extend(bytes);
        self
    }

    /// `struct fuse_attr`.
    fn attributes(self, node: u64, metadata: &Metadata) -> Bytes {
        self.u64(node)
            .u64(metadata.size())
            .u64(metadata.blocks())
            .u64(metadata.atime() as u64)
            .u64(metadata.mtime() as u64)
            .u64(metadata.ctime() as u64)
            .u32(metadata.atime_nsec() as u32)
            .u32(metadata.mtime_nsec() as u32)
            .u32(metadata.ctime_nsec() as u32)
            .u32(metadata.mode())
            .u32(metadata.nlink() as u32)
            .u32(metadata.uid())
            .u32(metadata.gid())
            .u32(metadata.rdev() as u32)
            .u32(4096)
            .u32(0)
    }
}

/// A whole message: `errno` 0 with a body, or an error without.
pub fn message(unique: u64, result: Result<Bytes, i32>) -> Vec<u8> {
    let (errno, body) = match result {
        Ok(body) => (0, body.0),
        Err(errno) => (errno, Vec::new()),
    };
    let length = 16 + body.len() as u32;
    Bytes::default().u32(length).u32((-errno) as u32).u64(unique).bytes(&body).0
}

/// `struct fuse_init_out`: the features both sides have.
pub fn init(flags: u32) -> Bytes {
    const PARALLEL_DIROPS: u32 = 1 << 18;
    const CACHE_SYMLINKS: u32 = 1 << 23;
    Bytes::default()
        .u32(7)
        .u32(31)
        .u32(128 << 10)
        .u32(flags & (PARALLEL_DIROPS | CACHE_SYMLINKS))
        .u16(12)
        .u16(9)
        .u32(4096)
        .u32(1)
        .zeros(40 - 4)
}

/// `struct fuse_entry_out`.
pub fn entry(node: u64, metadata: &Metadata) -> Bytes {
    Bytes::default().u64(node).u64(0).u64(VALID).u64(VALID).u32(0).u32(0).attributes(node, metadata)
}

/// `struct fuse_attr_out`.
pub fn attributes(node: u64, metadata: &Metadata) -> Bytes {
    Bytes::default().u64(VALID).u32(0).u32(0).attributes(node, metadata)
}

/// `struct fuse_open_out`; what the guest has cached of it stays.
pub fn opened(handle: u64) -> Bytes {
    const KEEP_CACHE: u32 = 1 << 1;
    Bytes::default().u64(handle).u32(KEEP_CACHE).u32(0)
}

/// `struct fuse_statfs_out`: a filesystem without room.
pub fn filesystem() -> Bytes {
    Bytes::default().zeros(40).u32(4096).u32(255).u32(4096).zeros(28)
}

/// `struct fuse_dirent`, padded to 8 bytes.
pub fn directory_entry(node: u64, next: u64, kind: u32, name: &[u8]) -> Bytes {
    let padding = name.len().next_multiple_of(8) - name.len();
    Bytes::default().u64(node).u64(next).u32(name.len() as u32).u32(kind).bytes(name).zeros(padding)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_structures_have_the_sizes_of_the_header_file() {
        let metadata = std::fs::metadata("/").unwrap();
        assert_eq!(init(0).0.len(), 64);
        assert_eq!(entry(1, &metadata).0.len(), 128);
        assert_eq!(attributes(1, &metadata).0.len(), 104);
        assert_eq!(opened(1).0.len(), 16);
        assert_eq!(filesystem().0.len(), 80);
        assert_eq!(directory_entry(1, 2, 4, b"abc").0.len(), 32);
    }

    #[test]
    fn an_error_has_no_body() {
        let bytes = message(9, Err(libc::ENOENT));
        assert_eq!(bytes.len(), 16);
        assert_eq!(i32::from_le_bytes(bytes[4..8].try_into().unwrap()), -libc::ENOENT);
    }
}
