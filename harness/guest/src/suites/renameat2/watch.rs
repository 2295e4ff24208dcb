//! inotify(7): who watches a name, a file or a directory is told what a rename did to it.

use super::tree::Tree;
use crate::case::{CaseResult, Stop, setup};
use crate::file;
use crate::sys::{Errno, owned};
use crate::{Context, check_eq, syscall};
use std::ffi::CString;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

/// Events that a rename can cause, and the one that shows that a watch went along.
const MASK: u32 = libc::IN_MOVE
    | libc::IN_MOVE_SELF
    | libc::IN_DELETE_SELF
    | libc::IN_CREATE
    | libc::IN_DELETE
    | libc::IN_MODIFY;

/// An event, with the words that stand for what is watched and for what happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// What is watched, as named to [`Watches::add`].
    pub of: String,
    pub what: &'static str,
    /// The name inside a watched directory.
    pub name: String,
    /// The same for both halves of one move.
    pub cookie: u32,
}

impl Told {
    /// Without the cookie, whose value means nothing.
    pub fn text(&self) -> String {
        format!("{} {} {}", self.of, self.what, self.name).trim_end().to_owned()
    }
}

pub struct Watches {
    fd: OwnedFd,
    watched: Vec<(i32, String)>,
}

impl Watches {
    pub fn new() -> Result<Watches, Stop> {
        let flags = libc::IN_NONBLOCK | libc::IN_CLOEXEC;
        // SAFETY: no pointers.
        let made = unsafe { syscall!(libc::SYS_inotify_init1, flags) };
        let made = crate::case::exists("inotify_init1", made)?;
        Ok(Watches { fd: owned(setup("inotify_init1", made)?), watched: vec![] })
    }

    pub fn add(&mut self, tree: &Tree, path: &str) -> Result<(), Stop> {
        self.add_for(tree, path, MASK)
    }

    pub fn add_for(&mut self, tree: &Tree, path: &str, mask: u32) -> Result<(), Stop> {
        let full = CString::new(tree.path.join(path).as_os_str().as_bytes()).expect("no NUL");
        let fd = self.fd.as_raw_fd();
        // SAFETY: the path lives through the call.
        let watch = unsafe { syscall!(libc::SYS_inotify_add_watch, fd, full.as_ptr(), mask) };
        self.watched.push((setup("inotify_add_watch", watch)? as i32, path.to_owned()));
        Ok(())
    }

    /// What happened since the last time.
    pub fn told(&self) -> Result<Vec<Told>, Stop> {
        let mut told = vec![];
        loop {
            let mut bytes = [0u8; 4096];
            // SAFETY: the buffer is ours and as long as said.
            let read =
                unsafe { syscall!(libc::SYS_read, self.fd.as_raw_fd(), bytes.as_mut_ptr(), bytes.len()) };
            match read {
                Err(Errno(libc::EAGAIN)) => return Ok(told),
                other => self.parse(&bytes[..setup("read of events", other)? as usize], &mut told)?,
            }
        }
    }

    /// struct inotify_event: watch, mask, cookie, length of the name, and the name filled up with NULs.
    fn parse(&self, mut bytes: &[u8], told: &mut Vec<Told>) -> Result<(), Stop> {
        while let Some((head, rest)) = bytes.split_first_chunk::<16>() {
            let word = |at: usize| u32::from_ne_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
            let (name, rest) = rest
                .split_at_checked(word(12) as usize)
                .ok_or_else(|| Stop::Fail("an event of inotify ends beyond what was read".into()))?;
            bytes = rest;
            let watch = word(0) as i32;
            let of = self.watched.iter().find(|(number, _)| *number == watch);
            let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
            if let Some(what) = what(word(4)) {
                told.push(Told {
                    of: of.map_or_else(|| format!("watch {watch}"), |(_, path)| path.clone()),
                    what,
                    name: String::from_utf8_lossy(name).into_owned(),
                    cookie: word(8),
                });
            }
        }
        Ok(())
    }
}

/// `None` for what says nothing of a rename: that a watch ended.
fn what(mask: u32) -> Option<&'static str> {
    Some(match mask & !libc::IN_ISDIR {
        libc::IN_MOVED_FROM => "moved-from",
        libc::IN_MOVED_TO => "moved-to",
        libc::IN_MOVE_SELF => "moved",
        libc::IN_DELETE_SELF => "deleted",
        libc::IN_CREATE => "created",
        libc::IN_DELETE => "entry-deleted",
        libc::IN_MODIFY => "modified",
        libc::IN_ATTRIB => "attributes",
        libc::IN_IGNORED => return None,
        _ => "something else",
    })
}

/// Who watches a file with two names is told when a rename takes one of them.
pub fn replaced_file_tells_of_its_lost_link(context: &Context) -> CaseResult {
    let tree = Tree::new(context)?;
    tree.file("a")?;
    tree.file("b")?;
    tree.hard_link("c", "b")?;
    let mut watches = Watches::new()?;
    watches.add_for(&tree, "c", libc::IN_ATTRIB | libc::IN_DELETE_SELF)?;
    tree.renames("a", "b", 0)?;
    let told: Vec<String> = watches.told()?.iter().map(Told::text).collect();
    check_eq!(told, ["c attributes"], "events of a file of two names after one was replaced");
    Ok(())
}

/// Writes a byte to the end of a file by its name.
pub fn modify(tree: &Tree, path: &str) -> Result<(), Stop> {
    let name = CString::new(path).expect("no NUL");
    let flags = libc::O_WRONLY | libc::O_APPEND | libc::O_CLOEXEC;
    let fd = setup("open to append", file::open_at(tree.fd.as_raw_fd(), &name, flags, 0))?;
    setup("write", file::write(&fd, b"+")).map(drop)
}
