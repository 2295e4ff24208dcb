//! KTAP and TAP, as kselftest's runner or a console shows it.
//! Source: Linux Documentation/dev-tools/ktap.rst.

use super::{Imported, Outcome};
use crate::kselftest::judge::{Judged, judge};
use crate::run::exec::ExecOutcome;
use gauntlet_results::Verdict;

/// The name of what is said of all tests together.
const WHOLE: &str = "all";

/// A version line, or a result.
pub(super) fn is(text: &str) -> bool {
    text.lines().map(str::trim_start).any(|line| {
        ["KTAP version", "TAP version", "ok ", "not ok "].iter().any(|start| line.starts_with(start))
    })
}

/// Nobody wrote down how the programs ended, so their tests alone decide.
pub(super) fn read(text: &str) -> Result<Imported, String> {
    let mut judged = judge(text, &ExecOutcome::Exited(0));
    let whole = judged.pop().expect("the whole comes last");
    // What came without a test tells something only if it says why: it gave up, or was skipped.
    if judged.is_empty() && whole.verdict == Verdict::Pass {
        return Ok(Imported::default());
    }
    let outcome = |one: Judged, name: String, output: &str| Outcome {
        test: name,
        verdict: one.verdict,
        reason: one.reason,
        output: output.to_owned(),
        duration_ms: 0,
    };
    let mut results: Vec<Outcome> = judged
        .into_iter()
        .map(|one| {
            let name = one.test.clone();
            outcome(one, name, "")
        })
        .collect();
    results.push(outcome(whole, WHOLE.to_owned(), text));
    Ok(Imported { results, ..Imported::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_is_what_its_tests_are_and_a_version_alone_is_nothing() {
        let read = |text: &str| -> Vec<(String, Verdict)> {
            read(text).unwrap().results.into_iter().map(|one| (one.test, one.verdict)).collect()
        };
        let (pass, fail, skip) = (Verdict::Pass, Verdict::Fail, Verdict::Skip);
        let named = |name: &str, verdict| (name.to_owned(), verdict);
        assert_eq!(
            read("1..2\nok 1 a\nnot ok 2 b\n"),
            [named("a", pass), named("b", fail), named("all", fail)]
        );
        assert_eq!(read("TAP version 13\n1..0 # SKIP no device\n"), [named("all", skip)]);
        assert_eq!(read("TAP version 13\nBail out! no memory\n"), [named("all", fail)]);
        assert_eq!(read("KTAP version 1\n"), []);
    }
}
