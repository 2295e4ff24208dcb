//! `gauntlet completions`.

use super::{Cli, Globals};
use crate::{Result, ui};
use clap::CommandFactory;
use clap_complete::Shell;
use std::process::ExitCode;

/// Print the completion script for a shell
///
/// For bash: gauntlet completions bash > ~/.local/share/bash-completion/completions/gauntlet
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell
    shell: Shell,
}

pub async fn run(args: Args, _globals: &Globals) -> Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "gauntlet", &mut script);
    ui::print(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::SUCCESS)
}
