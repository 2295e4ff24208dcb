//! The catalogue: every suite, in the order people see them. A new suite is one file and one line here.

use crate::{Case, Suite};

pub mod blk_mq;
pub mod bpf;
pub mod cgroup2;
pub mod deadline;
pub mod drm;
pub mod execveat;
pub mod getrandom;
pub mod hardening;
pub mod kdbus;
pub mod kexec_file_load;
pub mod livepatch;
pub mod memfd;
pub mod net;
pub mod realtime;
pub mod renameat2;
pub mod seccomp;
pub mod userfaultfd;
pub mod y2038;

/// Every suite.
pub const SUITES: &[&Suite] = &[
    &getrandom::SUITE,
    &memfd::SUITE,
    &renameat2::SUITE,
    &execveat::SUITE,
    &seccomp::SUITE,
    &bpf::SUITE,
    &kexec_file_load::SUITE,
    &deadline::SUITE,
    &realtime::SUITE,
    &y2038::SUITE,
    &userfaultfd::SUITE,
    &blk_mq::SUITE,
    &livepatch::SUITE,
    &cgroup2::SUITE,
    &net::SUITE,
    &drm::SUITE,
    &kdbus::SUITE,
    &hardening::SUITE,
];

/// Every case with its full name, `suite/case`.
pub fn all() -> impl Iterator<Item = (String, &'static Suite, &'static Case)> {
    SUITES.iter().flat_map(|suite| {
        suite.cases.iter().map(move |case| (format!("{}/{}", suite.name, case.name), *suite, case))
    })
}

/// The case of that full name; misbehaviour on purpose ([`crate::faults`]) is found, too, though not listed.
pub fn find(name: &str) -> Option<(&'static Suite, &'static Case)> {
    let (wanted_suite, wanted_case) = name.split_once('/')?;
    let suite =
        SUITES.iter().copied().chain([&crate::faults::SUITE]).find(|suite| suite.name == wanted_suite)?;
    suite.cases.iter().find(|case| case.name == wanted_case).map(|case| (suite, case))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_tidy() {
        let mut seen = BTreeSet::new();
        for (name, _, case) in all() {
            assert!(seen.insert(name.clone()), "{name} stands twice");
            assert!(
                name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'/'),
                "{name}: lower case, digits and _ only"
            );
            assert!(!case.cites.is_empty(), "{name} cites nothing");
        }
    }

    #[test]
    fn every_suite_file_is_in_the_table() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/suites");
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            assert!(SUITES.iter().any(|suite| suite.name == name), "suites/{name} is not in SUITES");
        }
    }
}
