//! The rules of KCIDB's schema, version 5.3, written out, and its own validator where Python has it
//! (`pip install kcidb-io`).

use gauntlet_results::RunRecord;
use gauntlet_results::report::{Format, Options};
use serde_json::Value;
use std::collections::HashSet;
use std::io::Write;
use std::process::{Command, Stdio};

/// Each list, the fields its objects must have and those they may have.
const OBJECTS: &[(&str, &[&str], &[&str])] = &[
    ("checkouts", &["id", "origin"], &["git_commit_hash", "comment", "start_time", "valid", "misc"]),
    ("builds", &["id", "origin", "checkout_id"], &["architecture", "status", "comment", "misc"]),
    (
        "tests",
        &["id", "origin", "build_id", "path", "status"],
        &["comment", "log_excerpt", "number", "start_time", "duration", "environment", "misc"],
    ),
    ("issues", &["id", "origin", "version"], &["report_subject", "culprit", "comment", "misc"]),
    ("incidents", &["id", "origin", "issue_id", "issue_version"], &["test_id", "present", "comment", "misc"]),
];

pub fn check(record: &RunRecord) {
    let value: Value = serde_json::from_str(&Format::Kcidb.render(record, &Options::default())).unwrap();
    assert_eq!(value["version"], serde_json::json!({ "major": 5, "minor": 3 }));
    no_nulls(&value);
    let mut ids = HashSet::new();
    for (list, required, optional) in OBJECTS {
        for object in value[list].as_array().expect("every list is there") {
            let object = object.as_object().unwrap();
            required.iter().for_each(|field| assert!(object.contains_key(*field), "{list}: no {field}"));
            let known =
                |field: &String| required.contains(&field.as_str()) || optional.contains(&field.as_str());
            object.keys().for_each(|field| assert!(known(field), "{list}: {field} is not of the schema"));
            assert_eq!(object["origin"], "gauntlet");
            assert!(object["id"].as_str().unwrap().starts_with("gauntlet:"));
            assert!(
                ids.insert(object["id"].clone()) || *list == "checkouts" || *list == "builds",
                "{list}: twice the same id"
            );
        }
    }
    let known = |list: &str| {
        value[list].as_array().unwrap().iter().map(|one| one["id"].clone()).collect::<HashSet<_>>()
    };
    let (checkouts, builds, tests, issues) =
        (known("checkouts"), known("builds"), known("tests"), known("issues"));
    let all = |list: &str, field: &str, known: &HashSet<Value>| {
        value[list]
            .as_array()
            .unwrap()
            .iter()
            .for_each(|one| assert!(known.contains(&one[field]), "{list}: {field}"));
    };
    all("builds", "checkout_id", &checkouts);
    all("tests", "build_id", &builds);
    all("incidents", "issue_id", &issues);
    all("incidents", "test_id", &tests);
    value["tests"].as_array().unwrap().iter().for_each(test);
    // Nothing is dropped: each result, workload, missing case, kernel and finding is a test.
    let expected =
        record.results.len() + record.workloads.len() + record.missing().len() + record.kernels.len();
    assert_eq!(value["tests"].as_array().unwrap().len(), expected + record.findings.len());
}

fn test(test: &Value) {
    assert!(["FAIL", "ERROR", "MISS", "PASS", "DONE", "SKIP"].contains(&test["status"].as_str().unwrap()));
    let path = test["path"].as_str().unwrap();
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    assert!(path.split('.').all(|part| !part.is_empty() && part.chars().all(fits)), "{path}");
    if let Some(excerpt) = test.get("log_excerpt") {
        let excerpt = excerpt.as_str().unwrap();
        assert!(excerpt.chars().count() <= 16_384 && !excerpt.contains('\0'));
    }
    if let Some(number) = test.get("number") {
        assert!(number["value"].is_number() && test["status"] == "DONE");
    }
}

fn no_nulls(value: &Value) {
    match value {
        Value::Null => panic!("the schema knows no null"),
        Value::Array(list) => list.iter().for_each(no_nulls),
        Value::Object(map) => map.values().for_each(no_nulls),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// What the project's own validator says; None where it is not installed.
pub fn validate(record: &RunRecord) -> Option<Result<(), String>> {
    let python = |code: &str| {
        let mut command = Command::new("python3");
        command.args(["-c", code]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        command.spawn().ok()
    };
    let installed = python("import kcidb_io")?.wait_with_output().ok()?;
    if !installed.status.success() {
        return None;
    }
    let code = "import sys, json, kcidb_io; kcidb_io.schema.V5_3.validate(json.load(sys.stdin))";
    let mut validator = python(code)?;
    let text = Format::Kcidb.render(record, &Options::default());
    validator.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = validator.wait_with_output().unwrap();
    Some(match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    })
}
