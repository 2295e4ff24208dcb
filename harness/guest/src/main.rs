//! The agent: PID 1 in the virtual machine. Started as anything else it lists or runs cases, for people.

use std::process::ExitCode;

mod agent;
mod by_hand;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    gauntlet_guest::helper::dispatch(&arguments);
    if std::process::id() == 1 { agent::run() } else { by_hand::run(&arguments) }
}
