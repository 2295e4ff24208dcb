//! One line of KTAP, and all that is printed as if it were one (Documentation/dev-tools/ktap.rst).

use gauntlet_results::Verdict;

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line<'a> {
    Version,
    /// `1..N`, with the reason when all is skipped: `1..0 # SKIP reason`.
    Plan {
        count: usize,
        skip: Option<&'a str>,
    },
    Result(Outcome<'a>),
    BailOut(&'a str),
    /// The name of the test that begins: `#  RUN           global.name ...`
    Begins(&'a str),
    /// `# text`, which may tell why the next result is as it is.
    Remark(&'a str),
    /// Anything else: allowed everywhere, changes nothing.
    Other,
}

/// `ok 3 name # SKIP reason`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome<'a> {
    pub number: u64,
    /// Empty when the directive stands where the name should be.
    pub name: &'a str,
    pub verdict: Verdict,
    pub reason: &'a str,
}

/// Words after `#` that change what ok and not ok mean, and to what.
const DIRECTIVES: &[(&str, Option<Verdict>)] = &[
    ("SKIP", Some(Verdict::Skip)),
    ("XFAIL", Some(Verdict::Xfail)),
    ("TIMEOUT", Some(Verdict::Timeout)),
    ("ERROR", Some(Verdict::Error)),
    // A pass that nobody expected; and what the specification does not recognise.
    ("XPASS", None),
    ("TODO", None),
];

/// Reads a line without its nesting.
pub fn read(line: &str) -> Line<'_> {
    let line = line.trim_end();
    if ["KTAP version ", "TAP version "].iter().any(|start| line.starts_with(start)) {
        return Line::Version;
    }
    if let Some(reason) = line.strip_prefix("Bail out!") {
        return Line::BailOut(reason.trim());
    }
    if let Some(rest) = line.strip_prefix("#  RUN ") {
        return Line::Begins(rest.trim().trim_end_matches("...").trim_end());
    }
    plan(line).or_else(|| result(line)).or_else(|| remark(line)).unwrap_or(Line::Other)
}

/// Deeper lines are the frame of kselftest_harness.h: `#          FAIL  global.name`.
fn remark(line: &str) -> Option<Line<'_>> {
    let text = line.strip_prefix("# ").filter(|text| !text.starts_with([' ', '\t']) && !text.is_empty())?;
    Some(Line::Remark(text))
}

fn plan(line: &str) -> Option<Line<'_>> {
    let rest = line.strip_prefix("1..")?;
    let (count, rest) = digits(rest)?;
    let skip =
        directive(rest).filter(|(verdict, _)| *verdict == Some(Verdict::Skip)).map(|(_, reason)| reason);
    (rest.trim().is_empty() || rest.trim_start().starts_with('#')).then_some(Line::Plan { count, skip })
}

fn result(line: &str) -> Option<Line<'_>> {
    let (good, rest) = match line.strip_prefix("not ok ") {
        Some(rest) => (false, rest),
        None => (true, line.strip_prefix("ok ")?),
    };
    let (number, rest) = digits(rest.trim_start())?;
    if !rest.is_empty() && !rest.starts_with([' ', '\t', ':', '#']) {
        return None;
    }
    let rest = rest.trim_start().trim_start_matches([':', '-']).trim_start();
    let plain = if good { Verdict::Pass } else { Verdict::Fail };
    let (name, verdict, reason) = split(rest, plain);
    Some(Line::Result(Outcome { number: number as u64, name, verdict, reason }))
}

/// Name, verdict and reason. A `#` begins a directive when a known word follows it, and data of the harness's when it
/// stands alone between spaces; in `bug #123` it is part of the name.
fn split(text: &str, plain: Verdict) -> (&str, Verdict, &str) {
    let marks = text.match_indices('#').map(|(at, _)| at);
    let mut marks = marks.filter(|at| *at == 0 || text[..*at].ends_with([' ', '\t']));
    if let Some((at, (verdict, reason))) = marks.clone().find_map(|at| Some((at, directive(&text[at..])?))) {
        return (text[..at].trim(), verdict.unwrap_or(plain), reason);
    }
    match marks.find(|at| text[at + 1..].starts_with([' ', '\t'])) {
        Some(at) => (text[..at].trim(), plain, text[at + 1..].trim()),
        None => (text.trim(), plain, ""),
    }
}

/// `# SKIP reason`, in any case of letters.
fn directive(text: &str) -> Option<(Option<Verdict>, &str)> {
    let text = text.trim_start().strip_prefix('#')?.trim_start();
    let end = text.find(|letter: char| !letter.is_ascii_alphabetic()).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    let known = DIRECTIVES.iter().find(|(known, _)| known.eq_ignore_ascii_case(word))?;
    Some((known.1, rest.trim_start_matches(':').trim()))
}

fn digits(text: &str) -> Option<(usize, &str)> {
    let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    // More digits than any count has are no number of a test.
    (1..=9).contains(&end).then(|| Some((text[..end].parse().ok()?, &text[end..])))?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(line: &str) -> (u64, &str, Verdict, &str) {
        match read(line) {
            Line::Result(one) => (one.number, one.name, one.verdict, one.reason),
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn the_forms_of_a_result() {
        assert_eq!(outcome("ok 1 name"), (1, "name", Verdict::Pass, ""));
        assert_eq!(outcome("not ok 12 - name"), (12, "name", Verdict::Fail, ""));
        assert_eq!(outcome("ok 1"), (1, "", Verdict::Pass, ""));
        assert_eq!(outcome("ok 5 x # rcode=0"), (5, "x", Verdict::Pass, "rcode=0"));
        assert_eq!(outcome("ok 1 x #  diag"), (1, "x", Verdict::Pass, "diag"));
        assert_eq!(outcome("ok 3 foo #SKIP"), (3, "foo", Verdict::Skip, ""));
        assert_eq!(outcome("ok 3 foo # skip no TLS"), (3, "foo", Verdict::Skip, "no TLS"));
        assert_eq!(outcome("not ok 4 a.b # SKIP no"), (4, "a.b", Verdict::Skip, "no"));
        assert_eq!(outcome("not ok 2 bug #123 regress"), (2, "bug #123 regress", Verdict::Fail, ""));
        assert_eq!(outcome("not ok 2 foo#bar"), (2, "foo#bar", Verdict::Fail, ""));
        assert_eq!(outcome("not ok 7 x # TIMEOUT 45 seconds"), (7, "x", Verdict::Timeout, "45 seconds"));
    }

    #[test]
    fn a_directive_may_stand_where_the_name_should_be() {
        assert_eq!(outcome("ok 3 # SKIP reason"), (3, "", Verdict::Skip, "reason"));
        assert_eq!(outcome("ok 4 # XFAIL name"), (4, "", Verdict::Xfail, "name"));
        assert_eq!(outcome("ok 5 # XPASS name"), (5, "", Verdict::Pass, "name"));
        assert_eq!(outcome("not ok 6 # error name"), (6, "", Verdict::Error, "name"));
    }

    #[test]
    fn what_only_looks_like_a_result_is_none() {
        for line in
            ["book 3 pages", "Took 5 s", "ok then", "ok", "not ok x", "ok 3pages", "ok 1234567890123 x"]
        {
            assert_eq!(read(line), Line::Other, "{line}");
        }
    }

    #[test]
    fn plans_versions_and_the_end() {
        assert_eq!(read("1..0 # SKIP no root"), Line::Plan { count: 0, skip: Some("no root") });
        assert_eq!(read("1..12"), Line::Plan { count: 12, skip: None });
        assert_eq!(read("1..x"), Line::Other);
        assert_eq!(read("TAP version 13"), Line::Version);
        assert_eq!(read("Bail out! no memory"), Line::BailOut("no memory"));
        assert_eq!(read("# a.c:7:t:Expected 1 == 2"), Line::Remark("a.c:7:t:Expected 1 == 2"));
        assert_eq!(read("#          FAIL  t"), Line::Other);
        assert_eq!(read("#  RUN           global.mode_strict ..."), Line::Begins("global.mode_strict"));
    }
}
