//! One unpacked kernel in the cache: its files, and a manifest that says what they must be.

use super::archive::{self, Member, Role};
use super::cache::unwritable;
use super::local::{digest, is_system_map};
use super::{KernelBuild, KernelConfig, KernelSpec, image};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

const MANIFEST: &str = "kernel.json";
const DEBUG: &str = "vmlinux";
const PACKAGES: &str = "packages";
const MODULES: &str = "modules";

/// What an entry holds. A file that disagrees with it makes the whole entry worthless.
#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    release: String,
    version: String,
    files: Vec<Stored>,
    packages: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    role: StoredRole,
    /// In bytes.
    length: u64,
    /// BLAKE3, in hexadecimal.
    digest: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum StoredRole {
    Image,
    Config,
    Symbols,
}

impl StoredRole {
    fn of(role: Role) -> Option<StoredRole> {
        match role {
            Role::Image => Some(StoredRole::Image),
            Role::Config => Some(StoredRole::Config),
            Role::Symbols => Some(StoredRole::Symbols),
            Role::ModuleList | Role::Module => None,
        }
    }

    fn file(self) -> &'static str {
        match self {
            StoredRole::Image => "vmlinuz",
            StoredRole::Config => "config",
            StoredRole::Symbols => "System.map",
        }
    }
}

/// Makes an entry of what a build left; the image must be there.
pub fn adopt(entry: &Path, image: &Path, config: &Path, symbols: &Path) -> Result<()> {
    let mut roles = Vec::new();
    for (role, from) in
        [(StoredRole::Image, image), (StoredRole::Config, config), (StoredRole::Symbols, symbols)]
    {
        let to = entry.join(role.file());
        std::fs::copy(from, &to).map_err(|error| unwritable(&to, error))?;
        roles.push(role);
    }
    write_manifest(entry, &roles, &[])
}

/// Remembers where a build's vmlinux lies: it is too large to be kept for each of many builds.
pub fn link_debug(entry: &Path, vmlinux: &Path) -> Result<()> {
    let link = entry.join(DEBUG);
    std::os::unix::fs::symlink(vmlinux, &link).map_err(|error| unwritable(&link, error))
}

/// The build's vmlinux, unless another build has come after it in that place.
fn debug(entry: &Path) -> Option<PathBuf> {
    let modified = |path: &Path| std::fs::metadata(path).and_then(|file| file.modified()).ok();
    let path = entry.join(DEBUG);
    (modified(&path)? <= modified(&entry.join(MANIFEST))?).then_some(path)
}

/// Makes an entry of the packages that lie in `entry/packages`: image, configuration and symbols are unpacked, the
/// modules stay packed until one is asked for.
pub fn unpack(entry: &Path) -> Result<()> {
    let packages = package_files(entry)?;
    let mut roles = Vec::new();
    for package in &packages {
        archive::walk(package, |mut member| {
            let Some(role) = StoredRole::of(member.role) else { return Ok(ControlFlow::Continue(())) };
            store(&entry.join(role.file()), &mut member, package)?;
            roles.push(role);
            // The image comes early in the stream; what follows it are hundreds of megabytes of modules.
            Ok(if roles.len() == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
    }
    if !roles.contains(&StoredRole::Image) {
        let names: Vec<String> = packages.iter().map(|path| file_name(path)).collect();
        return Err(Error::usage(format!("there is no kernel image in {}", names.join(", "))));
    }
    std::fs::create_dir_all(entry.join(MODULES)).map_err(|error| unwritable(entry, error))?;
    write_manifest(entry, &roles, &packages)
}

fn store(path: &Path, member: &mut Member<'_>, package: &Path) -> Result<()> {
    let mut file = std::fs::File::create(path).map_err(|error| unwritable(path, error))?;
    std::io::copy(member.content, &mut file).map(drop).map_err(|error| {
        Error::infra(format!("cannot unpack {} of {}", member.path.display(), package.display()))
            .because(error)
    })
}

fn package_files(entry: &Path) -> Result<Vec<PathBuf>> {
    let folder = entry.join(PACKAGES);
    let files = std::fs::read_dir(&folder)
        .and_then(|files| files.map(|file| Ok(file?.path())).collect::<std::io::Result<Vec<PathBuf>>>())
        .map_err(|error| Error::infra(format!("cannot read {}", folder.display())).because(error))?;
    let mut files: Vec<_> =
        files.into_iter().filter(|path| path.extension().is_some_and(|ending| ending == "deb")).collect();
    files.sort();
    Ok(files)
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn write_manifest(entry: &Path, roles: &[StoredRole], packages: &[PathBuf]) -> Result<()> {
    let header = image::read(&entry.join(StoredRole::Image.file()))?;
    let stored = |role: &StoredRole| {
        let path = entry.join(role.file());
        let length = std::fs::metadata(&path).map_err(|error| unwritable(&path, error))?.len();
        Ok(Stored { role: *role, length, digest: digest(&path)? })
    };
    let manifest = Manifest {
        release: header.release,
        version: header.version,
        files: roles.iter().map(stored).collect::<Result<_>>()?,
        packages: packages.iter().map(|path| file_name(path)).collect(),
    };
    let text = serde_json::to_vec_pretty(&manifest).expect("a manifest is plain data");
    std::fs::write(entry.join(MANIFEST), text).map_err(|error| unwritable(entry, error))
}

fn manifest(entry: &Path) -> Option<Manifest> {
    serde_json::from_slice(&std::fs::read(entry.join(MANIFEST)).ok()?).ok()
}

/// Whether every file is what the manifest says. Only a file that was touched after the manifest is read again.
pub fn is_intact(entry: &Path) -> bool {
    let modified = |path: &Path| std::fs::metadata(path).and_then(|file| file.modified()).ok();
    let written = modified(&entry.join(MANIFEST));
    let intact = |file: &Stored| {
        let path = entry.join(file.role.file());
        std::fs::metadata(&path).is_ok_and(|found| found.len() == file.length)
            && (modified(&path) <= written || digest(&path).is_ok_and(|found| found == file.digest))
    };
    manifest(entry).is_some_and(|manifest| {
        manifest.files.iter().all(intact)
            && manifest.packages.iter().all(|package| entry.join(PACKAGES).join(package).is_file())
    })
}

/// The kernel of an entry.
pub fn load(entry: &Path, spec: &KernelSpec) -> Result<KernelBuild> {
    let manifest = manifest(entry).ok_or_else(|| {
        Error::infra(format!("the cached kernel {} is damaged", entry.display()))
            .hint("remove it; the next call fetches it again")
    })?;
    let file = |role: StoredRole| manifest.files.iter().find(|file| file.role == role);
    let path = |role: StoredRole| file(role).map(|_| entry.join(role.file()));
    Ok(KernelBuild {
        name: spec.to_string(),
        spec: spec.clone(),
        release: manifest.release,
        version: manifest.version,
        image: entry.join(StoredRole::Image.file()),
        config: path(StoredRole::Config).map(|path| KernelConfig::read(&path)).transpose()?,
        symbols: path(StoredRole::Symbols).filter(|path| is_system_map(path)),
        debug: debug(entry),
        modules: Some(entry.join(MODULES)).filter(|path| path.is_dir()),
        packages: manifest.packages.iter().map(|package| entry.join(PACKAGES).join(package)).collect(),
        image_digest: file(StoredRole::Image).map(|file| file.digest.clone()).unwrap_or_default(),
    })
}
