//! Why a workload gave no figure.

use std::fmt;

/// A cause, never a silent absence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// Cannot be measured on this kernel; the text names the cause.
    Skip(String),
    /// The workload itself did not work.
    Broken(String),
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Skip(cause) => formatter.write_str(cause),
            Problem::Broken(reason) => formatter.write_str(reason),
        }
    }
}

impl std::error::Error for Problem {}

/// The result of a call that a workload needs: a missing call skips, any other error breaks it.
pub fn needs(call: &str, result: i64) -> Result<i64, Problem> {
    match result {
        0.. => Ok(result),
        _ if result == -i64::from(libc::ENOSYS) => Err(Problem::Skip(format!("missing syscall: {call}"))),
        _ => Err(Problem::Broken(format!("{call}: {}", error(result)))),
    }
}

/// The text of a negative result.
pub fn error(result: i64) -> std::io::Error {
    std::io::Error::from_raw_os_error(i32::try_from(-result).unwrap_or(0))
}
