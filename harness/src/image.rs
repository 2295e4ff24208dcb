//! What a clone finds in its initial RAM disk, and what travels inside our own binary.

pub mod cpio;
pub mod embedded;
pub mod filesystem;
pub mod program;

pub use cpio::Archive;

/// The initial RAM disk every kernel boots with: the agent, the cases, and the folders it mounts on.
pub fn initrd(agent: &[u8], cases: &[u8]) -> Vec<u8> {
    let mut archive = Archive::default();
    for folder in ["dev", "proc", "sys", "tmp", "run", "root"] {
        archive.folder(folder);
    }
    // Before devtmpfs is mounted the kernel opens this as PID 1's standard streams.
    archive.device("dev/console", 0o600, (5, 1));
    archive.file("init", 0o755, agent);
    archive.file("cases", 0o755, cases);
    archive.finish()
}
