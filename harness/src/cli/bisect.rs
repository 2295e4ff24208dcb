//! `gauntlet bisect`.

use super::{Globals, MachineFlags, exit};
use crate::bisect::drive::{Drive, Memory, Plan};
use crate::bisect::question::{Question, figure};
use crate::bisect::source::{self, Range};
use crate::bisect::{Policy, Rates, Search, Seek, Verdict, git_bisect_log};
use crate::config::Config;
use crate::kernel::KernelSpec;
use crate::kernel::spec::TreeSpec;
use crate::kernel::tree::program::MachinePrograms;
use crate::kernel::tree::source::Repository;
use crate::perf::measure::MeasurePolicy;
use crate::plan;
use crate::run::exec::{CommandLine, PackedCommand};
use crate::run::options::{case_policy, session_options};
use crate::run::resolve_kernels;
use crate::session::{Host, Session, SessionOptions};
use crate::{Error, Result, ui};
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// Find the kernel or the commit that changed a behaviour, and say how sure that is
///
/// The range is a list of builds (--kernels, oldest first) or the commits of a git tree (--tree --good --bad).
/// The behaviour is a case's verdict, a workload's figure, or the exit status of a command (as with `git bisect
/// run`: 0 good, 125 cannot tell, else bad). A test may fail by chance: every answer moves a probability, and
/// the search stops when one candidate is likely enough. Trouble of this machine is no answer. An interrupted
/// search is gone on with by the same command. Exits with 0 when a culprit was found, 1 when there is none.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    machine: MachineFlags,

    /// A build of the range, oldest first; `deb:*/cloud` stands for all of that flavour; may be repeated
    #[arg(long = "kernels", value_name = "SPEC", num_args = 1.., conflicts_with = "tree")]
    list: Vec<String>,

    /// A git tree of the kernel, and how it is built: DIR[,config=BASE+FRAGMENT][,LLVM=1]
    #[arg(long, value_name = "DIR", requires = "good")]
    tree: Option<String>,

    /// The newest revision known to be good
    #[arg(long, value_name = "REV")]
    good: Option<String>,

    /// A revision known to be bad [default: the files as they are, uncommitted changes included]
    #[arg(long, value_name = "REV")]
    bad: Option<String>,

    /// Bad is where this case fails
    #[arg(long, value_name = "SUITE/CASE", conflicts_with_all = ["workload", "command"])]
    case: Option<String>,

    /// Bad is where this workload's figure is like the last kernel's
    #[arg(long, value_name = "NAME", conflicts_with = "command")]
    workload: Option<String>,

    /// Find the first good one instead: a fix
    #[arg(long)]
    first_good: bool,

    /// The behaviour never varies by chance, so one answer decides (always so in exact mode)
    #[arg(long)]
    deterministic: bool,

    /// Also print what is known as `git bisect log` does
    #[arg(long)]
    git_log: bool,

    /// Bad is where this command's exit status is not 0
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

pub async fn run(args: Args, globals: &Globals) -> Result<ExitCode> {
    let mut config = globals.config(&args.machine)?;
    // Figures mean something in virtual time only.
    config.exact.enabled |= args.workload.is_some();
    let range = range(&args, globals).await?;
    let host = Host::open(&globals.cache).await?;
    let options = session_options(&config, &host);
    let ends = Ends { host: &host, options: &options, range: &range, globals };
    let question = question(&args, &config, &ends).await?;
    let policy = policy(&args, &config);
    let memory = globals.results.join("bisect").join(format!("{}.json", key(&args, &range)));
    let Memory { mut search, signature } = resume(&memory, &range, policy);
    let good = range.specs[0].clone();
    let plan = Plan {
        question,
        specs: range.specs.clone(),
        interrupt: globals.interrupt.clone(),
        cache: globals.cache.clone(),
        host: Arc::clone(&host),
        options,
        budget: config.bisect.budget,
        memory,
        signature,
    };
    let verdict = Drive::new(plan).run(&mut search, &|line| eprintln!("{line}")).await?;
    conclude(&Found { search: &search, verdict: &verdict, good: &good }, &args, globals)
}

async fn range(args: &Args, globals: &Globals) -> Result<Range> {
    let (list, cache) = (args.list.clone(), globals.cache.clone());
    let (tree, bad) = (args.tree.clone().zip(args.good.clone()), args.bad.clone());
    if let (Some((text, _)), Some(bad)) = (&tree, &bad) {
        mention_uncommitted(&tree_spec(text)?, bad);
    }
    tokio::task::spawn_blocking(move || match tree {
        Some((tree, good)) => source::commits(&tree_spec(&tree)?, &good, bad.as_deref(), &cache),
        None => source::listed(&list, &cache),
    })
    .await
    .map_err(|error| Error::infra("reading the range").because(error))?
}

fn tree_spec(text: &str) -> Result<TreeSpec> {
    match format!("tree:{text}").parse()? {
        KernelSpec::Tree(spec) if spec.revision.is_none() => Ok(spec),
        _ => Err(Error::usage(format!("--tree {text}: the revisions are said by --good and --bad"))),
    }
}

/// A named revision does not have what is not committed; whoever just wrote a bug may not think of that.
fn mention_uncommitted(tree: &TreeSpec, bad: &str) {
    let Ok(repository) = Repository::open(&tree.directory, &MachinePrograms) else { return };
    if repository.is_changed() {
        eprintln!(
            "the tree has uncommitted changes, which {bad} does not have; without --bad they are searched, too"
        );
    }
}

fn policy(args: &Args, config: &Config) -> Policy {
    let certain = args.deterministic || config.exact.enabled;
    let base = if certain { Policy::exact() } else { Policy::flaky() };
    let seek = if args.first_good { Seek::FirstGood } else { Seek::FirstBad };
    // A packaged kernel is fetched in seconds; a commit is compiled for minutes.
    let build_cost = if args.tree.is_some() { 60.0 } else { base.build_cost };
    Policy { seek, build_cost, confidence: config.bisect.confidence.0, ..base }
}

/// Tells one bisection from another: what is searched, where, and by which binary's cases.
fn key(args: &Args, range: &Range) -> String {
    let what = format!("{:?} {:?} {:?} {}", args.case, args.workload, args.command, args.first_good);
    let text = format!("{what} {:?} {}", range.specs, *crate::image::embedded::AGENT_DIGEST);
    blake3::hash(text.as_bytes()).to_hex()[..16].to_owned()
}

fn resume(memory: &Path, range: &Range, policy: Policy) -> Memory {
    let kept = std::fs::read(memory).ok().and_then(|bytes| serde_json::from_slice::<Memory>(&bytes).ok());
    let same = |kept: &Memory| {
        *kept.search.candidates() == range.candidates
            && *kept.search.policy() == policy
            && !kept.search.log().is_empty()
    };
    match kept.filter(same) {
        Some(kept) => {
            eprintln!("going on: {} answers are there already", kept.search.log().len());
            kept
        }
        None => Memory { search: Search::new(range.candidates.clone(), None, policy), signature: None },
    }
}

/// The two ends of the range, for questions that must look at them first.
struct Ends<'a> {
    host: &'a Arc<Host>,
    options: &'a SessionOptions,
    range: &'a Range,
    globals: &'a Globals,
}

impl Ends<'_> {
    async fn session(&self, spec: &str) -> Result<Session> {
        let specs = [spec.to_owned()];
        let kernels = resolve_kernels(&specs, &self.globals.cache, self.globals.progress).await?;
        Session::prepare(self.host, &kernels[0].build, self.options)
            .await
            .map_err(|failure| failure.into_error(spec))
    }
}

async fn question(args: &Args, config: &Config, ends: &Ends<'_>) -> Result<Question> {
    if let Some(name) = &args.case {
        let planned = plan::select(&[], &[crate::config::Glob::new(name.clone())])?[0];
        return Ok(Question::Case { planned, policy: case_policy(config) });
    }
    if let Some(name) = &args.workload {
        return workload_question(name, config, ends).await;
    }
    if args.command.is_empty() {
        return Err(Error::usage("nothing to ask of each kernel")
            .hint("--case SUITE/CASE, --workload NAME, or -- COMMAND"));
    }
    let line = CommandLine {
        argv: args.command.clone(),
        timeout: Duration::from_secs(600),
        ..CommandLine::default()
    };
    Ok(Question::Command(Box::new(PackedCommand::new(&line)?)))
}

/// The figures of both ends tell which side of their middle a kernel is on.
async fn workload_question(name: &str, config: &Config, ends: &Ends<'_>) -> Result<Question> {
    let workload = gauntlet_workloads::WORKLOADS.iter().copied().find(|workload| workload.name == name);
    let workload = workload.ok_or_else(|| {
        Error::unknown("workload", name, gauntlet_workloads::WORKLOADS.iter().map(|workload| workload.name))
    })?;
    let policy = MeasurePolicy {
        operations: config.perf.operations.fixed(),
        deadline: config.deadlines.case,
        retries: config.retries,
    };
    let last = ends.range.specs.len() - 1;
    let mut figures = Vec::new();
    for spec in [&ends.range.specs[0], &ends.range.specs[last]] {
        let session = ends.session(spec).await?;
        let figure = figure(&session, workload, &policy)
            .await
            .map_err(|reply| Error::usage(format!("{spec} has no figure for {name}: {}", reply.said)))?;
        eprintln!("{spec}: {figure} instructions per operation");
        figures.push(figure);
    }
    let (good, bad) = (figures[0], figures[1]);
    if (bad / good - 1.0).abs() <= config.perf.threshold.0 {
        return Err(Error::usage(format!("{name} is the same at both ends: {good} and {bad}"))
            .hint("choose ends that differ: `gauntlet perf -k A -k B` compares them"));
    }
    Ok(Question::Workload { workload, policy, border: (good * bad).sqrt(), bad_is_larger: bad > good })
}

struct Found<'a> {
    search: &'a Search,
    verdict: &'a Verdict,
    good: &'a str,
}

fn conclude(found: &Found<'_>, args: &Args, globals: &Globals) -> Result<ExitCode> {
    let Found { search, verdict, good } = found;
    let log = git_bisect_log(search.candidates(), good, search.log(), &search.posterior(), Some(verdict));
    if globals.json {
        let culprit = match verdict {
            Verdict::Culprit { commit, .. } => Some(search.candidates().get(*commit)),
            _ => None,
        };
        ui::print_json(
            &json!({ "verdict": verdict, "culprit": culprit, "log": search.log(), "good": good }),
        )?;
    } else {
        ui::print(&describe(found))?;
        if args.git_log {
            ui::print(&log)?;
        }
    }
    Ok(match verdict {
        Verdict::Culprit { .. } | Verdict::Inseparable { .. } => ExitCode::from(exit::GOOD),
        Verdict::NoChange { .. } | Verdict::EndUnusable { .. } | Verdict::Budget { .. } => {
            ExitCode::from(exit::KERNEL_FAILED)
        }
        Verdict::Trouble { .. } => ExitCode::from(exit::INFRA),
    })
}

fn describe(found: &Found<'_>) -> String {
    let candidates = found.search.candidates();
    let runs = found.search.log().len();
    let one = |index: usize| {
        let candidate = candidates.get(index);
        match candidate.id == candidate.subject {
            true => candidate.id.clone(),
            false => format!("{} {}", candidate.id, candidate.subject),
        }
    };
    let sure = |confidence: f64| match (confidence, &found.search.policy().rates) {
        (_, Rates::Exact) => format!("certain if the behaviour never varies by chance; {runs} runs"),
        (0.9995.., _) => format!("more than 99.9 % sure after {runs} runs"),
        (confidence, _) => format!("{:.1} % sure after {runs} runs", confidence * 100.0),
    };
    match found.verdict {
        Verdict::Culprit { commit, confidence } => {
            format!("first with the new behaviour: {}\n{}\n", one(*commit), sure(*confidence))
        }
        Verdict::Inseparable { commits, confidence } => {
            let list: String = commits.iter().map(|index| format!("  {}\n", one(*index))).collect();
            format!("one of these; what lies between them cannot be asked:\n{list}{}\n", sure(*confidence))
        }
        Verdict::NoChange { confidence } => {
            format!("both ends behave alike: nothing changed in this range; {}\n", sure(*confidence))
        }
        Verdict::EndUnusable { point } => format!("an end of the range cannot be asked: {point:?}\n"),
        Verdict::Budget { best, confidence } => {
            format!("no answer within the budget; most likely {}, {}\n", one(*best), sure(*confidence))
        }
        Verdict::Trouble { in_a_row } => {
            format!(
                "gave up after {in_a_row} troubles of this machine in a row; nothing is held against any kernel\n"
            )
        }
    }
}
