use super::raw::Raw;
use super::*;
use crate::Result;
use std::path::{Path, PathBuf};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs");

fn resolved(text: &str) -> Result<Config> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    load(Some(file.path()), Overrides::default(), 4)
}

fn shipped() -> Vec<PathBuf> {
    let yaml = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "yaml");
    std::fs::read_dir(FOLDER).unwrap().map(|entry| entry.unwrap().path()).filter(yaml).collect()
}

#[test]
fn every_shipped_file_resolves() {
    assert!(shipped().len() >= 5);
    for path in shipped() {
        load(Some(&path), Overrides::default(), 4)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}

#[test]
fn every_knob_is_commented() {
    let lines: Vec<&str> = super::load::DEFAULTS.lines().map(str::trim).collect();
    for pair in lines.windows(2) {
        let knob = !pair[1].is_empty() && !pair[1].starts_with('#');
        assert!(!knob || pair[0].starts_with('#'), "no comment above '{}'", pair[1]);
    }
}

#[test]
fn the_defaults_set_every_knob() {
    let config = load(None, Overrides::default(), 4).unwrap();
    assert_eq!(config.jobs, 4);
    assert_eq!(config.machine.accelerator, Accelerator::Auto);
}

#[test]
fn a_file_hides_single_knobs_of_a_group() {
    let config = resolved("deadlines:\n  case: 5s\nkernels: [host]\n").unwrap();
    assert_eq!(config.deadlines.case, Duration::from_secs(5));
    assert_eq!(config.deadlines.boot, load(None, Overrides::default(), 4).unwrap().deadlines.boot);
    assert_eq!(config.kernels, ["host"]);
}

#[test]
fn flags_hide_the_file() {
    let flags = Overrides {
        kernels: vec!["deb:6.1/cloud".to_owned()],
        memory: Some(Size(1 << 30)),
        exact: true,
        ..Overrides::default()
    };
    let config = load(Some(Path::new(FOLDER).join("nightly.yaml").as_path()), flags, 4).unwrap();
    assert_eq!(config.kernels, ["deb:6.1/cloud"]);
    assert_eq!(config.machine.memory, Size(1 << 30));
    assert!(config.exact.enabled);
    assert_eq!(config.retries, 4, "what no flag sets stays as the file says");
}

#[test]
fn impossible_combinations_are_refused() {
    for wrong in [
        "exact: {enabled: true}\nmachine: {accelerator: kvm}\n",
        "exact: {shift: 11}\n",
        "machine: {memory: 16M}\n",
        "machine: {cpus: 0}\n",
        "suites: [memdf]\n",
        "reports: [pdf]\n",
        "expectations: [{kernel: '*', case: '*', verdict: PASS, reason: x}]\n",
        "expectations: [{kernel: '*', case: '*', verdict: FAIL}]\n",
    ] {
        assert_eq!(resolved(wrong).expect_err(wrong).kind, crate::Kind::Usage);
    }
}

#[test]
fn an_empty_file_changes_nothing() {
    assert_eq!(resolved("# nothing\n").unwrap(), load(None, Overrides::default(), 4).unwrap());
}

#[test]
fn a_missing_file_is_named() {
    let error = load(Some(Path::new("no/such.yaml")), Overrides::default(), 1).unwrap_err();
    assert!(error.to_string().contains("no/such.yaml"));
    let _: Raw = super::load::defaults().unwrap();
}
