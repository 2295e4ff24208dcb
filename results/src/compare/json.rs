//! The comparison for programs.

use super::{Change, Comparison};
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Serialize)]
struct Document<'a> {
    format: &'static str,
    exit_code: u8,
    totals: BTreeMap<Change, usize>,
    #[serde(flatten)]
    comparison: &'a Comparison,
}

pub(super) fn render(comparison: &Comparison) -> String {
    let document = Document {
        format: "gauntlet-comparison/1",
        exit_code: comparison.exit_code(),
        totals: Change::ALL.map(|change| (change, comparison.count(change))).into(),
        comparison,
    };
    let mut text = serde_json::to_string_pretty(&document).expect("our types have no failing serializers");
    text.push('\n');
    text
}
