//! The verbs of the command line: one file each, with its `Args` (whose doc comments are the help) and
//! `pub async fn run(args: Args, globals: &Globals) -> Result<ExitCode>`.
//!
//! To add a verb: write `cli/<verb>.rs`, declare it and add its line to `verbs!`. A test fails when one of
//! the three is forgotten.

use crate::Result;
use std::process::ExitCode;

pub mod conclude;
pub mod exit;
mod flags;
mod globals;
mod input;
mod log;
mod paths;
pub mod run;

mod bisect;
mod compare;
mod completions;
mod doctor;
mod exec;
mod fuzz;
mod import;
mod kernel;
mod man;
mod perf;
mod replay;
mod report;
mod repro;
mod shell;
mod splat;
mod test;
mod testing;
mod tree;

pub use flags::{GlobalFlags, MachineFlags, ProgressFlag};
pub use globals::Globals;

/// Runs Linux kernels through selftests, syscall fuzzing and performance suites in QEMU, over many builds at
/// once, and finds the commit that broke what broke.
#[derive(Debug, clap::Parser)]
#[command(name = "gauntlet", version, max_term_width = 100, after_help = exit::HELP)]
pub struct Cli {
    #[command(flatten)]
    pub flags: GlobalFlags,
    #[command(subcommand)]
    pub verb: Verb,
}

/// One line per verb, in the order of the help: variant, file.
macro_rules! verbs {
    ($($variant:ident => $module:ident),+ $(,)?) => {
        #[derive(Debug, clap::Subcommand)]
        #[allow(clippy::large_enum_variant, reason = "built once, from the command line")]
        pub enum Verb {
            $($variant($module::Args),)+
        }

        impl Verb {
            async fn run(self, globals: &Globals) -> Result<ExitCode> {
                match self {
                    $(Verb::$variant(args) => $module::run(args, globals).await,)+
                }
            }
        }

        #[cfg(test)]
        const VERB_FILES: &[&str] = &[$(stringify!($module)),+];
    };
}

// doctor, kernel, test, tree, exec, shell, perf, fuzz, repro, bisect, replay, report, compare, import, splat, completions, man.
verbs! {
    Doctor => doctor,
    Kernel => kernel,
    Test => test,
    Tree => tree,
    Exec => exec,
    Shell => shell,
    Perf => perf,
    Fuzz => fuzz,
    Repro => repro,
    Bisect => bisect,
    Replay => replay,
    Report => report,
    Compare => compare,
    Import => import,
    Splat => splat,
    Completions => completions,
    Man => man,
}

#[cfg(test)]
mod tests;
