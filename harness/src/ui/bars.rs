//! Progress on a terminal: one bar per kernel, what runs now, and the time left. What went wrong scrolls by above.

use super::display::Screen;
use super::tally::{Kernel, Stage, Tally};
use super::{Style, format, lines};
use gauntlet_results::{Event, Verdict};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::time::Duration;

pub(super) struct Bars {
    all: MultiProgress,
    /// One per kernel, in the tally's order.
    kernels: Vec<ProgressBar>,
    /// The last line: the whole run.
    total: ProgressBar,
    style: Style,
    note: String,
}

impl Bars {
    pub(super) fn new(style: Style) -> Bars {
        let all = MultiProgress::new();
        let total = all.add(ProgressBar::new(0));
        total.set_style(template("{spinner} {wide_msg}"));
        Bars { all, kernels: Vec::new(), total, style, note: String::new() }
    }

    fn draw(&mut self, tally: &Tally, now: Duration) {
        let width = tally.kernels.iter().map(|kernel| kernel.name.len()).max().unwrap_or_default().min(28);
        while self.kernels.len() < tally.kernels.len() {
            self.kernels.push(self.all.insert_before(&self.total, ProgressBar::new(0)));
        }
        for (kernel, bar) in tally.kernels.iter().zip(&self.kernels) {
            bar.set_style(template(match kernel.stage {
                Stage::Failed(_) => "{prefix} {wide_msg}",
                Stage::Waiting | Stage::Ready => "{prefix} {bar:12} {pos:>4}/{len:<4} {wide_msg}",
            }));
            bar.set_prefix(format!("{:<width$}", format::shorten(&kernel.name, width)));
            bar.set_length(kernel.expected() as u64);
            bar.set_position(kernel.done() as u64);
            bar.set_message(doing(kernel, tally));
        }
        self.total.set_message(summary(tally, &self.note, now));
        self.total.tick();
    }
}

impl Screen for Bars {
    fn change(&mut self, event: &Event, tally: &Tally, now: Duration) {
        if let Event::Note { text } | Event::Progress { text } = event {
            self.note = format::printable(text);
        }
        if worth_keeping(event)
            && let Some(text) = lines::change(event, tally, self.style)
        {
            // Progress is a courtesy: when the terminal has gone, the run goes on.
            let _ = self.all.println(text);
        }
        self.draw(tally, now);
    }

    fn quiet(&mut self, tally: &Tally, now: Duration) {
        self.draw(tally, now);
    }

    fn patience(&self) -> Duration {
        Duration::from_millis(200)
    }

    fn close(&mut self) {
        let _ = self.all.clear();
    }
}

/// What should still be on the screen when the bars are gone.
fn worth_keeping(event: &Event) -> bool {
    match event {
        Event::CaseFinished(result) => result.verdict.is_failure() || result.verdict == Verdict::Infra,
        Event::WorkloadFinished(result) => result.verdict.is_failure() || result.verdict == Verdict::Infra,
        Event::KernelFailed { .. } | Event::Found(_) => true,
        Event::RunStarted(_)
        | Event::Planned { .. }
        | Event::KernelReady(_)
        | Event::CaseStarted { .. }
        | Event::Note { .. }
        | Event::Progress { .. }
        | Event::RunFinished { .. } => false,
    }
}

/// What goes on at a kernel: trouble first, because the line is cut at the terminal's edge.
fn doing(kernel: &Kernel, tally: &Tally) -> String {
    let mut parts = Vec::new();
    if kernel.failures() > 0 {
        parts.push(format!("{} failed", kernel.failures()));
    }
    if kernel.infra() > 0 {
        parts.push(format!("{} infra", kernel.infra()));
    }
    let running: Vec<&str> = tally
        .running
        .keys()
        .filter(|(name, _)| *name == kernel.name)
        .map(|(_, case)| case.as_str())
        .collect();
    match (kernel.stage, running.as_slice()) {
        (Stage::Failed(verdict), _) => parts.push(format!("{verdict}: did not come up")),
        (_, [first, others @ ..]) => {
            parts.push((*first).to_owned());
            parts.extend((!others.is_empty()).then(|| format!("+{}", others.len())));
        }
        (_, []) if kernel.done() == kernel.expected() && kernel.done() > 0 => parts.push("done".to_owned()),
        (Stage::Waiting, []) => parts.push("starting".to_owned()),
        (Stage::Ready, []) => parts.push("ready".to_owned()),
    }
    parts.join(" · ")
}

fn summary(tally: &Tally, note: &str, now: Duration) -> String {
    let mut parts = vec![format!("{} of {}", tally.done(), tally.planned()), format::duration(now)];
    parts.extend(tally.time_left(now).map(|left| format!("about {} left", format::duration(left))));
    parts.extend((tally.failures() > 0).then(|| format!("{} failed", tally.failures())));
    parts.extend((!note.is_empty()).then(|| note.to_owned()));
    parts.join(" · ")
}

fn template(text: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(text).expect("the templates are constants of this file");
    style.progress_chars("━╸─").tick_chars("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ ")
}

#[cfg(test)]
mod tests {
    use super::super::samples::{finished, planned, started};
    use super::*;

    fn tally(events: &[Event]) -> Tally {
        let mut tally = Tally::default();
        for (second, event) in events.iter().enumerate() {
            tally.apply(event, Duration::from_secs(second as u64));
        }
        tally
    }

    #[test]
    fn a_bar_tells_trouble_before_names() {
        let tally = tally(&[
            planned("a", 4),
            started("a", "s/1"),
            finished("a", "s/1", Verdict::Crash, "oops"),
            started("a", "s/2"),
            started("a", "s/3"),
        ]);
        assert_eq!(doing(&tally.kernels[0], &tally), "1 failed · s/2 · +1");
        assert_eq!(summary(&tally, "", Duration::from_secs(65)), "1 of 4 · 1 min 5 s · 1 failed");
    }

    #[test]
    fn a_kernel_starts_then_is_done() {
        let waiting = tally(&[planned("a", 1)]);
        assert_eq!(doing(&waiting.kernels[0], &waiting), "starting");
        let done = tally(&[planned("a", 1), started("a", "s/1"), finished("a", "s/1", Verdict::Pass, "")]);
        assert_eq!(doing(&done.kernels[0], &done), "done");
    }
}
