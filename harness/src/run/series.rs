//! Which commit of a series broke what. Pure.

use crate::kernel::tree::range::Commit;
use gauntlet_results::{RunRecord, Verdict};
use std::collections::{BTreeMap, BTreeSet};

/// What one commit changed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Effect {
    pub commit: String,
    pub subject: String,
    /// Cases that failed first here, `build` and `boot` among them, with their verdict.
    pub broken: Vec<(String, Verdict)>,
    /// Cases that failed before and pass again.
    pub fixed: Vec<String>,
}

/// The effects of the series' commits, in their order; the base is what they are compared with. A case without an
/// answer at a commit (infrastructure, skipped, not run) is compared with the last answer before.
pub fn effects(series: &[Commit], record: &RunRecord) -> Vec<Effect> {
    let mut last: BTreeMap<String, bool> = BTreeMap::new();
    let mut effects = Vec::new();
    for (index, commit) in series.iter().enumerate() {
        let mut effect = Effect {
            commit: commit.name.clone(),
            subject: commit.subject.clone(),
            broken: Vec::new(),
            fixed: Vec::new(),
        };
        for (case, verdict) in answers(record, &commit.name) {
            let fails = verdict.is_failure();
            match last.insert(case.clone(), fails) {
                _ if index == 0 => {}
                Some(false) | None if fails => effect.broken.push((case, verdict)),
                Some(true) if !fails => effect.fixed.push(case),
                _ => {}
            }
        }
        if index > 0 {
            effects.push(effect);
        }
    }
    effects
}

/// Every case of a kernel that has an answer.
fn answers(record: &RunRecord, kernel: &str) -> BTreeMap<String, Verdict> {
    let results = record.results.iter().filter(|result| result.kernel == kernel);
    let mut answers: BTreeMap<String, Verdict> =
        results.map(|result| (result.case.clone(), result.verdict)).collect();
    if let Some(failure) = record.kernel(kernel).and_then(|kernel| kernel.failure.as_ref()) {
        answers.insert("build or boot".to_owned(), failure.verdict);
    } else if record.kernel(kernel).is_some() {
        answers.insert("build or boot".to_owned(), Verdict::Pass);
    }
    answers.retain(|_, verdict| !matches!(verdict, Verdict::Infra | Verdict::Skip));
    answers
}

/// For a person: a line per commit.
pub fn render(effects: &[Effect]) -> String {
    let mut text = String::from("commits, oldest first\n");
    for effect in effects {
        let broken: BTreeSet<String> =
            effect.broken.iter().map(|(case, verdict)| format!("{case} ({verdict})")).collect();
        let mut parts = Vec::new();
        parts.extend((!broken.is_empty()).then(|| format!("BREAKS {}", listed(broken))));
        parts.extend(
            (!effect.fixed.is_empty()).then(|| format!("fixes {}", listed(effect.fixed.iter().cloned()))),
        );
        let said = if parts.is_empty() { "changes nothing".to_owned() } else { parts.join("; ") };
        text += &format!("  {}  {}\n      {said}\n", effect.commit, effect.subject);
    }
    text
}

fn listed(names: impl IntoIterator<Item = String>) -> String {
    const SHOWN: usize = 6;
    let names: Vec<String> = names.into_iter().collect();
    let more = names.len().saturating_sub(SHOWN);
    let shown = names[..names.len().min(SHOWN)].join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gauntlet_results::record::{KernelFailure, KernelRecord};
    use gauntlet_results::{RunInfo, TestResult};

    fn commit(name: &str) -> Commit {
        let spec = format!("tree:.@{name}").parse().unwrap();
        Commit { name: name.into(), subject: format!("subject of {name}"), spec }
    }

    fn result(kernel: &str, verdict: Verdict) -> TestResult {
        TestResult::bare(kernel, "memfd/seal", verdict)
    }

    fn record(verdicts: &[(&str, Option<Verdict>)]) -> RunRecord {
        let kernels = verdicts.iter().map(|(name, verdict)| {
            let failure = verdict.is_none().then(|| KernelFailure {
                verdict: Verdict::Fail,
                reason: "does not build".into(),
                console: String::new(),
            });
            KernelRecord { failure, ..KernelRecord::new(*name) }
        });
        let results = verdicts.iter().filter_map(|(name, verdict)| Some(result(name, (*verdict)?)));
        let mut record = RunRecord::new(RunInfo::default());
        record.kernels = kernels.collect();
        record.results = results.collect();
        record
    }

    #[test]
    fn the_first_commit_that_fails_is_blamed_and_the_first_that_passes_praised() {
        let verdicts = [
            ("base", Some(Verdict::Pass)),
            ("a", Some(Verdict::Pass)),
            ("b", Some(Verdict::Infra)),
            ("c", Some(Verdict::Fail)),
            ("d", Some(Verdict::Crash)),
            ("e", Some(Verdict::Pass)),
        ];
        let series: Vec<Commit> = verdicts.iter().map(|(name, _)| commit(name)).collect();
        let effects = effects(&series, &record(&verdicts));
        let broke: Vec<&str> =
            effects.iter().filter(|one| !one.broken.is_empty()).map(|one| one.commit.as_str()).collect();
        assert_eq!((effects.len(), broke), (5, vec!["c"]));
        assert_eq!(effects[4].fixed, ["memfd/seal"]);
        assert!(render(&effects).contains("c  subject of c\n      BREAKS memfd/seal (FAIL)"));
    }

    #[test]
    fn what_fails_at_the_base_is_nobodys_fault_and_a_broken_build_is() {
        let verdicts = [("base", Some(Verdict::Fail)), ("a", Some(Verdict::Fail)), ("b", None)];
        let series: Vec<Commit> = verdicts.iter().map(|(name, _)| commit(name)).collect();
        let effects = effects(&series, &record(&verdicts));
        assert!(effects[0].broken.is_empty());
        assert_eq!(effects[1].broken, [("build or boot".to_owned(), Verdict::Fail)]);
    }
}
