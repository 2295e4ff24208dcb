//! A failure, told in full.

use super::super::excerpt::{Excerpt, excerpt};
use super::super::summary::{self, Entry, Failure};
use super::super::text::{count, duration, line, lines};
use super::class;
use crate::{Finding, KernelFailure, Repetition, RunRecord, TestResult, Verdict};
use std::time::Duration;

#[derive(Debug)]
pub(super) struct Card {
    pub class: &'static str,
    pub verdict: &'static str,
    pub title: String,
    pub kernels: Vec<String>,
    pub splat: String,
    pub reason: String,
    pub flight: String,
    /// How often it happened, where the case was repeated.
    pub rates: Vec<String>,
    /// Each repetition, the first kernel's.
    pub repetitions: Vec<Chip>,
    /// How long it took.
    pub time: String,
    /// What the case came to on other kernels.
    pub elsewhere: Vec<Chip>,
    /// Names of missing cases.
    pub cases: Vec<String>,
    pub texts: Vec<Text>,
    pub replay: String,
    /// The element's identifier.
    pub anchor: String,
    /// The case, for links from the tables; empty for what is not a case.
    pub key: String,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Chip {
    pub class: &'static str,
    pub text: String,
}

/// Something the guest wrote.
#[derive(Debug)]
pub(super) struct Text {
    pub title: &'static str,
    pub before: String,
    pub excerpt: Excerpt,
    pub after: String,
    /// Shown at once.
    pub open: bool,
}

/// How many repetitions are drawn.
const STRIP: usize = 120;

/// How much console text the file may hold; reports of thousands of failures must still open.
pub(super) struct Budget {
    bytes: usize,
    /// How many cards are shown with their texts open.
    open: usize,
}

impl Default for Budget {
    fn default() -> Budget {
        Budget { bytes: 600_000, open: 3 }
    }
}

impl Budget {
    /// None when nothing is left, or there is nothing to show.
    fn text(&mut self, title: &'static str, text: &str, splat: Option<&str>, height: usize) -> Option<Text> {
        let excerpt = excerpt(text.trim_end(), splat, height);
        let size: usize = excerpt.lines.iter().map(|line| line.text.len() + 1).sum();
        if excerpt.lines.is_empty() || size > self.bytes {
            return None;
        }
        self.bytes -= size;
        let more = |number, side| {
            if number > 0 { format!("{} {side}", count(number, "line")) } else { String::new() }
        };
        let (before, after) = (more(excerpt.before, "before"), more(excerpt.after, "after"));
        Some(Text { title, before, excerpt, after, open: false })
    }
}

impl Card {
    fn new(verdict: Verdict, title: String, kernels: Vec<String>, reason: String) -> Card {
        Card {
            class: class(verdict),
            verdict: verdict.as_str(),
            title,
            kernels,
            splat: String::new(),
            reason,
            flight: String::new(),
            rates: Vec::new(),
            repetitions: Vec::new(),
            time: String::new(),
            elsewhere: Vec::new(),
            cases: Vec::new(),
            texts: Vec::new(),
            replay: String::new(),
            anchor: String::new(),
            key: String::new(),
        }
    }

    fn opened(mut self, budget: &mut Budget) -> Card {
        if !self.texts.is_empty() && budget.open > 0 {
            budget.open -= 1;
            self.texts.iter_mut().for_each(|text| text.open = true);
        }
        self
    }
}

/// Kernels that did not come up, then failures, then findings.
pub(super) fn failures(record: &RunRecord, entries: &[Entry], budget: &mut Budget) -> Vec<Card> {
    let mut cards = Vec::new();
    for kernel in &record.kernels {
        cards.extend(kernel.failure.as_ref().map(|failure| down(&kernel.name, failure, budget)));
    }
    let failures = summary::failures(record, entries, Verdict::is_failure);
    cards.extend(failures.iter().map(|failure| card(record, failure, budget)));
    cards.extend(record.findings.iter().map(|finding| found(finding, budget)));
    anchored(cards, "f")
}

fn anchored(mut cards: Vec<Card>, prefix: &str) -> Vec<Card> {
    for (index, card) in cards.iter_mut().enumerate() {
        card.anchor = format!("{prefix}{}", index + 1);
    }
    cards
}

pub(super) fn trouble(record: &RunRecord, entries: &[Entry], budget: &mut Budget) -> Vec<Card> {
    let trouble = summary::failures(record, entries, |verdict| verdict == Verdict::Infra);
    anchored(trouble.iter().map(|failure| card(record, failure, budget)).collect(), "i")
}

fn down(kernel: &str, failure: &KernelFailure, budget: &mut Budget) -> Card {
    let kernels = vec![line(kernel)];
    let mut card =
        Card::new(failure.verdict, "The kernel did not come up".to_owned(), kernels, line(&failure.reason));
    card.texts.extend(budget.text("Console", &failure.console, Some(&failure.reason), 40));
    card.opened(budget)
}

fn card(record: &RunRecord, failure: &Failure, budget: &mut Budget) -> Card {
    let kernels = failure.places.iter().map(|place| line(place.kernel)).collect();
    let title = match failure.cases.as_slice() {
        [case] => line(case),
        several => count(several.len(), "missing result"),
    };
    let (reason, log) = failure.reason.split_once('\n').unwrap_or((failure.reason, ""));
    let mut card = Card::new(failure.verdict, title, kernels, line(reason));
    card.texts.extend(budget.text("In full", log, None, 60));
    card.splat = failure.splat.map(line).unwrap_or_default();
    card.rates = failure.rates();
    card.elsewhere = elsewhere(failure);
    match failure.cases.as_slice() {
        [case] => card.key = (*case).to_owned(),
        several => card.cases = several.iter().map(|case| line(case)).collect(),
    }
    if let Some(result) = failure.places[0].result {
        evidence(record, result, &mut card, budget);
    }
    card.opened(budget)
}

/// One chip per kernel, or per verdict where these are many.
fn elsewhere(failure: &Failure) -> Vec<Chip> {
    let mut chips = Vec::new();
    for verdict in Verdict::ALL {
        let kernels: Vec<&str> =
            failure.elsewhere.iter().filter(|one| one.verdict == verdict).map(|one| one.kernel).collect();
        let chip = |text| Chip { class: class(verdict), text: format!("{verdict} {text}") };
        match kernels.len() {
            0..=3 => chips.extend(kernels.iter().map(|kernel| chip(line(kernel)))),
            many => chips.push(chip(format!("on {many} others"))),
        }
    }
    chips
}

fn evidence(record: &RunRecord, result: &TestResult, card: &mut Card, budget: &mut Budget) {
    let chip = |one: &Repetition| Chip {
        class: class(one.verdict),
        text: format!("{}: {} with seed {}", one.number, one.verdict, one.seed),
    };
    card.repetitions = result.repetitions.iter().take(STRIP).map(chip).collect();
    card.time = duration(Duration::from_millis(result.duration_ms));
    card.flight = result.flight.as_deref().map(line).unwrap_or_default();
    let replay = record.replay_id(&result.kernel, &result.case);
    card.replay = replay.map_or_else(String::new, |id| format!("gauntlet replay {}", line(&id)));
    card.texts.extend(budget.text("Output", &result.output, None, 30));
    card.texts.extend(budget.text("Console", &result.console, result.splat.as_deref(), 48));
}

fn found(finding: &Finding, budget: &mut Budget) -> Card {
    let reason = format!("found by fuzzing; {} of {} replays crashed", finding.reproduced, finding.replays);
    let mut card = Card::new(Verdict::Crash, line(&finding.title), vec![line(&finding.kernel)], reason);
    card.verdict = "FOUND";
    let whole = |text: &str| lines(text).count();
    card.texts.extend(budget.text("Program", &finding.program, None, whole(&finding.program)));
    card.texts.extend(budget.text("The same in C", &finding.c_program, None, whole(&finding.c_program)));
    card.texts.extend(budget.text("Console", &finding.console, Some(&finding.title), 48));
    // The program is what a finding is about.
    card.texts.iter_mut().take(1).for_each(|text| text.open = true);
    card
}
