//! `gauntlet report`.

use super::Globals;
use crate::ui::format;
use crate::{Error, Result, ui};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use gauntlet_results::store::RunSummary;
use gauntlet_results::{Format, RunRecord, Store, Verdict};
use std::path::PathBuf;
use std::process::ExitCode;

/// Show a stored run, or write it in another form
///
/// A run renders the same for ever: the report is made from what was stored, not from what is there today. Several
/// runs become one report: selftests, figures and findings together; a case that several of them ran was repeated.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The run: its identifier, a unique beginning of it, last, or last~N for the N-th before it; may be repeated
    #[arg(default_value = "last", value_name = "RUN")]
    runs: Vec<String>,

    /// The form
    #[arg(short, long, value_name = "FORMAT", default_value = "terminal", value_parser = formats())]
    format: Format,

    /// Write to a file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// List the runs there are, newest first
    #[arg(short, long)]
    list: bool,
}

fn formats() -> impl TypedValueParser<Value = Format> {
    PossibleValuesParser::new(Format::ALL.map(Format::name)).try_map(|name| name.parse::<Format>())
}

pub async fn run(args: Args, globals: &Globals) -> Result<ExitCode> {
    let store = Store::open(&globals.results)?;
    if args.list {
        list(&store.runs()?, globals)?;
        return Ok(ExitCode::SUCCESS);
    }
    let record = merged(&store, &args.runs)?;
    if globals.json {
        ui::print_json(&record)?;
        return Ok(ExitCode::SUCCESS);
    }
    match args.output {
        Some(path) => {
            let text = args.format.render(&record, &gauntlet_results::report::Options::default());
            std::fs::write(&path, text)
                .map_err(|source| Error::usage(format!("cannot write {}", path.display())).because(source))?;
        }
        None => ui::print(&args.format.render(&record, &globals.report_options()))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Oldest first, whatever the order they were named in; each once.
fn merged(store: &Store, typed: &[String]) -> Result<RunRecord> {
    let mut runs = typed.iter().map(|run| store.find_run(run)).collect::<Result<Vec<_>, _>>()?;
    runs.sort();
    runs.dedup();
    let records = runs.iter().map(|run| store.load(run)).collect::<Result<Vec<_>, _>>()?;
    let merged = RunRecord::merged(records).map_err(|unlike| {
        Error::usage(unlike.to_string())
            .hint("report them one by one, or set them against each other: gauntlet compare")
    })?;
    merged.ok_or_else(|| Error::usage("no run to report"))
}

fn list(runs: &[RunSummary], globals: &Globals) -> Result<()> {
    if globals.json {
        return ui::print_json(&runs);
    }
    if runs.is_empty() {
        return ui::print(&format!("no runs yet in {}\n", globals.results.display()));
    }
    let rows: Vec<Vec<String>> = runs.iter().map(row).collect();
    ui::print(&format::columns(&rows, globals.report_options().width))
}

fn row(run: &RunSummary) -> Vec<String> {
    // Where the program lay does not matter, what it was asked does.
    let asked = run.info.command.get(1..).unwrap_or_default().join(" ");
    vec![run.info.id.clone(), outcome(run), asked]
}

/// Counts of what there is, worst first, and whether the run came to its end.
fn outcome(run: &RunSummary) -> String {
    let count = |verdict: Verdict| run.verdicts.get(&verdict).map(|count| format!("{count} {verdict}"));
    let mut parts: Vec<String> = Verdict::ALL.into_iter().rev().filter_map(count).collect();
    parts.extend((run.findings > 0).then(|| format!("{} found", run.findings)));
    match &run.end {
        None => parts.push("unfinished".to_owned()),
        Some(end) if end.interrupted => parts.push("interrupted".to_owned()),
        Some(_) => {}
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use gauntlet_results::RunInfo;
    use std::collections::BTreeMap;

    #[test]
    fn the_worst_comes_first_and_an_unfinished_run_says_so() {
        let run = RunSummary {
            info: RunInfo::default(),
            end: None,
            verdicts: BTreeMap::from([(Verdict::Pass, 10), (Verdict::Crash, 1)]),
            findings: 2,
        };
        assert_eq!(outcome(&run), "1 CRASH, 10 PASS, 2 found, unfinished");
    }
}
