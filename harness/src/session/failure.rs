//! Why a kernel could not be made ready, and whose doing that was.

use gauntlet_results::Verdict;

/// A kernel that did not reach its ready point, or a clone that did not start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// INFRA when it is ours; TIMEOUT or CRASH when it is the kernel's; SKIP when the kernel has no such thing.
    pub verdict: Verdict,
    pub reason: String,
    /// The console up to then.
    pub console: String,
    /// Another attempt would end the same way.
    pub lasting: bool,
}

impl Failure {
    /// Ours: never held against a kernel.
    pub fn infra(reason: impl Into<String>) -> Failure {
        Failure { verdict: Verdict::Infra, reason: reason.into(), console: String::new(), lasting: false }
    }

    /// Ours, and no better next time.
    pub fn lasting(reason: impl Into<String>) -> Failure {
        Failure { lasting: true, ..Failure::infra(reason) }
    }

    /// The kernel's.
    pub fn kernel(verdict: Verdict, reason: impl Into<String>) -> Failure {
        Failure { verdict, reason: reason.into(), console: String::new(), lasting: false }
    }

    /// As an error for verbs that need this kernel and no other.
    pub fn into_error(self, kernel: &str) -> crate::Error {
        let tail: Vec<&str> = self.console.lines().rev().take(15).collect();
        let error = crate::Error::infra(format!("{kernel} is not ready: {}", self.reason));
        match tail.is_empty() {
            true => error,
            false => error.hint(format!(
                "the console ends with:\n{}",
                tail.into_iter().rev().map(str::trim_end).collect::<Vec<_>>().join("\n")
            )),
        }
    }

    /// Nobody's: this kernel has not what was asked for.
    pub fn skip(cause: impl Into<String>) -> Failure {
        Failure { verdict: Verdict::Skip, reason: cause.into(), console: String::new(), lasting: false }
    }

    #[must_use]
    pub fn with_console(mut self, console: impl Into<String>) -> Failure {
        self.console = console.into();
        self
    }
}

impl From<gauntlet_qemu::Error> for Failure {
    fn from(error: gauntlet_qemu::Error) -> Failure {
        let mut reason = error.to_string();
        if let gauntlet_qemu::Error::Io { source, .. } | gauntlet_qemu::Error::Spawn { source, .. } = &error {
            match source.raw_os_error() {
                Some(libc::ENOSPC | libc::EDQUOT) => reason.push_str("; free some disk space"),
                Some(libc::ENOMEM) => reason.push_str("; use fewer jobs (-j) or less memory (--mem)"),
                Some(libc::EMFILE) => reason.push_str("; raise `ulimit -n`"),
                _ => {}
            }
        }
        Failure::infra(reason)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}: {}", self.verdict, self.reason)
    }
}

impl std::error::Error for Failure {}
