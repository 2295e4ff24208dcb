//! `gauntlet compare`.

use super::Globals;
use crate::{Error, Result, ui};
use gauntlet_results::compare::Comparison;
use gauntlet_results::{RunRecord, Store};
use std::process::ExitCode;

/// Say what changed between two runs, or between two kernels of one run
///
/// Exits with 1 when something got worse, with 3 when something cannot be said because a side is missing it.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The older run: its identifier, a unique beginning of it, last, or last~N
    #[arg(default_value = "last~1")]
    old: String,

    /// The newer run
    #[arg(default_value = "last")]
    new: String,

    /// Two kernels of the older run, old and new, instead of two runs
    #[arg(short = 'k', long = "kernels", value_name = "NAME", num_args = 2)]
    kernels: Vec<String>,
}

pub async fn run(args: Args, globals: &Globals) -> Result<ExitCode> {
    let store = Store::open(&globals.results)?;
    let load = |typed: &str| -> Result<RunRecord> { Ok(store.load(&store.find_run(typed)?)?) };
    let comparison = match args.kernels.as_slice() {
        [old, new] => {
            let record = load(&args.old)?;
            Comparison::of_kernels(&record, kernel(&record, old)?, kernel(&record, new)?)
        }
        _ => Comparison::of_runs(&load(&args.old)?, &load(&args.new)?),
    };
    if globals.json {
        ui::print(&comparison.json())?;
    } else {
        ui::print(&comparison.terminal(&globals.report_options()))?;
    }
    Ok(ExitCode::from(comparison.exit_code()))
}

/// The kernel of the run with that name, or the only one that begins so.
fn kernel<'a>(record: &'a RunRecord, typed: &str) -> Result<&'a str> {
    let names = || record.kernels.iter().map(|kernel| kernel.name.as_str());
    if let Some(exact) = names().find(|name| *name == typed) {
        return Ok(exact);
    }
    match names().filter(|name| name.starts_with(typed)).collect::<Vec<_>>().as_slice() {
        [one] => Ok(one),
        [] => Err(Error::unknown("kernel", typed, names())),
        several => Err(Error::usage(format!("'{typed}' fits several kernels")).hint(several.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gauntlet_results::{KernelRecord, RunInfo};

    fn record(names: &[&str]) -> RunRecord {
        let kernels = names.iter().map(|name| KernelRecord::new(*name)).collect();
        let mut record = RunRecord::new(RunInfo::default());
        record.kernels = kernels;
        record
    }

    #[test]
    fn a_kernel_is_named_by_a_unique_beginning() {
        let run = record(&["6.1.0-56-cloud-amd64", "6.12.117-cloud-amd64"]);
        assert_eq!(kernel(&run, "6.12").unwrap(), "6.12.117-cloud-amd64");
        assert!(kernel(&run, "6.1").is_err());
        assert_eq!(kernel(&record(&["6.1", "6.12"]), "6.1").unwrap(), "6.1");
    }
}
