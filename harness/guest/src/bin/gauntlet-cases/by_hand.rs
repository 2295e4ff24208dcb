//! `gauntlet-cases list` and `gauntlet-cases run SUITE/CASE [exact]`: for developing cases without a machine, or under
//! `gauntlet exec --exact`, where `exact` says that time is virtual. A case that wants files looks for them in the
//! folder that `GAUNTLET_FILES` names.

use gauntlet_guest::{Context, Stop, suites};
use std::process::ExitCode;

pub fn run(arguments: &[String]) -> ExitCode {
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [_, "list"] => {
            for (name, _, case) in suites::all() {
                println!("{name}\t{}", case.cites);
            }
            ExitCode::SUCCESS
        }
        [_, "run", name, ref options @ ..] => run_case(name, options),
        _ => {
            eprintln!("usage: gauntlet-cases list | run SUITE/CASE [exact]");
            ExitCode::from(2)
        }
    }
}

fn run_case(name: &str, options: &[&str]) -> ExitCode {
    let Some((_, case)) = suites::find(name) else {
        eprintln!("error: no case {name}; `gauntlet-cases list` shows them all");
        return ExitCode::from(2);
    };
    let scratch = std::env::temp_dir().join(format!("gauntlet-case-{}", std::process::id()));
    if let Err(error) = std::fs::create_dir(&scratch).and_then(|()| std::env::set_current_dir(&scratch)) {
        eprintln!("error: cannot use {}: {error}", scratch.display());
        return ExitCode::from(3);
    }
    let context = Context {
        seed: 1,
        exact: options.contains(&"exact"),
        scratch: scratch.clone(),
        files: std::env::var_os("GAUNTLET_FILES").map_or_else(|| scratch.join("files"), Into::into),
        region: None,
    };
    let result = (case.run)(&context);
    // A case that changed its root or identity may not be able to clean up; that is its nature.
    let _ = std::fs::remove_dir_all(&scratch);
    match result {
        Ok(()) => println!("PASS {name}"),
        Err(Stop::Skip(cause)) => println!("SKIP {name}: {cause}"),
        Err(Stop::Broken(reason)) => {
            println!("ERROR {name}: {reason}");
            return ExitCode::FAILURE;
        }
        Err(Stop::Fail(message)) => {
            println!("FAIL {name}: {message}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
