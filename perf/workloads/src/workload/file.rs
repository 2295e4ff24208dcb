//! Names in a directory of the root file system.

use super::{Operation, Workload};
use crate::Problem;
use crate::problem::needs;
use crate::sys::{close, syscall};
use std::ffi::CStr;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::PathBuf;

const A: &CStr = c"a";
const B: &CStr = c"b";

pub static OPEN_CLOSE: Workload = Workload {
    name: "open_close",
    about: "open a file by its name and close it",
    cites: "openat(2)",
    operations: 500,
    setup: || {
        let scratch = Scratch::with(&["a"])?;
        Ok(Box::new(move || {
            // SAFETY: the name ends with a zero byte.
            close(unsafe {
                syscall!(libc::SYS_openat, scratch.fd(), A.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC)
            })
        }))
    },
};

pub static RENAME: Workload = Workload {
    name: "rename",
    about: "rename a file to a free name",
    cites: "renameat2(2)",
    operations: 500,
    setup: || rename(&["a"], 0),
};

pub static RENAME_EXCHANGE: Workload = Workload {
    name: "rename_exchange",
    about: "exchange two files",
    cites: "renameat2(2), RENAME_EXCHANGE",
    operations: 500,
    setup: || rename(&["a", "b"], libc::RENAME_EXCHANGE),
};

pub static RENAME_NOREPLACE: Workload = Workload {
    name: "rename_noreplace",
    about: "rename a file to a free name, on condition that it is free",
    cites: "renameat2(2), RENAME_NOREPLACE",
    operations: 500,
    setup: || rename(&["a"], libc::RENAME_NOREPLACE),
};

fn rename(files: &[&str], flags: u32) -> Result<Box<dyn Operation>, Problem> {
    let mut operation = Rename { scratch: Scratch::with(files)?, flags };
    needs("renameat2", operation.run())?;
    needs("renameat2", operation.reset())?;
    Ok(Box::new(operation))
}

struct Rename {
    scratch: Scratch,
    flags: u32,
}

impl Rename {
    #[inline(always)]
    fn rename(&self, from: &CStr, to: &CStr) -> i64 {
        let fd = self.scratch.fd();
        // SAFETY: both names end with a zero byte.
        unsafe { syscall!(libc::SYS_renameat2, fd, from.as_ptr(), fd, to.as_ptr(), self.flags) }
    }
}

impl Operation for Rename {
    fn run(&mut self) -> i64 {
        self.rename(A, B)
    }

    fn reset(&mut self) -> i64 {
        self.rename(B, A)
    }
}

/// A directory of our own, gone when dropped.
struct Scratch {
    path: PathBuf,
    directory: File,
}

impl Scratch {
    fn with(files: &[&str]) -> Result<Scratch, Problem> {
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("workload-{}-{number}", std::process::id()));
        let made = std::fs::create_dir_all(&path).and_then(|()| {
            files.iter().try_for_each(|name| std::fs::write(path.join(name), name))?;
            File::open(&path)
        });
        match made {
            Ok(directory) => Ok(Scratch { path, directory }),
            Err(error) => Err(Problem::Broken(format!("{}: {error}", path.display()))),
        }
    }

    #[inline(always)]
    fn fd(&self) -> i32 {
        self.directory.as_raw_fd()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A directory that stays behind in a guest that is thrown away harms nobody.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}
