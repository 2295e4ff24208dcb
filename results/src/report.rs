//! Reports: a run as text. Pure functions of the record, so that a stored run renders the same for ever.
//!
//! Everything a guest wrote is untrusted. Each format escapes it in its own file; [`text`] has what they share.

mod excerpt;
mod exit;
mod github;
mod html;
mod json;
mod junit;
mod kcidb;
mod ktap;
mod mail;
pub(crate) mod perf;
mod style;
mod summary;
mod terminal;
pub(crate) mod text;

pub use exit::exit_code;
pub use style::Style;

use crate::RunRecord;
use std::fmt;
use std::str::FromStr;

/// The forms a run can be reported in: one file and one match arm each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// For people, at a terminal.
    Terminal,
    /// For kernel tooling: Documentation/dev-tools/ktap.rst.
    Ktap,
    /// For continuous integration systems.
    Junit,
    /// For programs; the shape is documented in `report/json.rs`.
    Json,
    /// One self-contained page, for people.
    Html,
    /// For the kernel community's collection of results.
    Kcidb,
    /// Annotations, for GitHub's continuous integration.
    Github,
    /// For people who were not there: headers and plain text.
    Mail,
}

/// What depends on where the report goes. Only [`Format::Terminal`] cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Columns of the terminal.
    pub width: usize,
    pub style: Style,
}

impl Default for Options {
    fn default() -> Options {
        Options { width: 80, style: Style::Plain }
    }
}

impl Format {
    pub const ALL: [Format; 8] = [
        Format::Terminal,
        Format::Ktap,
        Format::Junit,
        Format::Json,
        Format::Html,
        Format::Kcidb,
        Format::Github,
        Format::Mail,
    ];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Format::Terminal => "terminal",
            Format::Ktap => "ktap",
            Format::Junit => "junit",
            Format::Json => "json",
            Format::Html => "html",
            Format::Kcidb => "kcidb",
            Format::Github => "github",
            Format::Mail => "mail",
        }
    }

    pub fn render(self, record: &RunRecord, options: &Options) -> String {
        match self {
            Format::Terminal => terminal::render(record, options),
            Format::Ktap => ktap::render(record),
            Format::Junit => junit::render(record),
            Format::Json => json::render(record),
            Format::Html => html::render(record),
            Format::Kcidb => kcidb::render(record),
            Format::Github => github::render(record),
            Format::Mail => mail::render(record),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(typed: &str) -> Result<Format, UnknownFormat> {
        let known = Format::ALL.into_iter().find(|format| format.name() == typed);
        known.ok_or_else(|| UnknownFormat { typed: typed.to_owned() })
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no report format '{typed}' (known: {})", Format::ALL.map(Format::name).join(", "))]
pub struct UnknownFormat {
    pub typed: String,
}
