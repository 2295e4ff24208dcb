use super::*;
use clap::CommandFactory;

/// Files beside the verbs that serve them all.
const SHARED: &[&str] =
    &["conclude", "exit", "flags", "globals", "input", "log", "paths", "run", "testing", "tests"];

#[test]
fn every_verb_file_is_in_the_table() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/cli");
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned();
        assert!(SHARED.contains(&&*name) || VERB_FILES.contains(&&*name), "cli/{name}.rs is not in verbs!");
    }
}

#[test]
fn the_command_line_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn every_verb_and_every_flag_has_help() {
    let mut command = Cli::command();
    command.build();
    let mut todo: Vec<&clap::Command> = vec![&command];
    while let Some(one) = todo.pop() {
        assert!(one.get_about().is_some(), "{} has no help", one.get_name());
        for argument in one.get_arguments() {
            assert!(argument.get_help().is_some(), "{} {} has no help", one.get_name(), argument.get_id());
        }
        todo.extend(one.get_subcommands());
    }
}
