//! Prints a report of a made-up run, to look at: `cargo run -p gauntlet-results --example sample -- FORMAT [WIDTH]`.

#[path = "../tests/support/mod.rs"]
mod support;

use gauntlet_results::report::{Format, Options, Style};
use std::io::IsTerminal;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let format: Format = arguments.next().as_deref().unwrap_or("terminal").parse().expect("a format");
    let width = arguments.next().map_or(80, |width| width.parse().expect("a number of columns"));
    let style = if std::io::stdout().is_terminal() { Style::Colored } else { Style::Plain };
    print!("{}", format.render(&support::sample::record(), &Options { width, style }));
}
