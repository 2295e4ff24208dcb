//! Words and figures for people. Pure.

use super::Style;
use gauntlet_results::{TestResult, Verdict};
use std::time::Duration;

/// A stretch of time with as many digits as one cares about: `0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`.
pub fn duration(span: Duration) -> String {
    let (tenths, seconds) = (span.as_millis() / 100, span.as_secs());
    match seconds {
        0..10 => format!("{}.{} s", tenths / 10, tenths % 10),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// The first line of a text, without anything that could move a terminal's cursor: guests write what they like.
pub fn printable(text: &str) -> String {
    let line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    line.trim().chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// At most `width` characters; what was cut ends in `…`.
pub fn shorten(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(width.saturating_sub(1)).collect();
    short.extend((width > 0).then_some('…'));
    short
}

/// Rows as aligned columns, two blanks apart; the last column is cut where the terminal ends.
pub fn columns(rows: &[Vec<String>], width: usize) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or_default();
    let length = |row: &Vec<String>, column: usize| row.get(column).map_or(0, |cell| cell.chars().count());
    let widest: Vec<usize> = (0..count)
        .map(|column| rows.iter().map(|row| length(row, column)).max().unwrap_or_default())
        .collect();
    let line = |row: &Vec<String>| {
        let cells: Vec<String> =
            row.iter().zip(&widest).map(|(cell, width)| format!("{cell:<width$}")).collect();
        shorten(cells.join("  ").trim_end(), width) + "\n"
    };
    rows.iter().map(line).collect()
}

/// `1 case`, `2 cases`.
pub fn plural(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// The verdict, seven characters wide, in its colour.
pub fn verdict(verdict: Verdict, style: Style) -> String {
    let text = format!("{:<7}", verdict.as_str());
    match verdict {
        Verdict::Pass => style.green(&text),
        Verdict::Xfail | Verdict::Skip => style.dim(&text),
        Verdict::Infra => style.yellow(&text),
        Verdict::Error | Verdict::Fail | Verdict::Timeout | Verdict::Crash => style.red(&text),
    }
}

/// One result on one line: verdict, kernel, case, time, and why.
pub fn result(result: &TestResult, style: Style) -> String {
    let time = duration(Duration::from_millis(result.duration_ms));
    let reason = printable(&result.reason);
    let why = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    let time = style.dim(&format!("({time})"));
    format!("{} {} {} {time}{why}", verdict(result.verdict, style), result.kernel, result.case)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_read_naturally() {
        let shown = |milliseconds| duration(Duration::from_millis(milliseconds));
        assert_eq!(shown(0), "0.0 s");
        assert_eq!(shown(449), "0.4 s");
        assert_eq!(shown(9_999), "9.9 s");
        assert_eq!(shown(59_999), "59 s");
        assert_eq!(shown(200_000), "3 min 20 s");
        assert_eq!(shown(7_500_000), "2 h 5 min");
    }

    #[test]
    fn a_guest_cannot_move_the_cursor() {
        assert_eq!(printable("\n  a\x1b[2Jb\r\nc"), "a\u{fffd}[2Jb");
        assert_eq!(printable(""), "");
    }

    #[test]
    fn columns_are_aligned_and_cut_at_the_edge() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        let rows = [row(["a", "short"]), row(["bbb", "much too long"])];
        assert_eq!(columns(&rows, 12), "a    short\nbbb  much t…\n");
    }

    #[test]
    fn one_is_not_many() {
        assert_eq!((plural(1, "case"), plural(0, "case")), ("1 case".to_owned(), "0 cases".to_owned()));
    }

    proptest! {
        #[test]
        fn short_is_short_and_a_beginning(text in "\\PC{0,30}", width in 0usize..20) {
            let short = shorten(&text, width);
            prop_assert!(short.chars().count() <= width);
            prop_assert!(text.starts_with(short.trim_end_matches('…')));
        }

        #[test]
        fn printable_is_one_line_without_controls(text in "(?s).{0,60}") {
            prop_assert!(!printable(&text).chars().any(char::is_control));
        }
    }
}
