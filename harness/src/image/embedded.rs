//! The agent and the plugin, built by `build.rs` and carried in this binary.

use std::sync::LazyLock;

/// PID 1 of every machine: a small static program.
pub static AGENT: &[u8] = include_bytes!(env!("GAUNTLET_AGENT"));

/// The selftests, which the agent executes: a static program, too.
pub static CASES: &[u8] = include_bytes!(env!("GAUNTLET_CASES"));

/// The TCG plugin, a shared library for QEMU to load.
pub static PLUGIN: &[u8] = include_bytes!(env!("GAUNTLET_PLUGIN"));

/// BLAKE3 of the agent and the cases: what a guest does when asked depends on both, and so does every template.
pub static AGENT_DIGEST: LazyLock<String> = LazyLock::new(|| {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(AGENT.len() as u64).to_le_bytes());
    hasher.update(AGENT);
    hasher.update(CASES);
    hasher.finalize().to_hex().to_string()
});

#[cfg(test)]
mod tests {
    use super::*;

    /// A fork of PID 1 under TCG gets dearer with every page; and a dependency that slips in must be seen.
    #[test]
    fn the_agent_stays_small() {
        assert!(AGENT.len() <= 1_500_000, "the agent has {} bytes", AGENT.len());
        assert!(CASES.len() <= 8_000_000, "the cases have {} bytes", CASES.len());
    }
}
