//! A copy of a folder that can be written: tests make files beside themselves.

use super::exec::bind;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

/// A file larger than this stays the host's and read-only: it is a program, and memory is small.
const LARGE: u64 = 1 << 20;
/// Folders in folders; the host's tree is no loop, but this is PID 1.
const DEPTH: usize = 16;

/// Copies a folder with all that is in it.
pub fn copy(source: &str, target: &str) -> Result<(), String> {
    walk(Path::new(source), Path::new(target), DEPTH).map_err(|error| format!("copying {source}: {error}"))
}

fn walk(source: &Path, target: &Path, depth: usize) -> io::Result<()> {
    fs::create_dir_all(target)?;
    for entry in fs::read_dir(source)? {
        let entry = entry?;
        let (from, to) = (entry.path(), target.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_dir() && depth > 0 {
            walk(&from, &to, depth - 1)?;
        } else if kind.is_symlink() {
            symlink(fs::read_link(&from)?, &to)?;
        } else if kind.is_file() && entry.metadata()?.len() > LARGE {
            fs::File::create(&to)?;
            bind(&from.to_string_lossy(), &to.to_string_lossy());
        } else if kind.is_file() {
            // The mode comes along.
            fs::copy(&from, &to)?;
        }
    }
    fs::set_permissions(target, fs::metadata(source)?.permissions())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn files_links_folders_and_modes_come_along() {
        let folder = std::env::temp_dir().join(format!("gauntlet-writable-{}", std::process::id()));
        let (source, target) = (folder.join("source"), folder.join("target"));
        fs::create_dir_all(source.join("inner")).unwrap();
        fs::write(source.join("inner/program"), "#!/bin/sh\n").unwrap();
        fs::set_permissions(source.join("inner/program"), fs::Permissions::from_mode(0o750)).unwrap();
        symlink("inner/program", source.join("link")).unwrap();
        walk(&source, &target, DEPTH).unwrap();
        let mode = fs::metadata(target.join("inner/program")).unwrap().permissions().mode();
        let (text, link) = (fs::read_to_string(target.join("link")), fs::read_link(target.join("link")));
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!((mode & 0o7777, text.unwrap().as_str()), (0o750, "#!/bin/sh\n"));
        assert_eq!(link.unwrap(), Path::new("inner/program"));
    }
}
