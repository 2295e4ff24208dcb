//! `gauntlet`: runs Linux kernels through everything that could break them.

use std::process::ExitCode;

fn main() -> ExitCode {
    gauntlet::cli::run::main(std::env::args_os())
}
