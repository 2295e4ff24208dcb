//! What was run and what came of it: the one thing a search remembers.

use super::candidates::Candidates;
use super::posterior::Posterior;
use super::search::Verdict;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt::Write;

/// What can be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Point {
    /// The good end: contains none of the candidates.
    Good,
    Candidate(usize),
}

/// What one run came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Pass,
    /// The failure that is searched for.
    Fail,
    /// Another failure, which hides whether this one would have come: no information.
    OtherFail,
    /// There is no kernel to ask: a neighbour is asked instead.
    BuildFail,
    BootFail,
    /// Our own trouble: no answer at all.
    Infra,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub point: Point,
    pub outcome: Outcome,
}

/// What is known in the form of `git bisect log`, to be fed to `git bisect replay`.
///
/// Git knows no doubt: every commit that was run is called bad or good by what is more likely.
pub fn git_bisect_log(
    candidates: &Candidates,
    good: &str,
    log: &[Record],
    posterior: &Posterior,
    verdict: Option<&Verdict>,
) -> String {
    let bad = &candidates.get(candidates.last()).id;
    let mut text = format!("git bisect start\n# bad: [{bad}]\ngit bisect bad {bad}\n");
    let _ = writeln!(text, "# good: [{good}]\ngit bisect good {good}");
    let mut told = BTreeSet::from([candidates.last()]);
    for record in log {
        let Point::Candidate(index) = record.point else { continue };
        let word = match record.outcome {
            Outcome::Pass | Outcome::Fail if posterior.is_bad(candidates, index) > 0.5 => "bad",
            Outcome::Pass | Outcome::Fail => "good",
            Outcome::BuildFail | Outcome::BootFail => "skip",
            Outcome::OtherFail | Outcome::Infra => continue,
        };
        if told.insert(index) {
            let candidate = candidates.get(index);
            let _ = writeln!(text, "# {word}: [{}] {}", candidate.id, candidate.subject);
            let _ = writeln!(text, "git bisect {word} {}", candidate.id);
        }
    }
    if let Some(Verdict::Culprit { commit, .. }) = verdict {
        let culprit = candidates.get(*commit);
        let _ = writeln!(text, "# first bad commit: [{}] {}", culprit.id, culprit.subject);
    }
    text
}
