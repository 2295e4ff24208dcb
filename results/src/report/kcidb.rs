//! KCIDB, version 5.3: what <https://kcidb.kernelci.org> takes. One checkout and one build per kernel, one test per
//! result; a splat or a known failure is an issue, tied to its tests by incidents.
//!
//! Identifiers are digests of what they name, so a run that is sent twice counts once.

use super::excerpt::excerpt;
use super::summary::{self, Entry};
use super::text::{clip, line, lines};
use crate::{Finding, KernelRecord, Rate, RunRecord, Verdict, WorkloadResult, figures};
use serde_json::{Map, Value, json};

const ORIGIN: &str = "gauntlet";

/// The schema's limit for a `log_excerpt`, in characters.
const EXCERPT: usize = 16_384;
/// Lines of a console in one: the splat and its stack.
const HEIGHT: usize = 80;

pub(super) fn render(record: &RunRecord) -> String {
    let missing = record.missing();
    let mut document = Document { record, tests: Vec::new(), issues: Map::new(), incidents: Vec::new() };
    record.kernels.iter().for_each(|kernel| document.boot(kernel));
    summary::entries(record, &missing).iter().for_each(|entry| document.entry(entry));
    record.findings.iter().for_each(|finding| document.finding(finding));
    let whole = without_nulls(json!({
        "version": { "major": 5, "minor": 3 },
        "checkouts": record.kernels.iter().map(|kernel| checkout(record, kernel)).collect::<Vec<_>>(),
        "builds": record.kernels.iter().map(build).collect::<Vec<_>>(),
        "tests": document.tests,
        "issues": document.issues.into_iter().map(|(_, issue)| issue).collect::<Vec<_>>(),
        "incidents": document.incidents,
    }));
    format!("{whole:#}\n")
}

struct Document<'a> {
    record: &'a RunRecord,
    tests: Vec<Value>,
    /// By identifier: many tests may show one issue.
    issues: Map<String, Value>,
    incidents: Vec<Value>,
}

impl Document<'_> {
    fn boot(&mut self, kernel: &KernelRecord) {
        let mut test = self.test("boot", &kernel.name, "boot");
        match &kernel.failure {
            Some(failure) => {
                test["status"] = json!(status(failure.verdict));
                test["comment"] = json!(line(&failure.reason));
                test["log_excerpt"] = log(&failure.console, Some(&failure.reason));
            }
            None if kernel.info.is_some() => test["status"] = json!("PASS"),
            None => test["status"] = json!("MISS"),
        }
        self.tests.push(test);
    }

    fn entry(&mut self, entry: &Entry) {
        // A workload may have the name of a case.
        let name = match entry.suite {
            summary::WORKLOADS => format!("{}/{}", summary::WORKLOADS, entry.case),
            _ => entry.case.to_owned(),
        };
        let mut test = self.test(entry.suite, entry.kernel, &name);
        test["status"] = json!(if entry.missing { "MISS" } else { status(entry.verdict) });
        test["comment"] = json!(line(entry.reason));
        let mut misc = json!({ "case": line(entry.case), "verdict": entry.verdict });
        let splat = entry.result.and_then(|result| result.splat.as_deref());
        if let Some(result) = entry.result {
            test["duration"] = json!(seconds(result.duration_ms));
            misc["exact"] = json!(result.exact);
            misc["seed"] = json!(result.seed);
            misc["rate"] = json!(Rate::of(result).map(|rate| rate.sentence()));
            misc["replay"] = json!(self.record.replay_id(entry.kernel, entry.case).map(|id| line(&id)));
            if entry.verdict != Verdict::Pass {
                let text = if splat.is_some() || result.output.trim().is_empty() {
                    &result.console
                } else {
                    &result.output
                };
                test["log_excerpt"] = log(text, splat);
            }
        }
        let workload = self.record.workloads.iter().find(|one| entry.result.is_none() && is(one, entry));
        if let Some(workload) = workload {
            test["duration"] = json!(seconds(workload.duration_ms));
            if let Some(figure) = figures::figure(workload) {
                test["status"] = json!("DONE");
                test["number"] = json!({ "value": figure, "unit": line(&workload.unit) });
            }
        }
        test["misc"] = misc;
        let known = (entry.verdict == Verdict::Xfail).then_some(entry.reason);
        if let Some(subject) = splat.or(known) {
            self.incident(subject, &test["id"]);
        }
        self.tests.push(test);
    }

    fn finding(&mut self, finding: &Finding) {
        let mut test = self.test("fuzz", &finding.kernel, &format!("fuzz/{}", finding.title));
        test["status"] = json!("FAIL");
        test["comment"] = json!(format!("{} of {} replays crashed", finding.reproduced, finding.replays));
        test["log_excerpt"] = log(&finding.console, Some(&finding.title));
        test["misc"] = json!({
            "program": lines(&finding.program).collect::<Vec<_>>(),
            "c_program": lines(&finding.c_program).collect::<Vec<_>>(),
        });
        self.incident(&finding.title, &test["id"]);
        self.tests.push(test);
    }

    fn test(&self, kind: &str, kernel: &str, name: &str) -> Value {
        let record = self.record.kernel(kernel);
        let machine = record.and_then(|one| one.info.as_ref()).map(|info| line(&info.machine));
        json!({
            "id": id(&["test", kind, &self.record.result_id(kernel, name)]),
            "origin": ORIGIN,
            "build_id": record.map(|kernel| id(&["build", key(kernel)])),
            "path": path(name),
            "start_time": time(&self.record.info.started),
            "environment": { "comment": "QEMU", "misc": { "machine": machine } },
        })
    }

    fn incident(&mut self, subject: &str, test: &Value) {
        let issue = id(&["issue", subject]);
        self.incidents.push(json!({
            "id": id(&["incident", subject, test.as_str().unwrap_or_default()]),
            "origin": ORIGIN,
            "issue_id": issue,
            "issue_version": 1,
            "test_id": test,
            "present": true,
        }));
        let told = json!({ "id": issue, "version": 1, "origin": ORIGIN, "report_subject": line(subject), "culprit": { "code": true } });
        self.issues.insert(issue, told);
    }
}

fn checkout(record: &RunRecord, kernel: &KernelRecord) -> Value {
    let info = kernel.info.as_ref();
    // Only a spec that ends in a whole commit says which one it was: tree:DIR@COMMIT.
    let commit = info.and_then(|info| info.spec.rsplit_once('@')).map(|(_, revision)| revision);
    let whole = |text: &&str| {
        text.len() == 40 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    json!({
        "id": id(&["checkout", key(kernel)]),
        "origin": ORIGIN,
        "git_commit_hash": commit.filter(whole),
        "comment": info.map_or_else(|| line(&kernel.name), |info| line(&info.spec)),
        "start_time": time(&record.info.started),
        "valid": true,
    })
}

fn build(kernel: &KernelRecord) -> Value {
    let info = kernel.info.as_ref();
    json!({
        "id": id(&["build", key(kernel)]),
        "origin": ORIGIN,
        "checkout_id": id(&["checkout", key(kernel)]),
        "architecture": "x86_64",
        "status": "PASS",
        "comment": line(&kernel.name),
        "misc": info.map(|info| json!({
            "spec": line(&info.spec),
            "release": line(&info.release),
            "version": line(&info.build),
            "image": line(&info.image_digest),
        })),
    })
}

/// What a kernel is known by: the image, where it came up.
fn key(kernel: &KernelRecord) -> &str {
    match &kernel.info {
        Some(info) if !info.image_digest.is_empty() => &info.image_digest,
        _ => &kernel.name,
    }
}

fn id(parts: &[&str]) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
    }
    format!("{ORIGIN}:{}", &hasher.finalize().to_hex()[..32])
}

/// `memfd/seal-write` as `memfd.seal-write`. What the schema has no letters for becomes `_`, and then a digest keeps
/// the name apart from others that look the same.
fn path(name: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let letters = |part: &str| part.chars().map(|c| if fits(c) { c } else { '_' }).collect::<String>();
    let parts: Vec<String> =
        name.split('/').map(|part| if part.is_empty() { "_".to_owned() } else { letters(part) }).collect();
    let slug = parts.join(".");
    if parts.iter().map(String::as_str).eq(name.split('/')) {
        return slug;
    }
    format!(
        "{}-{}",
        clip(&slug, 100).trim_end_matches(['.', '…']),
        &blake3::hash(name.as_bytes()).to_hex()[..8]
    )
}

fn status(verdict: Verdict) -> &'static str {
    match verdict {
        // A failure that was expected: the incident tells which.
        Verdict::Pass | Verdict::Xfail => "PASS",
        Verdict::Skip => "SKIP",
        Verdict::Infra => "MISS",
        Verdict::Error => "ERROR",
        Verdict::Fail | Verdict::Timeout | Verdict::Crash => "FAIL",
    }
}

fn is(workload: &WorkloadResult, entry: &Entry) -> bool {
    workload.kernel == entry.kernel && workload.workload == entry.case
}

fn log(text: &str, splat: Option<&str>) -> Value {
    let excerpt = excerpt(text.trim_end(), splat, HEIGHT);
    let text: String = excerpt.lines.iter().map(|line| format!("{}\n", line.text)).collect();
    if text.is_empty() { Value::Null } else { json!(clip(&text, EXCERPT)) }
}

/// None for what is no time: the schema takes RFC 3339 only.
fn time(stamp: &str) -> Option<String> {
    stamp.parse::<jiff::Timestamp>().ok().map(|at| at.to_string())
}

fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

/// The schema knows no null: what is not known is not there.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let known = map.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(known.map(|(key, value)| (key, without_nulls(value))).collect())
        }
        Value::Array(list) => Value::Array(list.into_iter().map(without_nulls).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_paths_that_stay_apart() {
        assert_eq!(path("memfd/seal-write"), "memfd.seal-write");
        assert_eq!(path("boot"), "boot");
        let odd = ["net/mptcp (v4)", "net/mptcp [v4]", "net.mptcp", "net//mptcp", "", "ä/…"].map(path);
        let mut apart = odd.to_vec();
        apart.sort();
        apart.dedup();
        assert_eq!(apart.len(), odd.len(), "{odd:?}");
        assert!(odd[0].starts_with("net.mptcp__v4_-"), "{}", odd[0]);
    }
}
