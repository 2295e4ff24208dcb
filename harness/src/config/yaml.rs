//! YAML with errors that point: `file.yaml:12:7: error: unknown key 'suties'`, the line, and the nearest key.

use crate::error::nearest;
use crate::{Error, Result};
use serde::de::DeserializeOwned;

/// Parses one document. `name` is how errors call the file.
///
/// # Errors
/// A usage error with place, excerpt and hints.
pub fn parse<T: DeserializeOwned>(name: &str, text: &str) -> Result<T> {
    serde_yaml::from_str(text).map_err(|error| explain(name, text, &error))
}

/// Line and column, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    line: usize,
    column: usize,
}

fn explain(name: &str, text: &str, error: &serde_yaml::Error) -> Error {
    let place = error.location().map(|at| Place { line: at.line(), column: at.column() });
    let message = error.to_string();
    let message = strip_place(&message);
    let (place, error) =
        match (place, quoted(message, "unknown field `"), quoted(message, "duplicate field `")) {
            (place, Some(key), _) => (place, unknown_key(key, message)),
            (Some(start), _, Some(key)) => (Some(second(text, start, key)), twice(key)),
            (Some(place), ..) if indented_by_tab(text, place) => (Some(place), tab()),
            (place, ..) => (place, Error::usage(humane(message))),
        };
    match place {
        Some(place) => {
            error.at(format!("{name}:{}:{}", place.line, place.column)).excerpt(excerpt(text, place))
        }
        None => error.at(name),
    }
}

fn unknown_key(key: &str, message: &str) -> Error {
    let known: Vec<&str> = message.split('`').skip(3).step_by(2).collect();
    let error = Error::usage(format!("unknown key '{key}'"));
    match nearest(key, known.iter().copied()).as_slice() {
        [] if known.is_empty() => error,
        [] => error.hint(format!("known here: {}", known.join(", "))),
        close => error.hint(format!("did you mean '{}'?", close.join("' or '"))),
    }
}

fn twice(key: &str) -> Error {
    Error::usage(format!("key '{key}' stands twice")).hint("keep one of them")
}

fn tab() -> Error {
    Error::usage("a tab cannot indent YAML").hint("use spaces")
}

/// The parser puts the place at the end or, with syntax errors, before what it was doing.
fn strip_place(message: &str) -> &str {
    message.split_once(" at line ").map_or(message, |(before, _)| before)
}

/// What stands between `before` and the next backtick.
fn quoted<'a>(message: &'a str, before: &str) -> Option<&'a str> {
    message.split_once(before)?.1.split('`').next()
}

/// Names of Rust's types, in words.
fn humane(message: &str) -> String {
    let words = [
        ("invalid type: ", "wrong type: "),
        ("expected a nonzero u32", "expected a whole number above 0"),
        ("expected u32", "expected a whole number"),
        ("expected u64", "expected a whole number"),
        ("expected u8", "expected a whole number"),
        ("expected a sequence", "expected a list"),
        ("expected a boolean", "expected true or false"),
        ("unknown variant", "unknown value"),
    ];
    let message = words.iter().fold(message.to_owned(), |text, (from, to)| text.replace(from, to));
    match message.split_once("expected struct ") {
        Some((before, _)) => format!("{before}expected keys and values"),
        None => message,
    }
}

/// A duplicate is reported at the start of its group; it is the second line there that starts with the key
/// at the group's own indentation.
fn second(text: &str, start: Place, key: &str) -> Place {
    let mut found = text.lines().enumerate().skip(start.line - 1).filter_map(|(index, line)| {
        let column = line.find(|c: char| c != ' ' && c != '-')? + 1;
        let names =
            line[column - 1..].strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with(':'));
        (names && column == start.column).then_some(Place { line: index + 1, column })
    });
    found.nth(1).unwrap_or(start)
}

fn indented_by_tab(text: &str, place: Place) -> bool {
    let line = text.lines().nth(place.line - 1).unwrap_or_default();
    line.chars().take_while(|c| c.is_whitespace()).any(|c| c == '\t')
}

/// The line with its number, and a mark under the word at the place.
fn excerpt(text: &str, place: Place) -> String {
    let line = text.lines().nth(place.line - 1).unwrap_or_default();
    let word = line.chars().skip(place.column - 1).take_while(|c| c.is_alphanumeric() || "_-.%".contains(*c));
    let (number, mark) = (place.line.to_string(), "^".repeat(word.count().max(1)));
    let gutter = " ".repeat(number.len());
    let line = line.replace('\t', " ");
    format!("{gutter} |\n{number} | {line}\n{gutter} | {}{mark}", " ".repeat(place.column - 1))
}

#[cfg(test)]
mod tests;
