//! A mail: headers and plain text of at most 78 columns (RFC 5322, section 2.1.1), most important first. Whoever
//! sends it adds From, To and Date.

use super::summary::{self, Matrix};
use super::text::{clip, count, line};
use super::{Options, Style, terminal};
use crate::{RunRecord, Verdict};

const WIDTH: usize = 78;

pub(super) fn render(record: &RunRecord) -> String {
    let options = Options { width: WIDTH, style: Style::Plain };
    let body = terminal::by_importance(record, &options);
    let mut subject = format!("Subject: {}", subject(record));
    if subject.len() > WIDTH {
        subject.truncate(WIDTH - 3);
        subject += "...";
    }
    let mut text = format!("{subject}\n");
    text += "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n";
    for line in body.lines().flat_map(folded) {
        text.push_str(&line);
        text.push('\n');
    }
    // Mail readers know what follows as the signature.
    text + &format!("\n-- \ngauntlet {}\n", clip(&line(&record.info.gauntlet_version), 60))
}

/// `[gauntlet] failed: 2 of 120 cases; 6.1.0-56-cloud-amd64 and 2 others`.
fn subject(record: &RunRecord) -> String {
    let missing = record.missing();
    let entries = summary::entries(record, &missing);
    let matrix = Matrix::of(record, &entries);
    let failures = summary::failures(record, &entries, Verdict::is_failure).len();
    let down = record.kernels.iter().filter(|kernel| kernel.failure.is_some()).count();
    let bad = failures + down + record.findings.len();
    let (_, outcome) = summary::outcome(record);
    let things = if bad > 0 { format!(": {}", count(bad, "failure")) } else { String::new() };
    let kernels = match matrix.rows.as_slice() {
        [] => String::new(),
        [(only, _)] => format!(" on {}", line(only)),
        [(first, _), others @ ..] => {
            format!(" on {} and {}", line(first), count(others.len(), "other kernel"))
        }
    };
    // Headers are ASCII.
    format!("[gauntlet] {}: {outcome}{things}{kernels}", line(&record.info.verb))
        .replace(|c: char| !c.is_ascii() || c.is_ascii_control(), "?")
}

/// A line that is too long, such as a command to copy, goes on indented below.
fn folded(text: &str) -> Vec<String> {
    const INDENT: &str = "    ";
    let chars: Vec<char> = text.chars().collect();
    if chars.len() <= WIDTH {
        return vec![text.to_owned()];
    }
    let (first, rest) = chars.split_at(WIDTH);
    let rest = rest.chunks(WIDTH - INDENT.len());
    let continued = rest.map(|part| format!("{INDENT}{}", part.iter().collect::<String>()));
    std::iter::once(first.iter().collect()).chain(continued).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_folded_and_loses_nothing() {
        let long = "x".repeat(200);
        let lines = folded(&long);
        assert_eq!(lines.iter().map(String::len).collect::<Vec<_>>(), [78, 78, 52]);
        assert_eq!(lines.concat().replace(' ', ""), long);
        assert_eq!(folded("short"), ["short"]);
    }
}
