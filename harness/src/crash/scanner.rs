//! Console bytes to splats, as they come.

use super::Splat;
use super::line::{Line, records};
use super::placement::{Placement, Told};
use super::prefaces::preface;
use super::report::Report;
use super::rules::{Rule, head};

/// Bytes of a console line that are looked at; the kernel's own records are shorter.
const MAX_LINE: usize = 2048;
/// Reports read at the same time, from callers that print into each other.
const MAX_OPEN: usize = 4;
/// Splats kept; further ones are counted.
const MAX_SPLATS: usize = 64;
/// Records between `cut here` and the head that belongs to it.
const MAX_PREFACE: u32 = 4;

/// What a log came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scan {
    pub splats: Vec<Splat>,
    /// Splats beyond the number kept.
    pub dropped: u64,
    /// Tasks the out-of-memory killer ended: no fault of the kernel's, but it explains a missing answer.
    pub oom_killed: Vec<String>,
    /// Where the kernel lay, as far as the log tells.
    pub placement: Option<Placement>,
}

/// `------------[ cut here ]------------` and what follows it.
#[derive(Debug)]
struct Cut {
    start: u64,
    records: u32,
}

/// Reads a console piece by piece. Memory is bounded whatever comes in.
#[derive(Debug, Default)]
pub struct Scanner {
    /// The unfinished line, cut at [`MAX_LINE`].
    line: Vec<u8>,
    line_start: u64,
    position: u64,
    /// The log has timestamps, so a line without one was printed by a program.
    stamped: bool,
    cut: Option<Cut>,
    /// How a helper calls the bug that is about to be reported, and how many records ago it said so.
    preface: Option<(&'static str, u32)>,
    open: Vec<Report>,
    scan: Scan,
    told: Told,
    heads: u64,
    fatal: bool,
    panicked: bool,
}

impl Scanner {
    pub fn push(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, whole) = match piece.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (piece, false),
            };
            let room = MAX_LINE - self.line.len();
            self.line.extend_from_slice(&text[..text.len().min(room)]);
            self.position += piece.len() as u64;
            if whole {
                self.end_line();
            }
        }
    }

    /// Somebody hit a fatal splat and does not go on.
    pub fn is_fatal(&self) -> bool {
        self.fatal
    }

    /// The kernel stopped: nothing will answer any more.
    pub fn has_panicked(&self) -> bool {
        self.panicked
    }

    /// Heads of reports seen so far.
    pub fn heads(&self) -> u64 {
        self.heads
    }

    /// Ends the log.
    pub fn finish(mut self) -> Scan {
        if !self.line.is_empty() {
            self.end_line();
        }
        for report in std::mem::take(&mut self.open) {
            self.keep(report);
        }
        self.scan.splats.sort_by_key(|splat| splat.range.start);
        for (index, splat) in self.scan.splats.iter_mut().enumerate() {
            splat.secondary = index > 0;
        }
        self.scan.placement = self.told.placement();
        self.scan
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let text = String::from_utf8_lossy(&line);
        for record in records(&text) {
            self.take(&record);
        }
        self.line_start = self.position;
        self.line = line;
        self.line.clear();
    }

    fn take(&mut self, record: &Line) {
        self.stamped |= record.stamped;
        if self.stamped && !record.stamped || record.body.is_empty() {
            return;
        }
        if record.body.contains("[ cut here ]") {
            self.cut = Some(Cut { start: self.line_start, records: 0 });
            return;
        }
        self.note_oom(record.body);
        self.told.take(record.body, self.heads);
        match head(record.body) {
            Some(rule) => self.begin(rule, record),
            None => self.go_on(record),
        }
    }

    fn begin(&mut self, rule: &'static Rule, record: &Line) {
        self.heads += 1;
        self.fatal |= rule.kind.is_fatal();
        self.panicked |= matches!(rule.kind, super::Kind::Panic | super::Kind::DoubleFault);
        let same_caller = self.open.iter().position(|report| report.caller.as_deref() == record.caller);
        let cut = self.cut.take();
        if let Some(index) = same_caller {
            let open = &mut self.open[index];
            if open.is_continued_by(rule) {
                open.take(record.body, self.position);
                return;
            }
            if open.has_just_begun() {
                open.tear();
            }
            let ended = self.open.remove(index);
            self.keep(ended);
        }
        if self.open.len() == MAX_OPEN {
            let oldest = self.open.remove(0);
            self.keep(oldest);
        }
        let start = cut.map_or(self.line_start, |cut| cut.start);
        let preface = self.preface.take().map(|(words, _)| words);
        let mut report = Report::new(rule, record.body, start, self.position).with_preface(preface);
        report.caller = record.caller.map(str::to_owned);
        self.open.push(report);
    }

    fn go_on(&mut self, record: &Line) {
        self.cut = self.cut.take().filter(|cut| cut.records < MAX_PREFACE);
        if let Some(cut) = &mut self.cut {
            cut.records += 1;
        }
        self.preface = match preface(record.body) {
            Some(words) => Some((words, 0)),
            None => self.preface.map(|(words, age)| (words, age + 1)).filter(|(_, age)| *age <= MAX_PREFACE),
        };
        let Some(index) = self.open.iter().position(|report| report.caller.as_deref() == record.caller)
        else {
            return;
        };
        if !self.open[index].take(record.body, self.position) {
            let ended = self.open.remove(index);
            self.keep(ended);
        }
    }

    fn keep(&mut self, report: Report) {
        if self.scan.splats.len() < MAX_SPLATS {
            self.scan.splats.push(report.finish(false));
        } else {
            self.scan.dropped += 1;
        }
    }

    fn note_oom(&mut self, body: &str) {
        let victim = body
            .split_once("Killed process ")
            .filter(|(before, _)| before.contains("ut of memory"))
            .and_then(|(_, rest)| rest.split_once('(')?.1.rsplit_once(") total-vm:"));
        if let Some((task, _)) = victim
            && self.scan.oom_killed.len() < MAX_SPLATS
        {
            self.scan.oom_killed.push(task.to_owned());
        }
    }
}
