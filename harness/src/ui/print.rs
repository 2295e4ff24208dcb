//! Writing results and errors, without panicking when the reader has gone.

use super::Style;
use crate::{Error, Result};
use std::io::{ErrorKind, IsTerminal, Write};

/// Writes text to standard output as it is.
///
/// # Errors
/// [`crate::Kind::BrokenPipe`] when the reader has gone (`gauntlet report | head`), which ends quietly.
pub fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|source| match source.kind() {
        ErrorKind::BrokenPipe => Error::broken_pipe(),
        _ => Error::infra("cannot write to standard output").because(source),
    })
}

/// Writes a value as indented JSON and a newline.
///
/// # Errors
/// As [`print`].
pub fn print_json(value: &impl serde::Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|source| Error::infra("cannot write the result as JSON").because(source))?;
    print(&format!("{text}\n"))
}

/// Writes an error and its hints to standard error.
pub fn print_error(error: &Error) {
    let env = |name: &str| std::env::var(name).ok();
    let style = Style::for_stream(&env, std::io::stderr().is_terminal());
    // Nothing can be done when even this fails.
    let _ = std::io::stderr().lock().write_all(error_text(error, style).as_bytes());
}

fn error_text(error: &Error, style: Style) -> String {
    let place = error.place.as_ref().map_or(String::new(), |place| format!("{}: ", style.bold(place)));
    let mut text = format!("{place}{} {error}\n", style.red("error:"));
    text.extend(error.excerpt.iter().map(|excerpt| format!("{excerpt}\n")));
    for hint in &error.hints {
        text += &format!("{} {hint}\n", style.cyan("hint:"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_follow_the_error() {
        let error = Error::usage("no such suite 'memdf'").hint("did you mean 'memfd'?").hint("see `list`");
        assert_eq!(
            error_text(&error, Style::plain()),
            "error: no such suite 'memdf'\nhint: did you mean 'memfd'?\nhint: see `list`\n"
        );
    }

    #[test]
    fn a_place_comes_first_as_compilers_write_it() {
        let error = Error::usage("unknown key 'x'").at("a.yaml:1:1").excerpt("1 | x: 1");
        assert_eq!(error_text(&error, Style::plain()), "a.yaml:1:1: error: unknown key 'x'\n1 | x: 1\n");
    }
}
