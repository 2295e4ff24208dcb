//! Looks at the machine.

use super::checks::{APT_TOOLS, BUILD_TOOLS, FILESYSTEM_TOOLS, Facts};
use crate::cli::Globals;
use crate::session::Host;
use crate::ui::format;
use gauntlet_qemu::Qemu;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(super) async fn gather(globals: &Globals) -> Facts {
    let qemu = Qemu::find();
    Facts {
        root: rustix::process::geteuid().is_root(),
        plugins: qemu.as_ref().is_ok_and(knows_plugins),
        accelerator: accelerator(&globals.cache).await,
        qemu: qemu.map(|qemu| qemu.version_line).map_err(|error| error.to_string()),
        absent: absent(),
        cache: free(&globals.cache),
        results: free(&globals.results),
        memory: available_memory(),
    }
}

/// Asks QEMU's own help: only a build with plugins lists the option.
fn knows_plugins(qemu: &Qemu) -> bool {
    let help = Command::new(&qemu.program).arg("-help").output();
    help.is_ok_and(|help| {
        String::from_utf8_lossy(&help.stdout).lines().any(|line| line.starts_with("-plugin "))
    })
}

/// Boots a few instructions (at most ten seconds, then remembered), as every verb does before its first kernel.
async fn accelerator(cache: &Path) -> Result<String, String> {
    let host = Host::open(cache).await.map_err(|error| error.to_string())?;
    Ok(match &host.accelerator.why_not_kvm {
        None => "KVM".to_owned(),
        Some(why) => format!("TCG ({})", format::printable(why)),
    })
}

/// Programs not on the PATH and headers the compiler would not find.
fn absent() -> Vec<&'static str> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    // Where mkfs programs are, whoever may find them.
    folders.extend(["/usr/sbin", "/sbin", "/usr/local/sbin"].map(PathBuf::from));
    let headers = [PathBuf::from("/usr/include"), PathBuf::from("/usr/local/include")];
    let there = |name: &str| {
        let places: &[PathBuf] = if name.ends_with(".h") { &headers } else { &folders };
        places.iter().any(|folder| folder.join(name).is_file())
    };
    let tools = BUILD_TOOLS.iter().chain(FILESYSTEM_TOOLS).map(|(tool, _)| *tool);
    let wanted = APT_TOOLS.iter().copied().chain(tools);
    wanted.filter(|name| !there(name)).collect()
}

/// Bytes free for us where the path is or would be made.
fn free(path: &Path) -> (String, u64) {
    let existing = path.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(Path::new("/"));
    let free = rustix::fs::statvfs(existing).map_or(0, |disk| disk.f_bavail * disk.f_frsize);
    (path.display().to_string(), free)
}

/// `MemAvailable` of proc_meminfo(5), in bytes; 0 when it cannot be read.
fn available_memory() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:")).unwrap_or_default();
    let kibibytes = line.split_whitespace().next().and_then(|number| number.parse::<u64>().ok());
    kibibytes.unwrap_or_default() << 10
}
