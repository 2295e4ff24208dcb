//! Errors are messages to a person: what went wrong, where, which choices there are, and what to do next.

use crate::cli::exit;
use std::fmt;

/// Whose business an error is; decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The command line, the configuration or a file the user named is wrong.
    Usage,
    /// The machine let us down: QEMU, disk, memory, network.
    Infra,
    /// The user stopped us.
    Interrupted,
    /// Whoever read our output has gone; ends quietly.
    BrokenPipe,
}

impl Kind {
    /// The exit code ([`exit`]; 0 and 1 belong to results, not to errors).
    pub fn exit_code(self) -> u8 {
        match self {
            Kind::Usage => exit::USAGE,
            // Not good: what the reader did not take was perhaps a failure.
            Kind::Infra | Kind::BrokenPipe => exit::INFRA,
            Kind::Interrupted => exit::INTERRUPTED,
        }
    }
}

/// One error with its hints.
#[derive(Debug)]
pub struct Error {
    pub kind: Kind,
    pub message: String,
    pub hints: Vec<String>,
    /// Where: `file:line:column`.
    pub place: Option<String>,
    /// The text at that place, with a mark.
    pub excerpt: Option<String>,
    source: Option<anyhow::Error>,
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub fn usage(message: impl Into<String>) -> Error {
        Error::new(Kind::Usage, message)
    }

    pub fn infra(message: impl Into<String>) -> Error {
        Error::new(Kind::Infra, message)
    }

    pub fn interrupted() -> Error {
        Error::new(Kind::Interrupted, "interrupted")
    }

    pub fn broken_pipe() -> Error {
        Error::new(Kind::BrokenPipe, "standard output was closed")
    }

    /// A name that is not in the known set: proposes the nearest, else lists them all.
    pub fn unknown<'a>(what: &str, typed: &str, known: impl IntoIterator<Item = &'a str>) -> Error {
        let known: Vec<&str> = known.into_iter().collect();
        let error = Error::usage(format!("unknown {what} '{typed}'"));
        match nearest(typed, known.iter().copied()).as_slice() {
            [] => error.hint(format!("known: {}", known.join(", "))),
            close => error.hint(format!("did you mean '{}'?", close.join("' or '"))),
        }
    }

    pub fn new(kind: Kind, message: impl Into<String>) -> Error {
        Error { kind, message: message.into(), hints: Vec::new(), place: None, excerpt: None, source: None }
    }

    /// What the user can do next; may be called several times.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Error {
        self.hints.push(hint.into());
        self
    }

    /// Where it is, shown before the message: `file:line:column`.
    #[must_use]
    pub fn at(mut self, place: impl Into<String>) -> Error {
        self.place = Some(place.into());
        self
    }

    /// The text at that place, shown under the message.
    #[must_use]
    pub fn excerpt(mut self, excerpt: impl Into<String>) -> Error {
        self.excerpt = Some(excerpt.into());
        self
    }

    /// The error underneath, shown after the message.
    #[must_use]
    pub fn because(mut self, source: impl Into<anyhow::Error>) -> Error {
        self.source = Some(source.into());
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)?;
        if let Some(source) = &self.source {
            write!(formatter, ": {source:#}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

impl From<gauntlet_results::StoreError> for Error {
    fn from(error: gauntlet_results::StoreError) -> Error {
        let kind = if error.is_usage() { Kind::Usage } else { Kind::Infra };
        let hint = error.hint();
        // The whole chain: what went wrong, and what the system said to it.
        let converted = Error::new(kind, format!("{:#}", anyhow::Error::from(error)));
        match hint {
            Some(hint) => converted.hint(hint),
            None => converted,
        }
    }
}

/// The names of a known set that are closest to what was typed, if any is close; at most three that tie.
pub fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mut scored: Vec<(usize, &str)> = known
        .into_iter()
        .map(|name| (distance(typed, name), name))
        .filter(|(score, name)| *score <= name.len().max(typed.len()).div_ceil(3).max(1))
        .collect();
    scored.sort_unstable();
    let best = scored.first().map_or(0, |(score, _)| *score);
    scored.into_iter().take_while(|(score, _)| *score == best).take(3).map(|(_, name)| name).collect()
}

/// Levenshtein distance over characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_nearest_names_are_proposed() {
        assert_eq!(nearest("memdf", ["memfd", "seccomp", "bpf"]), ["memfd"]);
        assert_eq!(nearest("suties", ["retries", "suites"]), ["suites"]);
        assert!(nearest("zzzzzz", ["memfd", "seccomp"]).is_empty());
    }

    #[test]
    fn an_unknown_name_proposes_or_lists() {
        let known = ["memfd", "seccomp"];
        assert_eq!(Error::unknown("suite", "memdf", known).hints, ["did you mean 'memfd'?"]);
        assert_eq!(Error::unknown("suite", "zzzzzz", known).hints, ["known: memfd, seccomp"]);
    }

    #[test]
    fn distance_agrees_with_known_values() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
    }
}
