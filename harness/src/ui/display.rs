//! Shows a run as it goes. A thread of its own draws, so that a slow terminal never holds up a clone.

use super::bars::Bars;
use super::lines::Lines;
use super::tally::Tally;
use super::{Progress, Style};
use gauntlet_results::Event;
use std::io::IsTerminal;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A way to show a run. Times are since the run's start.
pub(super) trait Screen: Send {
    /// Something happened; the tally has it already.
    fn change(&mut self, event: &Event, tally: &Tally, now: Duration);
    /// Nothing happened for as long as [`Screen::patience`].
    fn quiet(&mut self, tally: &Tally, now: Duration);
    fn patience(&self) -> Duration;
    /// The last call.
    fn close(&mut self);
}

/// Takes events and shows them on standard error. Dropping it (or [`Display::finish`]) leaves the screen tidy.
#[derive(Debug)]
pub struct Display {
    events: Option<Sender<Event>>,
    drawing: Option<JoinHandle<()>>,
}

impl Display {
    pub fn start(progress: Progress) -> Display {
        let env = |name: &str| std::env::var(name).ok();
        let style = Style::for_stream(&env, std::io::stderr().is_terminal());
        match progress {
            Progress::Bars => Display::on(Box::new(Bars::new(style))),
            Progress::Lines => Display::on(Box::new(Lines::new(std::io::stderr(), style))),
            Progress::Silent => Display { events: None, drawing: None },
        }
    }

    fn on(screen: Box<dyn Screen>) -> Display {
        let (events, receiver) = channel();
        let drawing = std::thread::spawn(move || draw(screen, &receiver));
        Display { events: Some(events), drawing: Some(drawing) }
    }

    pub fn event(&self, event: &Event) {
        if let Some(events) = &self.events {
            // Fails only when the drawing thread died, and then there is nobody to tell.
            let _ = events.send(event.clone());
        }
    }

    /// Shows what is still to be shown and clears the bars.
    pub fn finish(self) {
        drop(self);
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        drop(self.events.take());
        if let Some(drawing) = self.drawing.take() {
            let _ = drawing.join();
        }
    }
}

fn draw(mut screen: Box<dyn Screen>, events: &Receiver<Event>) {
    let (start, mut tally) = (Instant::now(), Tally::default());
    loop {
        match events.recv_timeout(screen.patience()) {
            Ok(event) => {
                let now = start.elapsed();
                tally.apply(&event, now);
                screen.change(&event, &tally, now);
            }
            Err(RecvTimeoutError::Timeout) => screen.quiet(&tally, start.elapsed()),
            Err(RecvTimeoutError::Disconnected) => break screen.close(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::planned;
    use super::*;
    use std::sync::{Arc, Mutex};

    struct Recorder(Arc<Mutex<Vec<String>>>);

    impl Screen for Recorder {
        fn change(&mut self, _event: &Event, tally: &Tally, _now: Duration) {
            self.0.lock().unwrap().push(format!("planned {}", tally.planned()));
        }

        fn quiet(&mut self, _tally: &Tally, _now: Duration) {}

        fn patience(&self) -> Duration {
            Duration::from_secs(60)
        }

        fn close(&mut self) {
            self.0.lock().unwrap().push("closed".to_owned());
        }
    }

    #[test]
    fn every_event_is_shown_before_the_screen_closes() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let display = Display::on(Box::new(Recorder(seen.clone())));
        display.event(&planned("a", 1));
        display.event(&planned("b", 2));
        display.finish();
        assert_eq!(*seen.lock().unwrap(), ["planned 1", "planned 3", "closed"]);
    }
}
