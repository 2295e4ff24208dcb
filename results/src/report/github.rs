//! Annotations of GitHub's continuous integration: workflow commands on standard output, most important first,
//! because only the first ten of a kind are shown.
//! Source: docs.github.com, "Workflow commands for GitHub Actions".

use super::excerpt::excerpt;
use super::summary::{self, Failure};
use super::text::{clip, count, line};
use crate::{RunRecord, Verdict};

/// Lines of console in an annotation; it is a note in the margin, not the report.
const HEIGHT: usize = 12;

pub(super) fn render(record: &RunRecord) -> String {
    let missing = record.missing();
    let entries = summary::entries(record, &missing);
    let failures = summary::failures(record, &entries, Verdict::is_failure);
    let trouble = summary::failures(record, &entries, |verdict| verdict == Verdict::Infra);
    let mut text = String::new();
    for kernel in &record.kernels {
        if let Some(failure) = &kernel.failure {
            let level = if failure.verdict == Verdict::Infra { "warning" } else { "error" };
            let title = format!("{} did not come up", line(&kernel.name));
            let body = told(&[line(&failure.reason)], &failure.console, Some(&failure.reason));
            text += &command(level, &failure.console, &title, &body);
        }
    }
    text.extend(failures.iter().map(|failure| annotation("error", failure)));
    for finding in &record.findings {
        let replays =
            format!("found by fuzzing; {} of {} replays crashed", finding.reproduced, finding.replays);
        let body =
            told(&[replays, finding.program.trim_end().to_owned()], &finding.console, Some(&finding.title));
        let title = format!("{} on {}", line(&finding.title), line(&finding.kernel));
        text += &command("error", &finding.console, &title, &body);
    }
    text.extend(trouble.iter().map(|failure| annotation("warning", failure)));
    let down = record.kernels.iter().filter(|kernel| kernel.failure.is_some()).count();
    let sentence = summary::sentence(record, down + failures.len() + record.findings.len());
    text + &command("notice", "", &sentence, &summary::totals_line(record, &entries))
}

fn annotation(level: &str, failure: &Failure) -> String {
    let kernels: Vec<String> = failure.places.iter().map(|place| line(place.kernel)).collect();
    let subject = match failure.cases.as_slice() {
        [case] => line(case),
        several => count(several.len(), "missing result"),
    };
    let title = format!("{} {subject} on {}", failure.verdict, kernels.join(", "));
    let result = failure.places[0].result;
    let console = result.filter(|_| failure.splat.is_some()).map_or("", |result| result.console.as_str());
    let mut reasons = vec![failure.splat.map(line).unwrap_or_default(), line(failure.reason)];
    reasons.extend(failure.rates());
    command(level, console, &title, &told(&reasons, console, failure.splat))
}

/// The reasons, then the console around the splat.
fn told(reasons: &[String], console: &str, splat: Option<&str>) -> String {
    let mut parts: Vec<String> = reasons.iter().filter(|reason| !reason.is_empty()).cloned().collect();
    parts.dedup();
    parts.extend(excerpt(console.trim_end(), splat, HEIGHT).lines.into_iter().map(|line| line.text));
    parts.join("\n")
}

fn command(level: &str, console: &str, title: &str, message: &str) -> String {
    let place = source(console).map(|(file, line)| format!("file={},line={line},", property(file)));
    let place = place.unwrap_or_default();
    format!("::{level} {place}title={}::{}\n", property(&clip(title, 200)), data(message))
}

/// The first line of source that the console names: `kernel BUG at mm/slub.c:440!`, `WARNING: … at mm/memfd.c:10`.
fn source(console: &str) -> Option<(&str, u32)> {
    console.lines().find_map(|line| {
        let (_, place) = line.split_once(" at ")?;
        let place = place.split_whitespace().next()?.trim_end_matches(['!', '.', ',']);
        let (file, line) = place.split_once(':')?;
        let known = file.contains('/') && [".c", ".h", ".S", ".rs"].iter().any(|end| file.ends_with(end));
        let plain =
            file.chars().all(|c| c.is_ascii_graphic()) && !file.starts_with('/') && !file.contains("..");
        (known && plain).then_some((file, line.parse().ok()?))
    })
}

/// What a command's text may not contain, as the runner's own toolkit escapes it. Whole texts go through here, so
/// that nothing a guest wrote can begin a line, and so a command, of its own.
fn data(text: &str) -> String {
    let clean: Vec<String> = super::text::lines(text).collect();
    clean.join("\n").replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_source_line_of_a_splat_is_the_place() {
        let warning = "[ 1.0] WARNING: CPU: 0 PID: 1 at mm/memfd.c:10 memfd_fcntl+0x1/0x2\n";
        assert_eq!(source(warning), Some(("mm/memfd.c", 10)));
        assert_eq!(source("[ 1.0] kernel BUG at mm/slub.c:440!\n"), Some(("mm/slub.c", 440)));
        assert_eq!(source("Write of size 8 at addr ffff8880056f2c40 by task\nat ../../x/y.c:1"), None);
    }

    #[test]
    fn nothing_begins_a_command_of_its_own() {
        let line = command("error", "", "a:b,c", "100 %\n::set-output name=x::y\r\n");
        assert_eq!(line, "::error title=a%3Ab%2Cc::100 %25%0A::set-output name=x::y\n");
    }
}
