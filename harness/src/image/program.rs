//! A program of the host's with everything it needs, as an archive that becomes its root in a guest.
//!
//! Which libraries a program needs is asked of the very loader that will load it (`ld.so --list`, ld.so(8)): it
//! knows run paths, its cache and the hardware's variants better than any reader of ELF files of ours.

use super::Archive;
use crate::{Error, Result};
use object::read::elf::{FileHeader, ProgramHeader};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Files many programs expect, taken along where they exist.
const COMMON: &[&str] = &["/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/etc/localtime"];

/// Collects programs and files.
#[derive(Debug, Default)]
pub struct Packer {
    archive: Archive,
    seen: BTreeSet<PathBuf>,
    bytes: u64,
}

impl Packer {
    /// An archive with the files every program may expect.
    pub fn new() -> Packer {
        let mut packer = Packer::default();
        for path in COMMON {
            // Convenience only: a program that needs one says so itself.
            let _ = packer.add_file(Path::new(path));
        }
        packer
    }

    /// Adds a program as the shell would find it, with its interpreter and libraries; gives its path.
    ///
    /// # Errors
    /// Usage errors that name the program when it is not there or cannot be read.
    pub fn add_program(&mut self, name: &str) -> Result<PathBuf> {
        let path = find(name)?;
        self.add_executable(&path)?;
        Ok(path)
    }

    fn add_executable(&mut self, path: &Path) -> Result<()> {
        if !self.add_file(path)? {
            return Ok(());
        }
        let bytes = read(path)?;
        if let Some(interpreter) = script_interpreter(&bytes) {
            return self.add_executable(Path::new(&interpreter));
        }
        if let Some(loader) = elf_interpreter(&bytes) {
            self.add_file(Path::new(&loader))?;
            for library in libraries(Path::new(&loader), path)? {
                self.add_file(&library)?;
            }
        }
        Ok(())
    }

    /// Adds a file, or a folder with all it holds, under its own path. False when it is there already.
    ///
    /// # Errors
    /// Usage errors that name what cannot be read.
    pub fn add_file(&mut self, path: &Path) -> Result<bool> {
        let path = std::path::absolute(path).map_err(|error| unreadable(path, error))?;
        if !self.seen.insert(path.clone()) {
            return Ok(false);
        }
        let metadata = fs::symlink_metadata(&path).map_err(|error| unreadable(&path, error))?;
        let name = path.to_string_lossy().into_owned();
        if metadata.is_symlink() {
            let target = fs::read_link(&path).map_err(|error| unreadable(&path, error))?;
            self.archive.link(&name, &target.to_string_lossy());
            let target = path.parent().unwrap_or(Path::new("/")).join(target);
            return self.add_file(&normal(&target));
        }
        self.add_linked_parents(&path)?;
        if metadata.is_dir() {
            self.archive.folder(&name);
            for entry in fs::read_dir(&path).map_err(|error| unreadable(&path, error))? {
                self.add_file(&entry.map_err(|error| unreadable(&path, error))?.path())?;
            }
        } else if metadata.is_file() {
            let content = read(&path)?;
            self.bytes += content.len() as u64;
            self.archive.file(&real_name(&path), metadata.permissions().mode() & 0o7777, &content);
        }
        Ok(true)
    }

    /// On a merged-/usr system `/lib64` is a link: the file goes where it really is, the link comes along.
    fn add_linked_parents(&mut self, path: &Path) -> Result<()> {
        for parent in path.ancestors().skip(1) {
            if parent.is_symlink() && self.seen.insert(parent.to_owned()) {
                let target = fs::read_link(parent).map_err(|error| unreadable(parent, error))?;
                self.archive.link(&parent.to_string_lossy(), &target.to_string_lossy());
            }
        }
        Ok(())
    }

    /// Bytes of file content so far.
    pub fn size(&self) -> u64 {
        self.bytes
    }

    /// A folder the program starts in, even when nothing of it was needed.
    pub fn add_folder(&mut self, path: &Path) {
        self.archive.folder(&path.to_string_lossy());
    }

    pub fn finish(self) -> Vec<u8> {
        self.archive.finish()
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|error| unreadable(path, error))
}

fn unreadable(path: &Path, error: std::io::Error) -> Error {
    Error::usage(format!("cannot take {} into the guest", path.display())).because(error)
}

/// The path with the links of its folders resolved, so that it lands below real folders of the archive.
fn real_name(path: &Path) -> String {
    let folder = path.parent().and_then(|folder| folder.canonicalize().ok());
    match (folder, path.file_name()) {
        (Some(folder), Some(name)) => folder.join(name).to_string_lossy().into_owned(),
        _ => path.to_string_lossy().into_owned(),
    }
}

/// Without `.` and `..`, without asking the filesystem.
fn normal(path: &Path) -> PathBuf {
    let mut parts = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => {
                parts.pop();
            }
            std::path::Component::CurDir => {}
            other => parts.push(other),
        }
    }
    parts
}

/// A program as the shell would find it.
/// The program as a shell would find it.
///
/// # Errors
/// A usage error when there is none.
pub fn find(name: &str) -> Result<PathBuf> {
    if name.contains('/') {
        let path = PathBuf::from(name);
        return if path.is_file() {
            std::path::absolute(&path).map_err(|error| unreadable(&path, error))
        } else {
            Err(missing(name))
        };
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())
        .ok_or_else(|| missing(name))
}

fn missing(name: &str) -> Error {
    Error::usage(format!("no program `{name}` on this host"))
        .hint("programs are taken from the host into the guest")
}

/// The interpreter of `#!` (execve(2)), without its argument.
fn script_interpreter(bytes: &[u8]) -> Option<String> {
    let line = bytes.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    String::from_utf8_lossy(line).split_ascii_whitespace().next().map(str::to_owned)
}

/// The loader a dynamic program names.
fn elf_interpreter(bytes: &[u8]) -> Option<String> {
    let header = object::elf::FileHeader64::<object::Endianness>::parse(bytes).ok()?;
    let endian = header.endian().ok()?;
    let segments = header.program_headers(endian, bytes).ok()?;
    let name = segments.iter().find_map(|segment| segment.interpreter(endian, bytes).ok().flatten())?;
    Some(String::from_utf8_lossy(name).into_owned())
}

fn libraries(loader: &Path, program: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new(loader)
        .arg("--list")
        .arg(program)
        .output()
        .map_err(|error| unreadable(loader, error))?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(Error::usage(format!("{} cannot be loaded here: {why}", program.display())));
    }
    Ok(library_paths(&String::from_utf8_lossy(&output.stdout)))
}

/// `libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x…)`
fn library_paths(text: &str) -> Vec<PathBuf> {
    text.lines()
        .filter_map(|line| line.split_once("=>")?.1.split_ascii_whitespace().next())
        .filter(|path| path.starts_with('/'))
        .map(PathBuf::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loaders_answer_is_read() {
        let text = "\tlinux-vdso.so.1 (0x00007ffd)\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f)\n\t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n";
        assert_eq!(library_paths(text), [PathBuf::from("/lib/x86_64-linux-gnu/libc.so.6")]);
    }

    #[test]
    fn a_shell_comes_with_its_loader_and_libraries() {
        let mut packer = Packer::new();
        let path = packer.add_program("sh").unwrap();
        assert!(path.is_absolute());
        let text = String::from_utf8_lossy(&packer.finish()).into_owned();
        assert!(text.contains("ld-linux-x86-64.so.2") && text.contains("libc.so.6"));
    }

    #[test]
    fn a_script_brings_its_interpreter() {
        assert_eq!(script_interpreter(b"#! /bin/sh -e\necho\n").as_deref(), Some("/bin/sh"));
        assert_eq!(script_interpreter(b"\x7fELF"), None);
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = Packer::new().add_program("no-such-program-here").unwrap_err();
        assert!(error.to_string().contains("no-such-program-here"));
    }

    #[test]
    fn paths_are_made_normal_without_a_look_at_the_disk() {
        assert_eq!(normal(Path::new("/a/b/../c/./d")), PathBuf::from("/a/c/d"));
    }
}
