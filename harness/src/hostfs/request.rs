//! FUSE requests, as a guest's kernel writes them. Pure; nothing in a request is trusted.
//! Source: Linux include/uapi/linux/fuse.h, protocol 7.31.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// Bytes of `struct fuse_in_header`.
const HEADER: usize = 40;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request<'a> {
    pub unique: u64,
    pub node: u64,
    pub operation: Operation<'a>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation<'a> {
    Init {
        flags: u32,
    },
    Lookup {
        name: &'a OsStr,
    },
    GetAttributes,
    ReadLink,
    Open,
    Read {
        handle: u64,
        offset: u64,
        size: u32,
    },
    OpenDirectory,
    ReadDirectory {
        handle: u64,
        offset: u64,
        size: u32,
    },
    Release {
        handle: u64,
    },
    Flush,
    FileSystem,
    /// No reply is expected.
    Forget,
    /// Would change something.
    Change,
    Unknown,
}

/// The request in these bytes; `None` when they are none.
pub fn parse(bytes: &[u8]) -> Option<Request<'_>> {
    let length = word32(bytes, 0)? as usize;
    let body = bytes.get(HEADER..length)?;
    let operation = match word32(bytes, 4)? {
        1 => Operation::Lookup { name: name(body)? },
        2 | 36 | 42 => Operation::Forget,
        3 => Operation::GetAttributes,
        5 => Operation::ReadLink,
        14 => Operation::Open,
        15 => Operation::Read { handle: word64(body, 0)?, offset: word64(body, 8)?, size: word32(body, 16)? },
        17 => Operation::FileSystem,
        18 | 29 => Operation::Release { handle: word64(body, 0)? },
        25 => Operation::Flush,
        26 => Operation::Init { flags: word32(body, 12)? },
        27 => Operation::OpenDirectory,
        28 => Operation::ReadDirectory {
            handle: word64(body, 0)?,
            offset: word64(body, 8)?,
            size: word32(body, 16)?,
        },
        // SETATTR, SYMLINK, MKNOD, MKDIR, UNLINK, RMDIR, RENAME, LINK, WRITE, SETXATTR, REMOVEXATTR, CREATE,
        // FALLOCATE, RENAME2, TMPFILE
        4 | 6 | 8 | 9 | 10 | 11 | 12 | 13 | 16 | 21 | 24 | 35 | 43 | 45 | 51 => Operation::Change,
        _ => Operation::Unknown,
    };
    Some(Request { unique: word64(bytes, 8)?, node: word64(bytes, 16)?, operation })
}

/// One name of a directory: no path, and no way up.
fn name(body: &[u8]) -> Option<&OsStr> {
    let end = body.iter().position(|byte| *byte == 0)?;
    let name = &body[..end];
    let plain = !name.is_empty() && name != b"." && name != b".." && !name.contains(&b'/');
    plain.then(|| OsStr::from_bytes(name))
}

fn word32(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(offset..offset + 4)?.try_into().ok()?))
}

fn word64(bytes: &[u8], offset: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(offset..offset + 8)?.try_into().ok()?))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn message(opcode: u32, node: u64, body: &[u8]) -> Vec<u8> {
        let mut bytes = ((HEADER + body.len()) as u32).to_le_bytes().to_vec();
        bytes.extend(opcode.to_le_bytes());
        bytes.extend(77u64.to_le_bytes());
        bytes.extend(node.to_le_bytes());
        bytes.extend([0; 16]);
        bytes.extend(body);
        bytes
    }

    #[test]
    fn a_lookup_is_read() {
        let bytes = message(1, 5, b"etc\0");
        let request = parse(&bytes).unwrap();
        assert_eq!((request.unique, request.node), (77, 5));
        assert_eq!(request.operation, Operation::Lookup { name: OsStr::new("etc") });
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for name in ["..\0", ".\0", "a/b\0", "\0", "no end"] {
            assert_eq!(parse(&message(1, 1, name.as_bytes())), None, "{name:?}");
        }
    }

    #[test]
    fn messages_cut_anywhere_are_refused_or_read_but_never_panic() {
        let whole = message(15, 1, &[7; 40]);
        for end in 0..whole.len() {
            assert_eq!(parse(&whole[..end]), None, "cut at {end}");
        }
        let mut lying = whole;
        lying[0..4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(parse(&lying), None);
    }
}
