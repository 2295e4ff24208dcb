//! Writing newc archives: what the kernel unpacks as its initial RAM disk, and the agent as a command's root.
//! Source: Documentation/driver-api/early-userspace/buffer-format.rst.
//!
//! The same content always gives the same bytes: times are zero, inodes are counted.

use std::collections::BTreeSet;

/// An archive being written.
#[derive(Debug, Default)]
pub struct Archive {
    bytes: Vec<u8>,
    inode: u32,
    folders: BTreeSet<String>,
}

const FOLDER: u32 = 0o040_000;
const FILE: u32 = 0o100_000;
const LINK: u32 = 0o120_000;
const CHARACTER: u32 = 0o020_000;

impl Archive {
    /// A folder, with those above it. Twice the same is fine.
    pub fn folder(&mut self, path: &str) {
        let path = path.trim_matches('/');
        if path.is_empty() || !self.folders.insert(path.to_owned()) {
            return;
        }
        if let Some((parent, _)) = path.rsplit_once('/') {
            self.folder(parent);
        }
        self.entry(path, FOLDER | 0o755, (0, 0), b"");
    }

    /// A regular file, with the folders above it.
    pub fn file(&mut self, path: &str, mode: u32, content: &[u8]) {
        let path = path.trim_start_matches('/');
        self.parent_of(path);
        self.entry(path, FILE | mode, (0, 0), content);
    }

    /// A symbolic link.
    pub fn link(&mut self, path: &str, target: &str) {
        let path = path.trim_start_matches('/');
        self.parent_of(path);
        self.entry(path, LINK | 0o777, (0, 0), target.as_bytes());
    }

    /// A character device.
    pub fn device(&mut self, path: &str, mode: u32, number: (u32, u32)) {
        self.parent_of(path);
        self.entry(path, CHARACTER | mode, number, b"");
    }

    /// The archive's bytes.
    pub fn finish(mut self) -> Vec<u8> {
        self.inode = 0;
        self.entry("TRAILER!!!", 0, (0, 0), b"");
        self.bytes
    }

    fn parent_of(&mut self, path: &str) {
        if let Some((parent, _)) = path.rsplit_once('/') {
            self.folder(parent);
        }
    }

    fn entry(&mut self, name: &str, mode: u32, device: (u32, u32), content: &[u8]) {
        self.inode += 1;
        let links = if mode & 0o170_000 == FOLDER { 2 } else { 1 };
        let size = u32::try_from(content.len()).expect("an archive of ours is far below 4 GiB");
        let name_size = u32::try_from(name.len() + 1).expect("names are short");
        // inode mode uid gid links mtime size devmajor devminor rdevmajor rdevminor namesize check
        let fields = [self.inode, mode, 0, 0, links, 0, size, 0, 0, device.0, device.1, name_size, 0];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_is_the_one_of_the_kernel_document() {
        let mut archive = Archive::default();
        archive.file("a/b", 0o644, b"hello");
        let bytes = archive.finish();
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.starts_with("070701"));
        // namesize of "a" with its NUL, then the name right behind the 110 bytes of head.
        assert_eq!(&text[94..102], "00000002");
        assert_eq!(&bytes[110..112], b"a\0");
        assert!(bytes.len().is_multiple_of(4));
        assert!(text.contains("TRAILER!!!"));
    }

    #[test]
    fn folders_are_written_once_and_before_what_they_hold() {
        let mut archive = Archive::default();
        archive.file("x/y/one", 0o600, b"1");
        archive.file("x/y/two", 0o600, b"2");
        let text = String::from_utf8_lossy(&archive.finish()).into_owned();
        assert_eq!(text.matches("x/y\0").count(), 1);
        assert!(text.find("x/y\0") < text.find("x/y/one"));
    }

    #[test]
    fn the_same_content_gives_the_same_bytes() {
        let make = || {
            let mut archive = Archive::default();
            archive.link("bin/sh", "dash");
            archive.device("dev/console", 0o600, (5, 1));
            archive.finish()
        };
        assert_eq!(make(), make());
    }
}
