//! `gauntlet doctor`.

use super::{Globals, exit};
use crate::{Result, ui};
use checks::{Check, State};
use std::process::ExitCode;

mod checks;
mod facts;

/// Say what this machine lacks, and the exact command that mends it
///
/// Exits with 3 when something is missing that every run needs.
#[derive(Debug, clap::Args)]
pub struct Args {}

pub async fn run(_args: Args, globals: &Globals) -> Result<ExitCode> {
    let checks = checks::judge(&facts::gather(globals).await);
    if globals.json {
        ui::print_json(&checks)?;
    } else {
        ui::print(&table(&checks, globals.style))?;
    }
    let healthy = checks.iter().all(|check| check.state != State::Missing);
    Ok(ExitCode::from(if healthy { exit::GOOD } else { exit::INFRA }))
}

fn table(checks: &[Check], style: ui::Style) -> String {
    let mut text = String::new();
    for check in checks {
        let state = match check.state {
            State::Good => style.green("good   "),
            State::Limited => style.yellow("limited"),
            State::Missing => style.red("missing"),
        };
        text += &format!("{state}  {:<12}  {}\n", check.what, check.found);
        text.extend(check.mend.iter().map(|command| format!("{:23}{}\n", "", style.bold(command))));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mending_command_stands_below_what_it_mends() {
        let check = Check {
            what: "QEMU",
            state: State::Missing,
            found: "not installed".to_owned(),
            mend: Some("apt-get install qemu-system-x86".to_owned()),
        };
        assert_eq!(
            table(&[check], ui::Style::plain()),
            "missing  QEMU          not installed\n                       apt-get install qemu-system-x86\n"
        );
    }
}
