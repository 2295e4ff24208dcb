//! `gauntlet man`.

use super::{Cli, Globals};
use crate::{Error, Result, ui};
use clap::CommandFactory;
use std::process::ExitCode;

/// Print the manual page, of the whole or of one verb
///
/// To read it: gauntlet man test | man -l -
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The verb
    verb: Option<String>,
}

pub async fn run(args: Args, _globals: &Globals) -> Result<ExitCode> {
    let page = clap_mangen::Man::new(command(args.verb.as_deref())?);
    let mut roff = Vec::new();
    page.render(&mut roff).map_err(|source| Error::infra("cannot render the manual").because(source))?;
    ui::print(&String::from_utf8_lossy(&roff))?;
    Ok(ExitCode::SUCCESS)
}

fn command(verb: Option<&str>) -> Result<clap::Command> {
    let mut whole = Cli::command();
    whole.build();
    let Some(verb) = verb else { return Ok(whole) };
    match whole.find_subcommand(verb) {
        Some(found) => Ok(found.clone()),
        None => Err(Error::unknown("verb", verb, whole.get_subcommands().map(clap::Command::get_name))),
    }
}
