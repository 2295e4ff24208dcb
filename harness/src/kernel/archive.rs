//! Unpacking Debian packages: an `ar` archive around a compressed tar (deb(5)), read as a stream.

use crate::error::{Error, Result};
use object::read::archive::ArchiveFile;
use std::fmt;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::ControlFlow;
use std::path::{Component, Path};

/// What a file of a kernel package is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    Image,
    Config,
    Symbols,
    /// `modules.order`, `modules.builtin` and their like.
    ModuleList,
    Module,
}

/// Tells the role by the place: older packages keep image, config and symbols in /boot, newer ones (7.x) beside the
/// modules, and those moved from /lib to /usr/lib.
pub fn role(path: &Path) -> Option<Role> {
    let parts: Vec<&str> = path
        .components()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_str()),
            Component::CurDir => None,
            _ => Some(None),
        })
        .collect::<Option<_>>()?;
    let parts = parts.strip_prefix(&["usr"]).unwrap_or(&parts);
    match parts {
        ["boot", file] => match file.split_once('-')?.0 {
            "vmlinuz" => Some(Role::Image),
            "config" => Some(Role::Config),
            "System.map" => Some(Role::Symbols),
            _ => None,
        },
        ["lib", "modules", _, file] => match *file {
            "vmlinuz" => Some(Role::Image),
            "config" => Some(Role::Config),
            "System.map" => Some(Role::Symbols),
            list if list.starts_with("modules.") => Some(Role::ModuleList),
            _ => None,
        },
        ["lib", "modules", _, .., file] if is_module(file) => Some(Role::Module),
        _ => None,
    }
}

fn is_module(file: &str) -> bool {
    [".ko", ".ko.xz", ".ko.zst", ".ko.gz"].iter().any(|ending| file.ends_with(ending))
}

/// One regular file of a package, with its content still to be read.
pub struct Member<'a> {
    pub path: &'a Path,
    pub role: Role,
    pub content: &'a mut dyn Read,
}

impl fmt::Debug for Member<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Member")
            .field("path", &self.path)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

/// Shows `visit` every file with a [`Role`], in the package's order, until it breaks off. What is not read of a
/// member is skipped, and what comes after a break is never decompressed.
pub fn walk(package: &Path, mut visit: impl FnMut(Member<'_>) -> Result<ControlFlow<()>>) -> Result<()> {
    let damaged = |error: anyhow::Error| {
        Error::infra(format!("package {} cannot be unpacked", package.display()))
            .because(error)
            .hint("remove it; the next call fetches it again")
    };
    let mut archive = tar::Archive::new(open_data(package).map_err(damaged)?);
    for entry in archive.entries().map_err(|error| damaged(error.into()))? {
        let mut entry = entry.map_err(|error| damaged(error.into()))?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = entry.path().map_err(|error| damaged(error.into()))?.into_owned();
        let Some(role) = role(&path) else { continue };
        if visit(Member { path: &path, role, content: &mut entry })?.is_break() {
            break;
        }
    }
    Ok(())
}

/// The tar inside: `data.tar` with the ending of its compression.
fn open_data(package: &Path) -> anyhow::Result<Box<dyn Read>> {
    let file = File::open(package)?;
    let cache = object::ReadCache::new(&file);
    let archive = ArchiveFile::parse(&cache)?;
    for member in archive.members() {
        let member = member?;
        let name = std::str::from_utf8(member.name())?.to_owned();
        if !name.starts_with("data.tar") {
            continue;
        }
        let (offset, size) = member.file_range();
        let mut data = File::open(package)?;
        data.seek(SeekFrom::Start(offset))?;
        return decompress(&name, data.take(size));
    }
    anyhow::bail!("there is no data.tar in it")
}

/// A reader of the plain content of a file called `name`.
pub fn decompress(name: &str, packed: impl Read + 'static) -> anyhow::Result<Box<dyn Read>> {
    match name.rsplit('.').next().unwrap_or_default() {
        "xz" => Ok(Box::new(liblzma::read::XzDecoder::new_multi_decoder(packed))),
        "zst" => Ok(Box::new(zstd::stream::read::Decoder::new(packed)?)),
        "gz" => Ok(Box::new(flate2::read::MultiGzDecoder::new(packed))),
        "tar" | "ko" => Ok(Box::new(packed)),
        other => anyhow::bail!("the compression .{other} is not known"),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::io::Write;
    use std::path::PathBuf;

    /// A package with these files, its data compressed by xz.
    pub(crate) fn package(path: &Path, files: &[(&str, &[u8])]) {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, content) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, name, *content).unwrap();
        }
        let mut packed = liblzma::write::XzEncoder::new(Vec::new(), 0);
        packed.write_all(&tar.into_inner().unwrap()).unwrap();
        let mut archive = b"!<arch>\n".to_vec();
        for (name, content) in
            [("debian-binary", b"2.0\n".to_vec()), ("data.tar.xz", packed.finish().unwrap())]
        {
            writeln!(archive, "{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`", 0, 0, 0, 100644, content.len())
                .unwrap();
            archive.extend(&content);
            if content.len() % 2 == 1 {
                archive.push(b'\n');
            }
        }
        std::fs::write(path, archive).unwrap();
    }

    #[test]
    fn places_old_and_new_have_the_same_roles() {
        let cases = [
            ("./boot/vmlinuz-6.1.0-56-amd64", Some(Role::Image)),
            ("./boot/config-6.1.0-56-amd64", Some(Role::Config)),
            ("./boot/System.map-6.1.0-56-amd64", Some(Role::Symbols)),
            ("./usr/lib/modules/7.2.13+deb14-amd64/vmlinuz", Some(Role::Image)),
            ("./usr/lib/modules/7.2.13+deb14-amd64/config", Some(Role::Config)),
            ("./lib/modules/6.1.0-56-amd64/modules.order", Some(Role::ModuleList)),
            ("./lib/modules/6.1.0-56-amd64/kernel/fs/fuse/fuse.ko", Some(Role::Module)),
            ("./usr/lib/modules/7.2.13/kernel/fs/fuse/fuse.ko.xz", Some(Role::Module)),
            ("./usr/share/doc/linux-image/copyright", None),
            ("../boot/vmlinuz-6.1", None),
            ("/boot/vmlinuz-6.1", None),
        ];
        for (path, expected) in cases {
            assert_eq!(role(Path::new(path)), expected, "{path}");
        }
    }

    #[test]
    fn a_walk_reads_what_it_needs_and_stops() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("linux.deb");
        package(
            &path,
            &[
                ("./boot/config-1.2.3", b"CONFIG_A=y\n"),
                ("./usr/share/doc/x", b"nothing"),
                ("./boot/vmlinuz-1.2.3", b"image"),
                ("./lib/modules/1.2.3/kernel/a.ko", b"module"),
            ],
        );
        let mut seen = Vec::new();
        walk(&path, |member| {
            let mut content = String::new();
            member.content.read_to_string(&mut content).unwrap();
            seen.push((member.role, content));
            Ok(if member.role == Role::Image { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })
        .unwrap();
        assert_eq!(seen, [(Role::Config, "CONFIG_A=y\n".into()), (Role::Image, "image".into())]);
    }

    #[test]
    fn a_damaged_package_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path: PathBuf = folder.path().join("broken.deb");
        package(&path, &[("./boot/vmlinuz-1.2.3", &[7; 5000])]);
        let whole = std::fs::read(&path).unwrap();
        for cut in [0, 4, 60, whole.len() - 40] {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let result = walk(&path, |member| {
                std::io::copy(member.content, &mut std::io::sink())
                    .map_err(|error| Error::infra(error.to_string()))?;
                Ok(ControlFlow::Continue(()))
            });
            assert!(result.is_err(), "cut at {cut}");
        }
    }
}
