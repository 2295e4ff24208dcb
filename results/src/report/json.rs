//! JSON, for programs. The shape is stable: fields are added, never renamed or removed; `format` changes when
//! that has to be broken.
//!
//! | field | meaning |
//! |---|---|
//! | `format` | `gauntlet-run/1` |
//! | `exit_code` | as [`crate::exit_code`] |
//! | `outcome` | `good`, `failed`, `trouble`, `unfinished`, `interrupted` |
//! | `run` | [`crate::RunInfo`] |
//! | `end` | [`crate::RunEnd`], or null |
//! | `totals` | verdict → number of results, workloads and missing ones |
//! | `kernels` | [`crate::KernelRecord`]s |
//! | `results` | [`crate::TestResult`]s, each with its `id` for `gauntlet replay` |
//! | `missing` | [`crate::Missing`]s: planned, without a result |
//! | `workloads` | [`crate::WorkloadResult`]s, each with its `median` (null unless it passed) |
//! | `findings` | [`crate::Finding`]s |
//! | `notes` | strings |

use super::summary::{self, Counts};
use crate::{
    Finding, KernelRecord, Missing, RunEnd, RunInfo, RunRecord, TestResult, WorkloadResult, figures,
};
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Serialize)]
struct Document<'a> {
    format: &'static str,
    exit_code: u8,
    outcome: &'static str,
    run: &'a RunInfo,
    end: &'a Option<RunEnd>,
    totals: BTreeMap<&'static str, usize>,
    kernels: &'a [KernelRecord],
    results: Vec<Named<'a>>,
    missing: &'a [Missing],
    workloads: Vec<Measured<'a>>,
    findings: &'a [Finding],
    notes: &'a [String],
}

#[derive(Serialize)]
struct Named<'a> {
    id: String,
    #[serde(flatten)]
    result: &'a TestResult,
}

#[derive(Serialize)]
struct Measured<'a> {
    median: Option<u64>,
    #[serde(flatten)]
    result: &'a WorkloadResult,
}

pub(super) fn render(record: &RunRecord) -> String {
    let missing = record.missing();
    let entries = summary::entries(record, &missing);
    let counts = Counts::of(entries.iter().map(|entry| entry.verdict));
    let (_, outcome) = summary::outcome(record);
    let document = Document {
        format: "gauntlet-run/1",
        exit_code: super::exit_code(record),
        outcome,
        run: &record.info,
        end: &record.end,
        totals: counts.each().map(|(verdict, count)| (verdict.as_str(), count)).collect(),
        kernels: &record.kernels,
        results: record
            .results
            .iter()
            .map(|result| Named { id: record.result_id(&result.kernel, &result.case), result })
            .collect(),
        missing: &missing,
        workloads: (record.workloads.iter())
            .map(|result| Measured { median: figures::figure(result), result })
            .collect(),
        findings: &record.findings,
        notes: &record.notes,
    };
    let mut text = serde_json::to_string_pretty(&document).expect("our types have no failing serializers");
    text.push('\n');
    text
}
