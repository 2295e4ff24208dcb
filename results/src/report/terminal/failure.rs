//! One failure: where, what, why, what the guest was doing, what it said last, how to see it again.

use super::super::excerpt::{Excerpt, excerpt};
use super::super::summary::Failure;
use super::super::text::{clip, count, line, lines, wrap};
use super::{Options, Style};
use crate::{KernelFailure, RunRecord, TestResult, Verdict};

/// Beyond these, one line each: nobody reads the hundredth excerpt in a terminal.
const IN_FULL: usize = 20;
const REASON_LINES: usize = 6;
const OUTPUT_LINES: usize = 8;
const CONSOLE_LINES: usize = 10;
const INDENT: &str = "        ";

pub(super) fn section(options: &Options, record: &RunRecord, failures: &[Failure]) -> String {
    let (full, rest) = failures.split_at(failures.len().min(IN_FULL));
    let full: Vec<String> = full.iter().map(|failure| in_full(options, record, failure)).collect();
    let mut text = full.join("\n");
    if !rest.is_empty() {
        text += &format!("\n{} more\n{}", count(rest.len(), "failure"), brief(options, rest));
    }
    text
}

/// One line each, cut where it is too long.
fn brief(options: &Options, failures: &[Failure]) -> String {
    let room = options.width.saturating_sub(INDENT.len()).max(40);
    let one = |failure: &Failure| {
        format!("{} {}\n", label(options.style, failure.verdict), clip(&in_a_sentence(failure), room))
    };
    failures.iter().map(one).collect()
}

/// The whole reason, but no evidence.
pub(super) fn short(options: &Options, failures: &[Failure]) -> String {
    let one = |failure: &Failure| {
        let parts = wrapped(options, &in_a_sentence(failure));
        format!("{} {}\n", label(options.style, failure.verdict), parts.join(&format!("\n{INDENT}")))
    };
    failures.iter().map(one).collect()
}

fn in_a_sentence(failure: &Failure) -> String {
    let why = [failure.splat.unwrap_or(""), failure.reason].map(line);
    let why = why.into_iter().find(|text| !text.is_empty()).unwrap_or_default();
    format!("{} on {}: {why}", cases(failure), places(failure))
}

pub(super) fn kernel(options: &Options, name: &str, failure: &KernelFailure) -> String {
    let head = format!("{} did not come up", line(name));
    let mut text = format!("{} {}\n", label(options.style, failure.verdict), options.style.bold(&head));
    text += &reason(options, &failure.reason);
    text + &console(options, &excerpt(&failure.console, Some(&failure.reason), CONSOLE_LINES))
}

fn in_full(options: &Options, record: &RunRecord, failure: &Failure) -> String {
    let style = options.style;
    let head = style.bold(&cases(failure));
    let mut text = format!("{} {head}  {}\n", label(style, failure.verdict), style.dim(&places(failure)));
    if let Some(splat) = failure.splat {
        text += &paragraph(options, &line(splat));
    }
    text += &reason(options, failure.reason);
    text.extend(failure.rates().iter().map(|rate| paragraph(options, rate)));
    text += &dim_paragraph(options, &elsewhere(failure));
    if let Some(result) = failure.places[0].result {
        text += &evidence(options, record, result);
    }
    text
}

fn evidence(options: &Options, record: &RunRecord, result: &TestResult) -> String {
    let mut text = String::new();
    if let Some(flight) = &result.flight {
        text += &paragraph(options, &format!("doing: {}", line(flight)));
    }
    text += &quote(options, &result.output, OUTPUT_LINES);
    // A plain failure speaks through its output; the console matters when the kernel itself complained or died.
    if result.splat.is_some() || result.verdict > Verdict::Fail || result.output.trim().is_empty() {
        text += &console(options, &excerpt(&result.console, result.splat.as_deref(), CONSOLE_LINES));
    }
    if let Some(id) = record.replay_id(&result.kernel, &result.case) {
        text += &format!("{INDENT}{}\n", options.style.dim(&format!("gauntlet replay {}", line(&id))));
    }
    text
}

/// The last lines of an output, set off by a bar.
pub(super) fn quote(options: &Options, output: &str, height: usize) -> String {
    let all: Vec<String> = lines(output.trim_end()).collect();
    let shown = &all[all.len().saturating_sub(height)..];
    let earlier = all.len() - shown.len();
    let mut text = String::new();
    if earlier > 0 {
        text += &bar(options, &options.style.dim(&format!("… {} before", count(earlier, "line"))));
    }
    for line in shown {
        text += &bar(options, &clip(line, options.width.saturating_sub(INDENT.len() + 2).max(30)));
    }
    text
}

fn console(options: &Options, excerpt: &Excerpt) -> String {
    let room = options.width.saturating_sub(INDENT.len() + 2).max(30);
    let mut text = String::new();
    for line in &excerpt.lines {
        let shown = clip(without_stamp(&line.text), room);
        text += &bar(options, &if line.splat { options.style.verdict(Verdict::Fail, &shown) } else { shown });
    }
    text
}

/// The text behind `[    2.113921] `: a narrow window has better use for the room, and the other reports keep it.
fn without_stamp(line: &str) -> &str {
    let stamp = |text: &str| text.trim().bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    match line.strip_prefix('[').and_then(|rest| rest.split_once("] ")) {
        Some((inside, rest)) if stamp(inside) => rest,
        _ => line,
    }
}

fn bar(options: &Options, line: &str) -> String {
    format!("{INDENT}{} {line}\n", options.style.dim("│"))
}

/// A sentence, or the log of a verifier: line by line, with the middle left out; such logs end with the point.
fn reason(options: &Options, text: &str) -> String {
    let mut parts: Vec<String> = lines(text).flat_map(|line| wrapped(options, &line)).collect();
    if parts.len() > REASON_LINES {
        parts.splice(2..parts.len() + 3 - REASON_LINES, ["…".to_owned()]);
    }
    parts.into_iter().map(|part| format!("{INDENT}{part}\n")).collect()
}

fn paragraph(options: &Options, text: &str) -> String {
    wrapped(options, text).into_iter().map(|part| format!("{INDENT}{part}\n")).collect()
}

fn dim_paragraph(options: &Options, text: &str) -> String {
    wrapped(options, text).into_iter().map(|part| format!("{INDENT}{}\n", options.style.dim(&part))).collect()
}

fn wrapped(options: &Options, text: &str) -> Vec<String> {
    let mut parts = wrap(text, options.width.saturating_sub(INDENT.len()).max(30));
    parts.retain(|part| !part.is_empty());
    parts
}

fn label(style: Style, verdict: Verdict) -> String {
    style.verdict(verdict, &format!("{verdict:<7}"))
}

fn cases(failure: &Failure) -> String {
    match failure.cases.as_slice() {
        [case] => line(case),
        [first, ..] => format!("{} ({} …)", count(failure.cases.len(), "missing result"), line(first)),
        [] => String::new(),
    }
}

fn places(failure: &Failure) -> String {
    let names: Vec<String> = failure.places.iter().map(|place| line(place.kernel)).collect();
    match names.len() {
        0..=3 => names.join(", "),
        many => format!("{} and {} more", names[..2].join(", "), many - 2),
    }
}

/// `PASS on 6.1-cloud, SKIP on 6.1-rt`.
fn elsewhere(failure: &Failure) -> String {
    let mut parts = Vec::new();
    for verdict in Verdict::ALL {
        let kernels: Vec<String> = failure
            .elsewhere
            .iter()
            .filter(|one| one.verdict == verdict)
            .map(|one| line(one.kernel))
            .collect();
        match kernels.len() {
            0 => {}
            1..=2 => parts.push(format!("{verdict} on {}", kernels.join(" and "))),
            many => parts.push(format!("{verdict} on {many} others")),
        }
    }
    parts.join(", ")
}
