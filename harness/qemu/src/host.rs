//! The QEMU that is installed here.

use crate::error::{Error, Result};
use crate::memory::{recall, remember};
use crate::process::output_of;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// One installed `qemu-system-x86_64`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
        Qemu::at(&installed()?)
    }

    /// Like [`Self::find`], remembered in `memory` until the program changes: starting it to ask costs as much as
    /// a third of a clone. A script is always asked, because what it starts may change without it.
    ///
    /// # Errors
    /// As [`Self::find`].
    pub fn find_again(memory: &Path) -> Result<Qemu> {
        let program = installed()?;
        if let Some(qemu) = recall(memory).filter(|qemu: &Qemu| qemu.is_still(&program)) {
            return Ok(qemu);
        }
        let qemu = Qemu::at(&program)?;
        if is_elf(&program)
            && let Err(error) = remember(memory, &qemu)
        {
            tracing::debug!(%error, "cannot remember which QEMU this is");
        }
        Ok(qemu)
    }

    fn is_still(&self, program: &Path) -> bool {
        self.program == program && identity(program).is_ok_and(|identity| identity == self.identity)
    }

    /// The QEMU at that path.
    pub fn at(program: &Path) -> Result<Qemu> {
        let identity =
            identity(program).map_err(|source| Error::Spawn { program: program.to_owned(), source })?;
        let text = output_of(program, &["--version"])?;
        let version_line = text.lines().next().unwrap_or_default().to_owned();
        let version = parse_version(&version_line).ok_or_else(|| {
            Error::Machine(format!("{} does not say its version: {version_line:?}", program.display()))
        })?;
        Ok(Qemu { program: program.to_owned(), version_line, version, identity })
    }

    /// Everything about this QEMU that a template depends on.
    pub fn fingerprint(&self) -> String {
        format!("{} {} {}", self.version_line, self.identity.0, self.identity.1)
    }
}

fn installed() -> Result<PathBuf> {
    match std::env::var_os("GAUNTLET_QEMU") {
        Some(path) => Ok(PathBuf::from(path)),
        None => on_the_path("qemu-system-x86_64")
            .ok_or_else(|| Error::Machine("qemu-system-x86_64 is not installed".to_owned())),
    }
}

fn identity(program: &Path) -> std::io::Result<(u64, i64)> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(program).map(|metadata| (metadata.size(), metadata.mtime()))
}

fn is_elf(program: &Path) -> bool {
    let mut magic = [0; 4];
    File::open(program).and_then(|mut file| file.read_exact(&mut magic)).is_ok() && magic == *b"\x7fELF"
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

    #[test]
    fn a_changed_program_is_not_the_one_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("qemu");
        std::fs::write(&program, b"\x7fELF old").unwrap();
        assert!(is_elf(&program));
        let identity = identity(&program).unwrap();
        let qemu = Qemu { program: program.clone(), version_line: "v".to_owned(), version: (7, 2), identity };
        let memory = folder.path().join("memory/qemu.json");
        remember(&memory, &qemu).unwrap();
        let again: Qemu = recall(&memory).unwrap();
        assert_eq!(again, qemu);
        assert!(again.is_still(&program));
        assert!(!again.is_still(&folder.path().join("another")));
        std::fs::write(&program, b"\x7fELF newer").unwrap();
        assert!(!again.is_still(&program));
    }
}
