//! What goes on before a run: fetching and building kernels, told in words.

use super::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Shows steps on standard error: each on a line of its own, but a step that only moves on in one place.
#[derive(Debug)]
pub struct Steps {
    progress: Progress,
    bar: ProgressBar,
    /// The first word of the last line, and when it was written.
    last: Mutex<Option<(String, Instant)>>,
}

/// A log does not need to know of every object.
const PATIENCE: Duration = Duration::from_secs(15);

impl Steps {
    pub fn new(progress: Progress) -> Steps {
        let target = match progress {
            Progress::Bars => ProgressDrawTarget::stderr(),
            Progress::Lines | Progress::Silent => ProgressDrawTarget::hidden(),
        };
        Steps { progress, bar: ProgressBar::with_draw_target(None, target), last: Mutex::default() }
    }

    /// Shows a step. One that begins with `VERB DONE/ALL` is a bar on a terminal.
    pub fn say(&self, text: &str) {
        match (self.progress, fraction(text)) {
            (Progress::Silent, _) => {}
            (Progress::Bars, Some((done, all, rest))) => {
                self.bar.set_style(template("{bar:24} {pos}/{len} {wide_msg}"));
                self.bar.set_length(all);
                self.bar.set_position(done);
                self.bar.set_message(rest.to_owned());
            }
            (Progress::Bars, None) if moves(text) => {
                self.bar.set_style(template("{spinner} {wide_msg}"));
                self.bar.set_message(text.to_owned());
                self.bar.tick();
            }
            (Progress::Bars, None) => self.bar.suspend(|| eprintln!("{text}")),
            (Progress::Lines, _) if self.is_due(text) => eprintln!("{text}"),
            (Progress::Lines, _) => {}
        }
    }

    fn is_due(&self, text: &str) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let word = text.split_whitespace().next().unwrap_or_default();
        let soon = last.as_ref().is_some_and(|(said, at)| said == word && at.elapsed() < PATIENCE);
        if moves(text) && soon {
            return false;
        }
        *last = Some((word.to_owned(), Instant::now()));
        true
    }
}

impl Drop for Steps {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Whether the step will be told again and again.
fn moves(text: &str) -> bool {
    let mut words = text.split_whitespace();
    words.next().is_some()
        && words.next().is_some_and(|word| word.starts_with(|first: char| first.is_ascii_digit()))
}

/// `compiling 12/300 kernel/fork.o`: 12, 300 and the rest.
fn fraction(text: &str) -> Option<(u64, u64, &str)> {
    let (_, rest) = text.split_once(' ')?;
    let (count, rest) = rest.split_once(' ')?;
    let (done, all) = count.split_once('/')?;
    Some((done.parse().ok()?, all.parse().ok()?, rest))
}

fn template(text: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(text).expect("the templates are constants of this file");
    style.progress_chars("━╸─").tick_chars("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_makes_a_bar_and_nothing_else_does() {
        assert_eq!(
            fraction("compiling 12/300 kernel/fork.o, 2 s left"),
            Some((12, 300, "kernel/fork.o, 2 s left"))
        );
        assert_eq!(fraction("compiling 12 kernel/fork.o"), None);
        assert_eq!(fraction("checking out a/b now"), None);
    }

    #[test]
    fn a_log_has_every_step_once_and_what_moves_seldom() {
        let steps = Steps::new(Progress::Lines);
        assert!(steps.is_due("configuring") && steps.is_due("configuring"));
        assert!(steps.is_due("compiling 1/9 a.o") && !steps.is_due("compiling 2/9 b.o"));
        assert!(steps.is_due("new warning: x"));
    }
}
