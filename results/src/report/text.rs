//! Text that came from a guest, made fit to print; numbers and times for people.

use std::time::Duration;

/// One line: no control characters, no escape sequences, no direction overrides, no line ends.
pub(crate) fn line(text: &str) -> String {
    lines(text).collect::<Vec<_>>().join(" ").trim().to_owned()
}

/// The lines of a text, each made harmless. Consoles end lines with CR LF and colour them.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = String> + '_ {
    text.lines().map(line_of)
}

/// A single line made harmless, its indentation kept.
pub(crate) fn line_of(line: &str) -> String {
    let line = line.trim_end();
    let mut clean = String::with_capacity(line.len());
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\x1b' if chars.peek() == Some(&'[') => {
                // A control sequence ends with a byte from @ to ~ (ECMA-48 section 5.4).
                chars.next();
                chars.by_ref().find(|c| !(' '..='?').contains(c));
            }
            '\t' => clean.push_str("    "),
            c if c.is_control() || reorders(c) => clean.push('\u{fffd}'),
            c => clean.push(c),
        }
    }
    clean
}

/// Characters that make text look like other text: Unicode Technical Report 36, section 2.6.
fn reorders(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

/// At most `width` characters, an ellipsis in place of what did not fit.
pub(crate) fn clip(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut clipped: String = text.chars().take(width.saturating_sub(1)).collect();
    clipped.push('…');
    clipped
}

/// Words broken into lines of at most `width` characters. A word that is longer stays whole.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is always one");
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

/// `1 case`, `2 cases`, `12,345 cases`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", thousands(number as u64))
}

/// `1,234,567`.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `71 ms`, `3.2 s`, `4 min 05 s`, `2 h 07 min`.
pub(crate) fn duration(time: Duration) -> String {
    match time.as_millis() {
        ms @ 0..1_000 => format!("{ms} ms"),
        ms @ 1_000..10_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        ms @ 10_000..60_000 => format!("{} s", ms / 1_000),
        ms @ 60_000..3_600_000 => format!("{} min {:02} s", ms / 60_000, ms / 1_000 % 60),
        ms => format!("{} h {:02} min", ms / 3_600_000, ms / 60_000 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escape_sequences_and_tricks_are_gone() {
        assert_eq!(line("\x1b[1;31mred\x1b[0m\r\nnext\0\u{202e}"), "red next\u{fffd}\u{fffd}");
        assert_eq!(line("unfinished \x1b["), "unfinished");
        assert_eq!(line("\x1b]0;title\x07"), "\u{fffd}]0;title\u{fffd}");
    }

    #[test]
    fn figures_read_well() {
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!((count(1, "case"), count(0, "case")), ("1 case".into(), "0 cases".into()));
        let ms = |ms| duration(Duration::from_millis(ms));
        assert_eq!([ms(71), ms(3_260), ms(59_999)], ["71 ms", "3.2 s", "59 s"]);
        assert_eq!([ms(245_000), ms(7_620_000)], ["4 min 05 s", "2 h 07 min"]);
    }

    proptest! {
        #[test]
        fn no_text_can_move_the_cursor(text in ".*") {
            prop_assert!(line(&text).chars().all(|c| !c.is_control() && !reorders(c)));
        }

        #[test]
        fn wrapping_keeps_all_words_and_the_width(text in "[a-z]{1,9}( [a-z]{1,9}){0,20}", width in 9usize..30) {
            let wrapped = wrap(&text, width);
            prop_assert!(wrapped.iter().all(|line| line.len() <= width));
            prop_assert_eq!(wrapped.join(" "), text);
        }

        #[test]
        fn clipping_never_exceeds_the_width(text in ".{0,40}", width in 1usize..30) {
            prop_assert!(clip(&text, width).chars().count() <= width);
        }
    }
}
