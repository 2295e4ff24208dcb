//! What make says while it builds: how far it is, and what the compiler warns of.

use std::collections::BTreeSet;
use std::time::Duration;

/// Follows make's output, line by line. Pure: it is told the time.
#[derive(Debug, Default)]
pub struct Output {
    /// Where the sources lie, to be cut off from places.
    source: String,
    /// Objects made so far.
    pub done: usize,
    /// Objects of the last such build, if there was one.
    expected: Option<usize>,
    current: String,
    pub warnings: BTreeSet<Warning>,
}

/// One warning of the compiler.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Warning {
    /// Relative to the tree.
    pub file: String,
    /// `unused variable ‘x’ [-Wunused-variable]`
    pub message: String,
    /// `line:column`; what moves does not make it another warning.
    pub position: String,
}

impl Warning {
    /// What stays the same when lines are added above.
    pub fn identity(&self) -> String {
        format!("{}: {}", self.file, self.message)
    }
}

impl std::fmt::Display for Warning {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}:{}: {}", self.file, self.position, self.message)
    }
}

/// The tools that make an object (the `quiet_cmd_` names of scripts/Makefile.build and Makefile.host).
const TOOLS: [&str; 10] = ["CC", "AS", "LD", "AR", "HOSTCC", "HOSTLD", "VDSO", "OBJCOPY", "RUSTC", "CPP"];

impl Output {
    pub fn new(source: &str, expected: Option<usize>) -> Output {
        Output { source: source.to_owned(), expected, ..Output::default() }
    }

    pub fn line(&mut self, line: &str) {
        if let Some(object) = object(line) {
            self.done += 1;
            object.clone_into(&mut self.current);
        } else if let Some(warning) = warning(line, &self.source) {
            self.warnings.insert(warning);
        }
    }

    /// How far the build is after so long.
    pub fn progress(&self, elapsed: Duration) -> String {
        let (done, current) = (self.done, &self.current);
        match self.expected {
            Some(expected) if done > 0 && expected > done => {
                let left = elapsed.mul_f64((expected - done) as f64 / done as f64);
                let left = crate::ui::format::duration(left);
                format!("compiling {done}/{expected} {current}, about {left} left")
            }
            _ if done == 0 => "compiling".to_owned(),
            _ => format!("compiling {done} {current}"),
        }
    }
}

/// `  CC [M]  fs/fuse/dir.o`
fn object(line: &str) -> Option<&str> {
    let mut words = line.strip_prefix("  ")?.split_ascii_whitespace();
    let tool = words.next()?;
    TOOLS.contains(&tool).then(|| words.next_back()).flatten()
}

/// `/source/fs/open.c:12:3: warning: unused variable ‘x’ [-Wunused-variable]`
fn warning(line: &str, source: &str) -> Option<Warning> {
    let (place, message) = line.split_once(": warning: ")?;
    let place = place.strip_prefix(source).unwrap_or(place).trim_start_matches("../").trim_start_matches('/');
    let (file, position) = place.split_once(':')?;
    position.starts_with(|first: char| first.is_ascii_digit()).then(|| Warning {
        file: file.to_owned(),
        message: message.to_owned(),
        position: position.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(lines: &[&str], expected: Option<usize>) -> Output {
        let mut output = Output::new("/cache/source", expected);
        lines.iter().for_each(|line| output.line(line));
        output
    }

    #[test]
    fn objects_are_counted_and_the_current_one_is_named() {
        let lines =
            ["  CC      kernel/fork.o", "  CC [M]  fs/fuse/dir.o", "  CALL    scripts/checksyscalls.sh", "x"];
        let output = after(&lines, Some(8));
        assert_eq!(
            output.progress(Duration::from_secs(60)),
            "compiling 2/8 fs/fuse/dir.o, about 3 min 0 s left"
        );
        assert_eq!(after(&lines, None).progress(Duration::ZERO), "compiling 2 fs/fuse/dir.o");
        assert_eq!(after(&[], Some(8)).progress(Duration::ZERO), "compiling");
        assert_eq!(after(&lines, Some(1)).progress(Duration::ZERO), "compiling 2 fs/fuse/dir.o");
    }

    #[test]
    fn a_warning_is_the_same_when_it_moves() {
        let one = after(&["/cache/source/fs/open.c:12:3: warning: unused [-Wunused]"], None);
        let other = after(&["/cache/source/fs/open.c:90:3: warning: unused [-Wunused]"], None);
        let identity = |output: &Output| output.warnings.first().unwrap().identity();
        assert_eq!(identity(&one), identity(&other));
        assert_eq!(one.warnings.first().unwrap().to_string(), "fs/open.c:12:3: unused [-Wunused]");
        assert!(after(&["make: warning: jobserver", "a: warning: b"], None).warnings.is_empty());
    }
}
