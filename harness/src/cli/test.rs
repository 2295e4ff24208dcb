//! `gauntlet test`.

use super::testing::{self, Request};
use super::{Globals, MachineFlags};
use crate::config::{Config, Span};
use crate::plan::{self, PlannedCase};
use crate::run::repeat::Repeat;
use crate::{Error, Result, ui};
use std::num::NonZeroU32;
use std::process::ExitCode;

/// Run the selftests: every case alone in a fresh clone of each kernel
///
/// A kernel is booted once and kept; each case starts from that same state in about 50 ms, so nothing leaks
/// from one case into the next and a panic costs one clone. An interrupted run is gone on with by the same
/// command. A series of commits (-k tree:DIR@BASE..HEAD) is built and tested commit by commit, and the report says
/// which one broke what.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    machine: MachineFlags,

    /// Run this suite only; may be repeated
    #[arg(short, long = "suite", value_name = "NAME")]
    suites: Vec<String>,

    /// Run the cases that match: patterns over suite/case, or words to find in it
    #[arg(value_name = "CASE")]
    patterns: Vec<String>,

    /// The same as CASE; may be repeated
    #[arg(short, long = "filter", value_name = "CASE")]
    filters: Vec<String>,

    /// Run these targets of the tree's own kselftest; without suites or cases nothing else; may be repeated
    #[arg(long = "kselftest", value_name = "TARGET")]
    kselftests: Vec<String>,

    /// Build the tree with the configuration symbols that its kselftest targets ask for
    #[arg(long, requires = "kselftests")]
    fix_config: bool,

    #[command(flatten)]
    repeat: RepeatFlags,

    /// Let a machine go on for so long after its case has passed, for a kernel that crashes only then
    #[arg(long, value_name = "TIME")]
    linger: Option<Span>,

    /// Show the cases that would run, and what each holds the kernel to
    #[arg(short, long)]
    list: bool,
}

/// For cases that fail now and then.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Flaky cases")]
struct RepeatFlags {
    /// Run every case N times, and say how often it failed
    #[arg(long, value_name = "N")]
    repeat: Option<NonZeroU32>,

    /// Repeat until something fails, at most --repeat times
    #[arg(long)]
    until_fail: bool,

    /// Shuffle the cases, differently in each round; the seed that is printed gives the same order again
    #[arg(long, value_name = "SEED", num_args = 0..=1, require_equals = true)]
    shuffle: Option<Option<u64>>,

    /// In exact mode: run with N seeds, counted up from --seed, each twice unless --repeat says otherwise, and say
    /// whether the seed decides
    #[arg(long, value_name = "N")]
    seeds: Option<NonZeroU32>,
}

impl RepeatFlags {
    fn resolve(&self, config: &Config) -> Result<Repeat> {
        if self.seeds.is_some() && !config.exact.enabled {
            return Err(Error::usage("--seeds needs exact mode: elsewhere a seed decides nothing")
                .hint("add --exact; or --repeat N without --seeds"));
        }
        let seeds = self.seeds.map_or(1, NonZeroU32::get);
        let times = match (self.repeat, self.until_fail) {
            (Some(times), _) => Some(times.get()),
            (None, true) => None,
            // Twice, because one run of a seed cannot show that it always comes to the same.
            (None, false) => Some(if seeds > 1 { 2 } else { 1 }),
        };
        let any_seed = || jiff::Timestamp::now().as_microsecond().unsigned_abs() % 1_000_000;
        Ok(Repeat {
            times,
            until_fail: self.until_fail,
            shuffle: self.shuffle.map(|seed| seed.unwrap_or_else(any_seed)),
            seeds: (0..u64::from(seeds)).map(|step| config.seed.wrapping_add(step)).collect(),
        })
    }
}

pub async fn run(args: Args, globals: &Globals) -> Result<ExitCode> {
    let mut config = globals.config(&args.machine)?;
    if let Some(linger) = args.linger {
        config.deadlines.linger = linger.0;
    }
    let repeat = args.repeat.resolve(&config)?;
    let cases = cases(&args, &config)?;
    if args.list {
        return list(&cases, globals);
    }
    let (targets, fix_config) = (args.kselftests.clone(), args.fix_config);
    testing::run(Request { config, repeat, cases, targets, fix_config }, globals).await?.conclude(globals)
}

fn cases(args: &Args, config: &Config) -> Result<Vec<PlannedCase>> {
    let named = !(args.suites.is_empty() && args.patterns.is_empty() && args.filters.is_empty());
    if !args.kselftests.is_empty() && !named {
        return Ok(Vec::new());
    }
    let suites = if args.suites.is_empty() { &config.suites } else { &args.suites };
    let typed: Vec<_> = args.patterns.iter().chain(&args.filters).map(|typed| plan::pattern(typed)).collect();
    plan::select(suites, if typed.is_empty() { &config.cases } else { &typed })
}

fn list(cases: &[PlannedCase], globals: &Globals) -> Result<ExitCode> {
    if globals.json {
        let rows: Vec<_> = cases
            .iter()
            .map(|planned| serde_json::json!({ "case": planned.name(), "cites": planned.case.cites }))
            .collect();
        ui::print_json(&rows)?;
    } else {
        let width = cases.iter().map(|planned| planned.name().len()).max().unwrap_or(0);
        let rows: String = cases
            .iter()
            .map(|planned| format!("{:width$}  {}\n", planned.name(), planned.case.cites))
            .collect();
        ui::print(&rows)?;
    }
    Ok(ExitCode::SUCCESS)
}
