//! Every description file has one line here; a test reads the directory and checks it.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::{
    bpf, descriptors, execveat, files, getrandom, kexec_file_load, memfd, renameat2, sched_deadline, seccomp,
    sysrq,
};
use crate::description::Description;

/// File name and its calls.
const TABLE: &[(&str, &[Description])] = &[
    ("bpf", bpf::CALLS),
    ("descriptors", descriptors::CALLS),
    ("execveat", execveat::CALLS),
    ("files", files::CALLS),
    ("getrandom", getrandom::CALLS),
    ("kexec_file_load", kexec_file_load::CALLS),
    ("memfd", memfd::CALLS),
    ("renameat2", renameat2::CALLS),
    ("sched_deadline", sched_deadline::CALLS),
    ("seccomp", seccomp::CALLS),
    ("sysrq", sysrq::CALLS),
];

static BY_NAME: LazyLock<HashMap<&'static str, &'static Description>> =
    LazyLock::new(|| all().map(|call| (call.name, call)).collect());

/// Every call, in the order of the table.
pub fn all() -> impl Iterator<Item = &'static Description> {
    TABLE.iter().flat_map(|(_, calls)| calls.iter())
}

/// The call of this name.
pub fn find(name: &str) -> Option<&'static Description> {
    BY_NAME.get(name).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::description::Type;

    #[test]
    fn every_description_file_is_in_the_table() {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/src/descriptions");
        let mut files: Vec<String> = std::fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
            .filter(|stem| stem != "table")
            .collect();
        files.sort();
        let listed: Vec<&str> = TABLE.iter().map(|(file, _)| *file).collect();
        assert_eq!(files, listed);
    }

    #[test]
    fn names_are_unique_and_arguments_are_at_most_six() {
        assert_eq!(BY_NAME.len(), all().count());
        assert!(all().all(|call| call.arguments.len() <= 6 && !call.name.is_empty()));
    }

    #[test]
    fn lengths_name_a_pointer_beside_them() {
        for call in all() {
            let kinds: Vec<Type> = call.arguments.iter().map(|(_, kind)| *kind).collect();
            check_lengths(call.name, &kinds);
        }
    }

    fn check_lengths(name: &str, kinds: &[Type]) {
        for kind in kinds {
            match kind {
                Type::LengthOf(of) | Type::CountOf(of) => {
                    assert!(kinds.get(*of).is_some_and(Type::is_pointer), "{name}: length of no pointer");
                }
                Type::Record(fields) => {
                    let kinds: Vec<Type> = fields.iter().map(|(_, _, kind)| *kind).collect();
                    assert!(
                        fields.iter().all(|(_, width, kind)| *width == 8 || !kind.is_pointer()),
                        "{name}: a pointer field is eight bytes wide"
                    );
                    check_lengths(name, &kinds);
                }
                _ => {}
            }
        }
    }

    #[test]
    fn every_kind_that_a_call_wants_some_call_gives() {
        for call in all() {
            for (_, kind) in call.arguments {
                if let Type::Resource(wanted) = kind {
                    assert!(
                        all().any(|giver| giver.result.is_some_and(|given| wanted.accepts(given))),
                        "{}: nothing gives {wanted:?}",
                        call.name
                    );
                }
            }
        }
    }
}
