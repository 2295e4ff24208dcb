//! KTAP, version 1: kernels contain suites contain cases.
//! Source: Documentation/dev-tools/ktap.rst; and what tools/testing/kunit/kunit_parser.py makes of it, which
//! tests/kunit.rs asks.

use super::summary::{self, Counts, Entry, KernelGroup};
use super::text::{line, lines};
use crate::{KernelFailure, Rate, RunRecord, Verdict};

pub(super) fn render(record: &RunRecord) -> String {
    let missing = record.missing();
    let entries = summary::entries(record, &missing);
    let groups = summary::by_kernel(record, &entries);
    let mut block = Block::new(0, groups.len());
    for note in &record.notes {
        block.diagnostic(note);
    }
    for group in &groups {
        block.kernel(group);
    }
    block.text
}

/// The lines of one level, from its version line on.
struct Block {
    indent: String,
    text: String,
    number: usize,
    verdicts: Counts,
}

impl Block {
    fn new(level: usize, plan: usize) -> Block {
        let indent = "  ".repeat(level);
        let text = format!("{indent}KTAP version 1\n{indent}1..{plan}\n");
        Block { indent, text, number: 0, verdicts: Counts::default() }
    }

    fn kernel(&mut self, group: &KernelGroup) {
        let plan = group.suites.len() + usize::from(group.kernel.failure.is_some());
        let mut suites = Block::new(1, plan);
        if let Some(failure) = &group.kernel.failure {
            suites.boot(failure);
        }
        for (suite, entries) in &group.suites {
            let mut cases = Block::new(2, entries.len());
            entries.iter().for_each(|entry| cases.case(entry));
            suites.parent(suite, cases);
        }
        match plan {
            // A block without tests is an error to the kernel's parser.
            0 => self.result(&group.kernel.name, Verdict::Skip, "nothing was to run"),
            _ => self.parent(&group.kernel.name, suites),
        }
    }

    fn boot(&mut self, failure: &KernelFailure) {
        self.diagnostic(&failure.reason);
        self.diagnostic(&failure.console);
        self.result("boot", failure.verdict, &failure.reason);
    }

    fn case(&mut self, entry: &Entry) {
        if let Some(result) = entry.result {
            if entry.verdict != Verdict::Pass {
                self.diagnostic(result.splat.as_deref().unwrap_or(""));
                self.diagnostic(result.flight.as_deref().unwrap_or(""));
            }
            self.diagnostic(&result.output);
        }
        if let Some(rate) = entry.result.and_then(Rate::of) {
            self.diagnostic(&rate.sentence());
        }
        if entry.verdict.is_failure() {
            self.diagnostic(&format!("{}: {}", entry.verdict, line(entry.reason)));
        }
        let name = entry.case.strip_prefix(entry.suite).and_then(|rest| rest.strip_prefix('/'));
        self.result(name.unwrap_or(entry.case), entry.verdict, entry.reason);
    }

    /// A level's own result line follows the level.
    fn parent(&mut self, name: &str, children: Block) {
        self.text += &children.text;
        self.result(name, parent_verdict(&children.verdicts), "");
    }

    fn result(&mut self, name: &str, verdict: Verdict, reason: &str) {
        self.number += 1;
        self.verdicts.add(verdict);
        let (status, directive) = status(verdict);
        let name = match description(name) {
            name if name.is_empty() => "unnamed".to_owned(),
            name => name,
        };
        let directive = format!("{directive} {}", description(reason));
        let directive =
            if directive.starts_with(' ') { String::new() } else { format!(" # {}", directive.trim()) };
        self.text += &format!("{}{status} {} {name}{directive}\n", self.indent, self.number);
    }

    fn diagnostic(&mut self, text: &str) {
        for line in lines(text.trim_end()) {
            self.text += &format!("{}# {}\n", self.indent, harmless(line));
        }
    }
}

/// INFRA is an ERROR here: KTAP knows no other word for a test that could not be executed.
fn status(verdict: Verdict) -> (&'static str, &'static str) {
    match verdict {
        Verdict::Pass => ("ok", ""),
        Verdict::Xfail => ("ok", "XFAIL"),
        Verdict::Skip => ("ok", "SKIP"),
        Verdict::Infra => ("not ok", "ERROR infrastructure:"),
        Verdict::Error => ("not ok", "ERROR"),
        Verdict::Fail | Verdict::Crash => ("not ok", ""),
        Verdict::Timeout => ("not ok", "TIMEOUT"),
    }
}

/// A parent fails with any child, and is skipped only when all of them are.
fn parent_verdict(children: &Counts) -> Verdict {
    match children.worst() {
        Some(worst) if status(worst).0 == "not ok" => Verdict::Fail,
        Some(_) if children.get(Verdict::Skip) == children.total() => Verdict::Skip,
        Some(_) => Verdict::Pass,
        None => Verdict::Skip,
    }
}

/// A `#` would begin a directive.
fn description(text: &str) -> String {
    harmless(line(text).replace('#', "_"))
}

/// Texts of guests that the kernel's parser takes for structure: the first begins a test, at the others, wherever
/// in a line, it stops reading (`TEST_HEADER` and `KTAP_END` of kunit_parser.py).
const STRUCTURE: &[(&str, &str)] = &[
    ("Subtest:", "Subtest :"),
    ("List of all partitions:", "List of all partitions :"),
    ("Kernel panic - not syncing: VFS:", "Kernel panic - not syncing: VFS :"),
    ("reboot: System halted", "reboot : System halted"),
];

fn harmless(line: String) -> String {
    STRUCTURE.iter().fold(line, |line, (from, to)| match line.contains(from) {
        true => line.replace(from, to),
        false => line,
    })
}
