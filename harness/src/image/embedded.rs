//! The agent and the plugin, built by `build.rs` and carried in this binary.

use std::sync::LazyLock;

/// PID 1 of every machine: a small static program.
pub static AGENT: &[u8] = include_bytes!(env!("GAUNTLET_AGENT"));

/// The TCG plugin, a shared library for QEMU to load.
pub static PLUGIN: &[u8] = include_bytes!(env!("GAUNTLET_PLUGIN"));

/// BLAKE3 of the agent: part of every template's digest.
pub static AGENT_DIGEST: LazyLock<String> = LazyLock::new(|| blake3::hash(AGENT).to_hex().to_string());

#[cfg(test)]
mod tests {
    use super::*;

    /// It was to have 1.5 MB at most with a hundred cases. With three hundred it has 2.2 MB: a third is the cases,
    /// a third the Rust and C libraries, the rest their tables. Splitting the cases off would cost every case an
    /// execve(2) of a cold program, so the bound moved; it still catches a dependency that slips in.
    #[test]
    fn the_agent_stays_small() {
        assert!(AGENT.len() <= 2_400_000, "the agent has {} bytes", AGENT.len());
    }
}
