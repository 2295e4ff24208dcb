//! Progress where there is no terminal: one line per change, and a sign of life when there is none.

use super::display::Screen;
use super::tally::Tally;
use super::{Style, format};
use gauntlet_results::Event;
use std::io::Write;
use std::time::Duration;

pub(super) struct Lines<W> {
    out: W,
    style: Style,
}

impl<W: Write + Send> Lines<W> {
    pub(super) fn new(out: W, style: Style) -> Lines<W> {
        Lines { out, style }
    }

    fn line(&mut self, now: Duration, text: &str) {
        // Progress is a courtesy: when nobody can read it, the run goes on.
        let _ = writeln!(self.out, "[{:>7.1}] {text}", now.as_secs_f64());
    }
}

impl<W: Write + Send> Screen for Lines<W> {
    fn change(&mut self, event: &Event, tally: &Tally, now: Duration) {
        if let Some(text) = change(event, tally, self.style) {
            self.line(now, &text);
        }
    }

    fn quiet(&mut self, tally: &Tally, now: Duration) {
        self.line(now, &sign_of_life(tally, now));
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(30)
    }

    fn close(&mut self) {}
}

/// What an event reads like; starts of cases are not worth a line.
pub(super) fn change(event: &Event, tally: &Tally, style: Style) -> Option<String> {
    match event {
        Event::RunStarted(info) => Some(format!("run {} ({})", info.id, info.verb)),
        Event::Planned { kernel, cases, times } => {
            let often = match times {
                0 => ", again and again".to_owned(),
                1 => String::new(),
                times => format!(", {times} times each"),
            };
            Some(format!("{kernel}: {} planned{often}", format::plural(cases.len(), "case")))
        }
        Event::KernelReady(info) => Some(format!("{}: ready ({})", info.name, info.machine)),
        Event::KernelFailed { kernel, verdict, reason, .. } => {
            Some(format!("{} {kernel}: {}", format::verdict(*verdict, style), format::printable(reason)))
        }
        Event::CaseStarted { .. } => None,
        Event::CaseFinished(result) => Some(format::result(result, style)),
        Event::WorkloadFinished(result) => Some(format!(
            "{} {} {}: {}",
            format::verdict(result.verdict, style),
            result.kernel,
            result.workload,
            match result.samples.len() {
                0 => format::printable(&result.reason),
                count => format::plural(count, "sample"),
            },
        )),
        Event::Found(finding) => Some(format!(
            "{} {}: {} (reproduced {} of {})",
            style.red("FOUND  "),
            finding.kernel,
            format::printable(&finding.title),
            finding.reproduced,
            finding.replays
        )),
        Event::Note { text } | Event::Progress { text } => Some(format::printable(text)),
        Event::RunFinished { interrupted, .. } => Some(format!(
            "{}: {} of {} done, {} failed",
            if *interrupted { "interrupted" } else { "finished" },
            tally.done(),
            tally.planned(),
            tally.failures()
        )),
    }
}

/// For someone who wonders whether anything still happens.
fn sign_of_life(tally: &Tally, now: Duration) -> String {
    let oldest = tally.running.iter().min_by_key(|(_, since)| **since);
    let doing = oldest.map_or("preparing kernels".to_owned(), |((kernel, case), since)| {
        let others = match tally.running.len() - 1 {
            0 => String::new(),
            count => format!(" and {}", format::plural(count, "other")),
        };
        format!("{case} on {kernel} for {}{others}", format::duration(now.saturating_sub(*since)))
    });
    let left = tally.time_left(now).map(|left| format!(", about {} left", format::duration(left)));
    format!("{} of {} done{}; {doing}", tally.done(), tally.planned(), left.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::super::samples::{finished, planned, started};
    use super::*;
    use gauntlet_results::Verdict;

    fn shown(events: &[(u64, Event)]) -> String {
        let (mut out, mut tally) = (Vec::new(), Tally::default());
        let mut lines = Lines::new(&mut out, Style::plain());
        for (at, event) in events {
            let now = Duration::from_secs(*at);
            tally.apply(event, now);
            lines.change(event, &tally, now);
        }
        lines.quiet(&tally, Duration::from_secs(40));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_run_reads_like_a_log() {
        let text = shown(&[
            (0, planned("6.1", 3)),
            (1, started("6.1", "memfd/a")),
            (2, finished("6.1", "memfd/a", Verdict::Fail, "got 1\nmore")),
            (3, started("6.1", "memfd/b")),
            (4, started("6.1", "memfd/c")),
        ]);
        assert_eq!(
            text,
            "[    0.0] 6.1: 3 cases planned\n\
             [    2.0] FAIL    6.1 memfd/a (0.1 s): got 1\n\
             [   40.0] 1 of 3 done; memfd/b on 6.1 for 37 s and 1 other\n"
        );
    }

    #[test]
    fn before_the_first_case_it_says_so() {
        assert!(shown(&[]).contains("0 of 0 done; preparing kernels"));
    }
}
