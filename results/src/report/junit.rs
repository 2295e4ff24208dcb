//! JUnit XML: one test suite per kernel and suite.

use super::summary::{self, Entry};
use super::text::{line, lines};
use crate::{KernelRecord, Rate, RunRecord, Verdict};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite, XmlString};
use std::time::Duration;

pub(super) fn render(record: &RunRecord) -> String {
    let missing = record.missing();
    let entries = summary::entries(record, &missing);
    let mut report = Report::new(format!("gauntlet {} {}", line(&record.info.verb), record.info.id));
    if let Some(elapsed) = summary::elapsed(record) {
        report.set_time(elapsed);
    }
    for group in summary::by_kernel(record, &entries) {
        report.add_test_suites(boot(group.kernel));
        report.add_test_suites(
            group.suites.iter().map(|(suite, entries)| test_suite(group.kernel, suite, entries)),
        );
    }
    report.to_string().expect("writing XML to memory does not fail")
}

/// A kernel that did not come up is a test that failed.
fn boot(kernel: &KernelRecord) -> Option<TestSuite> {
    let failure = kernel.failure.as_ref()?;
    let mut case = TestCase::new("boot", status(failure.verdict, &failure.reason));
    case.set_classname(line(&kernel.name)).set_system_err(clean(&failure.console));
    let mut suite = TestSuite::new(format!("{}/boot", line(&kernel.name)));
    suite.add_test_case(case);
    Some(suite)
}

fn test_suite(kernel: &KernelRecord, name: &str, entries: &[Entry]) -> TestSuite {
    let mut suite = TestSuite::new(format!("{}/{}", line(&kernel.name), line(name)));
    if let Some(info) = &kernel.info {
        let properties = [
            ("kernel.spec", &info.spec),
            ("kernel.release", &info.release),
            ("kernel.build", &info.build),
            ("kernel.image", &info.image_digest),
            ("machine", &info.machine),
        ];
        suite.add_properties(properties.map(|(key, value)| (key.to_owned(), line(value))));
    }
    suite.add_test_cases(entries.iter().map(test_case));
    suite
}

fn test_case(entry: &Entry) -> TestCase {
    let splat = entry.result.and_then(|result| result.splat.as_deref());
    let rate = entry.result.and_then(Rate::of).filter(Rate::is_flaky).map(|rate| rate.sentence());
    let told = [splat.map(line), Some(line(entry.reason)), rate];
    let told: Vec<String> = told.into_iter().flatten().filter(|text| !text.is_empty()).collect();
    let reason = told.join(": ");
    let mut case = TestCase::new(line(entry.case), status(entry.verdict, &reason));
    case.set_classname(line(entry.kernel));
    if let Some(result) = entry.result {
        case.set_time(Duration::from_millis(result.duration_ms));
        if !result.output.is_empty() {
            case.set_system_out(clean(&result.output));
        }
        if entry.verdict != Verdict::Pass && !result.console.is_empty() {
            case.set_system_err(clean(&result.console));
        }
    }
    case
}

fn status(verdict: Verdict, reason: &str) -> TestCaseStatus {
    let mut status = match verdict {
        Verdict::Pass => return TestCaseStatus::success(),
        Verdict::Xfail | Verdict::Skip => TestCaseStatus::skipped(),
        Verdict::Fail | Verdict::Timeout | Verdict::Crash => {
            TestCaseStatus::non_success(NonSuccessKind::Failure)
        }
        Verdict::Error | Verdict::Infra => TestCaseStatus::non_success(NonSuccessKind::Error),
    };
    status.set_type(verdict.as_str()).set_message(line(reason));
    status
}

/// Beyond dropping what XML 1.0 cannot hold ([`XmlString`]), no terminal tricks in logs that people will `cat`.
fn clean(text: &str) -> XmlString {
    XmlString::new(lines(text).collect::<Vec<_>>().join("\n"))
}
