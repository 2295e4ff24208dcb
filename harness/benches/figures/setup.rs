//! A ready kernel and the program itself.

use gauntlet::kernel::{self, Cache, KernelBuild, KernelSpec};
use gauntlet::session::{Host, Session, SessionOptions};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

pub const KERNEL: &str = "deb:6.1/cloud";

pub fn cache() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).map(PathBuf::from);
    set("GAUNTLET_CACHE")
        .or_else(|| Some(set("XDG_CACHE_HOME")?.join("gauntlet")))
        .or_else(|| Some(set("HOME")?.join(".cache/gauntlet")))
        .expect("a home directory")
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Runtime::new().expect("a runtime")
}

pub fn kernel(spec: &str) -> KernelBuild {
    let spec: KernelSpec = spec.parse().expect("a good spec");
    kernel::resolve(&spec, &Cache::at(cache()).expect("a cache"), &|_| {}).expect("the kernel can be had")
}

pub async fn host() -> Arc<Host> {
    Host::open(&cache()).await.expect("QEMU works")
}

pub async fn session(host: &Arc<Host>, kernel: &KernelBuild, options: &SessionOptions) -> Session {
    Session::prepare(host, kernel, options).await.expect("the kernel boots")
}

/// The release build of the program, with a results folder of its own.
pub fn gauntlet(results: &std::path::Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gauntlet"));
    command.args(arguments).arg("--progress").arg("none").env("GAUNTLET_RESULTS", results);
    command
}

pub fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}
