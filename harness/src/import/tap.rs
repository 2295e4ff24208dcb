//! KTAP and TAP, as kselftest's runner or a console shows it.
//! Source: Linux Documentation/dev-tools/ktap.rst.

use super::{Imported, Outcome};
use crate::kselftest::ktap;
use gauntlet_results::Verdict;

/// A version line, or a result.
pub(super) fn is(text: &str) -> bool {
    text.lines().map(str::trim_start).any(|line| {
        ["KTAP version", "TAP version", "ok ", "not ok "].iter().any(|start| line.starts_with(start))
    })
}

pub(super) fn read(text: &str) -> Result<Imported, String> {
    let report = ktap::parse(text);
    let tests = report.tests.into_iter().map(|test| Outcome {
        verdict: test.verdict,
        reason: match test.verdict {
            Verdict::Pass => String::new(),
            _ if test.reason.is_empty() => "the test says no cause".to_owned(),
            _ => test.reason,
        },
        test: test.name,
        output: String::new(),
        duration_ms: 0,
    });
    let gave_up = report.bail_out.map(|why| Outcome {
        test: "the whole".to_owned(),
        verdict: Verdict::Fail,
        reason: format!("gave up: {why}"),
        output: String::new(),
        duration_ms: 0,
    });
    Ok(Imported { results: tests.chain(gave_up).collect(), ..Imported::default() })
}
