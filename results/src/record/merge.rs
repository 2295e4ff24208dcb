//! Several runs as one: the selftests, the figures and the findings of an evening on one page.

use super::{KernelRecord, RunEnd, RunRecord};
use crate::{Event, TestResult};
use std::collections::HashMap;

/// Runs that do not fit together: a name means one kernel here and another there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kernel} is not the same kernel in run {one} and in run {other}")]
pub struct Unlike {
    pub kernel: String,
    pub one: String,
    pub other: String,
}

impl RunRecord {
    /// All these runs as one, None of none. A case that several of them ran was repeated: the worst is told, with
    /// its rate. Of figures and findings the last word counts. Each result is still named after its own run.
    ///
    /// # Errors
    /// [`Unlike`].
    pub fn merged(records: Vec<RunRecord>) -> Result<Option<RunRecord>, Unlike> {
        let mut records = records.into_iter();
        let Some(mut whole) = records.next() else { return Ok(None) };
        for record in records {
            whole.check_kernels(&record)?;
            whole.take(record);
        }
        Ok(Some(whole))
    }

    fn check_kernels(&self, other: &RunRecord) -> Result<(), Unlike> {
        let image = |kernel: &KernelRecord| Some(kernel.info.as_ref()?.image_digest.clone());
        let unlike = self.kernels.iter().find(|kernel| {
            let theirs = other.kernel(&kernel.name).and_then(image);
            theirs.zip(image(kernel)).is_some_and(|(theirs, ours)| theirs != ours)
        });
        match unlike {
            None => Ok(()),
            Some(kernel) => Err(Unlike {
                kernel: kernel.name.clone(),
                one: self.info.id.clone(),
                other: other.info.id.clone(),
            }),
        }
    }

    fn take(&mut self, other: RunRecord) {
        for result in &other.results {
            self.take_result(result, &other.info.id);
        }
        for kernel in other.kernels {
            self.take_kernel(kernel);
        }
        other.workloads.into_iter().for_each(|one| self.apply(&Event::WorkloadFinished(one)));
        other.findings.into_iter().for_each(|one| self.apply(&Event::Found(one)));
        self.notes.extend(other.notes);
        self.end = both_ended(self.end.take(), other.end);
        self.take_info(other.info);
    }

    fn take_result(&mut self, result: &TestResult, run: &str) {
        let key = (result.kernel.clone(), result.case.clone());
        let earlier =
            self.results.iter().position(|one| one.kernel == result.kernel && one.case == result.case);
        let Some(index) = earlier else {
            self.origins.insert(key, run.to_owned());
            return self.apply(&Event::CaseFinished(result.clone()));
        };
        let earlier = numbered(self.results[index].clone(), 0);
        let next = earlier.repetitions.last().map_or(0, |last| last.number);
        let joined = numbered(result.clone(), next).after(&earlier);
        // Which of the two is told decides what a replay replays.
        if joined.reason == result.reason
            && joined.verdict == result.verdict
            && earlier.verdict != result.verdict
        {
            self.origins.insert(key, run.to_owned());
        }
        self.results[index] = joined;
    }

    fn take_kernel(&mut self, theirs: KernelRecord) {
        let Some(ours) = self.kernels.iter_mut().find(|kernel| kernel.name == theirs.name) else {
            return self.kernels.push(theirs);
        };
        ours.info = ours.info.take().or(theirs.info);
        ours.failure = ours.failure.take().or(theirs.failure);
        for (names, more) in [(&mut ours.planned, theirs.planned), (&mut ours.begun, theirs.begun)] {
            names.extend(more);
            names.sort();
            names.dedup();
        }
    }

    fn take_info(&mut self, other: crate::RunInfo) {
        let ours = &mut self.info;
        ours.started = std::cmp::min(ours.started.clone(), other.started);
        ours.command.push(";".to_owned());
        ours.command.extend(other.command);
        for (text, more) in
            [(&mut ours.id, other.id), (&mut ours.verb, other.verb), (&mut ours.host, other.host)]
        {
            if !text.split(", ").any(|part| part == more) {
                *text = format!("{text}, {more}");
            }
        }
        if ours.config_digest != other.config_digest {
            ours.config_digest = format!("{}, {}", ours.config_digest, other.config_digest);
        }
        ours.gauntlet_version = other.gauntlet_version;
    }
}

/// The result as repetitions, numbered on from what there is.
fn numbered(mut result: TestResult, before: u32) -> TestResult {
    if result.repetitions.is_empty() {
        return result.repeated(before + 1);
    }
    result.repetitions.iter_mut().for_each(|one| one.number = one.number.saturating_add(before));
    result
}

/// None when one of them has not ended.
fn both_ended(one: Option<RunEnd>, other: Option<RunEnd>) -> Option<RunEnd> {
    let (one, other) = (one?, other?);
    Some(RunEnd { at: one.at.max(other.at), interrupted: one.interrupted || other.interrupted })
}

/// Run of each result by kernel and case, where it is not the record's own.
pub(super) type Origins = HashMap<(String, String), String>;

#[cfg(test)]
mod tests;
