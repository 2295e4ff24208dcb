//! `make bench`: the figures Gauntlet promises, each with a reference measured in the same run.
//!
//! Never a timed test: the machine may be shared and busy, so read the ratios first. `cargo bench -p gauntlet --
//! clone exact` runs the named ones only.

mod clone;
mod command;
mod exact;
mod fuzz;
mod report;
mod sample;
mod setup;
mod suite;
mod tree;

use sample::Row;

type Figure = (&'static str, fn() -> Vec<Row>);

/// One line per figure: name, and how it is measured.
const FIGURES: &[Figure] = &[
    ("clone", clone::measure),
    ("command", command::measure),
    ("suite", suite::measure),
    ("exact", exact::measure),
    ("fuzz", fuzz::measure),
    ("report", report::measure),
    ("tree", tree::measure),
];

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    println!("load average at the start: {}", setup::load());
    for (name, measure) in FIGURES {
        if wanted.is_empty() || wanted.iter().any(|word| word == name) {
            println!("\n{name}");
            for row in measure() {
                println!("  {row}");
            }
        }
    }
    println!("\nload average at the end: {}", setup::load());
}
