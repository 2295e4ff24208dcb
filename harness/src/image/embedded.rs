//! The agent and the plugin, built by `build.rs` and carried in this binary.

use std::sync::LazyLock;

/// PID 1 of every machine: a static program of at most 1.5 MB.
pub static AGENT: &[u8] = include_bytes!(env!("GAUNTLET_AGENT"));

/// The TCG plugin, a shared library for QEMU to load.
pub static PLUGIN: &[u8] = include_bytes!(env!("GAUNTLET_PLUGIN"));

/// BLAKE3 of the agent: part of every template's digest.
pub static AGENT_DIGEST: LazyLock<String> = LazyLock::new(|| blake3::hash(AGENT).to_hex().to_string());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agent_stays_small() {
        assert!(AGENT.len() <= 1_500_000, "the agent has {} bytes", AGENT.len());
    }
}
