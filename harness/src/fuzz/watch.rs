//! Looks on at a campaign: says when to stop, keeps the findings, tells how it goes.

use crate::interrupt::Interrupt;
use crate::run::Sink;
use gauntlet_fuzzers::engine::{Found, Progress, Watch};
use gauntlet_fuzzers::triage::Report;
use gauntlet_results::{Event, Finding};
use serde::Serialize;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often the state is told.
const TELL: Duration = Duration::from_secs(5);

/// Stops at a deadline or an interrupt; sends events.
#[derive(Debug)]
pub struct Watcher {
    sink: Arc<Sink>,
    kernel: String,
    interrupt: Interrupt,
    started: Instant,
    length: Duration,
    told: Instant,
    pub findings: Vec<Finding>,
}

impl Watcher {
    pub fn new(sink: Arc<Sink>, kernel: String, interrupt: Interrupt, length: Duration) -> Watcher {
        let now = Instant::now();
        Watcher { sink, kernel, interrupt, started: now, length, told: now, findings: Vec::new() }
    }

    /// Time since the campaign's start.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    fn progress(&self, text: String) {
        self.sink.send(Event::Progress { text });
    }
}

impl Watch for Watcher {
    fn proceed(&mut self, progress: &Progress) -> bool {
        let elapsed = self.elapsed();
        if self.told.elapsed() >= TELL {
            self.told = Instant::now();
            let summary = Summary::new(progress, elapsed);
            let left = self.length.saturating_sub(elapsed).as_secs();
            self.progress(format!("{}: {summary}, {left} s left", self.kernel));
        }
        elapsed < self.length && !self.interrupt.requested() && !self.sink.is_broken()
    }

    fn found(&mut self, found: &Found) {
        self.progress(format!("{}: crash: {} (triage begins)", self.kernel, found.crash.title));
    }

    fn triaged(&mut self, report: &Report) {
        let programs: Vec<String> = report.programs.iter().map(ToString::to_string).collect();
        let finding = Finding {
            kernel: self.kernel.clone(),
            title: report.title.clone(),
            program: programs.join("\n"),
            c_program: report.c_source.clone(),
            console: report.console.clone(),
            reproduced: report.reproduced,
            replays: report.attempts,
        };
        self.sink.send(Event::Found(finding.clone()));
        self.findings.push(finding);
    }
}

/// A campaign in figures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    pub seconds: f64,
    pub programs: u64,
    pub programs_per_second: f64,
    pub calls_per_program: f64,
    /// Share of calls that succeeded.
    pub succeeded: f64,
    /// Distinct kernel blocks, each seen in two runs of one program.
    pub blocks: usize,
    pub corpus: usize,
    pub crashes: usize,
    /// Machines lost.
    pub deaths: u64,
    /// Programs that no machine gave an account of.
    pub lost: u64,
    /// Share of the time that machines were at work; above 1 with several.
    pub busy: f64,
}

impl Summary {
    pub fn new(progress: &Progress, elapsed: Duration) -> Summary {
        let seconds = elapsed.as_secs_f64().max(1e-9);
        let share = |part: u64, whole: u64| part as f64 / whole.max(1) as f64;
        Summary {
            seconds,
            programs: progress.executions,
            programs_per_second: progress.executions as f64 / seconds,
            calls_per_program: share(progress.calls, progress.executions),
            succeeded: share(progress.succeeded, progress.calls),
            blocks: progress.edges,
            corpus: progress.corpus,
            crashes: progress.crashes,
            deaths: progress.deaths,
            lost: progress.lost,
            busy: progress.busy.as_secs_f64() / seconds,
        }
    }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            out,
            "{} programs, {:.0}/s, {:.1} calls each, {:.0} % succeed, {} blocks, corpus {}, crashes {}",
            self.programs,
            self.programs_per_second,
            self.calls_per_program,
            100.0 * self.succeeded,
            self.blocks,
            self.corpus,
            self.crashes
        )
    }
}
