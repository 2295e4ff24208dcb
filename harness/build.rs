//! Builds what travels inside the binary: the guest's agent and its cases (static programs) and the TCG plugin.
//!
//! Cargo cannot yet depend on a binary built for another target and profile, so all are built by a nested
//! cargo into a target directory of their own, which all profiles of the outer build share.
//! `GAUNTLET_AGENT_BIN`, `GAUNTLET_CASES_BIN` and `GAUNTLET_PLUGIN_LIB` name ready-made ones instead (for packagers).

use std::path::{Path, PathBuf};
use std::process::Command;

const TARGET: &str = "x86_64-unknown-linux-gnu";

fn main() {
    let manifest = PathBuf::from(env("CARGO_MANIFEST_DIR"));
    let workspace = manifest.parent().expect("the harness lies in the workspace");
    for path in [
        "Cargo.lock",
        "Cargo.toml",
        "harness/guest",
        "harness/protocol",
        "harness/plugin",
        "fuzzers/executor",
        "perf/workloads",
    ] {
        println!("cargo::rerun-if-changed={}", workspace.join(path).display());
    }
    let target = nested_target();
    // A plain static program: no interpreter, and no relocation to do before its first instruction.
    let flags = "-Ctarget-feature=+crt-static\u{1f}-Crelocation-model=static";
    let agent = provided("GAUNTLET_AGENT_BIN").unwrap_or_else(|| {
        build(workspace, &target, "gauntlet-guest", flags);
        target.join(TARGET).join("guest/gauntlet-guest")
    });
    let cases =
        provided("GAUNTLET_CASES_BIN").unwrap_or_else(|| target.join(TARGET).join("guest/gauntlet-cases"));
    let plugin = provided("GAUNTLET_PLUGIN_LIB").unwrap_or_else(|| {
        build(workspace, &target, "gauntlet-plugin", "");
        target.join(TARGET).join("guest/libgauntlet_plugin.so")
    });
    assert_static(&agent);
    assert_static(&cases);
    println!("cargo::rustc-env=GAUNTLET_CASES={}", cases.display());
    println!("cargo::rustc-env=GAUNTLET_AGENT={}", agent.display());
    println!("cargo::rustc-env=GAUNTLET_PLUGIN={}", plugin.display());
}

fn env(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}"))
}

fn provided(name: &str) -> Option<PathBuf> {
    println!("cargo::rerun-if-env-changed={name}");
    std::env::var_os(name).map(PathBuf::from)
}

/// `<target>/guest`, found by the tag cargo puts into its target directory.
fn nested_target() -> PathBuf {
    let out = PathBuf::from(env("OUT_DIR"));
    let target = out.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file()).unwrap_or(&out);
    target.join("guest")
}

fn build(workspace: &Path, target: &Path, package: &str, flags: &str) {
    let mut cargo = Command::new(env("CARGO"));
    cargo
        .current_dir(workspace)
        .args([
            "build",
            "--locked",
            "--quiet",
            "--profile",
            "guest",
            "--target",
            TARGET,
            "--package",
            package,
        ])
        .arg("--target-dir")
        .arg(target)
        .env("CARGO_ENCODED_RUSTFLAGS", flags);
    // The outer build's wrappers (clippy's among them), flags and target directory are not for the guest.
    for name in [
        "RUSTC",
        "RUSTC_WRAPPER",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTFLAGS",
        "CARGO_BUILD_TARGET",
        "CARGO_TARGET_DIR",
    ] {
        cargo.env_remove(name);
    }
    let status = cargo.status().expect("cargo can be started");
    assert!(status.success(), "building {package} failed; its errors are above");
}

/// A dynamic agent would panic the kernel at boot, so refuse it here: no program header may be PT_INTERP (3).
fn assert_static(agent: &Path) {
    let bytes = std::fs::read(agent).unwrap_or_else(|error| panic!("{}: {error}", agent.display()));
    let half = |at: usize| usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]));
    let start = u64::from_le_bytes(bytes[32..40].try_into().expect("eight bytes")) as usize;
    for index in 0..half(56) {
        let at = start + index * half(54);
        assert_ne!(bytes[at..at + 4], [3, 0, 0, 0], "{} is not a static program", agent.display());
    }
}
