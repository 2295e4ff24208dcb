//! The comparison for people: what got worse first, what stayed the same only counted.

use super::{CaseChange, Change, Comparison, Outcome, Trend, WorkloadChange};
use crate::Verdict;
use crate::report::perf::{function_change, percent};
use crate::report::text::{clip, count, line, thousands, wrap};
use crate::report::{Options, Style};

pub(super) fn render(comparison: &Comparison, options: &Options) -> String {
    let head = format!("{} → {}", line(&comparison.old), line(&comparison.new));
    let mut text = format!("{}\n", options.style.bold(&head));
    // Said once when it is the same for all.
    let kernel = comparison.cases.first().map(|one| &one.kernel);
    let only = kernel.filter(|kernel| comparison.cases.iter().all(|one| one.kernel == **kernel));
    if let Some(kernel) = only.map(|kernel| line(kernel)).filter(|kernel| *kernel != head) {
        text += &format!("{}\n", options.style.dim(&kernel));
    }
    for change in Change::ALL.into_iter().filter(|change| *change != Change::Same) {
        let cases: Vec<&CaseChange> = comparison.cases.iter().filter(|one| one.change == change).collect();
        if !cases.is_empty() {
            text += &format!("\n{}\n", title(options.style, change, cases.len()));
            cases.iter().for_each(|one| text += &case(options, one, only.is_none()));
        }
    }
    text += &workloads(comparison, options);
    text + &totals(comparison, options)
}

fn title(style: Style, change: Change, number: usize) -> String {
    let verdict = match change {
        Change::Regressed | Change::NewFailure => Verdict::Fail,
        Change::Fixed => Verdict::Pass,
        Change::NoAnswer | Change::Missing => Verdict::Infra,
        Change::Changed | Change::New | Change::Same => Verdict::Skip,
    };
    let name = change.as_str();
    let name = name[..1].to_uppercase() + &name[1..];
    format!("{} ({})", style.verdict(verdict, &name), thousands(number as u64))
}

fn case(options: &Options, one: &CaseChange, with_kernel: bool) -> String {
    let room = options.width.saturating_sub(4).max(30);
    let verdict = |side: &Option<Outcome>| side.as_ref().map_or("absent", |one| one.verdict.as_str());
    let step = format!("{} → {}", verdict(&one.old), verdict(&one.new));
    let mut text = format!("  {}  {step}", options.style.bold(&line(&one.case)));
    if with_kernel {
        text += &format!("  {}", options.style.dim(&line(&one.kernel)));
    }
    text.push('\n');
    let telling = [&one.new, &one.old].into_iter().flatten().find(|side| side.verdict != Verdict::Pass);
    if let Some(side) = telling {
        let why = side
            .splat
            .as_deref()
            .map(line)
            .filter(|splat| !splat.is_empty())
            .unwrap_or_else(|| line(&side.reason));
        if !why.is_empty() {
            text += &format!("    {}\n", options.style.dim(&clip(&why, room)));
        }
    }
    text
}

fn workloads(comparison: &Comparison, options: &Options) -> String {
    let moved: Vec<&WorkloadChange> =
        comparison.workloads.iter().filter(|one| one.trend != Trend::Same).collect();
    if moved.is_empty() {
        return String::new();
    }
    let names = moved.iter().map(|one| line(&one.workload).chars().count()).max().unwrap_or(0);
    let mut text = format!("\n{}\n", options.style.bold("Workloads, median per operation"));
    for one in moved {
        let figure = |figure: Option<u64>| figure.map_or_else(|| "–".to_owned(), thousands);
        let (trend, verdict) = match one.trend {
            Trend::Slower => ("slower", Verdict::Fail),
            Trend::Faster => ("faster", Verdict::Pass),
            Trend::Same | Trend::Incomparable => ("no ratio", Verdict::Infra),
        };
        let ratio = one.ratio.map(percent).unwrap_or_default();
        let trend = options.style.verdict(verdict, &format!("{trend:<8}"));
        let name = line(&one.workload);
        text += &format!(
            "  {name:<names$}  {:>11} → {:>11}  {ratio:>9}  {trend}  ",
            figure(one.old),
            figure(one.new)
        );
        text = text.trim_end().to_owned() + "\n";
        if !one.functions.is_empty() {
            let listed: Vec<String> = one.functions.iter().map(function_change).collect();
            for part in wrap(&listed.join(", "), options.width.saturating_sub(6).max(30)) {
                text += &format!("      {}\n", options.style.dim(&part));
            }
        }
    }
    text
}

fn totals(comparison: &Comparison, options: &Options) -> String {
    let parts = Change::ALL.map(|change| (comparison.count(change), change.as_str()));
    let mut parts: Vec<String> = parts
        .iter()
        .filter(|part| part.0 > 0)
        .map(|(number, name)| format!("{} {name}", thousands(*number as u64)))
        .collect();
    let trends = [(Trend::Slower, "slower"), (Trend::Faster, "faster")];
    parts.extend(trends.iter().filter_map(|(trend, name)| {
        let number = comparison.workloads.iter().filter(|one| one.trend == *trend).count();
        (number > 0).then(|| format!("{} {name}", count(number, "workload")))
    }));
    let line = if parts.is_empty() { "nothing to compare".to_owned() } else { parts.join(", ") };
    format!("\n{}\n", wrap(&line, options.width.max(30)).join("\n"))
}
