//! What a person at the command line meets: exit codes, errors that help, streams kept apart. Nothing boots here.

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::{contains, is_empty, starts_with};
use std::io::Read;
use std::process::Stdio;
use tempfile::TempDir;

/// `gauntlet` with a home of its own, and nothing of the caller's environment that matters.
fn gauntlet(home: &TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::cargo_bin("gauntlet").unwrap();
    command.env("HOME", home.path()).args(arguments);
    for name in ["GAUNTLET_RESULTS", "GAUNTLET_CACHE", "XDG_STATE_HOME", "XDG_CACHE_HOME", "CLICOLOR_FORCE"] {
        command.env_remove(name);
    }
    command
}

fn home() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn config(home: &TempDir, text: &str) -> String {
    let path = home.path().join("my.yaml");
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn help_goes_to_standard_output_and_names_the_exit_codes() {
    let home = home();
    gauntlet(&home, &["--help"]).assert().code(0).stdout(contains("130  interrupted")).stderr(is_empty());
}

#[test]
fn an_unknown_verb_or_flag_is_a_usage_error() {
    let home = home();
    gauntlet(&home, &["tset"]).assert().code(2).stdout(is_empty()).stderr(contains("'test'"));
    gauntlet(&home, &["test", "--kernle", "x"]).assert().code(2).stderr(contains("--kernel"));
    gauntlet(&home, &["test", "--mem", "12Q"]).assert().code(2).stderr(contains("'12Q' is not a size"));
}

#[test]
fn an_unknown_key_is_shown_where_it_stands() {
    let home = home();
    let path = config(&home, "# mine\njobs: 2\nsuties: [bpf]\n");
    let expected = format!(
        "{path}:3:1: error: unknown key 'suties'\n  |\n3 | suties: [bpf]\n  | ^^^^^^\nhint: did you mean 'suites'?\n"
    );
    gauntlet(&home, &["test", "--list", "--config", &path])
        .assert()
        .code(2)
        .stdout(is_empty())
        .stderr(expected);
}

#[test]
fn an_unknown_suite_names_the_nearest_wherever_it_was_typed() {
    let home = home();
    let path = config(&home, "suites: [memdf]\n");
    let place = starts_with(format!("{path}:1:10: error:"));
    gauntlet(&home, &["test", "--list", "--config", &path])
        .assert()
        .code(2)
        .stderr(place.and(contains("memfd")));
    gauntlet(&home, &["test", "--list", "-s", "memdf"]).assert().code(2).stderr(contains("memfd"));
}

#[test]
fn a_config_that_is_not_there_is_named() {
    let home = home();
    let assert = gauntlet(&home, &["test", "--list", "--config", "no/such.yaml"]).assert();
    assert.code(2).stderr(contains("no/such.yaml").and(contains("No such file")));
}

#[test]
fn without_runs_there_is_nothing_to_report_and_a_hint() {
    let home = home();
    gauntlet(&home, &["report"])
        .assert()
        .code(2)
        .stderr(contains("error: no run 'last'").and(contains("hint: ")));
    gauntlet(&home, &["report", "--list"]).assert().code(0).stdout(contains("no runs yet"));
    gauntlet(&home, &["compare", "a", "b"]).assert().code(2);
}

#[test]
fn results_that_cannot_be_written_are_infrastructure() {
    let home = home();
    let file = config(&home, "");
    gauntlet(&home, &["report", "--results", &file]).assert().code(3).stderr(contains("--results"));
}

#[test]
fn no_colour_codes_reach_a_pipe() {
    let home = home();
    let output = gauntlet(&home, &["doctor"]).output().unwrap();
    assert!(!output.stdout.contains(&0x1b) && !output.stderr.contains(&0x1b));
    let colored =
        gauntlet(&home, &["doctor"]).env("CLICOLOR_FORCE", "1").env("TERM", "xterm").output().unwrap();
    assert!(colored.stdout.contains(&0x1b), "forcing them shows that they are there to be left out");
}

#[test]
fn doctor_speaks_json() {
    let home = home();
    let output = gauntlet(&home, &["doctor", "--json"]).output().unwrap();
    let checks: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let missing = checks.as_array().unwrap().iter().any(|check| check["state"] == "missing");
    assert_eq!(output.status.code(), Some(if missing { 3 } else { 0 }));
}

#[test]
fn a_reader_that_leaves_early_is_not_complained_about() {
    let home = home();
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin("gauntlet"))
        .args(["completions", "bash"])
        .env("HOME", home.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!((stderr.as_str(), child.wait().unwrap().code()), ("", Some(3)));
}

#[test]
fn completions_and_manual_know_every_verb() {
    let home = home();
    gauntlet(&home, &["completions", "zsh"])
        .assert()
        .code(0)
        .stdout(contains("doctor").and(contains("compare")));
    gauntlet(&home, &["man", "test"])
        .assert()
        .code(0)
        .stdout(contains("--exact").or(contains("\\-\\-exact")));
    gauntlet(&home, &["man", "tset"]).assert().code(2).stderr(contains("did you mean 'test'"));
}

#[test]
fn results_of_another_runner_are_kept_and_compared_like_ours() {
    let home = home();
    let kirk = include_str!("../src/import/testdata/kirk.json");
    let bad = home.path().join("bad.json");
    std::fs::write(&bad, kirk).unwrap();
    let good = home.path().join("good.json");
    std::fs::write(&good, kirk.replacen("\"status\": \"fail\"", "\"status\": \"pass\"", 1)).unwrap();
    let import = |path: &std::path::Path| gauntlet(&home, &["import", path.to_str().unwrap()]);
    import(&good).assert().code(1).stdout(contains("ERROR").and(contains("ltp/execveat03")));
    let said = contains("TFAIL: ftruncate grew a sealed file").and(contains("6.1.0-56-amd64"));
    import(&bad).assert().code(1).stdout(said);
    gauntlet(&home, &["compare"]).assert().code(1).stdout(contains("ltp/memfd_create01"));
    gauntlet(&home, &["report", "--format", "junit"]).assert().code(0).stdout(contains("<testsuite"));
}

#[test]
fn what_cannot_be_imported_is_refused_with_the_way_out() {
    let home = home();
    let file = home.path().join("some file.ktap");
    let import = |text: &str, more: &[&str]| {
        std::fs::write(&file, text).unwrap();
        gauntlet(&home, &[&["import", file.to_str().unwrap()], more].concat())
    };
    let ktap = "KTAP version 1\n1..2\nok 1 a\nok 2 b # SKIP no device\n";
    import(ktap, &[]).assert().code(2).stderr(contains("--kernel"));
    import(ktap, &["--kernel", "6.9-rc1"]).assert().code(0).stdout(contains("some-file"));
    import("nothing", &[]).assert().code(2).stderr(contains("known are: kirk, ktap"));
    import("{\"results\": [], \"test_fqn\": 1}", &[]).assert().code(2).stderr(contains("no result"));
}
