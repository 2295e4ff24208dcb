//! The terminal report: failures first, and calm.

mod failure;
mod table;

use super::perf::{PerfTable, function_change, percent};
use super::summary::{self, Counts, Entry, Matrix};
use super::text::{clip, count, duration, line, thousands, wrap};
use super::{Options, Style};
use crate::{RunRecord, Verdict};
use table::{Cell, Table};

pub(super) fn render(record: &RunRecord, options: &Options) -> String {
    sections(record, options, |page| [vec![page.head()], page.story(), vec![page.totals()]].concat())
}

/// The conclusion first: a terminal shows the end of a text, a mail its beginning.
pub(super) fn by_importance(record: &RunRecord, options: &Options) -> String {
    sections(record, options, |page| [vec![page.totals()], page.story(), vec![page.head()]].concat())
}

fn sections(record: &RunRecord, options: &Options, of: impl Fn(&Page) -> Vec<String>) -> String {
    let missing = record.missing();
    let entries = summary::entries(record, &missing);
    let mut sections = of(&Page { record, entries: &entries, options });
    sections.retain(|section| !section.is_empty());
    sections.join("\n")
}

/// What all sections need.
struct Page<'a> {
    record: &'a RunRecord,
    entries: &'a [Entry<'a>],
    options: &'a Options,
}

impl Page<'_> {
    fn style(&self) -> Style {
        self.options.style
    }

    /// Failures first, then the tables.
    fn story(&self) -> Vec<String> {
        vec![
            self.down(),
            self.failures(),
            self.findings(),
            self.trouble(),
            self.figures(),
            self.matrix(),
            self.skips(),
        ]
    }

    fn head(&self) -> String {
        let info = &self.record.info;
        let mut facts = vec![summary::started(self.record), line(&info.host)];
        facts.extend(summary::elapsed(self.record).map(duration));
        let title = format!("gauntlet {}", line(&info.verb));
        let facts = facts.join(", ");
        format!("{}  {}  {}\n", self.style().bold(&title), line(&info.id), self.style().dim(&facts))
    }

    /// Kernels that never became ready.
    fn down(&self) -> String {
        let mut text = String::new();
        for kernel in &self.record.kernels {
            if let Some(failure) = &kernel.failure {
                text += &failure::kernel(self.options, &kernel.name, failure);
            }
        }
        text
    }

    fn failures(&self) -> String {
        let failures = summary::failures(self.record, self.entries, Verdict::is_failure);
        failure::section(self.options, self.record, &failures)
    }

    /// INFRA: reported apart, because no kernel is to blame.
    fn trouble(&self) -> String {
        let trouble = summary::failures(self.record, self.entries, |verdict| verdict == Verdict::Infra);
        if trouble.is_empty() {
            return String::new();
        }
        let title = self.style().bold("Infrastructure trouble, not held against a kernel");
        format!("{title}\n{}", failure::short(self.options, &trouble))
    }

    fn findings(&self) -> String {
        let mut text = String::new();
        for finding in &self.record.findings {
            let title =
                format!("{} {}", self.style().verdict(Verdict::Crash, "FOUND  "), line(&finding.title));
            let reproduced = format!("{} of {} replays crashed", finding.reproduced, finding.replays);
            text += &format!("{title}\n        {}, {reproduced}\n", line(&finding.kernel));
            text += &failure::quote(self.options, &finding.program, 12);
        }
        text
    }

    fn figures(&self) -> String {
        let Some(perf) = PerfTable::of(self.record) else { return String::new() };
        let mut table = Table::new("", perf.kernels.iter().map(|kernel| line(kernel)));
        for row in &perf.rows {
            let cells = row.cells.iter().map(|cell| match cell {
                None => Cell::dim("·"),
                Some(cell) => figure(cell),
            });
            let unit = if perf.unit().is_none() { format!(" ({})", line(row.unit)) } else { String::new() };
            let notes = row.cells.iter().zip(&perf.kernels).filter_map(|(cell, kernel)| {
                let changes = &cell.as_ref()?.functions;
                let listed: Vec<String> = changes.iter().map(function_change).collect();
                let place =
                    if perf.kernels.len() > 2 { format!("{}: ", line(kernel)) } else { String::new() };
                (!listed.is_empty()).then(|| format!("{place}{}", listed.join(", ")))
            });
            table.row(format!("{}{unit}", line(row.workload)), cells.collect(), notes.collect());
        }
        let unit = perf.unit().map_or("unit", |unit| unit).to_owned();
        let title = self.style().bold(&format!("Median {} per operation", line(&unit)));
        let base = perf.kernels.first().filter(|_| perf.kernels.len() > 1);
        let base = base.map(|kernel| format!(", against {}", line(kernel))).unwrap_or_default();
        format!("{title}{}\n{}", self.style().dim(&base), table.render(self.options))
    }

    fn matrix(&self) -> String {
        let matrix = Matrix::of(self.record, self.entries);
        if !summary::matrix_matters(self.entries) {
            return String::new();
        }
        let mut table = Table::new("", matrix.suites.iter().map(|suite| line(suite)));
        for (kernel, cells) in &matrix.rows {
            table.row(line(kernel), cells.iter().map(counts).collect(), Vec::new());
        }
        let used = Verdict::ALL.into_iter().filter(|verdict| {
            *verdict != Verdict::Pass
                && matrix.rows.iter().flat_map(|row| &row.1).any(|cell| cell.get(*verdict) > 0)
        });
        let legend: Vec<String> = used.map(|one| format!("{} {}", letter(one), summary::past(one))).collect();
        let mut text = format!("{}\n{}", self.style().bold("Passed"), table.render(self.options));
        for part in wrap(&legend.join(", "), self.room(2)).iter().filter(|part| !part.is_empty()) {
            text += &format!("  {}\n", self.style().dim(part));
        }
        text
    }

    fn skips(&self) -> String {
        let groups = summary::skip_groups(self.entries);
        if groups.is_empty() {
            return String::new();
        }
        let mut text = format!("{}\n", self.style().bold("Skipped, by cause"));
        for group in groups {
            let suites: Vec<String> =
                group.suites.iter().map(|(suite, cases)| format!("{} {cases}", line(suite))).collect();
            let kernels = match group.kernels.as_slice() {
                [kernel] => line(kernel),
                all if all.len() == self.record.kernels.len() => "all kernels".to_owned(),
                some => count(some.len(), "kernel"),
            };
            let reason =
                if group.reason.is_empty() { "no cause given".to_owned() } else { line(group.reason) };
            text += &format!("{:>5}  {}\n", thousands(group.count as u64), clip(&reason, self.room(7)));
            let place = format!("{kernels}: {}", suites.join(", "));
            for part in wrap(&place, self.room(7)) {
                text += &format!("       {}\n", self.style().dim(&part));
            }
        }
        text
    }

    fn totals(&self) -> String {
        let (verdict, _) = summary::outcome(self.record);
        let down = self.record.kernels.iter().filter(|kernel| kernel.failure.is_some()).count();
        let failures = summary::failures(self.record, self.entries, Verdict::is_failure).len();
        let sentence = summary::sentence(self.record, down + failures + self.record.findings.len());
        let totals = wrap(&summary::totals_line(self.record, self.entries), self.options.width);
        format!("{}\n{}\n", totals.join("\n"), self.style().verdict(verdict, &sentence))
    }

    fn room(&self, indent: usize) -> usize {
        self.options.width.saturating_sub(indent).max(20)
    }
}

fn figure(cell: &super::perf::PerfCell) -> Cell {
    let Some(median) = cell.median else { return Cell::of(cell.verdict, cell.verdict.as_str()) };
    match cell.ratio {
        None => Cell::plain(thousands(median)),
        Some(ratio) => Cell::plain(format!("{} {:>9}", thousands(median), percent(ratio))),
    }
}

/// `14`, `12 1F 3s`: passes first, all else by its letter.
fn counts(counts: &Counts) -> Cell {
    let Some(worst) = counts.worst() else { return Cell::dim("·") };
    let passed = counts.get(Verdict::Pass);
    let others = counts.each().filter(|(verdict, _)| *verdict != Verdict::Pass);
    let mut parts: Vec<String> =
        others.map(|(verdict, number)| format!("{number}{}", letter(verdict))).collect();
    if passed > 0 {
        parts.insert(0, passed.to_string());
    }
    Cell::of(worst, parts.join(" "))
}

/// Capitals are held against somebody.
fn letter(verdict: Verdict) -> char {
    match verdict {
        Verdict::Pass => 'p',
        Verdict::Xfail => 'x',
        Verdict::Skip => 's',
        Verdict::Infra => 'i',
        Verdict::Error => 'E',
        Verdict::Fail => 'F',
        Verdict::Timeout => 'T',
        Verdict::Crash => 'C',
    }
}
