//! The JSON of kirk, the runner of the Linux Test Project.
//! Source: kirk libkirk/export.py; LTP doc/users/quick_start.rst for the words of a log.

use super::{Imported, Outcome};
use gauntlet_results::Verdict;
use serde::Deserialize;

#[derive(Debug, Deserialize)]
struct Report {
    results: Vec<Entry>,
    #[serde(default)]
    environment: Environment,
}

#[derive(Debug, Deserialize)]
struct Entry {
    test_fqn: String,
    status: String,
    #[serde(default)]
    test: Test,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Test {
    command: String,
    arguments: Vec<String>,
    log: String,
    /// Exit statuses, as texts; -1 of a test that kirk ended.
    retval: Vec<String>,
    /// Seconds.
    duration: f64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Environment {
    distribution: Option<String>,
    distribution_version: Option<String>,
    kernel: Option<String>,
    arch: Option<String>,
}

/// What a status stands for: verdict, the word of the log that says why, and what to say without one.
const STATUSES: &[(&str, Verdict, &str, &str)] = &[
    ("pass", Verdict::Pass, "", ""),
    ("conf", Verdict::Skip, "TCONF", "the test says that it is not supported here"),
    ("fail", Verdict::Fail, "TFAIL", "the test says so; its output tells"),
    ("brok", Verdict::Error, "TBROK", "the test itself broke; its output tells"),
    // Something went wrong beside what is tested: no verdict on the kernel.
    ("warn", Verdict::Error, "TWARN", "the test warns of its own doing; its output tells"),
];

pub(super) fn is(text: &str) -> bool {
    text.trim_start().starts_with('{') && text.contains("\"test_fqn\"")
}

pub(super) fn read(text: &str) -> Result<Imported, String> {
    let report: Report = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let results = report.results.into_iter().map(outcome).collect::<Result<_, _>>()?;
    let Environment { distribution, distribution_version, kernel, arch } = report.environment;
    let machine: Vec<String> = ["kirk".to_owned()]
        .into_iter()
        .chain([arch, distribution, distribution_version].into_iter().flatten())
        .collect();
    Ok(Imported { kernel: kernel.map(|text| release(&text)), machine: machine.join(" "), results })
}

fn outcome(entry: Entry) -> Result<Outcome, String> {
    let Some((_, verdict, word, otherwise)) = STATUSES.iter().find(|(status, ..)| *status == entry.status)
    else {
        let known: Vec<&str> = STATUSES.iter().map(|(status, ..)| *status).collect();
        return Err(format!("{}: status `{}`, known are {}", entry.test_fqn, entry.status, known.join(", ")));
    };
    let log = entry.test.log;
    let said = log.lines().find(|line| !word.is_empty() && line.contains(word));
    let said = said.map_or((*otherwise).to_owned(), |line| line.trim().to_owned());
    // kirk counts a program that is not there as a failed test; the kernel has not been asked.
    let status = entry.test.retval.first().map_or("", String::as_str);
    let never_ran = *verdict == Verdict::Fail && ["126", "127"].contains(&status);
    let seconds = entry.test.duration;
    Ok(Outcome {
        verdict: if never_ran { Verdict::Error } else { *verdict },
        reason: if never_ran { format!("exit status {status}: the program cannot be run") } else { said },
        output: format!("$ {} {}\n{log}", entry.test.command, entry.test.arguments.join(" ")),
        duration_ms: if seconds.is_finite() && seconds > 0.0 { (seconds * 1000.0) as u64 } else { 0 },
        test: entry.test_fqn,
    })
}

/// `uname -r` as older and newer versions of kirk note it: alone, or among the rest of `uname -a`.
fn release(text: &str) -> String {
    let words = text.split_ascii_whitespace();
    let is_release =
        |word: &&str| word.starts_with(|letter: char| letter.is_ascii_digit()) && word.contains('.');
    words.clone().find(is_release).or(words.clone().next()).unwrap_or("unknown").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_of_every_status_is_read() {
        let read = read(include_str!("testdata/kirk.json")).unwrap();
        assert_eq!(read.kernel.as_deref(), Some("6.1.0-56-amd64"));
        assert_eq!(read.machine, "kirk x86_64 debian 12");
        let said: Vec<(&str, Verdict, &str)> =
            read.results.iter().map(|one| (one.test.as_str(), one.verdict, one.reason.as_str())).collect();
        assert_eq!(
            said,
            [
                ("getrandom01", Verdict::Pass, ""),
                (
                    "memfd_create01",
                    Verdict::Fail,
                    "memfd_create01.c:144: TFAIL: ftruncate grew a sealed file"
                ),
                ("bpf_prog05", Verdict::Skip, "bpf_common.c:17: TCONF: Insufficient privileges"),
                ("execveat03", Verdict::Error, "tst_device.c:97: TBROK: Could not stat loop device 0"),
                ("sched_setattr01", Verdict::Error, "the test warns of its own doing; its output tells"),
            ]
        );
        assert_eq!(read.results[1].duration_ms, 1500);
        assert!(read.results[1].output.starts_with("$ memfd_create01 -i 2\n"), "{}", read.results[1].output);
    }

    /// Written by kirk 4.2.0, which ran programs that print what LTP's print; of its environment much is cut.
    #[test]
    fn a_report_that_kirk_wrote_is_read() {
        let read = read(include_str!("testdata/real-kirk.json")).unwrap();
        let said: Vec<(&str, Verdict)> =
            read.results.iter().map(|one| (one.test.as_str(), one.verdict)).collect();
        assert_eq!(
            said,
            [
                ("memfd01", Verdict::Pass),
                ("renameat202", Verdict::Fail),
                ("bpf_prog01", Verdict::Skip),
                ("kexec01", Verdict::Error),
                ("sleeps01", Verdict::Error),
                ("warns01", Verdict::Error),
                ("missing01", Verdict::Error),
            ]
        );
        assert_eq!(read.results[6].reason, "exit status 127: the program cannot be run");
        assert_eq!(read.results[4].duration_ms, 3008);
    }

    #[test]
    fn an_unknown_status_is_no_pass() {
        let text = r#"{"results": [{"test_fqn": "a", "status": "fine"}]}"#;
        assert_eq!(read(text).unwrap_err(), "a: status `fine`, known are pass, conf, fail, brok, warn");
        assert!(read(r#"{"results": [{"test_fqn": "a"}]}"#).unwrap_err().contains("line 1"));
    }
}
