//! Known failures: a result that was expected is XFAIL instead of what it was.

use super::Glob;
use gauntlet_results::Verdict;
use serde::{Deserialize, Serialize};

/// One known failure. Every field is required: a failure excused without a reason is a failure hidden.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// Names of kernels, as in results.
    pub kernel: Glob,
    /// Full names of cases.
    pub case: Glob,
    pub verdict: Verdict,
    /// Why, for people; becomes the reason of the XFAIL.
    pub reason: String,
}

impl Expectation {
    /// Whether this result is the known failure: the same kernel, case and verdict, not just any failure.
    pub fn covers(&self, kernel: &str, case: &str, verdict: Verdict) -> bool {
        self.verdict == verdict && self.kernel.matches(kernel) && self.case.matches(case)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_failure_of_the_same_case_is_not_excused() {
        let known = Expectation {
            kernel: Glob::new("6.1.*"),
            case: Glob::new("memfd/seal"),
            verdict: Verdict::Fail,
            reason: "fixed in 6.3".to_owned(),
        };
        assert!(known.covers("6.1.0-56", "memfd/seal", Verdict::Fail));
        assert!(!known.covers("6.1.0-56", "memfd/seal", Verdict::Crash));
        assert!(!known.covers("6.12.0", "memfd/seal", Verdict::Fail));
    }
}
