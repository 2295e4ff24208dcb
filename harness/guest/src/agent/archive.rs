//! Unpacking a newc archive (Documentation/driver-api/early-userspace/buffer-format.rst) into a folder.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};

const HEAD: usize = 110;

/// Unpacks folders, files and symbolic links; anything else is left out.
pub fn unpack(mut bytes: &[u8], target: &Path) -> Result<(), String> {
    while let Some(entry) = next_entry(&mut bytes)? {
        let path = target.join(inside(entry.name)?);
        let what = |error: std::io::Error| format!("{}: {error}", path.display());
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(what)?;
        }
        match entry.mode & libc::S_IFMT {
            libc::S_IFDIR => fs::create_dir_all(&path).map_err(what)?,
            libc::S_IFREG => {
                fs::write(&path, entry.data).map_err(what)?;
                fs::set_permissions(&path, fs::Permissions::from_mode(entry.mode & 0o7777)).map_err(what)?;
            }
            libc::S_IFLNK => {
                let text =
                    std::str::from_utf8(entry.data).map_err(|_| "a link that is not text".to_owned())?;
                let _ = fs::remove_file(&path);
                symlink(text, &path).map_err(what)?;
            }
            _ => {}
        }
    }
    Ok(())
}

struct Entry<'a> {
    name: &'a str,
    mode: u32,
    data: &'a [u8],
}

fn next_entry<'a>(bytes: &mut &'a [u8]) -> Result<Option<Entry<'a>>, String> {
    let head = bytes.get(..HEAD).ok_or("the archive ends too early")?;
    if !head.starts_with(b"070701") {
        return Err("not a newc archive".to_owned());
    }
    let field = |index: usize| -> Result<usize, String> {
        let text =
            std::str::from_utf8(&head[6 + index * 8..14 + index * 8]).map_err(|error| error.to_string())?;
        usize::from_str_radix(text, 16).map_err(|error| error.to_string())
    };
    let (mode, size, name_size) = (field(1)?, field(6)?, field(11)?);
    let name_end = HEAD + name_size;
    let name = bytes.get(HEAD..name_end.saturating_sub(1)).ok_or("the archive ends in a name")?;
    let name = std::str::from_utf8(name).map_err(|error| error.to_string())?;
    let start = name_end.next_multiple_of(4);
    let data = bytes.get(start..start + size).ok_or("the archive ends in a file")?;
    *bytes = bytes.get((start + size).next_multiple_of(4)..).unwrap_or_default();
    Ok((name != "TRAILER!!!").then_some(Entry { name, mode: mode as u32, data }))
}

/// The name as a path that stays inside the target.
fn inside(name: &str) -> Result<PathBuf, String> {
    let path: PathBuf = Path::new(name)
        .components()
        .filter(|part| !matches!(part, Component::RootDir | Component::CurDir))
        .collect();
    if path.components().any(|part| part == Component::ParentDir) {
        return Err(format!("{name} leads out of the archive"));
    }
    Ok(path)
}
