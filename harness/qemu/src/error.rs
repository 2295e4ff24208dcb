//! What can go wrong with QEMU itself. None of it is ever a kernel's fault.

use std::path::PathBuf;
use std::time::Duration;

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot start {program}: {source}")]
    Spawn { program: PathBuf, source: std::io::Error },
    #[error("{what}: {source}")]
    Io { what: String, source: std::io::Error },
    #[error("QEMU ended before it was ready{}", .stderr.as_deref().map(|text| format!(": {text}")).unwrap_or_default())]
    EndedEarly { stderr: Option<String> },
    #[error("QEMU closed its control connection")]
    Closed,
    #[error("QEMU refused {command}: {description}")]
    Refused { command: String, description: String },
    #[error("QEMU did not answer {command} within {limit:?}")]
    Silent { command: String, limit: Duration },
    #[error("QEMU sent something that is not QMP: {line}")]
    Gibberish { line: String },
    #[error("{0}")]
    Machine(String),
    #[error("the template {path} is damaged: {why}")]
    DamagedTemplate { path: PathBuf, why: String },
}

impl Error {
    /// For `map_err` on I/O: says what was being done.
    pub fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Error {
        let what = what.into();
        move |source| Error::Io { what, source }
    }

    /// No space or no memory on the host.
    pub fn is_exhaustion(&self) -> bool {
        let source = match self {
            Error::Spawn { source, .. } | Error::Io { source, .. } => source,
            _ => return false,
        };
        matches!(
            source.raw_os_error(),
            Some(libc::ENOSPC | libc::ENOMEM | libc::EMFILE | libc::EAGAIN | libc::EDQUOT)
        )
    }
}
