//! The selftests, as a program of their own: PID 1 stays small, and each case starts in a process that knows nothing
//! of it. The agent names a case; people list and run them by hand.

use std::ffi::OsString;
use std::process::ExitCode;

mod by_hand;
mod of_agent;

fn main() -> ExitCode {
    // As they are: a case hands its helper every byte there is.
    let arguments: Vec<OsString> = std::env::args_os().collect();
    gauntlet_guest::helper::dispatch(&arguments);
    let arguments: Vec<String> = arguments.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    of_agent::run(&arguments).unwrap_or_else(|| by_hand::run(&arguments))
}
