//! Reading KTAP as it really comes: nested by spaces or by `# `, without plans, with lines printed twice, with the
//! directive where the name should be. Pure; bounded by the text's length; whatever is planned and missing is ERROR.

mod line;

use gauntlet_results::Verdict;
use line::{Line, Outcome};

/// All that a text reports.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The tests without tests of their own, in order; and parents that are worse than all their children.
    pub tests: Vec<Test>,
    /// `1..0 # SKIP reason`
    pub skipped: Option<String>,
    pub bail_out: Option<String>,
    /// Oddities that changed nothing.
    pub anomalies: Vec<String>,
}

/// One verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Test {
    /// With the names of the tests around it: `parent/child`.
    pub name: String,
    pub verdict: Verdict,
    pub reason: String,
    /// How deep the line stood; only while reading.
    level: usize,
    number: u64,
}

/// Names longer than this are data.
const NAME: usize = 160;
/// A plan that promises more than this is a slip of the pen, not so many missing tests.
const MISSING: usize = 50;
/// Plans open at once: one per level, and nobody nests so deep.
const OPEN: usize = 64;

/// Reads a program's output, or a console's lines without their time stamps.
pub fn parse(text: &str) -> Report {
    let mut reader = Reader::default();
    for line in text.lines() {
        let line: String = line.chars().filter(|letter| *letter != '\0').collect();
        let (level, content) = nesting(line.trim_end_matches('\r'));
        reader.line(level, line::read(content));
    }
    reader.close_above(0);
    reader.close_plan(0);
    reader.finish()
}

/// How deep a line is nested, in characters, and what stands there. A `# ` nests only a line that is KTAP itself;
/// otherwise it begins a remark.
fn nesting(line: &str) -> (usize, &str) {
    let mut rest = line;
    loop {
        let inner = rest.trim_start_matches([' ', '\t']);
        let is_run = inner.starts_with("#  RUN ");
        let deeper = inner.strip_prefix("# ").filter(|_| !is_run && is_ktap(inner));
        match deeper {
            Some(deeper) => rest = deeper,
            None => return (line.len() - inner.len(), inner),
        }
    }
}

/// Whether behind all the `# ` there is a line of KTAP.
fn is_ktap(line: &str) -> bool {
    let mut rest = line;
    while let Some(deeper) = rest.strip_prefix("# ") {
        rest = deeper.trim_start();
    }
    !matches!(line::read(rest), Line::Other | Line::Remark(_))
}

#[derive(Debug, Default)]
struct Reader {
    report: Report,
    tests: Vec<Test>,
    /// Level, count, and how many tests there were before it.
    plans: Vec<(usize, usize, usize)>,
    /// Level of the last version line, and how many tests there were before it.
    document: (usize, usize),
    begun: Option<String>,
    /// The first remark since the last result that names a place in a source file, else the last.
    remark: Option<String>,
    repeated: usize,
}

impl Reader {
    fn line(&mut self, level: usize, line: Line<'_>) {
        match line {
            Line::Version => {
                self.close_plan(level);
                self.document = (level, self.tests.len());
            }
            Line::Plan { skip: Some(reason), .. } if level == 0 => {
                self.report.skipped = Some(reason.to_owned());
            }
            Line::Plan { count, .. } => self.plan(level, count),
            Line::BailOut(reason) => self.report.bail_out = Some(reason.to_owned()),
            Line::Begins(name) => {
                self.begun = Some(name.to_owned());
                self.remark = None;
            }
            Line::Remark(text) => {
                if !self.remark.as_deref().is_some_and(names_a_place) {
                    self.remark = Some(clean(text));
                }
            }
            Line::Result(outcome) => self.result(level, &outcome),
            Line::Other => {}
        }
    }

    fn plan(&mut self, level: usize, count: usize) {
        // Some programs print it again at the end.
        let known = self.plans.iter().any(|(at, known, _)| (*at, *known) == (level, count));
        if !known && self.plans.len() < OPEN {
            // A plan at the end is about what stands before it, in its own document.
            let above = self.tests.iter().rposition(|test| test.level < level).map_or(0, |at| at + 1);
            let start = if self.document.0 == level { self.document.1 } else { 0 };
            self.plans.push((level, count, above.max(start)));
        }
    }

    fn result(&mut self, level: usize, outcome: &Outcome<'_>) {
        let (begun, remark) = (self.begun.take(), self.remark.take());
        let name = match (outcome.name, begun) {
            ("", Some(begun)) => begun,
            ("", None) if outcome.reason.is_empty() => format!("test {}", outcome.number),
            ("", None) => outcome.reason.to_owned(),
            (name, _) => name.to_owned(),
        };
        let test = Test {
            name: clean(&name),
            verdict: outcome.verdict,
            reason: match (outcome.reason, remark) {
                ("", Some(remark)) if outcome.verdict.is_failure() => remark,
                (reason, _) => reason.to_owned(),
            },
            level,
            number: outcome.number,
        };
        if self.tests.last() == Some(&test) {
            self.repeated += 1;
            return;
        }
        self.close_above(level);
        self.adopt(test);
    }

    /// Adds a test; those that stand deeper since the last one of its own level or above are its children.
    fn adopt(&mut self, test: Test) {
        let first = self.tests.iter().rposition(|other| other.level <= test.level).map_or(0, |at| at + 1);
        let children = &mut self.tests[first..];
        let worst = children.iter().map(|child| child.verdict).max();
        for child in children.iter_mut() {
            child.name = clean(&format!("{}/{}", test.name, child.name));
            child.level = test.level;
        }
        // A parent says what its children said; it is a verdict of its own only when it is worse.
        if worst.is_none_or(|worst| test.verdict.is_failure() && !worst.is_failure()) {
            self.tests.push(test);
        }
        let level = self.tests.last().map_or(0, |one| one.level);
        let direct = self.plans.iter_mut().filter(|(at, _, _)| *at == level);
        // Several children count as the one result that their parent is.
        let extra = self.tests.len().saturating_sub(first + 1);
        direct.for_each(|(_, count, _)| *count += extra);
    }

    /// Plans deeper than this level are over.
    fn close_above(&mut self, level: usize) {
        let deeper: Vec<usize> = self.plans.iter().map(|(at, _, _)| *at).filter(|at| *at > level).collect();
        deeper.into_iter().for_each(|at| self.close_plan(at));
    }

    /// Adds what a plan promised and nobody reported.
    fn close_plan(&mut self, level: usize) {
        let Some(index) = self.plans.iter().rposition(|(at, _, _)| *at == level) else { return };
        let (_, count, before) = self.plans.remove(index);
        let told =
            self.tests[before.min(self.tests.len())..].iter().filter(|test| test.level == level).count();
        for number in (told + 1..=count).take(MISSING) {
            self.tests.push(Test {
                name: format!("test {number}"),
                verdict: Verdict::Error,
                reason: format!("{count} tests were planned, {told} reported"),
                level,
                number: number as u64,
            });
        }
    }

    fn finish(mut self) -> Report {
        if self.repeated > 0 {
            self.report.anomalies.push(format!("{} results were printed again", self.repeated));
        }
        number(self.tests.iter_mut().map(|test| &mut test.name));
        self.report.tests = self.tests;
        self.report
    }
}

/// Tells names that come again apart: `name`, `name (2)`.
pub fn number<'a>(names: impl Iterator<Item = &'a mut String>) {
    let mut seen = std::collections::BTreeMap::new();
    for name in names {
        let count: &mut usize = seen.entry(name.clone()).or_default();
        *count += 1;
        if *count > 1 {
            *name = format!("{name} ({count})");
        }
    }
}

/// `seccomp_bpf.c:123:mode_filter:Expected 0 (0) == ret (-1)`
fn names_a_place(remark: &str) -> bool {
    let mut parts = remark.splitn(3, ':');
    let is_source = parts.next().is_some_and(|file| [".c", ".h"].iter().any(|ending| file.ends_with(ending)));
    is_source && parts.next().is_some_and(|line| line.parse::<u32>().is_ok())
}

/// A name that can stand in a table: no control characters, bounded.
fn clean(name: &str) -> String {
    let tidy: String = name.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    tidy.trim().chars().take(NAME).collect()
}

#[cfg(test)]
mod tests;
