//! The QEMU that is installed here.

use crate::error::{Error, Result};
use crate::process::output_of;
use std::path::{Path, PathBuf};

/// One installed `qemu-system-x86_64`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Qemu {
    pub program: PathBuf,
    /// First line of `--version`; part of every template's digest.
    pub version_line: String,
    pub version: (u32, u32),
    /// The binary's length and time of change: a rebuilt QEMU may load old device state wrongly.
    identity: (u64, i64),
}

impl Qemu {
    /// Finds QEMU by `$GAUNTLET_QEMU`, else on the PATH.
    ///
    /// # Errors
    /// When it is not there or does not say its version.
    pub fn find() -> Result<Qemu> {
        let program = match std::env::var_os("GAUNTLET_QEMU") {
            Some(path) => PathBuf::from(path),
            None => on_the_path("qemu-system-x86_64")
                .ok_or_else(|| Error::Machine("qemu-system-x86_64 is not installed".to_owned()))?,
        };
        Qemu::at(&program)
    }

    /// The QEMU at that path.
    pub fn at(program: &Path) -> Result<Qemu> {
        use std::os::unix::fs::MetadataExt;
        let metadata = std::fs::metadata(program)
            .map_err(|source| Error::Spawn { program: program.to_owned(), source })?;
        let text = output_of(program, &["--version"])?;
        let version_line = text.lines().next().unwrap_or_default().to_owned();
        let version = parse_version(&version_line).ok_or_else(|| {
            Error::Machine(format!("{} does not say its version: {version_line:?}", program.display()))
        })?;
        Ok(Qemu {
            program: program.to_owned(),
            version_line,
            version,
            identity: (metadata.size(), metadata.mtime()),
        })
    }

    /// Everything about this QEMU that a template depends on.
    pub fn fingerprint(&self) -> String {
        format!("{} {} {}", self.version_line, self.identity.0, self.identity.1)
    }
}

fn on_the_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|candidate| candidate.is_file())
}

/// `QEMU emulator version 7.2.22 (Debian …)` → `(7, 2)`.
fn parse_version(line: &str) -> Option<(u32, u32)> {
    let number = line.split_whitespace().skip_while(|word| *word != "version").nth(1)?;
    let mut parts = number.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(parse_version("QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)"), Some((7, 2)));
        assert_eq!(parse_version("QEMU emulator version 10.0.2"), Some((10, 0)));
        assert_eq!(parse_version("something else"), None);
    }
}
