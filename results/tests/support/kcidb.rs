//! KCIDB's schema, version 5.3, which is test data here; what it says in words only, written out; and KCIDB's own
//! validator where Python has it (`pip install kcidb-io`).

use crate::schema::Schema;
use gauntlet_results::RunRecord;
use gauntlet_results::report::{Format, Options};
use serde_json::Value;
use std::collections::HashSet;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

static SCHEMA: LazyLock<Schema> =
    LazyLock::new(|| Schema::parse(include_str!("../data/kcidb-5.3.schema.json")));

/// Where the schema does not allow it.
pub fn offences(value: &Value) -> Vec<String> {
    SCHEMA.offences(value)
}

pub fn rendered(record: &RunRecord) -> Value {
    serde_json::from_str(&Format::Kcidb.render(record, &Options::default())).unwrap()
}

pub fn check(record: &RunRecord) {
    let value = rendered(record);
    assert_eq!(offences(&value), Vec::<String>::new());
    assert_eq!(value["version"], serde_json::json!({ "major": 5, "minor": 3 }));
    no_nulls(&value);
    let mut ids = HashSet::new();
    for list in ["checkouts", "builds", "tests", "issues", "incidents"] {
        for object in value[list].as_array().expect("every list is there") {
            assert_eq!(object["origin"], "gauntlet");
            assert!(object["id"].as_str().unwrap().starts_with("gauntlet:"));
            let fresh = ids.insert(object["id"].clone());
            assert!(fresh || list == "checkouts" || list == "builds", "{list}: twice the same id");
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
    assert!(
        test["status"].is_string() && test["path"].as_str().is_some_and(|path| !path.is_empty()),
        "{test}"
    );
    assert!(test.get("number").is_none() || test["status"] == "DONE", "{test}");
}

fn no_nulls(value: &Value) {
    match value {
        Value::Null => panic!("the schema knows no null"),
        Value::Array(list) => list.iter().for_each(no_nulls),
        Value::Object(map) => map.values().for_each(no_nulls),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// What the project's own validator says of each, nothing of a good one; None where it is not installed.
pub fn validate(values: &[Value]) -> Option<Vec<String>> {
    let code = "import sys, json, kcidb_io
for value in json.load(sys.stdin):
    try:
        kcidb_io.schema.V5_3.validate(value)
        print()
    except Exception as error:
        print(str(error).replace('\\n', ' '))";
    let mut command = Command::new("python3");
    command.args(["-c", code]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut validator = command.spawn().ok()?;
    // A pipe that breaks means that the import failed.
    let _ = validator.stdin.take().unwrap().write_all(Value::from(values).to_string().as_bytes());
    let output = validator.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    output.status.success().then(|| said.lines().map(str::to_owned).collect())
}
