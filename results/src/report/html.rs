//! The HTML report: one file that needs nothing else, works from `file://`, without scripts, on paper and on a
//! telephone. The context is plain data, made harmless here and escaped by the template.

mod card;
mod figures;
mod tables;

use super::summary::{self, Counts, Matrix};
use super::text::{count, duration, line, thousands};
use crate::{RunRecord, Verdict};
use askama::Template;
use card::{Budget, Card};
use figures::Figures;
use tables::{CaseLine, KernelHead, MatrixRow, SkipLine, SuiteTable};

pub(super) fn render(record: &RunRecord) -> String {
    Page::of(record).render().expect("writing to memory does not fail")
}

/// Failures beyond these are folded: the tables below must stay in reach.
const IN_FULL: usize = 20;

/// How many notes are shown: the last ones.
const NOTES: usize = 50;

/// Everything the template shows.
#[derive(Debug, Template)]
#[template(path = "report.html")]
struct Page {
    title: String,
    outcome: Tally,
    sentence: String,
    facts: Vec<String>,
    /// One per run.
    commands: Vec<String>,
    run: String,
    version: String,
    config: String,
    totals: String,
    tallies: Vec<Tally>,
    failures: Vec<Card>,
    trouble: Vec<Card>,
    suites: Vec<String>,
    matrix: Vec<MatrixRow>,
    kernels: Vec<KernelHead>,
    legend: Vec<Tally>,
    differences: Vec<CaseLine>,
    cases: Vec<SuiteTable>,
    figures: Option<Figures>,
    skips: Vec<SkipLine>,
    notes: Vec<String>,
}

/// A number with the colour and the word of a verdict.
#[derive(Debug, PartialEq, Eq)]
struct Tally {
    class: &'static str,
    number: String,
    word: &'static str,
}

impl Page {
    fn of(record: &RunRecord) -> Page {
        let missing = record.missing();
        let entries = summary::entries(record, &missing);
        let matrix = Matrix::of(record, &entries);
        let rows = summary::case_rows(record, &entries);
        let (verdict, word) = summary::outcome(record);
        let counts = Counts::of(entries.iter().map(|entry| entry.verdict));
        let suites = matrix.suites.iter().map(|suite| line(suite)).collect();
        let mut budget = Budget::default();
        let failures = card::failures(record, &entries, &mut budget);
        let differences =
            rows.iter().filter(|row| row.differs(record)).map(|row| tables::case_line(row, &failures));
        Page {
            title: format!("gauntlet {}", line(&record.info.verb)),
            outcome: Tally { class: class(verdict), number: String::new(), word },
            sentence: summary::sentence(record, failures.len()),
            facts: facts(record),
            commands: commands(record),
            run: line(&record.info.id),
            version: line(&record.info.gauntlet_version),
            config: line(&record.info.config_digest),
            totals: summary::totals_line(record, &entries),
            tallies: tallies(&counts),
            trouble: card::trouble(record, &entries, &mut budget),
            suites: if summary::matrix_matters(&entries) { suites } else { Vec::new() },
            matrix: tables::matrix(&matrix, &entries),
            kernels: record.kernels.iter().map(tables::kernel_head).collect(),
            legend: legend(&counts),
            differences: differences.collect(),
            cases: tables::by_suite(&rows, &failures),
            figures: Figures::of(record),
            skips: summary::skip_groups(&entries).iter().map(tables::skip_line).collect(),
            notes: record.notes.iter().rev().take(NOTES).rev().map(|note| line(note)).collect(),
            failures,
        }
    }

    /// Names of many kernels stand upright, so that the table stays narrow.
    fn upright(&self) -> bool {
        self.kernels.len() > 4
    }
}

fn facts(record: &RunRecord) -> Vec<String> {
    let mut facts = vec![summary::started(record), line(&record.info.host)];
    facts.extend(summary::elapsed(record).map(duration));
    facts.push(count(record.kernels.len(), "kernel"));
    facts.retain(|fact| !fact.is_empty());
    facts
}

/// A merged run has the commands of all, parted as a shell would.
fn commands(record: &RunRecord) -> Vec<String> {
    let commands = record.info.command.split(|word| word == ";");
    commands.filter(|words| !words.is_empty()).map(|words| line(&words.join(" "))).collect()
}

fn tallies(counts: &Counts) -> Vec<Tally> {
    let tally = |(verdict, number): (Verdict, usize)| Tally {
        class: class(verdict),
        number: thousands(number as u64),
        word: summary::past(verdict),
    };
    counts.each().map(tally).collect()
}

/// What the signs mean; only of those that occur.
fn legend(counts: &Counts) -> Vec<Tally> {
    let sign = |(verdict, _)| Tally {
        class: class(verdict),
        number: mark(verdict).to_owned(),
        word: summary::past(verdict),
    };
    counts.each().map(sign).collect()
}

/// One letter, because a big run has thousands of cells.
fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "p",
        Verdict::Xfail => "x",
        Verdict::Skip => "s",
        Verdict::Infra => "i",
        Verdict::Error => "e",
        Verdict::Fail => "f",
        Verdict::Timeout => "t",
        Verdict::Crash => "c",
    }
}

/// Signs besides colours: not everybody sees these, and paper has none.
fn mark(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "✓",
        Verdict::Xfail => "x",
        Verdict::Skip => "–",
        Verdict::Infra => "i",
        Verdict::Error => "E",
        Verdict::Fail => "F",
        Verdict::Timeout => "T",
        Verdict::Crash => "C",
    }
}

#[cfg(test)]
mod tests;
