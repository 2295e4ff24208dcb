//! Diagnostics for us, not results: to standard error, filtered by `GAUNTLET_LOG` (`debug`, `gauntlet::run=trace`).

use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Starts logging. Without `GAUNTLET_LOG`, only warnings are shown.
pub(super) fn start() {
    let filter = EnvFilter::builder()
        .with_default_directive(tracing::level_filters::LevelFilter::WARN.into())
        .with_env_var("GAUNTLET_LOG")
        .from_env_lossy();
    // Fails only when a logger is already there, which is then the one to keep.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .try_init();
}
