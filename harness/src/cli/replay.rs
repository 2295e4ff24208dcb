//! `gauntlet replay`.

use super::{Globals, MachineFlags, exit};
use crate::config::Config;
use crate::plan::{self, PlannedCase};
use crate::run::case::{CasePolicy, run_case};
use crate::run::options::{case_policy, session_options};
use crate::run::resolve_kernels;
use crate::session::{Host, Session};
use crate::{Error, Result, ui};
use gauntlet_results::{KernelInfo, RunRecord, Store, TestResult};
use serde::Serialize;
use std::process::ExitCode;
use std::time::Duration;

/// Run one recorded result again, exactly as it was, and say whether it came out the same
///
/// In exact mode "the same" means to the bit: outcome, output, console and guest time. Results of fast mode
/// are compared by verdict only. Exits with 1 when the two differ.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// RUN:KERNEL:SUITE/CASE; parts may be shortened to what is unique, and `last` is the newest run
    #[arg(value_name = "RESULT")]
    result: String,
}

#[derive(Debug, Serialize)]
struct Comparison {
    result: String,
    exact: bool,
    bit_identical: bool,
    same_verdict: bool,
    before: TestResult,
    now: TestResult,
}

pub async fn run(args: Args, globals: &Globals) -> Result<ExitCode> {
    let store = Store::open(&globals.results)?;
    let id = store.find_result(&args.result)?;
    let record = store.load(&id.run)?;
    drop(store);
    let before = record.result(&id.kernel, &id.case).cloned();
    let before = before.ok_or_else(|| Error::usage(format!("{} has no result to replay", args.result)))?;
    let kernel = kernel_of(&record, &before)?;
    let planned = plan::select(&[], &[crate::config::Glob::new(before.case.clone())])?;
    let config = config_of(globals, &before)?;
    let now = rerun(globals, &config, kernel, &planned[0]).await?;
    conclude(record.result_id(&id.kernel, &id.case), before, now, globals)
}

fn kernel_of<'a>(record: &'a RunRecord, result: &TestResult) -> Result<&'a KernelInfo> {
    let kernel = record.kernel(&result.kernel).and_then(|kernel| kernel.info.as_ref());
    kernel.ok_or_else(|| Error::usage(format!("{} never became ready in that run", result.kernel)))
}

/// The configuration of now with what the result says of its machine.
fn config_of(globals: &Globals, before: &TestResult) -> Result<Config> {
    let flags = MachineFlags { exact: before.exact, seed: Some(before.seed), ..MachineFlags::default() };
    let mut config = globals.config(&flags)?;
    config.deadlines.linger = Duration::from_millis(before.linger_ms);
    Ok(config)
}

async fn rerun(
    globals: &Globals,
    config: &Config,
    kernel: &KernelInfo,
    planned: &PlannedCase,
) -> Result<TestResult> {
    let resolved =
        resolve_kernels(std::slice::from_ref(&kernel.spec), &globals.cache, globals.progress).await?;
    let build = &resolved[0].build;
    if build.image_digest != kernel.image_digest {
        return Err(Error::usage(format!("{} is another kernel today than it was in that run", kernel.spec))
            .hint("name that very build, for example by its package: deb:linux-image-..."));
    }
    let host = Host::open(&globals.cache).await?;
    let session = Session::prepare(&host, build, &session_options(config, &host))
        .await
        .map_err(|failure| failure.into_error(&kernel.name))?;
    // A sweep over seeds has a template for each and records the first.
    let recorded = kernel.machine == session.options.machine.describe();
    if recorded && session.template_digest() != kernel.template {
        eprintln!("note: QEMU, the machine or gauntlet changed since that run; the template is another one");
    }
    let policy = CasePolicy { retries: 0, ..case_policy(config) };
    tokio::select! {
        result = run_case(&session, &kernel.name, planned, &policy) => Ok(result),
        () = globals.interrupt.wait() => Err(Error::interrupted()),
    }
}

fn conclude(id: String, before: TestResult, now: TestResult, globals: &Globals) -> Result<ExitCode> {
    let same_verdict = before.verdict == now.verdict;
    let bit_identical = before.exact && before.fingerprint == now.fingerprint && !now.fingerprint.is_empty();
    let good = if before.exact { bit_identical } else { same_verdict };
    let comparison = Comparison { result: id, exact: before.exact, bit_identical, same_verdict, before, now };
    if globals.json {
        ui::print_json(&comparison)?;
    } else {
        ui::print(&describe(&comparison))?;
    }
    Ok(exit::from_good(good))
}

fn describe(comparison: &Comparison) -> String {
    let Comparison { before, now, .. } = comparison;
    let conclusion = match (comparison.bit_identical, comparison.same_verdict, comparison.exact) {
        (true, ..) => "bit-identical: outcome, output, console and guest time",
        (false, true, true) => "the same verdict, but not bit-identical",
        (false, true, false) => "the same verdict (fast mode: record with --exact to replay to the bit)",
        (false, false, _) => "not the same",
    };
    let line = |when: &str, result: &TestResult| {
        let guest = result.guest_ns.map_or(String::new(), |ns| format!(", {ns} ns of guest time"));
        format!("{when}  {} {}{guest}\n", result.verdict, result.reason)
    };
    format!("{}\n{}{}{conclusion}\n", comparison.result, line("then", before), line("now ", now))
}
