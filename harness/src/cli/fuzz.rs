//! `gauntlet fuzz`.

use super::{Globals, MachineFlags, conclude, exit};
use crate::config::{Config, Span};
use crate::fuzz::keep::{Kept, keep};
use crate::fuzz::{Machine, MachineOptions, Summary, Watcher};
use crate::run::kernels::kernel_info;
use crate::run::options::session_options;
use crate::run::sink::run_info;
use crate::run::{NamedKernel, Sink, resolve_kernels};
use crate::session::{Host, Session};
use crate::{Error, Result, ui};
use gauntlet_fuzzers::Target;
use gauntlet_fuzzers::engine::{self, CampaignError, Options};
use gauntlet_results::{Event, Finding};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;

/// Fuzz the system calls of a kernel, guided by coverage
///
/// Programs of system calls run in batches in clones; what reaches new code is kept and changed further. An
/// unmodified distribution kernel will do: under TCG coverage comes from QEMU. A crash is reproduced in fresh clones,
/// made minimal, and given out as a C program.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    machine: MachineFlags,

    /// How long to fuzz each kernel, such as 90s or 8h [default: fuzz.duration, 60s]
    #[arg(long, value_name = "TIME", conflicts_with = "seconds")]
    time: Option<Span>,

    /// The same in seconds
    #[arg(long, value_name = "N")]
    seconds: Option<u64>,

    /// Also make calls that end the machine (sysrq$panic): shows the way from a crash to a C program
    #[arg(long)]
    allow_panic: bool,

    /// Programs to start from, one a file; new ones are added [default: a directory per kernel beside the results]
    #[arg(long, value_name = "DIR")]
    corpus: Option<PathBuf>,

    /// Fuzz blindly, to see what coverage costs
    #[arg(long)]
    no_coverage: bool,
}

/// Longest program generated: most bugs need few calls, and short programs are easier to read.
const MOST_CALLS: usize = 16;
/// Clones that the triage of one crash may use.
const TRIAGE: u32 = 60;
/// A batch that takes longer hangs.
const DEADLINE: Duration = Duration::from_secs(10);

pub async fn run(args: Args, globals: &Globals) -> Result<ExitCode> {
    let config = globals.config(&args.machine)?;
    let kernels = resolve_kernels(&config.kernels, &globals.cache, globals.progress).await?;
    let host = Host::open(&globals.cache).await?;
    let digest = format!("{}-{}", config.digest(), jiff::Timestamp::now());
    let info = run_info("fuzz", &globals.command, digest);
    let sink = Arc::new(Sink::start(&globals.results, info, globals.progress)?);
    let mut outcomes = Vec::new();
    for kernel in &kernels {
        if globals.interrupt.requested() {
            break;
        }
        outcomes.push(fuzz_one(&args, globals, &config, &host, (kernel, &sink)).await?);
    }
    let (record, folder) = conclude::finish(sink, globals)?;
    report(&outcomes, globals)?;
    conclude::reports(&record, &folder, &config.reports, globals)?;
    globals.interrupt.check()?;
    Ok(exit::from_good(outcomes.iter().all(|outcome| outcome.findings.is_empty())))
}

#[derive(Debug, serde::Serialize)]
struct Outcome {
    kernel: String,
    spec: String,
    #[serde(flatten)]
    summary: Summary,
    corpus_directory: PathBuf,
    findings: Vec<Finding>,
    /// Where each finding's files are.
    kept: Vec<Kept>,
}

async fn fuzz_one(
    args: &Args,
    globals: &Globals,
    config: &Config,
    host: &Arc<Host>,
    (kernel, sink): (&NamedKernel, &Arc<Sink>),
) -> Result<Outcome> {
    let session = Session::prepare(host, &kernel.build, &session_options(config, host))
        .await
        .map_err(|failure| Error::infra(format!("{} did not come up: {failure}", kernel.name)))?;
    if !session.hello().shared_region {
        return Err(Error::usage(format!(
            "{} does not allow the shared memory that fuzzing needs",
            kernel.name
        ))
        .hint("it needs CONFIG_DEVMEM=y and no lockdown; `gauntlet kernel show` tells"));
    }
    sink.send(Event::KernelReady(kernel_info(&kernel.name, &session)));
    let corpus = args.corpus.clone().unwrap_or_else(|| globals.results.join("corpus").join(&kernel.name));
    let crashes = globals.results.join("crashes").join(&kernel.name);
    for directory in [&corpus, &crashes] {
        std::fs::create_dir_all(directory)
            .map_err(|error| Error::infra(format!("cannot make {}", directory.display())).because(error))?;
    }
    let dangerous = args.allow_panic || config.fuzz.dangerous;
    let options = Options {
        seed: config.seed,
        corpus: corpus.clone(),
        crashes,
        dangerous,
        most_calls: MOST_CALLS,
        batch: config.fuzz.batch,
        triage: TRIAGE,
    };
    let length = args.time.map(|span| span.0).or(args.seconds.map(Duration::from_secs));
    let length = length.unwrap_or(config.fuzz.duration);
    let machine = MachineOptions { dangerous, coverage: !args.no_coverage, deadline: DEADLINE };
    let watcher = Watcher::new(Arc::clone(sink), kernel.name.clone(), globals.interrupt.clone(), length);
    let (summary, findings) = campaign(options, machine, Arc::new(session), watcher, config.jobs).await?;
    sink.send(Event::Note { text: format!("{}: fuzzed: {summary}", kernel.name) });
    let folder = globals.results.join("findings");
    let kept = findings.iter().map(|finding| keep(finding, &folder)).collect::<Result<_>>()?;
    let spec = kernel.build.spec.to_string();
    Ok(Outcome { kernel: kernel.name.clone(), spec, summary, corpus_directory: corpus, findings, kept })
}

async fn campaign(
    options: Options,
    machine: MachineOptions,
    session: Arc<Session>,
    mut watcher: Watcher,
    jobs: usize,
) -> Result<(Summary, Vec<Finding>)> {
    let handle = Handle::current();
    let done = tokio::task::spawn_blocking(move || {
        let targets = (0..jobs as u64)
            .map(|number| {
                let machine = Machine::new(handle.clone(), Arc::clone(&session), machine, number);
                Box::new(machine) as Box<dyn Target>
            })
            .collect();
        let progress = engine::run(&options, targets, &mut watcher)?;
        let summary = Summary::new(&progress, watcher.elapsed());
        Ok::<_, CampaignError>((summary, watcher.findings))
    });
    let done = done.await.map_err(|error| Error::infra("the campaign").because(error))?;
    done.map_err(|error| Error::infra(error.to_string()))
}

fn report(outcomes: &[Outcome], globals: &Globals) -> Result<()> {
    if globals.json {
        return ui::print_json(&outcomes);
    }
    for outcome in outcomes {
        let mut text = format!("{}: {}\n", outcome.kernel, outcome.summary);
        text += &format!("  corpus: {}\n", outcome.corpus_directory.display());
        for (finding, kept) in outcome.findings.iter().zip(&outcome.kept) {
            let (again, of) = (finding.reproduced, finding.replays);
            text += &format!("  {} (reproduced {again} of {of})\n", finding.title);
            finding.program.lines().for_each(|line| text += &format!("    {line}\n"));
            text += &format!("    in C: {}\n", kept.c_program.display());
            text += &format!("    again: gauntlet repro -k {} {}\n", outcome.spec, kept.program.display());
        }
        ui::print(&text)?;
    }
    Ok(())
}
