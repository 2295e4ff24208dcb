//! The agent: PID 1 in the virtual machine.

use std::process::ExitCode;

mod agent;

fn main() -> ExitCode {
    if std::process::id() != 1 {
        eprintln!("gauntlet-guest is PID 1 of a virtual machine; gauntlet-cases runs cases by hand");
        return ExitCode::from(2);
    }
    agent::run()
}
