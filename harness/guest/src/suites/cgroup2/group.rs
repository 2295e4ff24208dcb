//! Control groups as directories, and processes in them.

use crate::case::{CaseResult, Stop, setup, succeeds};
use crate::child::{self, Ending, needs_root};
use crate::sys::{Errno, check as result_of, read_all};
use crate::{Context, check_eq, file, mounts, skip};
use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long what must happen may take: a little less than a whole case may, as a busy host has little time for it.
pub const PATIENCE: Duration = Duration::from_secs(25);

/// A control group. One that [`Group::child`] made is emptied and removed in the end.
#[derive(Debug)]
pub struct Group {
    pub path: PathBuf,
    made: bool,
}

fn errno(error: &std::io::Error) -> Errno {
    Errno(error.raw_os_error().unwrap_or(0))
}

impl Group {
    /// The root of the hierarchy, mounted where only this case sees it, once.
    pub fn root(context: &Context) -> Result<Group, Stop> {
        let path = context.scratch.join("cgroup");
        if path.join("cgroup.procs").exists() {
            return Ok(Group { path, made: false });
        }
        needs_root()?;
        mounts::private()?;
        setup("mkdir", fs::create_dir_all(&path).map_err(|error| errno(&error)))?;
        mounts::mount("cgroup2", &path, 0)?;
        Ok(Group { path, made: false })
    }

    /// A group below the root in which these controllers can be used.
    pub fn with(context: &Context, controllers: &[&str]) -> Result<Group, Stop> {
        let root = Group::root(context)?;
        root.enable(controllers)?;
        root.child("case")
    }

    /// Makes a group below this one.
    pub fn child(&self, name: &str) -> Result<Group, Stop> {
        let path = self.path.join(name);
        setup(&format!("mkdir of group {name}"), make(&path))?;
        Ok(Group { path, made: true })
    }

    /// Turns controllers on for the children. One that is bound elsewhere or not there at all is a cause to skip.
    pub fn enable(&self, controllers: &[&str]) -> CaseResult {
        let there = self.read("cgroup.controllers")?;
        for controller in controllers {
            if !there.split_whitespace().any(|name| name == *controller) {
                skip!("missing controller: {controller}");
            }
            let result = self.write("cgroup.subtree_control", &format!("+{controller}"));
            succeeds(&format!("+{controller} in cgroup.subtree_control"), result)?;
        }
        Ok(())
    }

    pub fn write(&self, file: &str, value: &str) -> Result<(), Errno> {
        write(&self.path.join(file), value)
    }

    /// Writes, which must work.
    pub fn set(&self, file: &str, value: &str) -> CaseResult {
        succeeds(&format!("write of {value} to {file}"), self.write(file, value))
    }

    pub fn try_read(&self, file: &str) -> Result<String, Errno> {
        fs::read_to_string(self.path.join(file)).map_err(|error| errno(&error))
    }

    pub fn read(&self, file: &str) -> Result<String, Stop> {
        succeeds(&format!("read of {file}"), self.try_read(file)).map(|text| text.trim_end().to_owned())
    }

    /// A number of a file that holds only it.
    pub fn number(&self, file: &str) -> Result<u64, Stop> {
        let text = self.read(file)?;
        text.parse().map_err(|_| Stop::Fail(format!("{file} holds {text:?}, which is no number")))
    }

    /// A value of a flat keyed file.
    pub fn key(&self, file: &str, key: &str) -> Result<u64, Stop> {
        let text = self.read(file)?;
        let value = |line: &str| line.split_once(' ').filter(|(name, _)| *name == key)?.1.parse().ok();
        text.lines().find_map(value).ok_or_else(|| Stop::Fail(format!("{file} has no {key}:\n{text}")))
    }

    /// The file must hold exactly this.
    pub fn holds(&self, file: &str, expected: &str, when: &str) -> CaseResult {
        check_eq!(self.read(file)?, expected, "{file} {when}");
        Ok(())
    }

    /// The key must get this value within a while.
    pub fn reaches(&self, file: &str, key: &str, value: u64, when: &str) -> CaseResult {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let got = self.key(file, key)?;
            if got == value || Instant::now() > deadline {
                check_eq!(got, value, "{key} of {file} {when}");
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The processes of the group, sorted.
    pub fn processes(&self) -> Result<Vec<i32>, Stop> {
        let text = self.read("cgroup.procs")?;
        let mut numbers: Vec<i32> = text.lines().filter_map(|line| line.parse().ok()).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    pub fn join(&self, process: i32) -> Result<(), Errno> {
        self.write("cgroup.procs", &process.to_string())
    }

    /// The directory as a descriptor.
    pub fn open(&self) -> Result<OwnedFd, Stop> {
        let opened = fs::File::open(&self.path).map_err(|error| errno(&error));
        setup("open of a group's directory", opened).map(OwnedFd::from)
    }

    /// Gives the group to somebody: the directory and the files that delegation names.
    pub fn delegate(&self, user: u32) -> CaseResult {
        for file in ["", "cgroup.procs", "cgroup.threads", "cgroup.subtree_control"] {
            let path = if file.is_empty() { self.path.clone() } else { self.path.join(file) };
            setup("chown", std::os::unix::fs::chown(path, Some(user), None).map_err(|error| errno(&error)))?;
        }
        Ok(())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.made {
            return;
        }
        let deadline = Instant::now() + PATIENCE;
        for process in self.processes().unwrap_or_default() {
            // SAFETY: members of a group of ours.
            unsafe { libc::kill(process, libc::SIGKILL) };
        }
        while fs::remove_dir(&self.path).is_err_and(|error| error.raw_os_error() == Some(libc::EBUSY)) {
            if Instant::now() > deadline {
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// mkdir(2) of a group.
pub fn make(path: &Path) -> Result<(), Errno> {
    fs::create_dir(path).map_err(|error| errno(&error))
}

/// rmdir(2) of a group.
pub fn remove(path: &Path) -> Result<(), Errno> {
    fs::remove_dir(path).map_err(|error| errno(&error))
}

/// One write(2) to an existing file.
pub fn write(path: &Path, value: &str) -> Result<(), Errno> {
    use std::io::Write;
    let mut file = fs::File::options().write(true).open(path).map_err(|error| errno(&error))?;
    file.write(value.as_bytes()).map(drop).map_err(|error| errno(&error))
}

/// A child process that works in a group, killed in the end.
#[derive(Debug)]
pub struct Member {
    pub pid: i32,
    ended: bool,
}

impl Member {
    /// A child that only waits.
    pub fn idle(group: &Group) -> Result<Member, Stop> {
        Member::doing(group, || child::pause())
    }

    /// A child that computes and never stops.
    pub fn busy(group: &Group) -> Result<Member, Stop> {
        Member::doing(group, || {
            loop {
                std::hint::black_box(());
            }
        })
    }

    /// A child that enters the group and then does this; it exits with 0 behind it.
    pub fn doing(group: &Group, work: impl FnOnce()) -> Result<Member, Stop> {
        let (reader, writer) = child::pipe()?;
        let pid = child::fork()?;
        if pid == 0 {
            drop(reader);
            let joined = group.join(0);
            child::write_all(&writer, &[joined.err().map_or(0, |Errno(errno)| errno as u8)]);
            drop(writer);
            if joined.is_ok() {
                work();
            }
            child::exit(0);
        }
        drop(writer);
        let member = Member { pid, ended: false };
        match setup("read of a member's word", read_all(&reader))?[..] {
            [0] => Ok(member),
            [errno] => {
                let errno = Errno(errno.into());
                Err(Stop::Fail(format!("a process cannot enter a new group: {errno}")))
            }
            _ => Err(Stop::Broken("a member of a group said nothing".into())),
        }
    }

    /// Waits for its end; a member that lives on fails the case.
    pub fn ending(mut self) -> Result<Ending, Stop> {
        let descriptor = setup("pidfd_open", child::pidfd(self.pid))?;
        if setup("poll", file::poll(&descriptor, libc::POLLIN, PATIENCE))? == 0 {
            return Err(Stop::Fail("a process that must end lives on".into()));
        }
        self.ended = true;
        child::wait(self.pid)
    }

    /// Whether it has not ended.
    pub fn lives(&self) -> bool {
        let mut status = 0;
        // SAFETY: the status is ours; WNOWAIT is not needed, as an ended member is waited for only once.
        let ended = unsafe { libc::waitpid(self.pid, &mut status, libc::WNOHANG) };
        ended == 0
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if !self.ended {
            // SAFETY: a child of ours that is not waited for yet.
            unsafe {
                libc::kill(self.pid, libc::SIGKILL);
                libc::waitpid(self.pid, std::ptr::null_mut(), 0);
            }
        }
    }
}

/// Touches this much fresh memory, page by page, and keeps it.
pub fn fill_memory(bytes: usize) {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a fresh mapping that is never unmapped; written inside its bounds.
    unsafe {
        let address = libc::mmap(std::ptr::null_mut(), bytes, protection, flags, -1, 0);
        if address == libc::MAP_FAILED {
            child::exit(99);
        }
        libc::madvise(address, bytes, libc::MADV_NOHUGEPAGE);
        for offset in (0..bytes).step_by(4096) {
            address.cast::<u8>().add(offset).write_volatile(1);
        }
    }
}

/// fork(2) whose child ends at once: what the kernel says to it.
pub fn fork_once() -> Result<(), Errno> {
    // SAFETY: the child only exits.
    let pid = result_of(i64::from(unsafe { libc::fork() }))?;
    if pid == 0 {
        child::exit(0);
    }
    child::wait(pid as i32).map(drop).map_err(|_| Errno(libc::ECHILD))
}
