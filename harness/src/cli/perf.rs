//! `gauntlet perf`.

use super::{Globals, MachineFlags, conclude, exit};
use crate::config::{Config, Glob};
use crate::perf::measure::MeasurePolicy;
use crate::perf::{PerfRun, Report, select};
use crate::run::options::session_options;
use crate::run::sink::run_info;
use crate::run::{Sink, resolve_kernels};
use crate::session::Host;
use crate::{Error, Result, ui};
use gauntlet_perf::Rule;
use gauntlet_qemu::Exact;
use gauntlet_workloads::Workload;
use std::num::NonZeroU32;
use std::process::ExitCode;
use std::sync::Arc;

/// Measure kernels: instructions per operation, the same digits every time, and which function makes a difference
///
/// Each workload runs in a clone of its own in exact mode (virtual time), so a busy host changes nothing. The
/// first kernel is what the others are compared with. A change counts when it exceeds the threshold, three times
/// what seeds alone do, and four instructions. Exits with 1 when a later kernel is slower than the first.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    machine: MachineFlags,

    /// Run the workloads that match; may be repeated
    #[arg(short, long = "workload", value_name = "PATTERN")]
    workloads: Vec<String>,

    /// With how many seeds each kernel is measured: they show what address layout alone does
    #[arg(long, value_name = "N")]
    seeds: Option<NonZeroU32>,

    /// Timed operations per workload
    #[arg(long, value_name = "N")]
    operations: Option<NonZeroU32>,

    /// Exit with 0 even when a kernel is slower than the first
    #[arg(long)]
    allow_slower: bool,

    /// Show the workloads that would run
    #[arg(short, long)]
    list: bool,
}

pub async fn run(args: Args, globals: &Globals) -> Result<ExitCode> {
    let config = globals.config(&args.machine)?;
    let workloads = workloads(&args, &config)?;
    if args.list {
        return list(&workloads, globals);
    }
    let kernels = resolve_kernels(&config.kernels, &globals.cache, globals.progress).await?;
    let host = Host::open(&globals.cache).await?;
    let perf = PerfRun {
        options: session_options(&config, &host),
        exact: machines(&args, &config),
        policy: MeasurePolicy {
            operations: args.operations.map(NonZeroU32::get).or(config.perf.operations.fixed()),
            deadline: config.deadlines.case,
            retries: config.retries,
        },
        jobs: config.jobs,
        interrupt: globals.interrupt.clone(),
        workloads: workloads.clone(),
        host,
        kernels,
    };
    let digest = perf.digest(&config.digest());
    let info = run_info("perf", &globals.command, digest);
    let sink = Arc::new(Sink::start(&globals.results, info, globals.progress)?);
    perf.run(Arc::clone(&sink)).await;
    let (record, folder) = conclude::finish(sink, globals)?;
    globals.interrupt.check()?;
    let order: Vec<&str> = workloads.iter().map(|workload| workload.name).collect();
    let report = Report::of(&record, &order, &rule(&config));
    tell(&report, globals)?;
    conclude::reports(&record, &folder, &config.reports, globals)?;
    exit_code(&report, args.allow_slower)
}

fn workloads(args: &Args, config: &Config) -> Result<Vec<&'static Workload>> {
    if args.workloads.is_empty() {
        return select(&config.perf.workloads);
    }
    let patterns: Vec<Glob> = args.workloads.iter().map(Glob::new).collect();
    select(&patterns)
}

/// One per seed, counted up from the configured one.
fn machines(args: &Args, config: &Config) -> Vec<Exact> {
    let seeds = args.seeds.map_or(config.perf.seeds, NonZeroU32::get).max(1);
    let shift = config.exact.shift;
    (0..u64::from(seeds)).map(|step| Exact { seed: config.seed.wrapping_add(step), shift }).collect()
}

fn rule(config: &Config) -> Rule {
    Rule { floor: config.perf.threshold.0, ..Rule::default() }
}

fn list(workloads: &[&Workload], globals: &Globals) -> Result<ExitCode> {
    if globals.json {
        let row = |one: &&Workload| serde_json::json!({ "workload": one.name, "about": one.about, "cites": one.cites });
        ui::print_json(&workloads.iter().map(row).collect::<Vec<_>>())?;
    } else {
        let width = workloads.iter().map(|one| one.name.len()).max().unwrap_or(0);
        let row = |one: &&Workload| format!("{:width$}  {}\n", one.name, one.about);
        ui::print(&workloads.iter().map(row).collect::<String>())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn tell(report: &Report, globals: &Globals) -> Result<()> {
    match globals.json {
        true => ui::print_json(report),
        false => ui::print(&report.text(globals.style)),
    }
}

fn exit_code(report: &Report, allow_slower: bool) -> Result<ExitCode> {
    if report.has_failure() || (report.has_regression() && !allow_slower) {
        return Ok(exit::from_good(false));
    }
    if report.is_incomplete() {
        return Err(Error::infra("some figures are missing; the reasons are above"));
    }
    Ok(exit::from_good(true))
}
