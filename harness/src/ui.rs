//! What a person at a terminal sees.
//!
//! Results go to standard output, progress and errors to standard error.

mod bars;
mod display;
pub mod format;
mod lines;
mod print;
#[cfg(test)]
mod samples;
mod steps;
mod style;
mod tally;
mod terminal;

pub use display::Display;
pub use print::{print, print_error, print_json};
pub use steps::Steps;
pub use style::Style;
pub use terminal::RawTerminal;

/// How progress is shown, decided once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Bars that redraw themselves.
    Bars,
    /// One line per change, and a sign of life when there is none.
    Lines,
    Silent,
}
