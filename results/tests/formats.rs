//! The formats for machines, read back by a strict reader of each.

#[path = "support/kcidb.rs"]
mod kcidb;
#[path = "support/schema.rs"]
mod schema;
mod support;

use gauntlet_results::report::{Format, Options};
use gauntlet_results::{RunRecord, Verdict, exit_code};
use proptest::prelude::*;
use serde_json::json;
use support::{any, run_info, sample};

fn render(format: Format, record: &RunRecord) -> String {
    format.render(record, &Options::default())
}

fn any_record() -> impl Strategy<Value = RunRecord> {
    any::events().prop_map(|events| {
        let mut record = RunRecord::new(run_info("r"));
        events.iter().for_each(|event| record.apply(event));
        record
    })
}

/// How many leaf results there are, passed and not; panics at whatever ktap.rst does not allow.
fn read_ktap(lines: &mut std::iter::Peekable<std::str::Lines>, level: usize) -> (usize, usize) {
    let indent = "  ".repeat(level);
    let own = |line: &str| line.strip_prefix(&indent).map(str::to_owned);
    assert_eq!(lines.next().and_then(own).as_deref(), Some("KTAP version 1"));
    let plan = lines.next().and_then(own).expect("a plan");
    let plan: usize = plan.strip_prefix("1..").expect("a plan").parse().expect("a number");
    let (mut number, mut good, mut bad, mut children) = (0, 0, 0, None);
    while number < plan {
        let line = lines.peek().unwrap_or_else(|| panic!("{plan} planned, {number} found"));
        if line.strip_prefix(&format!("{indent}  KTAP")).is_some() {
            children = Some(read_ktap(lines, level + 1));
            continue;
        }
        let line = lines.next().and_then(own).expect("the indentation of its level");
        if line.starts_with('#') {
            continue;
        }
        number += 1;
        let (ok, rest) = match line.strip_prefix("not ok ") {
            Some(rest) => (false, rest),
            None => (true, line.strip_prefix("ok ").unwrap_or_else(|| panic!("odd line: {line}"))),
        };
        let description =
            rest.strip_prefix(&format!("{number} ")).unwrap_or_else(|| panic!("odd number: {line}"));
        let (_, directive) = description.split_once(" # ").unwrap_or((description, "SKIP"));
        let word = directive.split_whitespace().next().expect("a directive has a word");
        assert!(["SKIP", "XFAIL", "TIMEOUT", "ERROR"].contains(&word), "{line}");
        match children.take() {
            Some((below_good, below_bad)) => {
                assert_eq!(ok, below_bad == 0, "a parent is as good as its children: {line}");
                good += below_good;
                bad += below_bad;
            }
            None if ok => good += 1,
            None => bad += 1,
        }
    }
    (good, bad)
}

/// As [`read_ktap`]. Diagnostics may stand anywhere, so notes may follow a plan of no kernels.
fn read_all_ktap(text: &str) -> (usize, usize) {
    let mut lines = text.lines().peekable();
    let counts = read_ktap(&mut lines, 0);
    assert_eq!(lines.find(|line| !line.starts_with('#')), None);
    counts
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn ktap_of_any_run_is_valid_and_complete(record in any_record()) {
        let text = render(Format::Ktap, &record);
        let (good, bad) = read_all_ktap(&text);
        let missing = record.missing();
        let verdicts = || record.results.iter().map(|one| one.verdict).chain(record.workloads.iter().map(|one| one.verdict))
            .chain(missing.iter().map(|one| one.verdict)).chain(record.kernels.iter().filter_map(|one| Some(one.failure.as_ref()?.verdict)));
        let is_good = |verdict: &Verdict| *verdict <= Verdict::Skip;
        let says_something = |name: &str| record.results.iter().any(|one| one.kernel == name) || record.workloads.iter().any(|one| one.kernel == name)
            || missing.iter().any(|one| one.kernel == name);
        let idle = record.kernels.iter().filter(|kernel| kernel.failure.is_none() && !says_something(&kernel.name)).count();
        prop_assert_eq!(good, idle + verdicts().filter(is_good).count(), "a kernel with nothing to run is skipped");
        prop_assert_eq!(bad, verdicts().filter(|verdict| !is_good(verdict)).count());
    }

    #[test]
    fn junit_of_any_run_is_read_back_with_all_its_results(record in any_record()) {
        let text = render(Format::Junit, &record);
        prop_assert!(text.chars().all(|c| c == '\n' || !c.is_control()));
        let report = quick_junit::Report::deserialize_from_str(&text).unwrap();
        let failed_kernels = record.kernels.iter().filter(|kernel| kernel.failure.is_some()).count();
        let all = record.results.len() + record.workloads.len() + record.missing().len() + failed_kernels;
        prop_assert_eq!(report.tests, all);
        let cases: usize = report.test_suites.iter().map(|suite| suite.test_cases.len()).sum();
        prop_assert_eq!(cases, all);
    }

    #[test]
    fn kcidb_of_any_run_keeps_the_rules(record in any_record()) {
        kcidb::check(&record);
    }

    /// GitHub's runner takes lines that begin with `::`, after blanks, for commands, and `##[` anywhere in others.
    #[test]
    fn annotations_of_any_run_are_only_ours(record in any_record()) {
        let text = render(Format::Github, &record);
        let levels = ["::error ", "::warning ", "::notice "];
        prop_assert!(text.lines().all(|line| levels.iter().any(|level| line.starts_with(level))), "{}", text);
        prop_assert!(text.chars().all(|c| c == '\n' || !c.is_control()));
        let wanted = record.findings.len() + usize::from(exit_code(&record) == 1);
        prop_assert!(text.matches("::error ").count() >= wanted.min(1) && text.matches("::notice ").count() == 1);
    }

    #[test]
    fn a_mail_about_any_run_has_78_columns_and_its_own_headers_only(record in any_record()) {
        let text = render(Format::Mail, &record);
        prop_assert!(text.lines().all(|line| line.chars().count() <= 78), "{}", text);
        prop_assert!(text.chars().all(|c| c == '\n' || !c.is_control()));
        let (headers, _) = text.split_once("\n\n").unwrap();
        prop_assert!(headers.is_ascii());
        let names: Vec<&str> = headers.lines().map(|line| line.split(':').next().unwrap()).collect();
        prop_assert_eq!(names, ["Subject", "MIME-Version", "Content-Type", "Content-Transfer-Encoding"]);
    }

    #[test]
    fn json_of_any_run_is_read_back(record in any_record()) {
        let value: serde_json::Value = serde_json::from_str(&render(Format::Json, &record)).unwrap();
        prop_assert_eq!(&value["exit_code"], exit_code(&record));
        let results: Vec<gauntlet_results::TestResult> = serde_json::from_value(value["results"].clone()).unwrap();
        prop_assert_eq!(results, record.results);
    }
}

/// The machine formats of one small run, whole: the shapes others depend on.
#[test]
fn small_texts() {
    let mut record = RunRecord::new(run_info("20261123-124501-3f2a9c"));
    let planned = ["memfd/create", "memfd/lost", "memfd/seal"].map(str::to_owned).to_vec();
    let mut seal = support::result("6.1", "memfd/seal", Verdict::Fail);
    seal.reason = "expected EPERM, got 0 # not ok 1".to_owned();
    seal.output = "writing\n".to_owned();
    for event in [
        gauntlet_results::Event::Planned { kernel: "6.1".to_owned(), cases: planned, times: 1 },
        gauntlet_results::Event::CaseFinished(support::result("6.1", "memfd/create", Verdict::Pass)),
        gauntlet_results::Event::CaseFinished(seal),
        support::finished(false),
    ] {
        record.apply(&event);
    }
    insta::assert_snapshot!("ktap", render(Format::Ktap, &record));
    insta::assert_snapshot!("junit", render(Format::Junit, &record));
    insta::assert_snapshot!("json", render(Format::Json, &record));
    insta::assert_snapshot!("kcidb", render(Format::Kcidb, &record));
    insta::assert_snapshot!("github", render(Format::Github, &record));
    insta::assert_snapshot!("mail", render(Format::Mail, &record));
}

#[test]
fn ktap_of_a_run_that_only_took_notes_is_valid() {
    let mut record = RunRecord::new(run_info("r"));
    record.apply(&gauntlet_results::Event::Note { text: "nothing came up".to_owned() });
    let text = render(Format::Ktap, &record);
    assert_eq!(text, "KTAP version 1\n1..0\n# nothing came up\n");
    assert_eq!(read_all_ktap(&text), (0, 0));
}

#[test]
fn kcidbs_own_validator_agrees() {
    kcidb::check(&sample::record());
    let sound = kcidb::rendered(&sample::record());
    match kcidb::validate(&[sound]) {
        Some(verdicts) => assert_eq!(verdicts, [""]),
        None => println!("not asked: pip install kcidb-io"),
    }
}

/// The schema as it is read here refuses what KCIDB's own validator refuses.
#[test]
fn what_kcidb_does_not_take_is_noticed() {
    let sound = kcidb::rendered(&sample::record());
    let oddities = [
        ("/version/minor", json!(4)),
        ("/tests/0/status", json!("GREEN")),
        ("/tests/0/path", json!("memfd..create")),
        ("/tests/0/comment", json!(null)),
        ("/tests/0/comment", json!("a\0b")),
        ("/tests/0/start_time", json!("yesterday")),
        ("/tests/0/log_excerpt", json!("x".repeat(16_385))),
        ("/tests/0/colour", json!("green")),
        ("/tests/0/number", json!({ "unit": "s" })),
        ("/builds/0/id", json!("no origin")),
        ("/checkouts/0/valid", json!("yes")),
        ("/checkouts/0/origin", json!("Gauntlet")),
        ("/issues/0/version", json!(-1)),
        ("/incidents", json!({})),
    ];
    let odd: Vec<_> = oddities
        .iter()
        .map(|(pointer, value)| {
            let (mut odd, (parent, field)) = (sound.clone(), pointer.rsplit_once('/').unwrap());
            odd.pointer_mut(parent).unwrap()[field] = value.clone();
            odd
        })
        .collect();
    let theirs = kcidb::validate(&odd);
    for (index, (pointer, _)) in oddities.iter().enumerate() {
        assert!(!kcidb::offences(&odd[index]).is_empty(), "{pointer}");
        assert!(theirs.as_ref().is_none_or(|said| !said[index].is_empty()), "{pointer} is good to KCIDB");
    }
}

#[test]
fn the_sample_is_valid_in_every_format() {
    let record = sample::record();
    read_all_ktap(&render(Format::Ktap, &record));
    assert!(quick_junit::Report::deserialize_from_str(&render(Format::Junit, &record)).is_ok());
    for format in Format::ALL {
        assert_eq!(format.name().parse(), Ok(format));
    }
    assert_eq!(
        "xml".parse::<Format>().unwrap_err().to_string().split(" (").next(),
        Some("no report format 'xml'")
    );
}
