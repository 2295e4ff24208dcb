//! One printk record: what stands before its text, and the text.

/// A record of the log. Several may share one line of the console when a newline was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// Has a timestamp: the kernel wrote it (or somebody through `/dev/kmsg`).
    pub stamped: bool,
    /// Who printed it: `T12` or `C1`, with `CONFIG_PRINTK_CALLER`.
    pub caller: Option<&'a str>,
    pub body: &'a str,
}

/// The records of one console line.
pub(super) fn records(line: &str) -> impl Iterator<Item = Line<'_>> {
    let mut starts: Vec<(usize, usize)> = stamps(line).collect();
    // What stands before the first stamp: log level, syslog prefix, or somebody's unfinished line.
    if starts.first().is_none_or(|(start, _)| *start > 0 && !is_prefix(&line[..*start])) {
        starts.insert(0, (0, 0));
    }
    let ends: Vec<usize> = starts.iter().skip(1).map(|(start, _)| *start).chain([line.len()]).collect();
    starts.into_iter().zip(ends).map(move |((start, text), end)| record(text > start, &line[text..end]))
}

fn record(stamped: bool, text: &str) -> Line<'_> {
    let text = if stamped { text } else { without_level(text) };
    let (caller, body) = match caller(text) {
        Some((caller, body)) if stamped => (Some(caller), body),
        _ => (None, text),
    };
    Line { stamped, caller, body: body.trim() }
}

/// Where each `[    1.234567]` starts and ends.
fn stamps(line: &str) -> impl Iterator<Item = (usize, usize)> {
    line.match_indices('[').filter_map(|(start, _)| {
        // Long enough for centuries of uptime; the bound keeps hostile lines linear.
        let inside = &line[start + 1..];
        let close = inside.bytes().take(24).position(|byte| byte == b']')?;
        let (seconds, fraction) = inside[..close].split_once('.')?;
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        (digits(seconds.trim_start()) && digits(fraction) && fraction.len() == 6)
            .then_some((start, start + 1 + close + 1))
    })
}

/// `[    T1] ` or `[   C0]`.
fn caller(text: &str) -> Option<(&str, &str)> {
    let (inside, rest) = text.trim_start().strip_prefix('[')?.split_once(']')?;
    let inside = inside.trim_start();
    let number = inside.strip_prefix(['T', 'C'])?;
    (!number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())).then_some((inside, rest))
}

/// `<4>`, as `dmesg --raw` and some consoles show it.
fn without_level(text: &str) -> &str {
    text.strip_prefix('<')
        .and_then(|rest| rest.split_once('>'))
        .filter(|(level, _)| !level.is_empty() && level.bytes().all(|byte| byte.is_ascii_digit()))
        .map_or(text, |(_, rest)| rest)
}

fn is_prefix(text: &str) -> bool {
    without_level(text).is_empty() || text.ends_with("kernel: ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bodies(line: &str) -> Vec<(bool, Option<&str>, &str)> {
        records(line).map(|one| (one.stamped, one.caller, one.body)).collect()
    }

    #[test]
    fn prefixes_are_taken_off() {
        assert_eq!(bodies("[    1.234567] text"), [(true, None, "text")]);
        assert_eq!(bodies("[   12.000001][   T12] text"), [(true, Some("T12"), "text")]);
        assert_eq!(bodies("<4>[  1.000000][ C1]  text "), [(true, Some("C1"), "text")]);
        assert_eq!(bodies("Nov 23 12:00:00 box kernel: [ 1.000000] text"), [(true, None, "text")]);
        assert_eq!(bodies("<6>text"), [(false, None, "text")]);
        assert_eq!(bodies("text [1.5]"), [(false, None, "text [1.5]")]);
        assert_eq!(bodies(""), [(false, None, "")]);
    }

    #[test]
    fn a_lost_newline_does_not_hide_a_record() {
        let torn = "hello wor[    2.000000] BUG: a[    2.000001] next";
        assert_eq!(bodies(torn), [(false, None, "hello wor"), (true, None, "BUG: a"), (true, None, "next")]);
    }
}
