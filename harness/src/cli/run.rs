//! The story of one invocation.

use super::{Cli, Globals, exit, log};
use crate::{Error, Kind, Result, interrupt, ui};
use clap::Parser;
use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

/// Parses, runs, reports; never panics on what the user typed.
pub fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let typed: Vec<OsString> = arguments.collect();
    match Cli::try_parse_from(&typed) {
        Ok(cli) => run(cli, as_typed(&typed)).unwrap_or_else(|error| fail(&error)),
        Err(message) => explain(&message),
    }
}

fn run(cli: Cli, command: Vec<String>) -> Result<ExitCode> {
    log::start();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|source| Error::infra("cannot start the scheduler").because(source))?;
    let result = runtime.block_on(async {
        let globals = Globals::resolve(cli.flags, command, interrupt::listen()?)?;
        cli.verb.run(&globals).await
    });
    // Blocking tasks that nobody waits for any more must not hold up the exit.
    runtime.shutdown_timeout(Duration::from_millis(100));
    result
}

/// Prints clap's own message: help and version to standard output, errors to standard error.
fn explain(message: &clap::Error) -> ExitCode {
    let code = if message.use_stderr() { exit::USAGE } else { exit::GOOD };
    // A reader that closed its end does not want to know.
    let _ = message.print();
    ExitCode::from(code)
}

fn fail(error: &Error) -> ExitCode {
    if error.kind != Kind::BrokenPipe {
        ui::print_error(error);
    }
    ExitCode::from(error.kind.exit_code())
}

fn as_typed(arguments: &[OsString]) -> Vec<String> {
    arguments.iter().map(|argument| argument.to_string_lossy().into_owned()).collect()
}
