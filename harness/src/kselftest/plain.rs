//! Results of programs that print no KTAP, line by line: `TEST: basic patching ... ok`, `CLOCK_REALTIME ... [OK]`.
//! Only what cannot be prose counts.

use gauntlet_results::Verdict;

/// How a line ends, and what that says. The longer of two that fit comes first.
const ENDINGS: &[(&str, Verdict)] = &[
    ("[UNSUPPORTED]", Verdict::Skip),
    ("[SKIPPED]", Verdict::Skip),
    ("[SKIP]", Verdict::Skip),
    ("[FAILED]", Verdict::Fail),
    ("[FAIL]", Verdict::Fail),
    ("[PASSED]", Verdict::Pass),
    ("[PASS]", Verdict::Pass),
    ("[XFAIL]", Verdict::Xfail),
    ("[OK]", Verdict::Pass),
    ("... not ok", Verdict::Fail),
    ("... skip", Verdict::Skip),
    ("... ok", Verdict::Pass),
];

/// Name and verdict of every such line.
pub fn parse(text: &str) -> Vec<(String, Verdict)> {
    text.lines().filter_map(line).collect()
}

fn line(line: &str) -> Option<(String, Verdict)> {
    let tidy = line.trim().replace("[ ", "[").replace(" ]", "]");
    // `... [FAIL] (child 62 exited with 126)`
    let tidy = match tidy.rsplit_once("] (") {
        Some((before, remark)) if remark.ends_with(')') => format!("{before}]"),
        _ => tidy,
    };
    let (ending, verdict) = ENDINGS.iter().find(|(ending, _)| tidy.ends_with(ending))?;
    let name = tidy.strip_suffix(ending)?.trim_end_matches(['.', ' ', '\t', ':', '-']);
    let name = name.strip_prefix("TEST: ").unwrap_or(name).trim();
    (!name.is_empty()).then(|| (name.chars().take(160).collect(), *verdict))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_that_tests_print() {
        let text = "TEST: basic patching ... ok\nTEST: revert ... not ok\nPosix timers\n\
            Check itimer virtual... [OK]\nCLOCK_TAI        ABSTIME MISSING CAP? : [UNSUPPORTED]\n  TEST: ping    [ FAIL ]\n\
            Check success of execveat(21, '', 4096)... [FAIL] (child 62 exited with 2)\n";
        assert_eq!(
            parse(text),
            [
                ("basic patching".to_owned(), Verdict::Pass),
                ("revert".to_owned(), Verdict::Fail),
                ("Check itimer virtual".to_owned(), Verdict::Pass),
                ("CLOCK_TAI        ABSTIME MISSING CAP?".to_owned(), Verdict::Skip),
                ("ping".to_owned(), Verdict::Fail),
                ("Check success of execveat(21, '', 4096)".to_owned(), Verdict::Fail),
            ]
        );
    }

    #[test]
    fn prose_is_none() {
        assert!(parse("everything is ok\n[OK]\nthat's [OK] then\n... ok\n").is_empty());
    }
}
