//! Looks at the machine.

use super::checks::{APT_TOOLS, BUILD_TOOLS, Facts};
use crate::cli::Globals;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(super) async fn gather(globals: &Globals) -> Facts {
    Facts {
        root: rustix::process::geteuid().is_root(),
        qemu: qemu(&["--version"]).map(|text| text.lines().next().unwrap_or_default().to_owned()),
        plugins: qemu(&["-help"]).is_ok_and(|text| text.lines().any(|line| line.starts_with("-plugin "))),
        accelerator: "not probed".to_owned(),
        absent: absent(),
        cache: free(&globals.cache),
        results: free(&globals.results),
        memory: available_memory(),
    }
}

fn qemu(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("qemu-system-x86_64").args(arguments).output();
    match output {
        Ok(output) if output.status.success() => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        Ok(output) => Err(format!("qemu-system-x86_64 {}: {}", arguments.join(" "), output.status)),
        Err(error) => Err(format!("qemu-system-x86_64: {error}")),
    }
}

/// Programs not on the PATH and headers the compiler would not find.
fn absent() -> Vec<&'static str> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let headers = [PathBuf::from("/usr/include"), PathBuf::from("/usr/local/include")];
    let there = |name: &str| {
        let places: &[PathBuf] = if name.ends_with(".h") { &headers } else { &folders };
        places.iter().any(|folder| folder.join(name).is_file())
    };
    let wanted = APT_TOOLS.iter().copied().chain(BUILD_TOOLS.iter().map(|(tool, _)| *tool));
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
