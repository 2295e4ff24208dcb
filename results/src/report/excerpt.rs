//! The part of a console that matters: around the splat, or the end.

use super::text;

/// Consecutive console lines, cleaned.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Excerpt {
    /// How many lines come before it.
    pub before: usize,
    pub lines: Vec<Line>,
    /// How many lines come after it.
    pub after: usize,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub text: String,
    /// The line that the splat's title comes from.
    pub splat: bool,
}

/// Lines of context before a splat.
const BEFORE: usize = 4;

/// At most `height` lines: a few before the splat, the rest from it on; without one, the last lines.
pub(super) fn excerpt(console: &str, splat: Option<&str>, height: usize) -> Excerpt {
    let all: Vec<&str> = console.lines().collect();
    let marked = splat.and_then(|title| splat_line(&all, title));
    let latest = all.len().saturating_sub(height);
    let start = marked.map_or(latest, |line| line.saturating_sub((height / 4).min(BEFORE)));
    let end = (start + height).min(all.len());
    let lines = (start..end)
        .map(|index| Line { text: text::clip(&text::line_of(all[index]), 400), splat: marked == Some(index) })
        .collect();
    Excerpt { before: start, lines, after: all.len() - end }
}

/// Titles are normalised (`KASAN: use-after-free Read in foo`), lines are not (`BUG: KASAN: use-after-free in
/// foo+0x12/0x80`): the line that shares most words with the title, and at least half of them.
fn splat_line(lines: &[&str], title: &str) -> Option<usize> {
    let words: Vec<&str> = words(title).collect();
    let shared =
        |line: &str| words.iter().filter(|word| self::words(line).any(|other| other == **word)).count();
    let (index, score) = (lines.iter().enumerate())
        .map(|(index, line)| (index, shared(line)))
        .reduce(|best, next| if next.1 > best.1 { next } else { best })?;
    (score > 0 && score * 2 >= words.len()).then_some(index)
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-')).filter(|word| word.len() > 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONSOLE: &str = "[ 1.0] one\r\n[ 1.1] two\r\n[ 1.2] BUG: KASAN: slab-use-after-free in memfd_fcntl+0x12/0x80\r\n\
                           [ 1.3] Read of size 8\r\n[ 1.4] Call Trace:\r\n[ 1.5]  dump_stack_lvl\r\n";

    fn texts(excerpt: &Excerpt) -> Vec<(&str, bool)> {
        excerpt.lines.iter().map(|line| (&line.text[7..], line.splat)).collect()
    }

    #[test]
    fn the_splat_is_found_and_has_context_on_both_sides() {
        let found = excerpt(CONSOLE, Some("KASAN: slab-use-after-free Read in memfd_fcntl"), 4);
        let expected = [
            ("two", false),
            ("BUG: KASAN: slab-use-after-free in memfd_fcntl+0x12/0x80", true),
            ("Read of size 8", false),
            ("Call Trace:", false),
        ];
        assert_eq!(texts(&found), expected);
        assert_eq!((found.before, found.after), (1, 1));
    }

    #[test]
    fn without_a_splat_the_end_tells_most() {
        assert_eq!(texts(&excerpt(CONSOLE, None, 2))[0].0, "Call Trace:");
        assert_eq!(excerpt(CONSOLE, Some("WARNING in elsewhere"), 2).before, 4);
        assert_eq!(excerpt("", Some("x"), 3).lines, []);
    }
}
