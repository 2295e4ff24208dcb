//! One report while it is being read.

use super::blame::guilty;
use super::frame::Frame;
use super::message::{Context, function_after_in, normalise};
use super::rules::{Naming, Rule, without_oops};
use super::{Kind, Splat};

/// Frames kept of a stack trace.
const MAX_FRAMES: usize = 64;
/// Records of a report after which it is over, whatever they say.
const MAX_RECORDS: u32 = 400;
/// Records that look like no part of a report after which it is over.
const MAX_STRANGERS: u32 = 40;

/// What lines of a report start with, frames apart.
const SHAPES: &[&str] = &[
    "RIP: ",
    "RSP: ",
    "RAX: ",
    "RDX: ",
    "RBP: ",
    "R10: ",
    "R13: ",
    "FS: ",
    "CS: ",
    "CR2: ",
    "DR0: ",
    "DR3: ",
    "PKRU: ",
    "Code: ",
    "CPU: ",
    "Hardware name: ",
    "Modules linked in: ",
    "Call Trace",
    "Call trace",
    "<TASK>",
    "</TASK>",
    "<IRQ>",
    "</IRQ>",
    "<NMI>",
    "</NMI>",
    "#PF: ",
    "PGD ",
    "Oops: ",
    "Tainted: ",
    "Workqueue: ",
    "note: ",
    "task:",
    "Read of size ",
    "Write of size ",
    "Allocated by task",
    "Freed by task",
    "The buggy address",
    "---[ ",
    "Kernel Offset: ",
    "pc : ",
    "lr : ",
    "Reported by Kernel Concurrency Sanitizer",
    "Uninit was ",
    "Local variable ",
    "backtrace",
    "comm \"",
    "hex dump (",
    "Allocated in ",
    "Freed in ",
    "Slab 0x",
    "Object 0x",
    "Redzone ",
    "Object ",
    "Padding ",
    "FIX ",
    "in_atomic(): ",
    "Preemption disabled at",
    "INFO: lockdep is turned off",
    "rcu: ",
    "NMI backtrace for cpu ",
    "Sending NMI ",
    "irq event stamp",
    "hardirqs last",
    "softirqs last",
    "Showing all locks",
];

/// Where in a stack trace the reader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trace {
    Before,
    Inside,
    After,
}

#[derive(Debug)]
pub(super) struct Report {
    rule: &'static Rule,
    /// The head's text.
    head: String,
    /// How the helper that noticed calls the bug.
    preface: Option<&'static str>,
    pub caller: Option<String>,
    start: u64,
    end: u64,
    context: Context,
    /// Where the head or the `RIP:` line says it happened.
    at: Option<Frame>,
    /// Where the first lock was taken that the lock validator lists.
    held: Option<Frame>,
    /// The work item's function, where a worker is to blame for what it did in it.
    worker: Option<String>,
    stack: Vec<Frame>,
    trace: Trace,
    interrupt: bool,
    access: Option<&'static str>,
    torn: bool,
    records: u32,
    strangers: u32,
}

impl Report {
    pub(super) fn new(rule: &'static Rule, body: &str, start: u64, end: u64) -> Report {
        Report {
            rule,
            head: without_oops(body).to_owned(),
            preface: None,
            caller: None,
            start,
            end,
            context: Context::from_head(body),
            at: frame_in(body),
            held: None,
            worker: None,
            stack: Vec::new(),
            trace: Trace::Before,
            interrupt: false,
            access: None,
            torn: false,
            records: 0,
            strangers: 0,
        }
    }

    /// What a helper said just before the head.
    pub(super) fn with_preface(mut self, preface: Option<&'static str>) -> Report {
        self.preface = preface;
        self
    }

    /// No stack seen yet: what follows may still be the same complaint.
    pub(super) fn has_just_begun(&self) -> bool {
        self.trace == Trace::Before && self.records <= 12 && self.rule.kind != Kind::Panic
    }

    /// Whether a head of this rule tells more of the same complaint: a trap after the line that says what was
    /// accessed, or the warning that a `BUG:` line was the text of.
    pub(super) fn is_continued_by(&self, rule: &Rule) -> bool {
        let same = rule.joins || self.rule.kind == rule.kind;
        self.has_just_begun() && (same || (self.rule.kind, rule.kind) == (Kind::Bug, Kind::Warning))
    }

    /// Messages were lost or another report broke in.
    pub(super) fn tear(&mut self) {
        self.torn = true;
    }

    /// Takes one more record; false when the report ends with it.
    pub(super) fn take(&mut self, body: &str, end: u64) -> bool {
        self.records += 1;
        let frame = Frame::parse(body).or_else(|| Frame::parse_inlined(body));
        let belongs = frame.is_some() || SHAPES.iter().any(|shape| body.starts_with(shape));
        if belongs {
            self.end = end;
            self.strangers = 0;
        } else {
            self.strangers += 1;
        }
        match frame {
            Some(frame) => self.take_frame(frame),
            None => self.take_text(body),
        }
        let closing =
            body.starts_with("---[ end ") || (self.trace == Trace::After && body.starts_with("======"));
        if closing {
            self.end = end;
        }
        !closing && self.records < MAX_RECORDS && self.strangers < MAX_STRANGERS
    }

    fn take_frame(&mut self, mut frame: Frame) {
        if self.trace == Trace::Before && self.rule.kind.has_bare_stack() {
            self.trace = Trace::Inside;
        }
        if self.trace == Trace::Inside && self.stack.len() < MAX_FRAMES {
            frame.interrupt = self.interrupt;
            self.stack.push(frame);
        }
    }

    fn take_text(&mut self, body: &str) {
        match body {
            "<IRQ>" | "<NMI>" | "<#DF>" | "<SOFTIRQ>" => self.interrupt = true,
            "</IRQ>" | "</NMI>" | "</#DF>" | "</SOFTIRQ>" => self.interrupt = false,
            "<TASK>" => {}
            "</TASK>" => self.trace = Trace::After,
            _ if ["Call Trace:", "Call trace:", "backtrace"].iter().any(|head| body.starts_with(head)) => {
                self.begin_trace();
            }
            _ if body.contains("printk messages dropped") => self.tear(),
            _ => self.take_detail(body),
        }
    }

    fn begin_trace(&mut self) {
        self.trace = if self.trace == Trace::Before { Trace::Inside } else { Trace::After };
    }

    fn take_detail(&mut self, body: &str) {
        if let Some(place) = body.strip_prefix("RIP: ").or_else(|| body.strip_prefix("pc : ")) {
            // `RIP: 0010:foo+0x1/0x2`; segment 0033 is user space.
            let place = place.strip_prefix("0010:").unwrap_or(place);
            if self.at.is_none() || self.rule.kind.is_stall() && self.at_is_unknown() {
                self.at = Frame::parse(place);
            }
            return;
        }
        if body.starts_with("Read of size") {
            self.access = self.access.or(Some(" Read"));
        } else if body.starts_with("Write of size") {
            self.access = self.access.or(Some(" Write"));
        }
        if let Some(context) = Context::parse(body) {
            self.take_context(context);
        } else if let Some(function) = worker(body) {
            self.worker = Some(function.to_owned());
        } else if let Some((_, place)) = body.rsplit_once(", at: ").filter(|_| self.held.is_none()) {
            self.held = Frame::parse(place);
        } else if self.trace == Trace::Inside && !body.starts_with('<') && !body.starts_with("? ") {
            // Anything else ends the first trace: `Allocated by task 79:`, registers, another program's line.
            self.trace = if self.stack.is_empty() { Trace::Inside } else { Trace::After };
        }
    }

    fn at_is_unknown(&self) -> bool {
        self.at.as_ref().is_none_or(|frame| !super::blame::is_guilty(&frame.function))
    }

    fn take_context(&mut self, context: Context) {
        self.context.cpu = self.context.cpu.or(context.cpu);
        if self.context.task.is_none() {
            self.context.task = context.task;
        }
        if self.context.taint.is_empty() {
            self.context.taint = context.taint;
        }
    }

    pub(super) fn finish(self, secondary: bool) -> Splat {
        let kind = self.rule.kind;
        let held = self.held.as_ref().filter(|_| kind == Kind::Lockdep);
        let frame = guilty(kind, self.at.as_ref(), &self.stack)
            .or_else(|| self.named_in_head())
            .or_else(|| guilty(kind, held, &[]))
            .or_else(|| self.worker.clone().filter(|_| kind == Kind::Bug));
        let title = self.title(frame.as_deref());
        let corrupted = self.torn || frame.is_none() && !kind.may_lack_stack();
        Splat {
            title,
            kind,
            frame,
            at: self.at,
            stack: self.stack,
            cpu: self.context.cpu,
            task: self.context.task,
            taint: self.context.taint,
            range: self.start..self.end,
            fatal: kind.is_fatal(),
            secondary,
            corrupted,
        }
    }

    /// KCSAN and KMSAN name functions without offsets.
    fn named_in_head(&self) -> Option<String> {
        matches!(self.rule.kind, Kind::Kcsan | Kind::Kmsan)
            .then(|| function_after_in(&self.head).map(str::to_owned))
            .flatten()
    }

    fn title(&self, frame: Option<&str>) -> String {
        let in_frame = |words: &str| match frame {
            Some(frame) => format!("{words} in {frame}"),
            None => words.to_owned(),
        };
        match self.rule.naming {
            Naming::Function(words) => match self.preface {
                Some(words) if self.rule.kind == Kind::KernelBug => in_frame(&format!("BUG: {words}")),
                _ => in_frame(words),
            },
            Naming::Words(words) => words.to_owned(),
            Naming::Message(words) => format!("{words}{}", normalise(self.message())),
            Naming::Until(mark, words) => {
                let said = self.head.split(mark).next().unwrap_or(&self.head);
                in_frame(&format!("{}{words}", normalise(said)))
            }
            Naming::Slab => normalise(&slab(&self.head)),
            Naming::Sanitizer => self.sanitizer_title(frame),
            Naming::Warn => match self.preface {
                Some(words) => in_frame(&format!("WARNING: {words}")),
                None => in_frame("WARNING"),
            },
        }
    }

    fn sanitizer_title(&self, frame: Option<&str>) -> String {
        let text = self.head.strip_prefix("BUG: ").unwrap_or(&self.head);
        let (class, place) = text.split_once(" in ").unwrap_or((text, ""));
        let class = format!("{}{}", normalise(class), self.access.unwrap_or_default());
        // A race has two sides: `data-race in foo / bar`.
        let place = match self.rule.kind {
            Kind::Kcsan => normalise(&place.split(' ').map(bare_name).collect::<Vec<_>>().join(" ")),
            _ => frame.unwrap_or_default().to_owned(),
        };
        if place.is_empty() { class } else { format!("{class} in {place}") }
    }

    /// The head's text after the rule's own words.
    fn message(&self) -> &str {
        self.head.strip_prefix(self.rule.head).unwrap_or(&self.head)
    }
}

/// What process_one_work() says of the work: `last function: foo`, and since 6.12 `RCU=0->0 workfn=foo`.
fn worker(body: &str) -> Option<&str> {
    let rest = body.strip_prefix("last function: ").or_else(|| Some(body.split_once(" workfn=")?.1))?;
    rest.split(' ').next().filter(|name| !name.is_empty() && name.len() <= 256)
}

/// `foo` of `foo+0x1/0x2`.
fn bare_name(word: &str) -> String {
    Frame::parse(word).map_or_else(|| word.to_owned(), |frame| frame.function)
}

/// `BUG kmalloc-64 (Not tainted): Right Redzone overwritten` without the taint.
fn slab(head: &str) -> String {
    let (cache, rest) = head.split_once(" (").unwrap_or((head, ""));
    let (_, what) = rest.split_once("): ").unwrap_or_default();
    format!("{cache}: {what}")
}

/// The first word of a head that is a place in the code, with its module.
fn frame_in(head: &str) -> Option<Frame> {
    let mut words = head.split(' ').peekable();
    while let Some(word) = words.next() {
        let module = words.peek().filter(|next| next.starts_with('[')).copied().unwrap_or_default();
        let word = word.trim_end_matches(',');
        if (word.contains("+0x") || word.starts_with("0x"))
            && let Some(frame) = Frame::parse(&format!("{word} {module}"))
        {
            return Some(frame);
        }
    }
    None
}
