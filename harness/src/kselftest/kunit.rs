//! KUnit: tests built into the kernel, which ran while it booted. They report on the console, between other messages.

use super::ktap;
use gauntlet_results::Verdict;

/// One verdict per case, named `kunit/SUITE/CASE`; `None` when no test of the kernel's reported anything.
pub fn results(console: &str) -> Option<Vec<(String, Verdict, String)>> {
    let text: String = console.lines().map(|line| format!("{}\n", without_stamp(line))).collect();
    // KUnit's report begins with a version and is the only KTAP on a console.
    let start = text
        .lines()
        .position(|line| line.starts_with("KTAP version ") || line.starts_with("TAP version "))?;
    let report: String = text.lines().skip(start).map(|line| format!("{line}\n")).collect();
    let tests = ktap::parse(&report).tests;
    let named = |test: ktap::Test| (format!("kunit/{}", test.name), test.verdict, test.reason);
    (!tests.is_empty()).then(|| tests.into_iter().map(named).collect())
}

/// A line without what printk puts before it: `<6>`, `[    0.123456]`, `[    T1]`, each at most once, and one space.
fn without_stamp(line: &str) -> &str {
    let level = line.strip_prefix('<').and_then(|rest| rest.split_once('>'));
    let mut rest = match level {
        Some((digits, rest)) if digits.bytes().all(|byte| byte.is_ascii_digit()) => rest,
        _ => line,
    };
    for is_stamp in [is_time, is_caller] {
        let inner = rest.trim_start_matches(' ').strip_prefix('[').and_then(|rest| rest.split_once(']'));
        if let Some((_, after)) = inner.filter(|(stamp, _)| is_stamp(stamp.trim())) {
            rest = after;
        }
    }
    if rest.len() == line.len() { line } else { rest.strip_prefix(' ').unwrap_or(rest) }
}

fn is_time(stamp: &str) -> bool {
    let (seconds, fraction) = stamp.split_once('.').unwrap_or(("", ""));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits(seconds) && digits(fraction)
}

/// A task or a CPU (CONFIG_PRINTK_CALLER).
fn is_caller(stamp: &str) -> bool {
    stamp
        .strip_prefix(['T', 'C'])
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_found_between_other_messages() {
        let console = "[    0.100000] Linux version 6.1\n[    0.200000] KTAP version 1\n[    0.200001] 1..2\n\
            [    0.200002]     # Subtest: lists\n[    0.200003]     1..2\n[    0.200004]     ok 1 init\n\
            [    0.200005] random: crng init done\n[    0.200006][    T1]     not ok 2 add\n\
            [    0.200007] # lists: pass:1 fail:1 skip:0 total:2\n[    0.200008] not ok 1 lists\n\
            [    0.200009]     # Subtest: bits\n[    0.200010]     1..1\n<6>[    0.3]     ok 1 mask # SKIP no\n\
            [    0.200011] ok 2 bits\n[    1.000000] Run /init as init process\n";
        assert_eq!(
            results(console).unwrap(),
            [
                ("kunit/lists/init".to_owned(), Verdict::Pass, String::new()),
                ("kunit/lists/add".to_owned(), Verdict::Fail, String::new()),
                ("kunit/bits/mask".to_owned(), Verdict::Skip, "no".to_owned()),
            ]
        );
    }

    #[test]
    fn a_suite_that_stopped_half_way_is_no_pass() {
        let console = "[    0.2] KTAP version 1\n[    0.2] 1..1\n[    0.2]     1..3\n[    0.2]     ok 1 a\n";
        let failed = results(console).unwrap().iter().filter(|(_, verdict, _)| verdict.is_failure()).count();
        assert!(failed >= 2, "two cases and their suite are missing");
    }

    #[test]
    fn an_ordinary_boot_has_none() {
        assert_eq!(results("[    0.1] ok 1 nothing\n[    0.2] hello\n"), None);
    }

    #[test]
    fn stamps_are_cut_by_their_form_not_their_width() {
        assert_eq!(without_stamp("[12345.678901]     ok 1 a"), "    ok 1 a");
        assert_eq!(without_stamp("[    1.5][  T123] ok"), "ok");
        assert_eq!(without_stamp("<4>[    1.5] ok"), "ok");
        assert_eq!(without_stamp("[drm] ok"), "[drm] ok");
        assert_eq!(without_stamp("  two"), "  two");
    }
}
