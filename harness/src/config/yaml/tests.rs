use super::*;
use proptest::prelude::*;
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only the shape matters")]
struct Sample {
    jobs: Option<u32>,
    suites: Option<Vec<String>>,
    perf: Option<Group>,
    list: Option<Vec<Item>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only the shape matters")]
struct Group {
    seeds: Option<u32>,
    threshold: Option<crate::config::Percent>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only the shape matters")]
struct Item {
    name: String,
    reason: String,
}

/// Place, message and first hint.
fn refused(text: &str) -> (String, String, String) {
    let error = parse::<Sample>("f.yaml", text).expect_err("must be refused");
    let hint = error.hints.first().cloned().unwrap_or_default();
    (error.place.clone().unwrap_or_default(), error.message, hint)
}

fn check(text: &str, place: &str, message: &str, hint: &str) {
    assert_eq!(refused(text), (format!("f.yaml{place}"), message.to_owned(), hint.to_owned()), "{text:?}");
}

#[test]
fn an_unknown_key_proposes_the_nearest() {
    check("jobs: 1\nsuties: []\n", ":2:1", "unknown key 'suties'", "did you mean 'suites'?");
    check("perf:\n  treshold: 1%\n", ":2:3", "unknown key 'treshold'", "did you mean 'threshold'?");
    check("zzz: 1\n", ":1:1", "unknown key 'zzz'", "known here: jobs, suites, perf, list");
}

#[test]
fn a_duplicate_is_shown_where_it_stands_again() {
    check("jobs: 1\nperf: {}\njobs: 2\n", ":3:1", "key 'jobs' stands twice", "keep one of them");
    let nested = "perf:\n  seeds: 1\nlist: []\njobs: 1\n";
    assert!(parse::<Sample>("f.yaml", nested).is_ok());
    check(
        "jobs: 1\nperf:\n  seeds: 1\n  # seeds: 5\n  seeds: 2\n",
        ":5:3",
        "key 'seeds' stands twice",
        "keep one of them",
    );
    check("list:\n  - name: a\n    name: b\n", ":3:5", "key 'name' stands twice", "keep one of them");
}

#[test]
fn wrong_types_are_told_in_words() {
    check("jobs: x\n", ":1:7", "jobs: wrong type: string \"x\", expected a whole number", "");
    check("suites: memfd\n", ":1:9", "suites: wrong type: string \"memfd\", expected a list", "");
    check("perf: 3\n", ":1:7", "perf: wrong type: integer `3`, expected keys and values", "");
    check("perf:\n  threshold: 1\n", ":2:14", "perf.threshold: '1' is not a share, such as 0.5% or 99%", "");
    check("list:\n  - name: a\n", ":2:5", "list[0]: missing field `reason`", "");
}

#[test]
fn tabs_are_named() {
    check("perf:\n\tseeds: 1\n", ":2:1", "a tab cannot indent YAML", "use spaces");
}

#[test]
fn broken_syntax_has_a_place_too() {
    check("suites: [a, b\nperf:\n  seeds: 1\n", ":2:5", "did not find expected ',' or ']'", "");
    check(
        "jobs: 1\n---\njobs: 2\n",
        "",
        "deserializing from YAML containing more than one document is not supported",
        "",
    );
}

#[test]
fn the_excerpt_marks_the_word() {
    let error = parse::<Sample>("f.yaml", "jobs: 1\nsuties: []\n").unwrap_err();
    assert_eq!(error.excerpt.as_deref(), Some("  |\n2 | suties: []\n  | ^^^^^^"));
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "[a-z:\\-\\[\\]{} \t\n\"'&*#|>0-9]{0,60}") {
        let _ = parse::<Sample>("f.yaml", &text);
    }

    #[test]
    fn no_text_at_all_makes_it_panic(text in "(?s).{0,40}") {
        let _ = parse::<Sample>("f.yaml", &text);
    }
}
