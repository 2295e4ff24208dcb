//! What the guest asks for, answered from the host's filesystem. Reads only, and regular files only: a pipe or a
//! device of the host's must neither block nor be touched by a guest.

use super::reply::{self, Bytes};
use super::request::{Operation, Request, parse};
use gauntlet_protocol::hostfs::MAX_READ;
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The host's root directory has this number in the protocol.
const ROOT: u64 = 1;
/// Files and directories a guest may have open at once.
const MOST_HANDLES: usize = 4096;

/// The state of one mount.
#[derive(Debug)]
pub struct Server {
    /// Path of each node, from [`ROOT`] on.
    paths: Vec<PathBuf>,
    nodes: HashMap<PathBuf, u64>,
    handles: HashMap<u64, Handle>,
    next_handle: u64,
}

#[derive(Debug)]
enum Handle {
    File(File),
    Directory(Vec<(OsString, u32)>),
}

type Answer = Result<Bytes, i32>;

impl Server {
    /// Serves this directory as the root.
    pub fn new(root: &Path) -> Server {
        Server {
            paths: vec![root.to_owned()],
            nodes: HashMap::from([(root.to_owned(), ROOT)]),
            handles: HashMap::new(),
            next_handle: 1,
        }
    }

    /// The reply to a message; `None` where the kernel expects none, or the message is no request.
    pub fn answer(&mut self, message: &[u8]) -> Option<Vec<u8>> {
        let request = parse(message)?;
        if request.operation == Operation::Forget {
            return None;
        }
        let result = self.act(&request);
        Some(reply::message(request.unique, result))
    }

    fn act(&mut self, request: &Request<'_>) -> Answer {
        if let Operation::Init { flags } = request.operation {
            return Ok(reply::init(flags));
        }
        let path = self.path(request.node)?;
        match request.operation {
            Operation::Lookup { name } => self.lookup(&path, name),
            Operation::GetAttributes => {
                Ok(reply::attributes(request.node, &fs::symlink_metadata(path).map_err(errno)?))
            }
            Operation::ReadLink => {
                let target = fs::read_link(path).map_err(errno)?;
                Ok(Bytes::default().bytes(target.as_os_str().as_bytes()))
            }
            Operation::Open => self.open(&path),
            Operation::OpenDirectory => self.open_directory(&path),
            Operation::Read { handle, offset, size } => self.read(handle, offset, size),
            Operation::ReadDirectory { handle, offset, size } => self.read_directory(handle, offset, size),
            Operation::Release { handle } => {
                self.handles.remove(&handle);
                Ok(Bytes::default())
            }
            Operation::Flush => Ok(Bytes::default()),
            Operation::FileSystem => Ok(reply::filesystem()),
            Operation::Change => Err(libc::EROFS),
            Operation::Unknown | Operation::Forget | Operation::Init { .. } => Err(libc::ENOSYS),
        }
    }

    fn path(&self, node: u64) -> Result<PathBuf, i32> {
        let index = node.checked_sub(ROOT).and_then(|index| usize::try_from(index).ok());
        index.and_then(|index| self.paths.get(index)).cloned().ok_or(libc::ESTALE)
    }

    fn lookup(&mut self, folder: &Path, name: &OsStr) -> Answer {
        let path = folder.join(name);
        let metadata = fs::symlink_metadata(&path).map_err(errno)?;
        let node = match self.nodes.get(&path) {
            Some(node) => *node,
            None => {
                self.paths.push(path.clone());
                let node = self.paths.len() as u64;
                self.nodes.insert(path, node);
                node
            }
        };
        Ok(reply::entry(node, &metadata))
    }

    fn open(&mut self, path: &Path) -> Answer {
        if !fs::symlink_metadata(path).map_err(errno)?.is_file() {
            return Err(libc::EACCES);
        }
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC;
        let file = File::options().read(true).custom_flags(flags).open(path).map_err(errno)?;
        self.keep(Handle::File(file))
    }

    fn open_directory(&mut self, path: &Path) -> Answer {
        let mut entries = vec![(OsString::from("."), libc::DT_DIR), (OsString::from(".."), libc::DT_DIR)]
            .into_iter()
            .map(|(name, kind)| (name, u32::from(kind)))
            .collect::<Vec<_>>();
        for entry in fs::read_dir(path).map_err(errno)?.flatten() {
            let kind = entry.file_type().map_or(u32::from(libc::DT_UNKNOWN), kind_of);
            entries.push((entry.file_name(), kind));
        }
        self.keep(Handle::Directory(entries))
    }

    fn keep(&mut self, handle: Handle) -> Answer {
        if self.handles.len() >= MOST_HANDLES {
            return Err(libc::ENFILE);
        }
        let number = self.next_handle;
        self.next_handle += 1;
        self.handles.insert(number, handle);
        Ok(reply::opened(number))
    }

    fn read(&self, handle: u64, offset: u64, size: u32) -> Answer {
        let Some(Handle::File(file)) = self.handles.get(&handle) else { return Err(libc::EBADF) };
        let mut content = vec![0; (size as usize).min(MAX_READ)];
        let mut filled = 0;
        while filled < content.len() {
            match file.read_at(&mut content[filled..], offset.saturating_add(filled as u64)) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(errno(error)),
            }
        }
        content.truncate(filled);
        Ok(Bytes(content))
    }

    fn read_directory(&self, handle: u64, offset: u64, size: u32) -> Answer {
        let Some(Handle::Directory(entries)) = self.handles.get(&handle) else { return Err(libc::EBADF) };
        let room = (size as usize).min(MAX_READ);
        let mut listing = Bytes::default();
        let first = usize::try_from(offset).unwrap_or(usize::MAX);
        for (index, (name, kind)) in entries.iter().enumerate().skip(first) {
            // The number in a listing is for people; a lookup gives the real one.
            let node = index as u64 + 2;
            let entry = reply::directory_entry(node, index as u64 + 1, *kind, name.as_bytes());
            if listing.0.len() + entry.0.len() > room {
                break;
            }
            listing = listing.bytes(&entry.0);
        }
        Ok(listing)
    }
}

fn errno(error: io::Error) -> i32 {
    error.raw_os_error().unwrap_or(libc::EIO)
}

fn kind_of(kind: fs::FileType) -> u32 {
    u32::from(match () {
        () if kind.is_dir() => libc::DT_DIR,
        () if kind.is_symlink() => libc::DT_LNK,
        () if kind.is_file() => libc::DT_REG,
        () if kind.is_fifo() => libc::DT_FIFO,
        () if kind.is_socket() => libc::DT_SOCK,
        () if kind.is_block_device() => libc::DT_BLK,
        () if kind.is_char_device() => libc::DT_CHR,
        () => libc::DT_UNKNOWN,
    })
}

#[cfg(test)]
mod tests;
