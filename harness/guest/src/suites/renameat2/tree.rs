//! The call, and the little trees it works on.

use crate::case::{CaseResult, Stop, exists, setup, succeeds};
use crate::sys::{Errno, check as result_of};
use crate::{Context, check_eq, file, mounts, syscall};
use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;

pub const NOREPLACE: u32 = 1;
pub const EXCHANGE: u32 = 2;
pub const WHITEOUT: u32 = 4;

/// What identifies a file: two names are one file exactly if this is equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Inode(u64, u64);

/// A directory under test.
pub struct Tree {
    pub fd: OwnedFd,
    pub path: PathBuf,
    /// The filesystem counts a directory as a link to its parent.
    counts: bool,
}

pub fn renameat2(
    from: &impl AsRawFd,
    old: &CStr,
    to: &impl AsRawFd,
    new: &CStr,
    flags: u32,
) -> Result<(), Errno> {
    let (from, to) = (from.as_raw_fd(), to.as_raw_fd());
    // SAFETY: both names live through the call.
    unsafe { syscall!(libc::SYS_renameat2, from, old.as_ptr(), to, new.as_ptr(), flags) }.map(drop)
}

impl Tree {
    /// The case's scratch directory; a kernel without the call skips.
    pub fn new(context: &Context) -> Result<Tree, Stop> {
        mounts::needs_plain_tmpfs(&context.scratch)?;
        let tree = Tree::at(context.scratch.clone())?;
        // Without flags and names this does nothing on any kernel but tell whether the call is there.
        let _ = exists("renameat2", renameat2(&tree.fd, c"", &tree.fd, c"", 0))?;
        Ok(tree)
    }

    fn at(path: PathBuf) -> Result<Tree, Stop> {
        Tree::counting(path, true)
    }

    /// A directory of a filesystem that does or does not count directories as links to their parent.
    pub fn counting(path: PathBuf, counts: bool) -> Result<Tree, Stop> {
        let name = name(path.to_str().unwrap_or_default());
        let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC;
        let fd = setup("open of a directory", file::open_at(libc::AT_FDCWD, &name, flags, 0))?;
        Ok(Tree { fd, path, counts })
    }

    /// Renames within this directory.
    pub fn rename(&self, old: &str, new: &str, flags: u32) -> Result<(), Errno> {
        renameat2(&self.fd, &name(old), &self.fd, &name(new), flags)
    }

    /// Renames within this directory, which must work.
    pub fn renames(&self, old: &str, new: &str, flags: u32) -> CaseResult {
        succeeds(&format!("renameat2 {old} -> {new} with flags {flags:#x}"), self.rename(old, new, flags))
    }

    /// Renames within this directory, which must fail so and leave every entry as it was.
    pub fn refuses(&self, old: &str, new: &str, flags: u32, errno: i32) -> CaseResult {
        let before = self.everything()?;
        let what = format!("renameat2 {old} -> {new} with flags {flags:#x}");
        crate::case::fails_with(&what, self.rename(old, new, flags), errno)?;
        check_eq!(self.everything()?, before, "names and inodes after a refused {what}");
        Ok(())
    }

    /// A new file whose content is its name.
    pub fn file(&self, path: &str) -> Result<Inode, Stop> {
        let flags = libc::O_CREAT | libc::O_EXCL | libc::O_WRONLY | libc::O_CLOEXEC;
        let fd = setup("creation of a file", file::open_at(self.fd.as_raw_fd(), &name(path), flags, 0o644))?;
        setup("write to a new file", file::write(&fd, path.as_bytes()))?;
        self.inode(path)
    }

    pub fn directory(&self, path: &str) -> Result<Inode, Stop> {
        let name = name(path);
        // SAFETY: the name lives through the call.
        let made = unsafe { syscall!(libc::SYS_mkdirat, self.fd.as_raw_fd(), name.as_ptr(), 0o755) };
        setup("mkdir", made)?;
        self.inode(path)
    }

    pub fn symlink(&self, path: &str, target: &str) -> Result<Inode, Stop> {
        // SAFETY: both strings live through the call.
        let made =
            unsafe { libc::symlinkat(name(target).as_ptr(), self.fd.as_raw_fd(), name(path).as_ptr()) };
        setup("symlink", result_of(made.into()))?;
        self.inode(path)
    }

    pub fn hard_link(&self, path: &str, existing: &str) -> CaseResult {
        let fd = self.fd.as_raw_fd();
        // SAFETY: both names live through the call.
        let made = unsafe { libc::linkat(fd, name(existing).as_ptr(), fd, name(path).as_ptr(), 0) };
        setup("link", result_of(made.into())).map(drop)
    }

    pub fn open_directory(&self, path: &str) -> Result<Tree, Stop> {
        Tree::counting(self.path.join(path), self.counts)
    }

    /// A new directory, for a part of a case.
    pub fn below(&self, path: &str) -> Result<Tree, Stop> {
        self.directory(path)?;
        self.open_directory(path)
    }

    /// Which file the name is now.
    pub fn look(&self, path: &str) -> Result<Inode, Errno> {
        self.status(path).map(|status| Inode(status.st_dev, status.st_ino))
    }

    /// The directory's links must tell that this many directories are in it.
    pub fn counts_directories(&self, path: &str, inside: u64, when: &str) -> CaseResult {
        let expected = if self.counts { 2 + inside } else { 1 };
        check_eq!(self.links(path)?, expected, "links of {path} {when}");
        Ok(())
    }

    pub fn status(&self, path: &str) -> Result<libc::stat, Errno> {
        file::status_of(&self.fd, &name(path))
    }

    pub fn inode(&self, path: &str) -> Result<Inode, Stop> {
        let status = setup(&format!("stat of {path}"), self.status(path))?;
        Ok(Inode(status.st_dev, status.st_ino))
    }

    /// The name must be this file, and a file's content the name it was made under.
    pub fn is(&self, path: &str, inode: Inode, when: &str) -> CaseResult {
        let found = self.status(path).map(|status| Inode(status.st_dev, status.st_ino));
        check_eq!(found, Ok(inode), "inode of {path} {when}");
        Ok(())
    }

    pub fn is_gone(&self, path: &str, when: &str) -> CaseResult {
        check_eq!(self.status(path).map(|status| status.st_ino), Err(Errno(libc::ENOENT)), "{path} {when}");
        Ok(())
    }

    pub fn holds(&self, path: &str, content: &str, when: &str) -> CaseResult {
        let fd = file::open_at(self.fd.as_raw_fd(), &name(path), libc::O_RDONLY | libc::O_CLOEXEC, 0);
        let found =
            fd.and_then(|fd| file::contents(&fd)).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        check_eq!(found, Ok(content.to_owned()), "content of {path} {when}");
        Ok(())
    }

    /// Number of links, which for a directory counts the directories inside.
    pub fn links(&self, path: &str) -> Result<u64, Stop> {
        Ok(setup(&format!("stat of {path}"), self.status(path))?.st_nlink as u64)
    }

    /// The names readdir shows, sorted.
    pub fn names(&self) -> Result<Vec<String>, Stop> {
        let entries =
            std::fs::read_dir(&self.path).map_err(|error| Stop::Broken(format!("readdir: {error}")))?;
        let mut names: Vec<String> =
            entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        Ok(names)
    }

    pub fn shows(&self, names: &[&str], when: &str) -> CaseResult {
        check_eq!(self.names()?, names, "names readdir shows {when}");
        Ok(())
    }

    /// Every name, its inode, mode, links and size.
    fn everything(&self) -> Result<Vec<String>, Stop> {
        let entry = |path: String| {
            let s = setup(&format!("stat of {path}"), self.status(&path))?;
            Ok(format!(
                "{path}: inode {} mode {:o} links {} size {}",
                s.st_ino, s.st_mode, s.st_nlink, s.st_size
            ))
        };
        self.names()?.into_iter().map(entry).collect()
    }
}

fn name(text: &str) -> CString {
    CString::new(text).expect("names of cases hold no NUL")
}
