//! What a case is, and the few words cases are written in.

use crate::sys::Errno;
use std::fmt;
use std::path::PathBuf;

/// A named group of cases about one interface.
#[derive(Debug)]
pub struct Suite {
    pub name: &'static str,
    /// One line for people.
    pub about: &'static str,
    /// What every case of the suite needs.
    pub needs: &'static [Need],
    pub cases: &'static [Case],
}

/// One test with one verdict. It runs alone in a pristine clone, as root, in a child of PID 1 with a session
/// and a scratch directory of its own.
pub struct Case {
    /// Says what is broken when the case fails: `sealed_write_is_refused`.
    pub name: &'static str,
    /// The manual page or kernel document the case holds the kernel to.
    pub cites: &'static str,
    pub needs: &'static [Need],
    /// Files the host puts into the clone for this case, under [`Context::file`].
    pub files: &'static [FileNeed],
    /// What the kernel complains of when it keeps its promise. One of these must come; every other complaint is
    /// held against the kernel as ever.
    pub splats: &'static [Complaint],
    pub run: fn(&Context) -> CaseResult,
}

impl fmt::Debug for Case {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Case").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What a kernel or a run must offer. The host checks these against the kernel's configuration and version
/// before anything boots; a case still meets a missing call itself and skips by [`Stop::Skip`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// A configuration symbol that must be `y` (without the `CONFIG_` prefix).
    Config(&'static str),
    /// A configuration symbol that must be `y` or `m`; with `m`, the module travels with the case.
    Module { symbol: &'static str, module: &'static str },
    /// The interface appeared in this release; the text says what it is.
    Since { major: u32, minor: u32, what: &'static str },
    /// The interface was removed in this release.
    Before { major: u32, minor: u32, what: &'static str },
    /// Meaningful in virtual time only.
    Exact,
    /// At least this many CPUs.
    Cpus(u32),
}

/// A file that the host supplies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileNeed {
    /// The image of the running kernel, as `kernel`.
    KernelImage,
    /// An initrd with the agent in it, as `initrd`.
    AgentInitrd,
    /// A kernel module that the case loads itself, as `NAME.ko`; what it depends on is loaded before the case.
    Module(&'static str),
    /// An empty filesystem of this kind (`ext4`, `xfs`, `xfs-bigtime`, `btrfs`), as `KIND.disk` for [`crate::disk::Disk`]. The host
    /// makes it with its own mkfs program, without which the case is skipped.
    Filesystem(&'static str),
}

/// A complaint of the kernel's that a case provokes on purpose, as narrow as it can be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Complaint {
    /// What its title begins with: `kernel BUG in`.
    pub title: &'static str,
    /// A function that must be on its stack, where there is one to be trusted.
    pub through: Option<&'static str>,
    /// The machine may end with it. Else somebody must answer after all: a crash kernel, say.
    pub may_end: bool,
}

/// What the case gets.
#[derive(Debug, Clone)]
pub struct Context {
    /// Fixed seed for random data.
    pub seed: u64,
    /// Time is virtual: instructions.
    pub exact: bool,
    /// An empty directory on tmpfs, the case's working directory.
    pub scratch: PathBuf,
    /// Where the files of [`Case::files`] are.
    pub files: PathBuf,
    /// Physical address and size of the shared region, for cases that start another kernel.
    pub region: Option<(u64, u64)>,
}

impl Context {
    /// Path of a file the host supplied.
    pub fn file(&self, name: &str) -> PathBuf {
        self.files.join(name)
    }
}

/// Why a case stopped before its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// The kernel does not keep a promise.
    Fail(String),
    /// Cannot be judged here; the text names the cause (missing call, symbol, hardware …).
    Skip(String),
    /// The case's own set-up did not work.
    Broken(String),
}

pub type CaseResult = Result<(), Stop>;

/// Ends the case as failed unless the condition holds.
#[macro_export]
macro_rules! check {
    ($condition:expr, $($text:tt)+) => {
        if !$condition {
            return Err($crate::Stop::Fail(format!($($text)+)));
        }
    };
}

/// Ends the case as failed unless both sides are equal; the message shows both.
#[macro_export]
macro_rules! check_eq {
    ($left:expr, $right:expr, $($text:tt)+) => {
        // A match keeps temporary values alive through its arm.
        match (&$left, &$right) {
            (left, right) => if left != right {
                return Err($crate::Stop::Fail(format!(
                    "{}: got {:?}, expected {:?}", format_args!($($text)+), left, right
                )));
            }
        }
    };
}

/// Ends the case as skipped.
#[macro_export]
macro_rules! skip {
    ($($text:tt)+) => { return Err($crate::Stop::Skip(format!($($text)+))) };
}

/// A table of cases, one row each: the function, which gives the case its name unless the row has another, what it
/// cites, what it needs, which files, and which complaints it provokes.
#[macro_export]
macro_rules! cases {
    (@run $name:ident) => { $name };
    (@run $name:ident $run:path) => { $run };
    ($($name:ident $(= $run:path)?: $cites:literal
        $(, needs [$($need:expr),+ $(,)?])? $(, files [$($file:expr),+])? $(, splats [$($splat:expr),+])?;)+) => {
        &[$($crate::Case {
            name: stringify!($name),
            cites: $cites,
            needs: &[$($($need),+)?],
            files: &[$($($file),+)?],
            splats: &[$($($splat),+)?],
            run: $crate::cases!(@run $name $($run)?),
        }),+]
    };
}

/// A call the case relies on but does not judge: its failure breaks the case, not the kernel.
pub fn setup<T>(what: &str, result: Result<T, Errno>) -> Result<T, Stop> {
    result.map_err(|errno| Stop::Broken(format!("set-up: {what}: {errno}")))
}

/// The call must succeed.
pub fn succeeds<T>(what: &str, result: Result<T, Errno>) -> Result<T, Stop> {
    result.map_err(|errno| Stop::Fail(format!("{what}: failed with {errno}, must succeed")))
}

/// The call must fail with exactly this error.
pub fn fails_with<T>(what: &str, result: Result<T, Errno>, expected: i32) -> CaseResult {
    let expected = Errno(expected);
    match result {
        Ok(_) => Err(Stop::Fail(format!("{what}: succeeded, must fail with {expected}"))),
        Err(errno) if errno == expected => Ok(()),
        Err(errno) => Err(Stop::Fail(format!("{what}: failed with {errno}, must fail with {expected}"))),
    }
}

/// The call must exist: ENOSYS skips, naming the call.
pub fn exists<T>(call: &str, result: Result<T, Errno>) -> Result<Result<T, Errno>, Stop> {
    match result {
        Err(Errno(libc::ENOSYS)) => Err(Stop::Skip(format!("missing syscall: {call}"))),
        other => Ok(other),
    }
}
