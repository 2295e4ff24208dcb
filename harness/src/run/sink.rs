//! Where events go: the store first, then whoever watches.

use crate::ui::{Display, Progress};
use crate::{Error, Result};
use gauntlet_results::{Event, RunInfo, RunRecord, Store};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Records and shows one run. Shared by all its workers.
#[derive(Debug)]
pub struct Sink {
    inner: Mutex<Inner>,
    run: String,
    /// The stamp of the start, and the same moment by a clock that nobody sets.
    started: (String, Instant),
    /// Kernel, name and repetition of what an earlier, interrupted invocation of this run has finished.
    finished: BTreeSet<(String, String, u32)>,
}

#[derive(Debug)]
struct Inner {
    store: Store,
    display: Option<Display>,
    /// The first thing that could not be stored: without a store the run is worth nothing.
    failure: Option<Error>,
}

impl Sink {
    /// Starts a run, or goes on with one that an interrupt or a SIGKILL cut short.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub fn start(results: &Path, mut info: RunInfo, progress: Progress) -> Result<Sink> {
        let store = Store::open(results)?;
        let resumed = store.unfinished_run(&info)?;
        let finished = match &resumed {
            Some(run) => store.finished_cases(run)?,
            None => BTreeSet::new(),
        };
        if let Some(run) = resumed {
            info.id = run;
        }
        let run = info.id.clone();
        let started = (info.started.clone(), Instant::now());
        let inner = Inner { store, display: Some(Display::start(progress)), failure: None };
        let sink = Sink { inner: Mutex::new(inner), run, started, finished };
        if !sink.finished.is_empty() {
            let text =
                format!("going on with run {}: {} results are there already", sink.run, sink.finished.len());
            sink.send(Event::RunStarted(info));
            sink.send(Event::Note { text });
        } else {
            sink.send(Event::RunStarted(info));
        }
        sink.check()?;
        Ok(sink)
    }

    /// The run's identifier.
    pub fn run(&self) -> &str {
        &self.run
    }

    /// Whether an earlier invocation of this run has that result.
    pub fn is_finished(&self, kernel: &str, name: &str) -> bool {
        self.is_repetition_finished(kernel, name, 0)
    }

    /// The same for one of the times a case is to run.
    pub fn is_repetition_finished(&self, kernel: &str, name: &str, number: u32) -> bool {
        self.finished.contains(&(kernel.to_owned(), name.to_owned(), number))
    }

    /// Stores an event and shows it.
    pub fn send(&self, event: Event) {
        let mut inner = self.lock();
        if let Err(error) = inner.store.record(&self.run, &event)
            && inner.failure.is_none()
        {
            inner.failure = Some(error.into());
        }
        if let Some(display) = &inner.display {
            display.event(&event);
        }
    }

    /// Whether storing has failed: the run should stop.
    pub fn is_broken(&self) -> bool {
        self.lock().failure.is_some()
    }

    /// The first failure to store something.
    ///
    /// # Errors
    /// That failure.
    pub fn check(&self) -> Result<()> {
        self.lock().failure.take().map_or(Ok(()), Err)
    }

    /// Ends the run and gives its record back.
    ///
    /// # Errors
    /// When something could not be stored or read back.
    pub fn finish(self, interrupted: bool) -> Result<(RunRecord, PathBuf)> {
        let (started, since) = &self.started;
        self.send(Event::RunFinished { at: end_stamp(started, since.elapsed()), interrupted });
        let mut inner = self.lock();
        if let Some(display) = inner.display.take() {
            display.finish();
        }
        if let Some(failure) = inner.failure.take() {
            return Err(failure);
        }
        let record = inner.store.load(&self.run)?;
        Ok((record, inner.store.run_directory(&self.run)))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When a run ended. Reports tell how long it took by the two stamps, so a host whose clock is set meanwhile must not
/// change what lies between them.
fn end_stamp(started: &str, took: Duration) -> String {
    let started = started.parse().unwrap_or_else(|_| jiff::Timestamp::now());
    started.checked_add(took).unwrap_or(started).to_string()
}

/// What identifies an invocation in the store.
pub fn run_info(verb: &str, command: &[String], config_digest: String) -> RunInfo {
    let now = jiff::Timestamp::now();
    let salt = format!("{} {}", std::process::id(), now.as_nanosecond());
    RunInfo {
        id: gauntlet_results::record::run_id(now, salt.as_bytes()),
        verb: verb.to_owned(),
        started: now.to_string(),
        command: command.to_vec(),
        gauntlet_version: env!("CARGO_PKG_VERSION").to_owned(),
        host: std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned(),
        config_digest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_ends_as_long_after_its_start_as_it_took_whatever_the_hosts_clock_shows() {
        assert_eq!(
            end_stamp("2026-11-23T12:45:01Z", Duration::from_millis(59_250)),
            "2026-11-23T12:46:00.25Z"
        );
        assert_eq!(end_stamp("1970-01-01T00:00:00Z", Duration::from_secs(1)), "1970-01-01T00:00:01Z");
    }
}
