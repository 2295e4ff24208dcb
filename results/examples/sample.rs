//! Prints a report, to look at: of a made-up run, or of a stored one.
//! `cargo run -p gauntlet-results --example sample -- FORMAT [WIDTH [DIRECTORY RUN]]`

#[path = "../tests/support/mod.rs"]
mod support;

use gauntlet_results::report::{Format, Options, Style};
use gauntlet_results::{RunRecord, Store, StoreError};
use std::io::IsTerminal;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let argument = |index: usize| arguments.get(index).map(String::as_str);
    let format: Format = argument(0).unwrap_or("terminal").parse().expect("a format");
    let width = argument(1).map_or(80, |width| width.parse().expect("a number of columns"));
    let style = if std::io::stdout().is_terminal() { Style::Colored } else { Style::Plain };
    let record = match (argument(2), argument(3)) {
        (Some(directory), Some(run)) => stored(directory, run).expect("a stored run"),
        _ => support::sample::record(),
    };
    print!("{}", format.render(&record, &Options { width, style }));
}

fn stored(directory: &str, run: &str) -> Result<RunRecord, StoreError> {
    let store = Store::open(directory)?;
    store.load(&store.find_run(run)?)
}
