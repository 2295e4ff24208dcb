//! The agent: PID 1 in the virtual machine. Started as anything else it lists or runs cases, for people.

use std::ffi::OsString;
use std::process::ExitCode;

mod agent;
mod by_hand;

fn main() -> ExitCode {
    // As they are: a case hands its helper every byte there is.
    let arguments: Vec<OsString> = std::env::args_os().collect();
    gauntlet_guest::helper::dispatch(&arguments);
    let arguments: Vec<String> = arguments.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    if std::process::id() == 1 { agent::run() } else { by_hand::run(&arguments) }
}
