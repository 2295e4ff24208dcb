//! Empty filesystems for the clones, made by the host's own mkfs programs.
//!
//! An image is made once and kept with the kernels: so every clone gets the same bytes, and exact mode stays exact.

use super::program::find;
use crate::kernel::Cache;
use crate::{Error, Result};
use gauntlet_guest::Need;
use gauntlet_protocol::sparse;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::str::FromStr;

/// How one is made: arguments before the image's path, and its size.
#[derive(Debug, Clone, Copy)]
struct Recipe {
    kind: &'static str,
    /// What a kernel must have to mount it.
    needs: Need,
    program: &'static str,
    /// Where the program comes from on the distributions this was written on.
    package: &'static str,
    arguments: &'static [&'static str],
    mib: u64,
}

const UUID: &str = "6761756e-746c-4e74-8000-000000000001";

/// What kernels since 5.4 can mount unless said otherwise, and nothing that newer programs switch on by themselves. The
/// sizes are the least that each program accepts without protest, or little more.
const RECIPES: &[Recipe] = &[
    Recipe {
        kind: "ext4",
        needs: Need::Module { symbol: "EXT4_FS", module: "ext4" },
        program: "mkfs.ext4",
        package: "e2fsprogs",
        arguments: &["-q", "-F", "-U", UUID, "-E", "lazy_itable_init=1,nodiscard"],
        mib: 16,
    },
    xfs("xfs", &["-q", "-f", "-K", "-i", "nrext64=0", "-m", PLAIN_XFS, "-m", "bigtime=0"]),
    // For kernels since 5.10.
    xfs("xfs-bigtime", &["-q", "-f", "-K", "-i", "nrext64=0", "-m", PLAIN_XFS, "-m", "bigtime=1"]),
    Recipe {
        kind: "btrfs",
        needs: Need::Module { symbol: "BTRFS_FS", module: "btrfs" },
        program: "mkfs.btrfs",
        package: "btrfs-progs",
        arguments: &["-q", "-f", "-K", "-U", UUID, "-m", "single", "-d", "single"],
        mib: 128,
    },
];

const PLAIN_XFS: &str = "uuid=6761756e-746c-4e74-8000-000000000001,inobtcount=0,reflink=0,rmapbt=0";

const fn xfs(kind: &'static str, arguments: &'static [&'static str]) -> Recipe {
    let needs = Need::Module { symbol: "XFS_FS", module: "xfs" };
    Recipe { kind, needs, program: "mkfs.xfs", package: "xfsprogs", arguments, mib: 300 }
}

/// Size of a command's own disk, in MiB: what xfs and the Linux Test Project ask for, and some room.
pub const DISK_MIB: u32 = 512;

/// A disk that is made for one clone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskKind {
    Blank,
    /// With an empty filesystem of this kind.
    Filesystem(&'static str),
}

impl DiskKind {
    /// What a kernel must have for it.
    pub fn needs(self) -> Vec<&'static Need> {
        const LOOP: &Need = &Need::Module { symbol: "BLK_DEV_LOOP", module: "loop" };
        let filesystem = RECIPES.iter().filter(|recipe| self == DiskKind::Filesystem(recipe.kind));
        [LOOP].into_iter().chain(filesystem.map(|recipe| &recipe.needs)).collect()
    }
}

impl FromStr for DiskKind {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<DiskKind, String> {
        let kinds = || RECIPES.iter().map(|recipe| recipe.kind);
        match kinds().find(|kind| *kind == text) {
            Some(kind) => Ok(DiskKind::Filesystem(kind)),
            None if text == "blank" => Ok(DiskKind::Blank),
            None => {
                let kinds: Vec<&str> = kinds().collect();
                Err(format!("'{text}' is no disk: blank, {}", kinds.join(", ")))
            }
        }
    }
}

/// The image of an empty filesystem of this kind, as small as it can be, as [`sparse::encode`] writes it.
///
/// # Errors
/// Usage errors that name the program which is missing or did not do it, infrastructure errors of the disk.
pub fn image(kind: &str, cache: &Cache) -> Result<Vec<u8>> {
    cached(recipe(kind)?, cache)
}

/// The same in the size of a command's own disk. Errors: the same.
pub fn disk(kind: &str, cache: &Cache) -> Result<Vec<u8>> {
    cached(&Recipe { mib: DISK_MIB.into(), ..*recipe(kind)? }, cache)
}

fn recipe(kind: &str) -> Result<&'static Recipe> {
    let found = RECIPES.iter().find(|recipe| recipe.kind == kind);
    let kinds = RECIPES.iter().map(|recipe| recipe.kind);
    found.ok_or_else(|| Error::unknown("filesystem", kind, kinds))
}

fn cached(recipe: &Recipe, cache: &Cache) -> Result<Vec<u8>> {
    let (kind, program) = (recipe.kind, locate(recipe)?);
    let path = cache.root().join("filesystems").join(format!("{kind}-{}.sparse", digest(recipe, &program)?));
    let _lock = cache.lock(&path.to_string_lossy())?;
    if let Ok(bytes) = std::fs::read(&path) {
        return Ok(bytes);
    }
    let encoded = sparse::encode(&make(recipe, &program)?);
    let folder = path.parent().unwrap_or(Path::new("/"));
    std::fs::create_dir_all(folder).map_err(|error| unusable(folder, error))?;
    cache.write(&path, &encoded)?;
    Ok(encoded)
}

/// Administrators' folders are often missing in the search path of others.
fn locate(recipe: &Recipe) -> Result<PathBuf> {
    let places =
        ["/usr/sbin", "/sbin", "/usr/local/sbin"].map(|folder| Path::new(folder).join(recipe.program));
    let absolute = places.into_iter().find(|path| path.is_file());
    absolute.map_or_else(|| find(recipe.program), Ok).map_err(|_| {
        Error::usage(format!("missing program: {}", recipe.program))
            .hint(format!("apt-get install {}", recipe.package))
    })
}

/// Another program or recipe makes another image.
fn digest(recipe: &Recipe, program: &Path) -> Result<String> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&std::fs::read(program).map_err(|error| unusable(program, error))?);
    hasher.update(recipe.arguments.join("\0").as_bytes());
    hasher.update(&recipe.mib.to_le_bytes());
    Ok(hasher.finalize().to_hex()[..16].to_owned())
}

fn make(recipe: &Recipe, program: &Path) -> Result<Vec<u8>> {
    let file = tempfile::NamedTempFile::new().map_err(|error| unusable(&std::env::temp_dir(), error))?;
    let path = file.path();
    file.as_file().set_len(recipe.mib << 20).map_err(|error| unusable(path, error))?;
    let output = Command::new(program)
        .args(recipe.arguments)
        .arg(path)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| unusable(program, error))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("no word");
        return Err(Error::usage(format!("{} made no filesystem: {}", recipe.program, last.trim())));
    }
    std::fs::read(path).map_err(|error| unusable(path, error))
}

fn unusable(path: &Path, error: std::io::Error) -> Error {
    Error::infra(format!("cannot use {}", path.display())).because(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A filesystem's magic number and its offset: ext4 (fs/ext4/ext4.h), xfs, btrfs.
    const MAGIC: &[(&str, u64, &[u8])] = &[
        ("ext4", 1024 + 56, &[0x53, 0xef]),
        ("xfs", 0, b"XFSB"),
        ("xfs-bigtime", 0, b"XFSB"),
        ("btrfs", (64 << 10) + 64, b"_BHRfS_M"),
    ];

    #[test]
    fn images_are_small_and_what_they_say() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path()).unwrap();
        for (kind, offset, magic) in MAGIC {
            let encoded = match image(kind, &cache) {
                Ok(encoded) => encoded,
                Err(error) => {
                    assert!(error.message.starts_with("missing program: mkfs."), "{error}");
                    continue;
                }
            };
            assert!(encoded.len() < 1 << 20, "{kind} has {} bytes", encoded.len());
            let (_, runs) = sparse::decode(&encoded).unwrap();
            let (start, bytes) = runs.iter().rev().find(|(start, _)| start <= offset).unwrap();
            let found = &bytes[(offset - start) as usize..][..magic.len()];
            assert_eq!(found, *magic, "{kind}");
            assert_eq!(image(kind, &cache).unwrap(), encoded, "the second is the first");
        }
        assert_eq!(MAGIC.len(), RECIPES.len());
    }

    #[test]
    fn an_unknown_kind_is_named_with_its_neighbour() {
        let folder = tempfile::tempdir().unwrap();
        let error = image("ext5", &Cache::at(folder.path()).unwrap()).unwrap_err();
        assert!(error.to_string().contains("ext5") && error.hints.iter().any(|hint| hint.contains("ext4")));
    }
}
